package images

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// region has the images of some architectures.
type region map[string]string

func (r region) GetParameters(_ context.Context, in *ssm.GetParametersInput, _ ...func(*ssm.Options)) (*ssm.GetParametersOutput, error) {
	out := &ssm.GetParametersOutput{}
	for _, name := range in.Names {
		for arch, id := range r {
			if strings.HasSuffix(name, "-"+arch) {
				out.Parameters = append(out.Parameters, types.Parameter{Name: aws.String(name), Value: aws.String(id)})
			}
		}
	}
	return out, nil
}

func TestTheNewestImageOfEachArchitecture(t *testing.T) {
	want := map[string]string{"x86_64": "ami-1", "arm64": "ami-2"}
	if got, err := Newest(t.Context(), region(want)); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Newest(t.Context(), region{"x86_64": "ami-1"}); err == nil || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("without one for arm64: %v", err)
	}
}
