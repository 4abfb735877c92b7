package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/modelcheck"
)

// demoModel takes demoServiceMS on a worker in the demonstration, and the others
// are slowed down alike: small networks are paced as large ones.
const (
	demoModel     = "cnn"
	demoServiceMS = 100
)

// demoScheme is the scheme of the demonstration, that of the paper: it keeps a worker while
// the load is quiet, so that a burst shows how overflow helps. A stage has the default of
// the setting scheme instead, whose plans need a longer past than half a minute.
const demoScheme = "paragon"

// phase is a part of the demonstration's load.
type phase struct {
	name      string
	length    time.Duration
	perSecond int
}

// phases are quiet, a burst of eight times as many, and quiet again. One worker
// takes 20 queries a second of the model that is chosen.
var phases = []phase{{"quiet", 8 * time.Second, 5}, {"burst", 18 * time.Second, 40}, {"quiet again", 20 * time.Second, 5}}

// The queries of the demonstration: most are strict, and the others may wait. New
// workers serve some 14 seconds after a burst begins, and strict queries have the
// first one until then: relaxed ones that may not wait for longer would be late.
const (
	demoStrictMS, demoRelaxedMS = 1500, 30_000
	// Of the shipped catalogue strict queries ask for the accuracy of demoModel, relaxed ones for less.
	demoStrictAccuracy, demoRelaxedAccuracy = 92.3, 88
	strictOfTen                             = 7
)

// demoSettings make the controller quick enough to be watched for a minute.
func demoSettings() map[string]string {
	return map[string]string{
		"tick_seconds": "2", "metric_settle_seconds": "2", "heartbeat_seconds": "1", "watch_seconds": "5",
		"scale_in_wait_seconds": "6", "idle_seconds": "6", "max_workers": "8",
	}
}

// demonstration drives a short load and prints what the stage does under it.
type demonstration struct {
	term    *cli.Terminal
	client  *client.Client
	sends   demoQueries
	bodies  map[query.Class][]byte
	began   time.Time
	sent    atomic.Int64
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	counts demoCounts
}

// demoCounts are the answers so far.
type demoCounts struct {
	answered, functions, met, failed int
	models                           map[string]int
	reason                           string // of the first failure
}

// demoProfiles is where the slowed profiles lie in the data folder.
const demoProfiles = "demo-profiles"

// prepareDemo makes a stage of what was asked for in which a minute shows much: a
// fleet that moves, and models that take as long as large ones.
func prepareDemo(cfg *machine.Config, given func(flag string) bool) error {
	if !given("scheme") {
		cfg.Scheme = demoScheme
	}
	if !given("workers") {
		cfg.Workers = 1
	}
	if !given("boot-seconds") {
		cfg.Boot = 5 * time.Second
	}
	set := demoSettings()
	maps.Copy(set, cfg.Set)
	cfg.Set = set
	if !cfg.Paced || given("profiles") || given("catalogue") {
		return nil
	}
	dir := filepath.Join(cfg.DataDir, demoProfiles)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("replace the demonstration's profiles: %w", err)
	}
	if _, err := machine.SlowProfiles(dir, "", "fashion", demoModel, cfg.InstanceType, demoServiceMS); err != nil {
		return err
	}
	cfg.ProfilesDir = dir
	return nil
}

// demoQueries are what a demonstration sends.
type demoQueries struct {
	task            string
	what            string // the first input, in words
	input           query.Input
	strict, relaxed query.Constraints
	slowed          bool   // the models stand for larger ones
	files           string // to submit, in an example
}

// demonstrate shows a machine at work.
func demonstrate(ctx context.Context, term *cli.Terminal, m *machine.Machine, slowed bool) error {
	q, err := demoOf(m.Catalogue(), m.Samples())
	if err != nil {
		return err
	}
	q.slowed = slowed
	d, err := newDemonstration(term, m.URL(), q)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

// demoOf is what is sent to a catalogue: to its first task that has a model which can be
// run, with a sample picture or an input that is made up. Strict queries ask for the
// accuracy of the best model, relaxed ones for that of the worst.
func demoOf(c *profile.Catalogue, samples fs.FS) (q demoQueries, err error) {
	i := slices.IndexFunc(c.Models, func(m profile.Model) bool { return m.Runnable() })
	if i < 0 {
		return q, cli.Usagef("catalogue %s has no model that can be run", c.Name)
	}
	m := &c.Models[i]
	q = demoQueries{task: m.Task, what: "made up", files: "FILE", strict: query.Constraints{LatencyMS: demoStrictMS}, relaxed: query.Constraints{LatencyMS: demoRelaxedMS}}
	if q.input, err = modelcheck.Sample(m.Takes(), m.Input, m.Signature); err != nil {
		return q, err
	}
	q.strict.Accuracy, q.relaxed.Accuracy = accuraciesOf(c, m.Task)
	if c.Name == machine.Defaults().Catalogue {
		q.files, q.strict.Accuracy, q.relaxed.Accuracy = "profiles/fashion/testdata/*.png", demoStrictAccuracy, demoRelaxedAccuracy
	}
	pictures, err := picturesIn(samples)
	if err == nil && m.Takes() == profile.Picture && len(pictures) > 0 {
		q.input, q.what = pictures[0], "a sample picture"
	}
	return q, err
}

// accuraciesOf are the best and the least known accuracy of a task's models, in percent
// rounded down to a tenth; 0 where none is known.
func accuraciesOf(c *profile.Catalogue, task string) (best, least float64) {
	for _, m := range c.Models {
		if a := math.Floor(10*m.Accuracy.Top1Percent) / 10; m.Task == task && m.Runnable() && a > 0 {
			best = max(best, a)
			if least == 0 || a < least {
				least = a
			}
		}
	}
	return best, least
}

// run answers the picture, drives the load and prints the bill.
func (d *demonstration) run(ctx context.Context) error {
	if err := d.answerFirst(ctx); err != nil {
		return err
	}
	for _, p := range phases {
		if err := d.play(ctx, p); err != nil {
			return err
		}
	}
	d.running.Wait()
	return d.printBill(ctx)
}

func newDemonstration(term *cli.Terminal, url string, q demoQueries) (*demonstration, error) {
	c, err := client.New(client.Config{Endpoint: url, Attempts: 1, HTTP: client.NewHTTP(256)})
	if err != nil {
		return nil, err
	}
	d := &demonstration{term: term, client: c, sends: q, bodies: map[query.Class][]byte{}, counts: demoCounts{models: map[string]int{}}}
	for class, bounds := range map[query.Class]query.Constraints{query.Strict: q.strict, query.Relaxed: q.relaxed} {
		body, err := json.Marshal(client.Submission{Task: q.task, Class: class, Input: q.input, Constraints: bounds})
		if err != nil {
			return nil, err
		}
		d.bodies[class] = body
	}
	return d, nil
}

// answerFirst puts an input through the API, as any caller would.
func (d *demonstration) answerFirst(ctx context.Context) error {
	q, err := d.client.SubmitJSON(ctx, d.bodies[query.Strict], client.Options{Wait: 10 * time.Second, Key: "demonstration-" + ulid.Make().String()})
	if err != nil {
		return fmt.Errorf("submit the first input: %w", err)
	}
	if q, err = d.client.Await(ctx, q, 10*time.Second); err != nil {
		return fmt.Errorf("wait for the first answer: %w", err)
	}
	if q.Result == nil {
		return fmt.Errorf("the first input was not answered: %s", reasonOf(q, nil))
	}
	d.say("\nA first input of task %s, %s, was answered in %s: %s, by model %s on a %s, at %s per million queries.\n",
		d.sends.task, d.sends.what, cli.Milliseconds(orZero(q.LatencyMS)), answer(q.Result), q.Model, q.ServedBy.Kind, pricing.Dollars(1e6*q.CostUSD))
	d.say("Now 46 seconds of load: 5 queries per second, then a burst of %d per second, then 5 again. Open %s in a browser to watch.\n\n", phases[1].perSecond, d.client.Endpoint())
	d.say("%6s  %-12s %8s  %-22s %9s  %9s  %10s\n", "TIME", "LOAD", "ANSWERED", "WORKERS", "FUNCTIONS", "IN BOUND", "COST SO FAR")
	d.began = d.term.Now()
	return nil
}

func (d *demonstration) say(format string, args ...any) { fmt.Fprintf(d.term.Err, format, args...) }

// reportEvery is how often the demonstration prints a line.
const reportEvery = 4 * time.Second

// play sends the queries of a phase evenly, and prints lines meanwhile.
func (d *demonstration) play(ctx context.Context, p phase) error {
	gap := time.Second / time.Duration(p.perSecond)
	began := d.term.Now()
	reported := began
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * gap)
		if due.Sub(began) >= p.length {
			return nil
		}
		if wait := due.Sub(d.term.Now()); wait > 0 {
			if err := d.term.Sleep(ctx, wait); err != nil {
				return err
			}
		}
		d.running.Go(func() { d.ask(ctx) })
		if now := d.term.Now(); now.Sub(reported) >= reportEvery {
			reported = now
			if err := d.report(ctx, p); err != nil {
				return err
			}
		}
	}
}

// ask sends one query and counts its answer. A refusal counts as a failure.
func (d *demonstration) ask(ctx context.Context) {
	body := d.bodies[query.Strict]
	if d.sent.Add(1)%10 >= strictOfTen {
		body = d.bodies[query.Relaxed]
	}
	q, err := d.client.SubmitJSON(ctx, body, client.Options{Wait: 20 * time.Second})
	if err == nil {
		q, err = d.client.Await(ctx, q, 2*demoRelaxedMS*time.Millisecond)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || q.Result == nil {
		d.counts.failed++
		if d.counts.reason == "" {
			d.counts.reason = reasonOf(q, err)
		}
		return
	}
	d.counts.answered++
	d.counts.models[q.Model]++
	if q.ServedBy != nil && q.ServedBy.Kind == query.OnFunction {
		d.counts.functions++
	}
	if q.MetSLO != nil && *q.MetSLO {
		d.counts.met++
	}
}

// reasonOf is why a query has no answer.
func reasonOf(q api.Query, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case q.Failure != nil:
		return q.Failure.Detail
	}
	return string(q.State)
}

// report prints a line.
func (d *demonstration) report(ctx context.Context, p phase) error {
	s, err := d.client.Status(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	c := d.counts
	d.mu.Unlock()
	d.say("%5.0fs  %-12s %8d  %-22s %9s  %9s  %10s\n", d.term.Now().Sub(d.began).Seconds(), fmt.Sprintf("%d/s %s", p.perSecond, strings.Fields(p.name)[0]),
		c.answered, workersNow(s), share(int64(c.functions), int64(c.answered)), share(int64(c.met), int64(c.answered+c.failed)), pricing.Dollars(s.CostUSD))
	return nil
}

// workersNow is the workers in a word or two.
func workersNow(s api.Status) string {
	ready, booting := 0, 0
	for _, p := range s.Pools {
		ready, booting = ready+p.Ready, booting+p.Booting
	}
	if booting > 0 {
		return fmt.Sprintf("%d ready, %d booting", ready, booting)
	}
	return fmt.Sprintf("%d ready", ready)
}

// billWait is how long the demonstration waits for the simulation of the other schemes.
const billWait = 30 * time.Second

// printBill prints what the load cost, and what it would have cost otherwise.
func (d *demonstration) printBill(ctx context.Context) error {
	end := d.term.Now()
	s, err := d.client.Status(ctx)
	for err == nil && d.term.Now().Sub(end) < billWait && (s.Savings == nil || s.Savings.To.Before(end)) {
		if err = d.term.Sleep(ctx, time.Second); err == nil {
			s, err = d.client.Status(ctx)
		}
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	c := d.counts
	d.mu.Unlock()
	d.say("\n%d queries were answered, by the models %s.\n", c.answered, modelsOf(c))
	if c.failed > 0 {
		d.say("%d queries got no answer. The first reason: %s.\n", c.failed, cli.OneLine(c.reason))
	}
	if s.Savings != nil && s.Savings.To.Before(end) {
		d.say("The simulation of other schemes has not ended yet. paragon status will print what they would have cost.\n")
	}
	printSavings(d.term, s.Savings, mostSavings)
	d.say("%s", d.defaultScheme(s.Savings))
	return d.printMoves(ctx)
}

// defaultScheme says what the default scheme would have cost, and how to change to it.
func (d *demonstration) defaultScheme(s *api.Savings) string {
	usual := settings.Defaults().Scheme
	if s == nil || !s.Quoted {
		return ""
	}
	i := slices.IndexFunc(s.Others, func(o api.SchemeCost) bool { return o.Scheme == usual })
	if i < 0 {
		return "" // it is the one that ran
	}
	return fmt.Sprintf("This demonstration ran scheme %s, which a research paper describes. A stage in an account has scheme %s unless you set another. %s.\n"+
		"To change to it: bin/paragon tune set%s scheme %s. A minute is too short to judge schemes by: docs/schemes.md compares them over hours.\n",
		demoScheme, usual, capital(comparedWith(s.Others[i], s.CostUSD)), d.at(), usual)
}

// capital is a text as the beginning of a sentence.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// at names the server to commands, where that is needed.
func (d *demonstration) at() string {
	if d.client.Endpoint() == client.DefaultEndpoint {
		return ""
	}
	return " --endpoint " + d.client.Endpoint()
}

func modelsOf(c demoCounts) string {
	var names []string
	for name, n := range c.models {
		names = append(names, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// printMoves prints what changed the fleet and what to try next.
func (d *demonstration) printMoves(ctx context.Context) error {
	moves, err := d.client.Decisions(ctx, api.DecisionQuery{Moves: true, Limit: 4})
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	d.say("\nDecisions that changed the number of workers:\n")
	for _, m := range slices.Backward(moves) {
		d.say("  %s  %s\n", m.At.Local().Format(time.TimeOnly), cli.OneLine(m.Line))
	}
	slowed := ""
	if d.sends.slowed {
		slowed = fmt.Sprintf("The demonstration slows the models down to imitate larger models (%s takes %d ms); bin/paragon up\n--unpaced serves at full speed. ", demoModel, demoServiceMS)
	}
	d.say(`
The demonstration sends no more queries. Workers end after some seconds without work, until only as many are
left as the setting min_workers states (default 0). If no worker is left, a function answers your next query.
If the query's latency bound is long enough, the query waits for a worker to boot instead.

%[1]sTry in another terminal:
  bin/paragon submit%[3]s --task %[5]s --latency-ms 1500 %[2]s
  bin/paragon top%[3]s
  bin/paragon history%[3]s
or open %[4]s in a browser. Ctrl-C stops the server.
The demonstration has changed settings in this data folder: for example, workers end after 6 s without work.
bin/paragon tune diff%[3]s lists them. With another folder (--data), paragon up has the default settings.
`, slowed, d.sends.files, d.at(), d.client.Endpoint(), d.sends.task)
	return nil
}
