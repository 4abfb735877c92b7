// Package chaos kills, freezes and starves a `paragon up` under load, and counts from
// outside how it keeps what is promised: nothing that was accepted is lost or ends
// twice, a repeat under a key gets the first answer, nothing expires while functions can
// run, and strict queries keep their bounds unless the faulty process held them.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon-lab/up"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// What the load is answered by. Runs take at least Config.ServiceMS, so that a small
// machine has a fleet that is busy.
const (
	Catalogue    = "fashion"
	Model        = "cnn"
	instanceType = "c5.large"
)

const (
	diskMB      = 64               // of the data folder, where it can be filled
	wait        = 20 * time.Second // the most that one request waits for an end
	attempts    = 200              // of a repeat under a key, and of a read: until the stage is there again
	readers     = 8                // that read the records once more after the run
	outstanding = 500
)

// Config says what to do.
type Config struct {
	Binary    string // bin/paragon
	Length    time.Duration
	Every     time.Duration // one fault in each such stretch
	Rate      float64       // queries a second, on average
	ServiceMS float64       // what an inference is made to take on a runner
	StrictMS  float64       // latency bound of strict queries
	RelaxedMS float64
	Objective float64 // share of strict queries in percent that must keep their bounds
	// BusyObjective counts in its place where the machine was too busy to send in time.
	BusyObjective float64
	Seed          uint64
	Bodies        func(load.Shot) []byte // submissions of Model
	Inputs        int                    // that Bodies draws from
	Log           string                 // file that gets what the stage prints; empty keeps it nowhere
	// Progress is called for each query that is over, how many are and were answered, and
	// the last fault.
	Progress func(r load.Row, finished, answered int, last Kind)
}

// run is one run.
type run struct {
	Config
	dir, data, address string
	noDisk             string
	stage              *up.Stage
	start              time.Time
	recorder           *recorder
	reads, once        *client.Client

	mu   sync.Mutex
	last Kind
}

// Run brings a stage up, loads it, injects the faults, and judges.
func Run(ctx context.Context, c Config) (report Report, err error) {
	r := &run{Config: c}
	if err := r.prepare(); err != nil {
		return Report{}, errors.Join(err, r.remove())
	}
	defer func() { err = errors.Join(err, r.remove()) }()
	if err := r.stage.Start(); err != nil {
		return Report{}, err
	}
	if err := r.workerReady(ctx); err != nil {
		return Report{}, err
	}
	return r.drive(ctx)
}

// prepare makes the folders, the profiles and the clients.
func (r *run) prepare() error {
	dir, err := os.MkdirTemp("", "paragon-chaos-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	r.dir, r.data = dir, filepath.Join(dir, "data")
	if err := os.Mkdir(r.data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := mount(r.data, diskMB); err != nil {
		r.noDisk = err.Error()
	}
	profiles := filepath.Join(dir, "profiles")
	if _, err := machine.SlowProfiles(profiles, "", Catalogue, Model, instanceType, r.ServiceMS); err != nil {
		return err
	}
	if r.address, err = up.FreeAddress(); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if r.Log != "" {
		log, err = os.Create(r.Log)
	}
	if err != nil {
		return fmt.Errorf("create the file for the stage's log: %w", err)
	}
	r.stage = &up.Stage{Binary: r.Binary, Args: r.args(profiles), Log: log}
	return r.connect()
}

// args are those of `paragon up`: a fleet that moves, with functions, and the settings
// as they ship but for what counts in minutes.
func (r *run) args(profiles string) []string {
	args := []string{"up", "--addr", r.address, "--data", r.data, "--profiles", profiles, "--catalogue", Catalogue,
		"--instance-type", instanceType, "--scheme", "hedged", "--workers", "2", "--boot-seconds", "2"}
	for _, set := range []string{"min_workers=1", "max_workers=4", "watch_seconds=20", "scale_in_wait_seconds=20"} {
		args = append(args, "--set", set)
	}
	return args
}

// connect makes the clients: one that asks once, and one that asks until it is answered.
func (r *run) connect() error {
	pool := client.NewHTTP(outstanding)
	r.recorder = &recorder{next: pool.Transport, since: r.since}
	pool.Transport = r.recorder
	endpoint := "http://" + r.address
	var err, err2 error
	r.once, err = client.New(client.Config{Endpoint: endpoint, Attempts: 1, HTTP: pool})
	r.reads, err2 = client.New(client.Config{Endpoint: endpoint, Attempts: attempts, HTTP: pool, Sleep: soon, Operator: operator.InFolder(r.data)})
	return errors.Join(err, err2)
}

// clock is this machine's: the processes that are tested know no other.
var clock = load.Clock{Now: time.Now, Sleep: client.Sleep}

// longestPause is the longest between two tries.
const longestPause = time.Second

// soon waits as a client that has a run's end to keep: for the pause requested, and
// longestPause at most.
func soon(ctx context.Context, d time.Duration) error { return client.Sleep(ctx, min(d, longestPause)) }

func (r *run) since() time.Duration { return time.Since(r.start) }

// workerReady waits for the first worker.
func (r *run) workerReady(ctx context.Context) error {
	for {
		st, err := r.reads.Status(ctx)
		if err != nil {
			return err
		}
		if len(st.Pools) > 0 && st.Pools[0].Ready > 0 {
			return nil
		}
		if err := client.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// drive loads the stage while the faults are injected, and reads every record once more.
func (r *run) drive(ctx context.Context) (Report, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.start = time.Now()
	r.recorder.begin()
	j := &injector{stage: r.stage, client: r.reads, data: r.data, noDisk: r.noDisk, since: r.since, sleep: client.Sleep,
		random: rand.New(rand.NewPCG(r.Seed, victimStream)), progress: r.fault}
	var o observed
	injecting, injected := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if o.faults, err = j.run(injecting, Plan(r.Seed, r.Length, r.Every)); err != nil {
			stop(err)
		}
	}()
	var functions watchedFunctions
	watching, watched := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for client.Sleep(watching, sampleEvery) == nil {
			functions.add(r.since(), r.stage.Children(functionBinary))
		}
	})
	tally := load.NewTally()
	load.Run(ctx, r.plan(), clock, r.caller().Send, func(row load.Row) {
		o.rows = append(o.rows, row)
		tally.Add(row)
		r.show(row, tally)
	})
	injected()
	<-done
	watched()
	watcher.Wait()
	o.functions = functions.samples
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return Report{}, err
	}
	o.changed = r.readAgain(context.WithoutCancel(ctx), o.rows)
	o.bad = r.recorder.taken()
	report := newReport(r.Config, o, tally.Report())
	report.Cancelled = ctx.Err() != nil
	return report, nil
}

// plan is the load: of all kinds, and twice as much for a half of every half minute as
// in the other.
func (r *run) plan() load.Plan {
	const wave = 30 // seconds
	trace := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(r.Length/time.Second))}
	for i := range trace.Counts {
		trace.Counts[i] = r.Rate * 2 / 3
		if i%wave >= wave/2 {
			trace.Counts[i] = r.Rate * 4 / 3
		}
	}
	return load.Plan{
		Times:       trace.Times(rand.New(rand.NewPCG(r.Seed, load.ArrivalStream))),
		StrictShare: 0.5, StrictMS: r.StrictMS, RelaxedMS: r.RelaxedMS, AsyncShare: 0.4, KeyedShare: 0.4, RepeatShare: 0.5,
		Keys: fmt.Sprint("chaos-", r.Seed), Inputs: r.Inputs, MaxOutstanding: outstanding, Seed: r.Seed,
		Grace: query.ExpiresAt(time.Time{}, r.RelaxedMS).Sub(time.Time{}) + 30*time.Second, Again: r.caller().Again,
	}
}

func (r *run) caller() load.Caller {
	return load.Caller{Submits: r.once, Reads: r.reads, Body: r.Bodies, Wait: wait, Persist: true, Clock: clock}
}

func (r *run) fault(k Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = k
}

func (r *run) show(row load.Row, t *load.Tally) {
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	finished, answered := t.Counts()
	r.Progress(row, finished, answered, last)
}

// readAgain reads the record of every query that has one once more, and returns those
// that are not as they ended.
func (r *run) readAgain(ctx context.Context, rows []load.Row) map[string]string {
	todo, changed := make(chan load.Answer), map[string]string{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for a := range todo {
				q, err := r.reads.Get(ctx, a.ID, 0)
				if why := differs(a, q, err); why != "" {
					mu.Lock()
					changed[a.ID] = why
					mu.Unlock()
				}
			}
		})
	}
	for _, row := range rows {
		if row.Answer.Stored && row.Answer.State.Terminal() {
			todo <- row.Answer
		}
	}
	close(todo)
	all.Wait()
	return changed
}

// differs says how a record is not as its query ended; empty when it is.
func differs(a load.Answer, q api.Query, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("the caller got the state %s, and the record cannot be read: %v", a.State, err)
	case q.State != a.State || q.FinishedAt == nil || !q.FinishedAt.Equal(a.EndedAt):
		return fmt.Sprintf("the caller got the state %s at %v, and the record has %s at %v", a.State, a.EndedAt, q.State, q.FinishedAt)
	case q.Result != nil && q.Result.Label != a.Label:
		return fmt.Sprintf("the caller got the answer %q, and the record has %q", a.Label, q.Result.Label)
	}
	return ""
}

// remove ends the stage and removes all that it left.
func (r *run) remove() error {
	var err error
	if r.stage != nil {
		err = r.stage.Stop()
	}
	if r.data != "" && r.noDisk == "" {
		err = errors.Join(err, unmount(r.data))
	}
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}

// recorder is the prober's way to the stage: it notes what is answered with 5xx or not
// at all.
type recorder struct {
	next  http.RoundTripper
	since func() time.Duration

	mu    sync.Mutex
	began bool
	bad   []exchange
}

// RoundTrip implements http.RoundTripper.
func (c *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(q)
	switch {
	case err != nil && q.Context().Err() == nil:
		c.add(0)
	case err == nil && res.StatusCode >= http.StatusInternalServerError:
		c.add(res.StatusCode)
	}
	return res, err
}

func (c *recorder) add(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began {
		c.bad = append(c.bad, exchange{c.since(), status})
	}
}

// begin starts to record.
func (c *recorder) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began = true
}

func (c *recorder) taken() []exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bad
}
