package main

import (
	"context"
	"fmt"
	"io"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/paragon-serving/paragon/shared/platform/aws/journal"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// journalCommand is the argument by which this binary sends the machine's journal, as
// a process of its own: what a worker writes as it crashes is sent too.
const journalCommand = "journal"

// sendJournal sends the journal that it reads, to a stream named after the instance.
func sendJournal(ctx context.Context, env func(string) string, from io.Reader) error {
	group := env(names.WorkerLogGroup)
	if group == "" {
		return fmt.Errorf("%s is not set", names.WorkerLogGroup)
	}
	sdk, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("configure the AWS SDK: %w", err)
	}
	at, err := imds.NewFromConfig(sdk).GetInstanceIdentityDocument(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the instance id from the instance metadata: %w", err)
	}
	return journal.Sender{Logs: cloudwatchlogs.NewFromConfig(sdk), Group: group, Stream: at.InstanceID}.Send(ctx, from)
}
