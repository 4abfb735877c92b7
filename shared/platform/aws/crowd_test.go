package aws

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver/dynamo"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// TestCrowds plays every file of testdata/crowd: what comes, a line each, and what is
// expected of the tables, whose partitions take what DynamoDB's do. The files are the
// documentation of the words.
func TestCrowds(t *testing.T) {
	files, err := filepath.Glob("testdata/crowd/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		script, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newCrowd(t).play(string(script)) })
		})
	}
}

// crowd is a stage's data, and what comes.
type crowd struct {
	*testing.T
	backend *Backend
	tables  *dynamo.Throttle
	keys    signed.Keys
	settler *settle.Settler
	owners  int // of the queries
	lines   int // of a pool's slots
	ends    sync.WaitGroup

	sent, stored, lost, late atomic.Int64
	took                     atomic.Int64 // of the slowest end, in nanoseconds
}

// Names of the stage's tables.
const crowdState, crowdRecords = "state", "records"

// newCrowd makes a stage whose tables are in memory, behind their partitions.
func newCrowd(t *testing.T) *crowd {
	t.Helper()
	memory := &dynamo.Memory{Partition: names.RecordKey, Sort: names.RecordSort}
	tables := &dynamo.Throttle{Next: memory, Now: time.Now, Partition: names.RecordKey, Warm: map[string]dynamo.Throughput{}}
	c := aws.Config{Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, HTTPClient: tables, BaseEndpoint: aws.String("http://dynamo"),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = maxAttempts, longestBackoff })
		}}
	log := slog.New(slog.DiscardHandler)
	h := connect(Config{Stage: "dev", StateTable: crowdState, RecordsTable: crowdRecords, Now: time.Now, Log: log}, clientsOf(c))
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		t.Fatal(err)
	}
	s := &settle.Settler{Queues: noQueues{}, Records: h.Records, Now: time.Now, MaxAttempts: func() int { return 3 }, Log: log, Counts: tally.NewBook(time.Now())}
	return &crowd{T: t, backend: h, tables: tables, keys: keys, settler: s, owners: 1, lines: 1}
}

// noQueues take every message off.
type noQueues struct{}

func (noQueues) Delete(context.Context, ...platform.Delivery) error { return nil }
func (noQueues) Move(context.Context, platform.Delivery, platform.QueueName, query.Message) error {
	return nil
}

// play does the lines of a script.
func (c *crowd) play(script string) {
	c.Helper()
	for i, line := range strings.Split(script, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := c.do(words); err != nil {
			c.Fatalf("line %d, %q: %v\n%s", i+1, strings.TrimSpace(line), err, c.report())
		}
	}
	c.ends.Wait()
}

func (c *crowd) report() string {
	records, key := c.tables.Table(crowdRecords).Hottest()
	state, of := c.tables.Table(crowdState).Hottest()
	return fmt.Sprintf("%d sent, %d stored, %d lost, %d read late; the slowest took %v; calls %+v; the hottest key of the records takes %+v (%s), of the state %+v (%s)",
		c.sent.Load(), c.stored.Load(), c.lost.Load(), c.late.Load(), time.Duration(c.took.Load()), c.tables.Counts(), records, key, state, of)
}

// do does one line.
func (c *crowd) do(words []string) error {
	n := func(i int) int { v, _ := strconv.Atoi(words[i]); return v } // a word that is none is 0, which does nothing
	switch words[0] {
	case "warm": // warm TABLE WRITES READS: warm throughput
		c.tables.Warm[words[1]] = dynamo.Throughput{Writes: float64(n(2)), Reads: float64(n(3))}
	case "scale": // scale SHARE: of all that tables and partitions take, for a crowd of the same share
		share, err := strconv.ParseFloat(words[1], 64)
		c.tables.Scale = share
		return err
	case "lines": // lines N: of a pool's slots, for the queries that are placed
		c.lines = n(1)
	case "owners": // owners N: of the queries that follow
		c.owners = n(1)
	case "queries", "processes": // queries N KIND DURATION: a second; stored, awaited, keyed or placed
		d, err := time.ParseDuration(words[len(words)-1])
		if err != nil {
			return err
		}
		if words[0] == "queries" {
			return c.queries(n(1), words[2], d)
		}
		c.processes(n(1), d) // processes N DURATION: of functions, which read the view and report what they have counted
	case "expect":
		c.ends.Wait()
		return c.expect(words[1:])
	default:
		return fmt.Errorf("there is no such word")
	}
	return nil
}

// queries sends perSecond queries a second for a time, evenly.
func (c *crowd) queries(perSecond int, kind string, length time.Duration) error {
	end, ok := map[string]func(context.Context, query.Message){"stored": c.store, "awaited": c.await, "keyed": c.keyed, "placed": c.place}[kind]
	if !ok {
		return fmt.Errorf("queries are not %s", kind)
	}
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for range int(length.Seconds() * float64(perSecond)) {
		<-tick.C
		m := c.message()
		c.sent.Add(1)
		c.ends.Go(func() {
			end(c.Context(), m)
			if took := int64(time.Since(m.AcceptedAt)); took > c.took.Load() {
				c.took.Store(took)
			}
		})
	}
	return nil
}

// message is a query as it is accepted now.
func (c *crowd) message() query.Message {
	c.Helper()
	now := time.Now()
	owner := "owner-" + strconv.Itoa(int(c.sent.Load())%c.owners)
	id, err := signed.NewID(rand.Reader, signed.Stored, owner, now, now.Add(time.Minute), now.Add(24*time.Hour))
	if err != nil {
		c.Fatal(err)
	}
	return query.Message{ID: c.keys.SignID(id), Owner: owner, Task: "fashion", Model: "cnn", Class: query.Strict, AcceptedAt: now, DeadlineAt: now.Add(time.Second),
		ExpiresAt: now.Add(time.Minute), ForgetAt: now.Add(24 * time.Hour), Placement: "overflow", Choice: "cnn is the cheapest of 3 models that keep 1000 ms, on a function of 1024 MB"}
}

// store ends a query after a run of 100 ms, as a function or a worker does.
func (c *crowd) store(ctx context.Context, m query.Message) {
	<-time.After(100 * time.Millisecond)
	var top []query.Score
	for i := range query.TopScores {
		top = append(top, query.Score{Index: i, Label: "a label of some length", Score: 0.123456})
	}
	now := time.Now()
	err := c.settler.End(ctx, platform.Delivery{Message: m}, query.Outcome{State: query.Succeeded, StartedAt: m.AcceptedAt, FinishedAt: now, Attempts: 1,
		RanOn: query.Runner{Kind: query.OnFunction, Name: "paragon-dev-inference-cnn-1024", Resource: "lambda-x86_64", MemoryMB: 1024}, ComputeMS: 87.5, CostUSD: 1.8e-6,
		Result: &query.Result{Label: "a label of some length", Top: top}})
	if err != nil {
		c.lost.Add(1)
		return
	}
	c.stored.Add(1)
}

// await is store, with a caller that waits for the record.
func (c *crowd) await(ctx context.Context, m query.Message) {
	var read sync.WaitGroup
	read.Go(func() {
		ctx, cancel := context.WithDeadline(ctx, m.ExpiresAt)
		defer cancel()
		if r, err := c.backend.Records.AwaitRecord(ctx, m.ID); err != nil || r.State != query.Succeeded {
			c.late.Add(1)
		}
	})
	c.store(ctx, m)
	read.Wait()
}

// keyed is store under an idempotency key.
func (c *crowd) keyed(ctx context.Context, m query.Message) {
	a := platform.Attempt{Owner: m.Owner, Key: m.ID, ID: m.ID, ForgetAt: m.ForgetAt}
	if _, won, err := c.backend.Attempts.ReserveKey(ctx, a); err != nil || !won {
		c.lost.Add(1)
		return
	}
	c.store(ctx, m)
}

// place asks for a slot of a pool first, as an api function does. Without an answer
// it goes by its own estimate.
func (c *crowd) place(ctx context.Context, m query.Message) {
	slot, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	_, _, err := c.backend.Shared.Reserve(slot, "strict-general-"+strconv.Itoa(int(c.sent.Load())%c.lines), m.AcceptedAt, m.DeadlineAt, time.Millisecond/10)
	cancel()
	if err != nil {
		c.late.Add(1)
	}
	c.await(ctx, m)
}

// processes runs n environments of functions, each of which reads the view of
// the fleet once a second and reports its counts once in ten; a controller publishes
// the view, and reads the counts as often.
func (c *crowd) processes(n int, length time.Duration) {
	end := time.Now().Add(length)
	counted := tally.NewBook(time.Now())
	for range 3 {
		counted.Settled(c.message().Ended(query.Outcome{State: query.Succeeded, FinishedAt: time.Now()}))
	}
	view := platform.FleetView{At: time.Now(), Traffic: tally.Summary{}}
	for i := range n {
		c.ends.Go(func() {
			<-time.After(time.Duration(i) * 10 * time.Second / time.Duration(n))
			for second := 0; time.Now().Before(end); second++ {
				if _, err := c.backend.Fleet.View(c.Context()); err != nil && second > 0 {
					c.late.Add(1)
				}
				if second%10 == 0 {
					s := counted.Snapshot(time.Now())
					if err := platform.ReportTallies(c.Context(), c.backend.Fleet, "process-"+strconv.Itoa(i), s); err != nil {
						c.late.Add(1)
					}
				}
				<-time.After(time.Second)
			}
		})
	}
	c.ends.Go(func() {
		for ; time.Now().Before(end); <-time.After(time.Second) {
			if err := c.backend.Fleet.PublishView(c.Context(), view); err != nil {
				c.late.Add(1)
			}
		}
	})
}

// expect checks what came of it.
func (c *crowd) expect(words []string) error {
	calls := c.tables.Counts()
	limit := func() float64 { v, _ := strconv.ParseFloat(words[len(words)-1], 64); return v }
	switch words[0] {
	case "throttles": // expect throttles none|some
		if (calls.Throttled > 0) != (words[1] == "some") {
			return fmt.Errorf("%d of %d calls were throttled", calls.Throttled, calls.Passed+calls.Throttled)
		}
	case "lost": // expect lost 0: queries without a record
		if lost := c.sent.Load() - c.stored.Load(); lost != int64(limit()) {
			return fmt.Errorf("%d of %d queries have no record", lost, c.sent.Load())
		}
	case "late": // expect late at most N: reads and reservations without an answer
		if float64(c.late.Load()) > limit() {
			return fmt.Errorf("%d had no answer", c.late.Load())
		}
	case "slowest": // expect slowest at most SECONDS: from acceptance to the end
		if took := time.Duration(c.took.Load()); took.Seconds() > limit() {
			return fmt.Errorf("the slowest took %v", took)
		}
	case "hottest": // expect hottest TABLE at most WRITES: of one key in a second
		if most, key := c.tables.Table(words[1]).Hottest(); most.Writes > limit() {
			return fmt.Errorf("%s takes %v writes", key, most.Writes)
		}
	case "report":
		c.Log(c.report())
	default:
		return fmt.Errorf("that cannot be expected")
	}
	return nil
}
