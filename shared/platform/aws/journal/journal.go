// Package journal sends what a machine's journal has of its worker to CloudWatch Logs,
// so that it is there when the machine no longer is: also what a crashed process wrote
// last, and what systemd did about it. Lines sends what a worker has to say of metrics.
package journal

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// Logs is what is asked of CloudWatch Logs.
type Logs interface {
	CreateLogStream(context.Context, *cloudwatchlogs.CreateLogStreamInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogStreamOutput, error)
	PutLogEvents(context.Context, *cloudwatchlogs.PutLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutLogEventsOutput, error)
}

// The limits of one PutLogEvents, below those of the service: 1 MiB with 26 bytes more
// an event, 10,000 events, and 256 KiB an event.
const (
	maxBatchBytes  = 900 << 10
	maxBatchEvents = 5000
	maxEventBytes  = 200 << 10
	eventOverhead  = 26
)

const (
	// sendEvery is how long a line waits for others.
	sendEvery = 5 * time.Second
	// longestPause bounds the pause after failures, which doubles from a second on.
	longestPause = time.Minute
	// lastTime bounds the last call once the machine stops.
	lastTime = 5 * time.Second
	// longestLine bounds a line of the journal; a longer one ends the reading.
	longestLine = 4 << 20
)

// Sender sends to one stream of a log group.
type Sender struct {
	Logs          Logs
	Group, Stream string
}

// Send reads the journal as `journalctl --output=json` prints it and sends it, until it
// ends or ctx does. While the service cannot be reached nothing more is read: the
// journal keeps it.
func (s Sender) Send(ctx context.Context, journal io.Reader) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	entries, fault := make(chan entry), make(chan error, 1)
	go func() {
		defer close(entries)
		fault <- read(ctx, journal, entries)
	}()
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	var b batch
	for {
		select {
		case e, more := <-entries:
			if !more {
				return errors.Join(<-fault, s.last(ctx, &b))
			}
			if b.add(e); !b.full() {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			return s.last(ctx, &b)
		}
		if s.flush(ctx, &b) != nil { // only when ctx has ended
			return s.last(ctx, &b)
		}
	}
}

// open makes the stream, which a process before this one may have made.
func (s Sender) open(ctx context.Context) error {
	return retry(ctx, func() error { return s.create(ctx) })
}

// create makes the stream where there is none.
func (s Sender) create(ctx context.Context) error {
	_, err := s.Logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &s.Group, LogStreamName: &s.Stream})
	if there := (*types.ResourceAlreadyExistsException)(nil); errors.As(err, &there) {
		return nil
	}
	return err
}

// flush sends a batch, again and again until it is sent or ctx ends.
func (s Sender) flush(ctx context.Context, b *batch) error {
	return retry(ctx, func() error { return s.put(ctx, b) })
}

// retry calls until it succeeds or ctx ends, with longer and longer pauses.
func retry(ctx context.Context, call func() error) error {
	for pause := time.Second; ; pause = min(2*pause, longestPause) {
		if err := call(); err == nil || ctx.Err() != nil {
			return err
		}
		if err := settle.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// last sends what is left, once, when the machine stops.
func (s Sender) last(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTime)
	defer cancel()
	return s.put(ctx, b)
}

// put sends a batch and empties it. Events must be in order of time.
func (s Sender) put(ctx context.Context, b *batch) error {
	if len(b.events) == 0 {
		return nil
	}
	slices.SortStableFunc(b.events, func(x, y types.InputLogEvent) int { return cmp.Compare(*x.Timestamp, *y.Timestamp) })
	if _, err := s.Logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: &s.Group, LogStreamName: &s.Stream, LogEvents: b.events}); err != nil {
		return fmt.Errorf("send %d lines of the journal: %w", len(b.events), err)
	}
	*b = batch{}
	return nil
}

// batch are the events of one call.
type batch struct {
	events []types.InputLogEvent
	bytes  int
}

func (b *batch) add(e entry) {
	b.events = append(b.events, types.InputLogEvent{Timestamp: aws.Int64(e.at.UnixMilli()), Message: aws.String(e.text)})
	b.bytes += len(e.text) + eventOverhead
}

func (b *batch) full() bool {
	return len(b.events) >= maxBatchEvents || b.bytes >= maxBatchBytes-maxEventBytes
}

// entry is a line of the journal.
type entry struct {
	at   time.Time
	text string
}

// read hands the journal's entries on. A line that is no entry is left out.
func read(ctx context.Context, journal io.Reader, to chan<- entry) error {
	lines := bufio.NewScanner(journal)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		e, ok := parse(lines.Bytes())
		if !ok {
			continue
		}
		select {
		case to <- e:
		case <-ctx.Done():
			return nil
		}
	}
	return lines.Err()
}

// parse reads one entry. The worker's own lines are JSON and stay as they are, so that
// Logs Insights finds their fields; others say which unit wrote them.
func parse(line []byte) (entry, bool) {
	var in struct {
		At      string          `json:"__REALTIME_TIMESTAMP"` // Unix microseconds
		Unit    string          `json:"_SYSTEMD_UNIT"`
		Message json.RawMessage `json:"MESSAGE"`
	}
	if json.Unmarshal(line, &in) != nil {
		return entry{}, false
	}
	us, err := strconv.ParseInt(in.At, 10, 64)
	text := message(in.Message)
	if err != nil || text == "" {
		return entry{}, false
	}
	if !strings.HasPrefix(text, "{") && in.Unit != "" {
		text = in.Unit + ": " + text
	}
	if len(text) > maxEventBytes {
		text = strings.ToValidUTF8(text[:maxEventBytes], "")
	}
	return entry{time.UnixMicro(us), text}, true
}

// message is a text, or a list of bytes where it is not UTF-8.
func message(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var numbers []int
	if json.Unmarshal(raw, &numbers) != nil {
		return ""
	}
	var b strings.Builder
	for _, n := range numbers {
		b.WriteByte(byte(n))
	}
	return strings.ToValidUTF8(b.String(), "?")
}
