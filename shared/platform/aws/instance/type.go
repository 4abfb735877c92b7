package instance

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// Type asks the machine that this process runs on for its instance type, with
// a session's token (IMDSv2) and never without.
func Type(ctx context.Context) (string, error) {
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return "", fmt.Errorf("configure the AWS SDK: %w", err)
	}
	m := &Machine{metadata: imds.NewFromConfig(sdk, func(o *imds.Options) { o.EnableFallback = aws.FalseTernary })}
	typ, err := m.get(ctx, "instance-type")
	if err == nil && typ == "" {
		err = errors.New("the instance metadata does not have it")
	}
	if err != nil {
		return "", fmt.Errorf("read the instance type of this machine: %w", err)
	}
	return typ, nil
}
