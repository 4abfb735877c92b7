package aws

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// settings are parameters of SSM below one path. SSM keeps the last hundred
// values of each.
type settings struct {
	client settingClient
	path   string // ends with a slash
}

// Raw implements cloud.Settings. The version is the sum of the times of the
// last changes, which every change of a value raises.
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
			version += aws.ToTime(p.LastModifiedDate).UnixMilli() + p.Version
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return values, version, nil
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
