// Package discovery leads people at a terminal to a stage in an account: it finds
// the stage by its name, signs what they ask of its API, and opens its backend to
// those who run it. It works with the credentials and the region of the SDK's
// usual chain, and says in words what to do where they do not suffice.
package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go/logging"

	"github.com/paragon-serving/paragon/shared/platform"
	paws "github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// What can be missing on the way to a stage. Advice says what to do.
var (
	ErrNoRegion      = errors.New("no region is chosen")
	ErrNoCredentials = errors.New("no credentials were found")
	ErrNoStage       = errors.New("there is no such stage")
)

// Stage is a stage that was found.
type Stage struct {
	names.StageParameter
	Name string
	keys Keys
}

// Keys are the credentials and the region of the caller who is at the terminal.
type Keys struct{ sdk aws.Config }

// Config is the SDK's configuration with these credentials and this region.
func (k Keys) Config() aws.Config { return k.sdk }

// findTime bounds how long credentials are looked for: a machine that is no
// EC2 instance has nobody to ask for them.
const findTime = 15 * time.Second

// Find reads the credentials and the region of the usual chain, which may be
// asked for in the region of an endpoint instead.
func Find(ctx context.Context, region string) (Keys, error) {
	sdk, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return Keys{}, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	if region != "" {
		sdk.Region = region
	}
	if sdk.Region == "" {
		return Keys{}, ErrNoRegion
	}
	bounded, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	if sdk.Credentials == nil {
		return Keys{}, ErrNoCredentials
	}
	if _, err := sdk.Credentials.Retrieve(bounded); err != nil {
		return Keys{}, fmt.Errorf("%w: %w", ErrNoCredentials, err)
	}
	return Keys{sdk}, nil
}

// Open finds a stage by its name, in the region that was chosen.
func Open(ctx context.Context, stage string) (*Stage, error) {
	if err := names.CheckStage(stage); err != nil {
		return nil, err
	}
	keys, err := Find(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("find stage %s: %w", stage, err)
	}
	out, err := ssm.NewFromConfig(keys.sdk).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(names.StageParameterPath(stage))})
	switch {
	case code(err) == "ParameterNotFound":
		return nil, fmt.Errorf("%w: %s in %s", ErrNoStage, stage, keys.sdk.Region)
	case err != nil:
		return nil, fmt.Errorf("find stage %s in %s: %w", stage, keys.sdk.Region, err)
	}
	s := &Stage{Name: stage, keys: keys}
	if err := json.Unmarshal([]byte(aws.ToString(out.Parameter.Value)), &s.StageParameter); err != nil {
		return nil, fmt.Errorf("read the SSM parameter of stage %s: %w", stage, err)
	}
	if len(s.Pools) == 0 || s.RecordsTable == "" {
		return nil, fmt.Errorf("the SSM parameter of stage %s lacks its pools or tables: use the version of Paragon that deployed the stage, or deploy it again", stage)
	}
	return s, nil
}

// Stages lists the stages of the account in the region that was chosen, by name.
func Stages(ctx context.Context) ([]string, error) {
	keys, err := Find(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list the stages: %w", err)
	}
	path := names.StageParameterPath("")
	pages := ssm.NewDescribeParametersPaginator(ssm.NewFromConfig(keys.sdk), &ssm.DescribeParametersInput{
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{path}}},
	})
	var out []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the stages in %s: %w", keys.sdk.Region, err)
		}
		for _, p := range page.Parameters {
			out = append(out, strings.TrimPrefix(aws.ToString(p.Name), path))
		}
	}
	slices.Sort(out)
	return out, nil
}

// Backend opens the stage's backend. What may be done there is what the credentials
// allow.
func (s *Stage) Backend(ctx context.Context, now func() time.Time) (platform.Backend, error) {
	h, err := paws.New(ctx, paws.Config{
		Stage: s.Name, StateTable: s.StateTable, RecordsTable: s.RecordsTable, Bucket: s.Bucket, QueueURLPrefix: s.QueueURLPrefix,
		Settings: s.Settings, Now: now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return platform.Backend{}, err
	}
	return h.Backend, nil
}

// Keys are those that the stage was found with.
func (s *Stage) Keys() Keys { return s.keys }
