package aws

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	tunable "github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// settings are the deployment's values, and over them parameters of SSM below one
// path: what an operator changed. SSM keeps the last hundred values of each.
//
// SSM answers forty such calls a second in an account, and a stage may have
// thousands of processes that want to know. So the values are passed on through
// a row of the state table: the process that finds it old, and is the first to, reads SSM.
type settings struct {
	client settingClient
	path   string // ends with a slash
	// deployed are this process's own, which are not passed on: while a deployment
	// is under way, others have other ones.
	deployed map[string]string
	table    table
	now      func() time.Time
}

const askedAttribute = "asked" // when SSM was last read, in Unix milliseconds

// sharedValues is what is passed on.
type sharedValues struct {
	Values  map[string]string `json:"values"`
	Version int64             `json:"version"`
}

func settingsKey() item { return stateKey("settings", "values") }

// perVersion leaves room in a version for the number of settings, so that it
// changes too when one is deleted by hand.
const perVersion = 1000

// versionAt is the version of the settings by a change at that time.
func versionAt(at time.Time) int64 { return at.UnixMilli() * perVersion }

// Raw implements platform.Settings: the values as they were at most a few seconds
// ago, or now, after a Set. The version is the time of the last change, which is
// 0 where nobody changed anything, and one more for each of the deployment's.
func (s *settings) Raw(ctx context.Context) (map[string]string, int64, error) {
	changed, version, err := s.changed(ctx)
	if err != nil {
		return nil, 0, err
	}
	values := map[string]string{}
	maps.Copy(values, s.deployed)
	maps.Copy(values, changed)
	return values, version + int64(len(s.deployed)), nil
}

// changed are the values that an operator changed.
func (s *settings) changed(ctx context.Context) (map[string]string, int64, error) {
	row, err := s.table.get(ctx, settingsKey())
	if err != nil {
		return nil, 0, fmt.Errorf("read the settings: %w", err)
	}
	known := textOf(row, documentAttribute) != ""
	if known && s.now().Sub(time.UnixMilli(numberOf(row, askedAttribute))) < tunable.CacheTime {
		return given(row)
	}
	claimed, mine, err := s.claim(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the settings: %w", err)
	}
	if known && !mine {
		return given(row)
	}
	values, version, err := s.fromSSM(ctx)
	if err != nil || !mine {
		return values, version, err
	}
	if old, was, err := given(row); err == nil && was == version && maps.Equal(old, values) {
		return values, version, nil // a write of what is there costs as much as any
	}
	return values, version, s.pass(ctx, claimed, sharedValues{values, version})
}

// given reads what was passed on.
func given(row item) (map[string]string, int64, error) {
	var p sharedValues
	err := read(row, documentAttribute, &p)
	return p.Values, p.Version, err
}

// claim reports whether this process is the one that reads SSM, and when it has claimed that.
func (s *settings) claim(ctx context.Context) (at time.Time, mine bool, err error) {
	now := s.now()
	_, mine, err = s.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: settingsKey(), UpdateExpression: aws.String("SET #asked = :now"),
		ConditionExpression:       aws.String("attribute_not_exists(#asked) OR #asked <= :before"),
		ExpressionAttributeNames:  placeholders(askedAttribute),
		ExpressionAttributeValues: item{":now": number(now.UnixMilli()), ":before": number(now.Add(-tunable.CacheTime).UnixMilli())},
	})
	return now, mine, err
}

// pass passes on values that were read after a claim. Where a change or another claim
// has come since, they may be old by now, and are not passed on.
func (s *settings) pass(ctx context.Context, claimed time.Time, p sharedValues) error {
	doc, err := document(p)
	if err != nil {
		return err
	}
	_, _, err = s.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: settingsKey(), UpdateExpression: aws.String("SET #doc = :doc"), ConditionExpression: aws.String("#asked = :claimed"),
		ExpressionAttributeNames:  placeholders(documentAttribute, askedAttribute),
		ExpressionAttributeValues: item{":doc": doc, ":claimed": number(claimed.UnixMilli())},
	})
	return err
}

// expire has every Raw read SSM until what is there now is passed on: values of before
// a change are given to nobody after it.
func (s *settings) expire(ctx context.Context) error {
	_, _, err := s.table.update(ctx, &dynamodb.UpdateItemInput{
		Key: settingsKey(), UpdateExpression: aws.String("SET #asked = :never REMOVE #doc"),
		ExpressionAttributeNames: placeholders(askedAttribute, documentAttribute), ExpressionAttributeValues: item{":never": number(0)},
	})
	return err
}

func (s *settings) fromSSM(ctx context.Context) (map[string]string, int64, error) {
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

// Set implements platform.Settings.
func (s *settings) Set(ctx context.Context, name, value string) error {
	_, err := s.client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(s.path + name), Value: &value, Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
	})
	if err != nil {
		return failed("set "+name, err)
	}
	return s.expire(ctx)
}

// Changes implements platform.History, as far back as SSM keeps values.
func (s *settings) Changes(ctx context.Context, name string, limit int) ([]platform.Change, error) {
	if limit < 1 || limit > mostEntries {
		return nil, fmt.Errorf("list changes of settings: limit %d is outside 1 to %d", limit, mostEntries)
	}
	which := []string{name}
	if name == "" {
		values, _, err := s.fromSSM(ctx)
		if err != nil {
			return nil, err
		}
		which = nil
		for n := range values {
			which = append(which, n)
		}
	}
	var all []platform.Change
	for _, n := range which {
		changes, err := s.changesOf(ctx, n)
		if err != nil {
			return nil, failed("list the changes of "+n, err)
		}
		all = append(all, changes...)
	}
	slices.SortStableFunc(all, func(a, b platform.Change) int { return cmp.Compare(b.Version, a.Version) })
	return all[:min(limit, len(all))], nil
}

// changesOf lists what SSM keeps of one setting; nothing of one never set.
func (s *settings) changesOf(ctx context.Context, name string) ([]platform.Change, error) {
	in := &ssm.GetParameterHistoryInput{Name: aws.String(s.path + name)}
	var all []platform.Change
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
			all = append(all, platform.Change{Version: versionAt(at), Name: name, Value: aws.ToString(p.Value), At: at.UTC()})
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return all, nil
		}
	}
}
