package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Lines writes lines of a process to a stream of its own, of which CloudWatch makes metrics
// where they are in its embedded metric format. They do not go through the machine's journal:
// it is sent again from the start when its sender ends, and no metric may be counted twice.
type Lines struct {
	Sender
	Now func() time.Time

	mu     sync.Mutex
	opened bool
}

// errRejected means that CloudWatch Logs took a call and left events of it out, which it does by their
// times: the machine's clock is off by hours.
var errRejected = errors.New("CloudWatch Logs rejected the time of the lines: check the clock of this machine")

// WriteLines sends the lines, in as many calls as it takes.
func (l *Lines) WriteLines(ctx context.Context, lines [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.makeStream(ctx); err != nil {
		return err
	}
	at := aws.Int64(l.Now().UnixMilli())
	var b batch
	for i, line := range lines {
		b.events = append(b.events, types.InputLogEvent{Timestamp: at, Message: aws.String(string(line))})
		if b.bytes += len(line) + eventOverhead; !b.full() && i < len(lines)-1 {
			continue
		}
		if err := l.send(ctx, b.events); err != nil {
			return err
		}
		b = batch{}
	}
	return nil
}

// makeStream makes the stream once; a process before this one may have made it.
func (l *Lines) makeStream(ctx context.Context) error {
	if l.opened {
		return nil
	}
	if err := l.create(ctx); err != nil {
		return fmt.Errorf("create log stream %s of %s: %w", l.Stream, l.Group, err)
	}
	l.opened = true
	return nil
}

func (l *Lines) send(ctx context.Context, events []types.InputLogEvent) error {
	out, err := l.Logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &l.Group, LogStreamName: &l.Stream, LogEvents: events})
	switch gone := (*types.ResourceNotFoundException)(nil); {
	case errors.As(err, &gone):
		l.opened = false // somebody deleted it; the next write makes it again
		fallthrough
	case err != nil:
		return fmt.Errorf("send %d lines to log stream %s of %s: %w", len(events), l.Stream, l.Group, err)
	case out.RejectedLogEventsInfo != nil:
		return errRejected
	}
	return nil
}
