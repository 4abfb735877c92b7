package aws

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"paragon/shared/cloud"
)

// settings are parameters of SSM below one path. SSM keeps the last hundred
// values of each.
type settings struct {
	client settingClient
	path   string // ends with a slash
}

// perVersion leaves room in a version for the number of settings, so that it
// changes too when one is deleted by hand.
const perVersion = 1000

// versionAt is the version of the settings by a change at that time.
func versionAt(at time.Time) int64 { return at.UnixMilli() * perVersion }

// Raw implements cloud.Settings. The version is the time of the last change.
func (s *settings) Raw(ctx context.Context) (map[string]string, int64, error) {
	values, version := map[string]string{}, int64(0)
	in := &ssm.GetParametersByPathInput{Path: aws.String(strings.TrimSuffix(s.path, "/"))}
	for {
		out, err := s.client.GetParametersByPath(ctx, in)
		if err != nil {
			return nil, 0, failed("read the settings", err)
		}
		for _, p := range out.Parameters {
			values[strings.TrimPrefix(aws.ToString(p.Name), s.path)] = aws.ToString(p.Value)
			version = max(version, versionAt(aws.ToTime(p.LastModifiedDate)))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return values, version + int64(len(values)%perVersion), nil
		}
	}
}

// Set implements cloud.Settings.
func (s *settings) Set(ctx context.Context, name, value string) error {
	_, err := s.client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(s.path + name), Value: &value, Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
	})
	return failed("set "+name, err)
}

// Changes implements cloud.History, as far back as SSM keeps values.
func (s *settings) Changes(ctx context.Context, name string, limit int) ([]cloud.Change, error) {
	if limit < 1 || limit > mostEntries {
		return nil, fmt.Errorf("list changes of settings: limit %d is outside 1 to %d", limit, mostEntries)
	}
	which := []string{name}
	if name == "" {
		values, _, err := s.Raw(ctx)
		if err != nil {
			return nil, err
		}
		which = nil
		for n := range values {
			which = append(which, n)
		}
	}
	var all []cloud.Change
	for _, n := range which {
		changes, err := s.changesOf(ctx, n)
		if err != nil {
			return nil, failed("list the changes of "+n, err)
		}
		all = append(all, changes...)
	}
	slices.SortStableFunc(all, func(a, b cloud.Change) int { return cmp.Compare(b.Version, a.Version) })
	return all[:min(limit, len(all))], nil
}

// changesOf lists what SSM keeps of one setting; nothing of one never set.
func (s *settings) changesOf(ctx context.Context, name string) ([]cloud.Change, error) {
	in := &ssm.GetParameterHistoryInput{Name: aws.String(s.path + name)}
	var all []cloud.Change
	for {
		out, err := s.client.GetParameterHistory(ctx, in)
		if code(err, "ParameterNotFound") {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, p := range out.Parameters {
			at := aws.ToTime(p.LastModifiedDate)
			all = append(all, cloud.Change{Version: versionAt(at), Name: name, Value: aws.ToString(p.Value), At: at.UTC()})
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return all, nil
		}
	}
}
