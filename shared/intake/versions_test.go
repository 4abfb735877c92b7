package intake

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
)

// tried is a catalogue whose net has a second version, on trial with a share.
func tried(share float64, change func(second *profile.Model)) *profile.Catalogue {
	c := catalogue()
	second := c.Models[0]
	second.Name = "net@2"
	if change != nil {
		change(&second)
	}
	c.Models = append(c.Models, second)
	c.Rollouts = []profile.Rollout{{Model: "net", Served: "net", Canary: "net@2", Share: share, Newest: 2}}
	return c
}

func TestTheIDChoosesTheVersion(t *testing.T) {
	const queries, share = 1000, 0.2
	d := newTestService(t, func(c *Config) { c.Catalogue = tried(share, nil) })
	d.publish(t, 2)
	n := 0
	for range queries {
		got := d.submit(t, request(10000))
		if want := signed.Drawn(got.ID, "net@2", share); (got.Model == "net@2") != want {
			t.Fatalf("query %s is for %s, and its id is drawn: %v", got.ID, got.Model, want)
		}
		if got.Model == "net@2" {
			n++
		}
	}
	if off := math.Abs(float64(n)/queries - share); off > 4*math.Sqrt(share*(1-share)/queries) {
		t.Errorf("%d of %d are for the version on trial", n, queries)
	}
	for i := range 20 { // a repeat, which nothing has answered, runs again on the same one
		terms := Terms{Key: fmt.Sprint("key-", i)}
		first, err := d.Take(t.Context(), "me", request(10000), terms)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := d.Take(t.Context(), "me", request(10000), terms); err != nil || again.Record.Model != first.Record.Model {
			t.Errorf("%s, and then %s, error %v", first.Record.Model, again.Record.Model, err)
		}
	}
}

// What the version on trial would not do in time, or well enough, it is not given; a
// caller may name a version.
func TestBoundsAndNamesComeBeforeATrial(t *testing.T) {
	slow := func(m *profile.Model) {
		m.Accuracy.Top1Percent, m.Latency = 80, []profile.Latency{{Resource: "c5.large", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: 300, P95: 300, P99: 300}}}
	}
	d := newTestService(t, func(c *Config) { c.Catalogue = tried(0.999999, slow) })
	d.publish(t, 2)
	for _, name := range []string{"net", "net@2"} {
		if err := d.ModelNotReady(t.Context(), "digits", name); err != nil {
			t.Errorf("%s is not ready: %v", name, err)
		}
	}
	if err := d.ModelNotReady(t.Context(), "digits", "net@3"); err == nil {
		t.Error("a version that is not there is ready")
	}
	accurate := request(10000)
	percent := 85.0
	accurate.Bounds.Accuracy = &percent
	named := func(model string) Request {
		r := request(10000)
		r.Task, r.Model = "", model
		return r
	}
	for name, tc := range map[string]struct {
		r    Request
		want string
	}{
		"no bound that it breaks": {request(10000), "net@2"}, "too slow": {request(200), "net"}, "too inaccurate": {accurate, "net"},
		"the model": {named("net"), "net@2"}, "the first version": {named("net@1"), "net"}, "the second": {named("net@2"), "net@2"},
	} {
		if got := d.submit(t, tc.r); got.Model != tc.want {
			t.Errorf("%s: answered by %s, want %s", name, got.Model, tc.want)
		}
	}
	wantRefusal(t, UnknownModel)(takeErr(d, t, named("net@3")))
	if ms := d.ModelsFor("net@2"); len(ms) != 1 || ms[0].Name != "net@2" {
		t.Errorf("the second version is %v", ms)
	}
}

// replacing is a source whose catalogue changes after the given number of reads.
type replacing struct {
	before, after *profile.Catalogue
	reads         *int
}

func (c replacing) Current() *profile.Catalogue {
	if *c.reads--; *c.reads >= 0 {
		return c.before
	}
	return c.after
}

// A query is planned whole although a version is promoted or rolled back between any two steps.
func TestAVersionIsReplacedWhileAQueryIsPlanned(t *testing.T) {
	first, second := tried(0.5, nil), tried(0.5, nil)
	first.Rollouts = []profile.Rollout{{Model: "net", Served: "net", Newest: 2}}
	second.Rollouts = []profile.Rollout{{Model: "net", Served: "net@2", Newest: 2}}
	for name, c := range map[string]replacing{"promote": {first, second, new(int)}, "rollback": {second, first, new(int)}} {
		for _, model := range []string{"net", ""} {
			for reads := range 40 {
				d := newTestService(t, func(o *Config) { o.Catalogue = c })
				d.publish(t, 2)
				r := request(10000)
				r.Model = model
				*c.reads = reads
				if got, err := takeErr(d, t, r); err != nil {
					t.Errorf("%s of model %q after %d reads: %v", name, model, reads, err)
				} else if got.Model != "net" && got.Model != "net@2" {
					t.Errorf("%s after %d reads: model %q", name, reads, got.Model)
				}
			}
		}
	}
}

func takeErr(d testService, t *testing.T, r Request) (query.Record, error) {
	got, err := d.Take(t.Context(), "me", r, Terms{})
	return got.Record, err
}

// failsOn is a worker on which one model fails.
type failsOn struct {
	*slots
	model string
	code  query.FailureCode
}

func (f failsOn) Answer(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error) {
	f.slots.fails = ""
	if m.Model == f.model {
		f.slots.fails = f.code
	}
	return f.slots.Answer(ctx, m, by)
}

// No query is lost to a version on trial whose runs fail: what is served answers it.
func TestWhatIsServedAnswersForATrialThatFails(t *testing.T) {
	for _, code := range []query.FailureCode{query.ModelFault, query.BadInput} {
		leavesATrial(t, code)
	}
}

func leavesATrial(t *testing.T, code query.FailureCode) {
	d, w := newFront(t, func(c *Config, w *slots) {
		c.Catalogue, c.Worker = tried(0.999999, nil), failsOn{w, "net@2", code}
	})
	for _, terms := range []Terms{{Wait: time.Second}, {Wait: time.Second, Key: "k"}} {
		got, err := d.Take(t.Context(), "me", request(500), terms)
		if err != nil || got.Record.State != query.Succeeded || got.Record.Model != "net" || got.Record.Placement != placedDirect {
			t.Errorf("%+v, error %v", got.Record, err)
		}
		if trail := fmt.Sprint(got.Record.Trail); !strings.Contains(trail, "net@2 failed") {
			t.Errorf("its trail does not say so: %s", trail)
		}
		if id, err := d.Keys.ParseReceipt(got.Receipt); err != nil || id.Model != "net" {
			t.Errorf("the receipt is of %s, error %v", id.Model, err)
		}
	}
	if refuser := w.asked[1].Refuser; (refuser == "net@2") != (code == query.BadInput) {
		t.Errorf("%s: the one who refused the input is %q", code, refuser)
	}
	if len(w.asked) != 4 || w.asked[0].Model != "net@2" || w.asked[1].Model != "net" {
		t.Errorf("the worker was asked %v", w.asked)
	}
}

// faulty are functions of which one model's fail.
type faulty struct {
	model string
	asked []string
}

func (f *faulty) Invoke(_ context.Context, m query.Message) inference.Invoked {
	f.asked = append(f.asked, m.Model)
	if m.Model == f.model {
		return inference.Invoked{Thrown: inference.Fault, Why: "broken", Attempts: 1, CostUSD: 1}
	}
	return inference.Invoked{CostUSD: 2, Outcome: &query.Outcome{State: query.Succeeded, FinishedAt: start, Result: &query.Result{Label: "1"}, CostUSD: 2}}
}

func TestFunctionsAnswerForATrialThatFails(t *testing.T) {
	f := &faulty{model: "net@2"}
	d, _ := newFront(t, func(c *Config, w *slots) {
		set := c.Settings()
		set.OverflowPath = "direct"
		c.Catalogue, c.Functions, c.Settings = tried(0.999999, nil), f, func() settings.Settings { return set }
		w.fault = &schedule.NoSlot{PredictedMS: 1e6}
	})
	got, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second})
	if err != nil || got.Record.State != query.Succeeded || got.Record.Model != "net" || got.Record.Outcome.CostUSD != 3 {
		t.Errorf("%+v, error %v; asked %v", got.Record, err, f.asked)
	}
}

// growing is a catalogue that gets a model when it has been read the given number of times, by
// another reader, or when it is refreshed.
type growing struct {
	before, after *profile.Catalogue
	reads         int
}

func (g *growing) Current() *profile.Catalogue {
	if g.reads--; g.reads >= 0 {
		return g.before
	}
	return g.after
}

func (g *growing) Refresh() error {
	g.reads = 0
	return nil
}

// A model that was added is found, at whatever moment of a search others notice it.
func TestAModelIsFoundWhileItIsAdded(t *testing.T) {
	for reads := range 30 {
		g := &growing{before: catalogue(), after: catalogue(), reads: math.MaxInt}
		added := g.after.Models[0]
		added.Name = "added"
		g.after.Models = append(g.after.Models, added)
		d := newTestService(t, nil)
		d.Service.Catalogue = g
		g.reads = reads
		if got := d.ModelsFor("added"); len(got) != 1 {
			t.Errorf("after %d reads it is not found by its path", reads)
		}
		g.reads = reads
		if err := d.checkNames(&query.Need{Model: "added"}); err != nil {
			t.Errorf("after %d reads: %v", reads, err)
		}
	}
}

// A version in shadow is given no query, unless the caller names it.
func TestAVersionInShadowIsGivenNoQuery(t *testing.T) {
	c := tried(0.999999, nil)
	c.Rollouts[0].Shadow = true
	d := newTestService(t, func(cfg *Config) { cfg.Catalogue = c })
	d.publish(t, 2)
	named := request(10000)
	named.Task, named.Model = "", "net@2"
	for want, r := range map[string]Request{"net": request(10000), "net@2": named} {
		if got := d.submit(t, r); got.Model != want {
			t.Errorf("it is for %s, want %s", got.Model, want)
		}
	}
}
