// Package stagelogs finds the logs of a stage among the log groups of an account. Their
// names are generated: paragon-dev-ControllerLogE450B419-xYz is the controller's.
package stagelogs

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Groups lists log groups.
type Groups interface {
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
}

// The parts whose logs are no function's.
const (
	Workers  = "worker" // a stream each
	Requests = "access"
	Network  = "flow"
)

// inference begins the names of the parts that are inference functions.
const inference = "inference"

// Log is the log of a part of a stage.
type Log struct {
	Group string
	Part  string // "api", "controller", "inference-cnn512", or one of the above
}

// OfInference reports whether it is an inference function's.
func (l Log) OfInference() bool { return strings.HasPrefix(l.Part, inference) }

// Find lists the logs of a stage, by their names.
func Find(ctx context.Context, client Groups, stage string) (out []Log, err error) {
	prefix := names.Prefix(stage)
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(client, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the stage's logs: %w", err)
		}
		for _, g := range page.LogGroups {
			name := aws.ToString(g.LogGroupName)
			if part, ok := partOf(strings.TrimPrefix(name, prefix)); ok {
				out = append(out, Log{name, part})
			}
		}
	}
	return out, nil
}

var (
	// generated is a log's name after the stage's prefix: its logical id, which ends with
	// a hash, and what CloudFormation adds. After the prefix the name of another stage,
	// which begins alike, goes on in lower case.
	generated = regexp.MustCompile(`^([A-Z]\w*?)Logs?[0-9A-F]{8}-`)
	capital   = regexp.MustCompile(`[A-Z]`)
)

func partOf(name string) (string, bool) {
	m := generated.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	id := strings.TrimSuffix(m[1], "Function")
	return strings.TrimPrefix(strings.ToLower(capital.ReplaceAllString(id, "-$0")), "-"), true
}
