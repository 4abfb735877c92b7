package stage

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// CollectorHeaders reads what goes with each document of metrics to the collector of the
// stage that the environment names, such as its key: an encrypted parameter of SSM, which
// no template has. It is empty where there is none, as outside an account.
func CollectorHeaders(env func(string) string) func(context.Context) (string, error) {
	path := names.CollectorHeaders(env(names.Stage))
	return func(ctx context.Context) (string, error) {
		if env(names.Stage) == "" {
			return "", nil
		}
		sdk, err := awsconfig.LoadDefaultConfig(ctx)
		if err != nil {
			return "", fmt.Errorf("configure the AWS SDK: %w", err)
		}
		out, err := ssm.NewFromConfig(sdk).GetParameter(ctx, &ssm.GetParameterInput{Name: &path, WithDecryption: aws.Bool(true)})
		if none := new(types.ParameterNotFound); errors.As(err, &none) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", path, err)
		}
		return aws.ToString(out.Parameter.Value), nil
	}
}
