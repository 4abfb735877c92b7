// Package images finds the machine images of workers: the newest Amazon Linux 2023 of a
// region, as AWS publishes them in SSM.
package images

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// published are the parameters that AWS keeps in every region, by architecture.
var published = map[string]string{
	"x86_64": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
	"arm64":  "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
}

// Client is what is needed of SSM.
type Client interface {
	GetParameters(context.Context, *ssm.GetParametersInput, ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
}

// Newest returns the ids of the newest images of the client's region, by architecture.
func Newest(ctx context.Context, client Client) (map[string]string, error) {
	out, err := client.GetParameters(ctx, &ssm.GetParametersInput{Names: slices.Sorted(maps.Values(published))})
	if err != nil {
		return nil, fmt.Errorf("read the newest machine images: %w", err)
	}
	ids := map[string]string{}
	for _, p := range out.Parameters {
		for arch, name := range published {
			if name == aws.ToString(p.Name) {
				ids[arch] = aws.ToString(p.Value)
			}
		}
	}
	for arch, name := range published {
		if ids[arch] == "" {
			return nil, fmt.Errorf("read the newest machine images: this region has no SSM parameter %s", name)
		}
	}
	return ids, nil
}
