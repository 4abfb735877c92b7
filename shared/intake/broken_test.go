package intake

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// brokenFunctions fail for some models.
type brokenFunctions struct {
	Functions
	open []breaker.Open
}

func (b *brokenFunctions) Broken() []breaker.Open { return b.open }

func (b *brokenFunctions) Invoke(context.Context, query.Message) inference.Invoked {
	return inference.Invoked{}
}

// A model whose runs fail on every worker is chosen on a function, or another model is;
// where its runs fail everywhere the query is refused for now, with why; and readiness,
// the explanation and the status say the same.
func TestBrokenModelsAreObeyed(t *testing.T) {
	functions := &brokenFunctions{}
	cat := catalogue()
	other := cat.Models[0]
	other.Name, other.Accuracy.Top1Percent = "other", 50
	cat.Models = append(cat.Models, other)
	set := settings.Defaults()
	d := newTestService(t, func(c *Config) {
		c.Catalogue, c.Functions = cat, functions
		c.Settings = func() settings.Settings { return set }
	})
	until := start.Add(30 * time.Second)
	broken := func(models ...string) (out []breaker.Open) {
		for _, m := range models {
			out = append(out, breaker.Open{Model: m, Until: until, Why: "its file is damaged"})
		}
		return out
	}
	publish := func(onWorkers ...string) {
		d.clock.advance(2 * time.Second)
		p := placement.Pool{Name: "general", InstanceType: "c5.large", Workers: 1, Runners: 2, At: d.clock.now(), Broken: broken(onWorkers...)}
		if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{p}, At: p.At}); err != nil {
			t.Fatal(err)
		}
		d.refreshView(t.Context())
		d.Settle()
	}
	named := request(500)
	named.Model = "net"
	chosen := func(r Request) string {
		q, err := d.prepare(t.Context(), "me", r, Terms{}, set)
		if err != nil {
			return err.Error()
		}
		return q.chosen.Model + " " + string(q.chosen.Resource.Kind)
	}
	want := func(when string, r Request, want string) {
		t.Helper()
		if got := chosen(r); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	publish()
	want("all is well", named, "net worker")
	publish("net")
	want("it fails on the workers", named, "net function")
	functions.open = broken("net")
	want("it fails everywhere", named, string(NoCapacity))
	want("it fails everywhere, and another does the task", request(500), "other worker")
	_, err := d.Take(t.Context(), "me", named, Terms{})
	var no *Refusal
	if !errors.As(err, &no) || no.RetryAfter <= 0 || !strings.Contains(no.Detail, "its file is damaged") {
		t.Errorf("refused with %v", err)
	}
	if err := d.ModelNotReady(t.Context(), "digits", "net"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("the model counts as ready: %v", err)
	}
	if err := d.NotReady(t.Context(), "digits"); err != nil {
		t.Errorf("the task has another model, and is not ready: %v", err)
	}
	publish("net", "other")
	functions.open = broken("net", "other")
	if err := d.NotReady(t.Context(), "digits"); err == nil {
		t.Error("all models of the task fail, and it counts as ready")
	}
	st, err := d.Status(t.Context())
	if err != nil || len(st.Broken) != 2 || st.Broken[0].Kind != query.OnFunction {
		t.Errorf("status %+v, error %v", st.Broken, err)
	}
	d.clock.advance(time.Minute)
	functions.open = nil
	publish()
	want("later", named, "net worker")
}

// What another process has seen fail on functions is obeyed as what this one has: it is not
// chosen there, no strict query of it overflows, and readiness and the status say so.
func TestWhatOthersSawFailOnFunctionsIsObeyed(t *testing.T) {
	set := settings.Defaults()
	for _, functions := range []Functions{nil, &brokenFunctions{}} { // of a process that invokes none, or has seen nothing
		d := newTestService(t, func(c *Config) {
			c.Functions = functions
			c.Settings = func() settings.Settings { return set }
		})
		until := start.Add(time.Hour)
		publish := func(runners int, aheadMS float64, models ...string) {
			t.Helper()
			d.clock.advance(time.Minute)
			v := platform.FleetView{At: d.clock.now(), Pools: []placement.Pool{{Name: "general", InstanceType: "c5.large", Workers: runners, Runners: runners, StrictMS: aheadMS, At: d.clock.now()}}}
			for _, m := range models {
				v.BrokenOnFunctions = append(v.BrokenOnFunctions, breaker.Open{Model: m, Until: until, Why: "no such operator"})
			}
			if err := d.Backend.Fleet.PublishView(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			d.refreshView(t.Context())
			d.Settle()
		}
		publish(0, 0, "net")
		_, err := d.Take(t.Context(), "me", strictly(), Terms{})
		var no *Refusal
		if !errors.As(err, &no) || no.Kind != NoCapacity || no.RetryAfter <= 0 || !strings.Contains(no.Detail, "no such operator") {
			t.Errorf("without workers: %v", err)
		}
		if err := d.NotReady(t.Context(), "digits"); err == nil || !strings.Contains(err.Error(), "no such operator") {
			t.Errorf("it counts as ready: %v", err)
		}
		if st, err := d.Status(t.Context()); err != nil || len(st.Broken) != 1 || st.Broken[0].Kind != query.OnFunction || st.Broken[0].Model != "net" {
			t.Errorf("status %+v, error %v", st.Broken, err)
		}
		publish(2, 2*5000, "net") // later than the bound allows
		got, err := d.Take(t.Context(), "me", strictly(), Terms{})
		if err != nil || got.Record.Placement != string(platform.WorkQueue("general", query.Strict)) || !strings.Contains(got.Record.Trail[0].Why, "no such operator") {
			t.Errorf("with workers: %+v, error %v", got.Record, err)
		}
		publish(2, 2*5000, "another")
		if got, err = d.Take(t.Context(), "me", strictly(), Terms{}); err != nil || got.Record.Placement != string(platform.Overflow) {
			t.Errorf("another model fails: %+v, error %v", got.Record, err)
		}
		until = d.clock.now()
		publish(0, 0, "net")
		if got, err = d.Take(t.Context(), "me", strictly(), Terms{}); err != nil || got.Record.Placement != string(platform.Overflow) {
			t.Errorf("later: %+v, error %v", got.Record, err)
		}
		if st, err := d.Status(t.Context()); err != nil || len(st.Broken) != 0 {
			t.Errorf("status later %+v, error %v", st.Broken, err)
		}
	}
}

// A model that could not be run here is not chosen, and a query that names it is refused with the reason. A
// task is ready as long as one of its models is offered.
func TestWithheldModelsAreNeitherChosenNorReady(t *testing.T) {
	c := catalogue()
	other := c.Models[0]
	other.Name = "other"
	c.Models = append(c.Models, other)
	source := &changing{}
	source.now.Store(c)
	d := newTestService(t, func(o *Config) { o.Catalogue = source })
	d.publish(t, 2)
	for _, tc := range []struct {
		withheld map[string]string
		chosen   string // for a query that names no model
		ready    bool
	}{
		{nil, "net", true}, {map[string]string{"net": "its file is damaged"}, "other", true},
		{map[string]string{"net": "its file is damaged", "other": "it is, too"}, "", false}, {nil, "net", true},
	} {
		next := *c
		next.Withheld = tc.withheld
		source.now.Store(&next)
		q, err := d.prepare(t.Context(), "me", request(500), Terms{}, settings.Defaults())
		chosen := ""
		if err == nil {
			chosen = q.chosen.Model
		}
		if chosen != tc.chosen {
			t.Errorf("with %v withheld, %q is chosen, error %v", tc.withheld, chosen, err)
		}
		if err := d.NotReady(t.Context(), "digits"); (err == nil) != tc.ready || err != nil && !strings.Contains(err.Error(), "damaged") {
			t.Errorf("with %v withheld, ready is %v", tc.withheld, err)
		}
		named := request(500)
		named.Model = "net"
		_, err = d.prepare(t.Context(), "me", named, Terms{}, settings.Defaults())
		var no *Refusal
		if why := tc.withheld["net"]; (why == "") != (err == nil) || why != "" && (!errors.As(err, &no) || no.Kind != NoCapacity || !strings.Contains(no.Detail, why)) {
			t.Errorf("with %v withheld, a query for net ends as %v", tc.withheld, err)
		}
		if err := d.ModelNotReady(t.Context(), "digits", "net"); (err == nil) != (tc.withheld["net"] == "") {
			t.Errorf("with %v withheld, net is ready: %v", tc.withheld, err)
		}
		if got := d.Tasks(); len(got) != 1 {
			t.Errorf("with %v withheld, the tasks are %v", tc.withheld, got)
		}
		if st, err := d.Status(t.Context()); err != nil || len(st.Withheld) != len(tc.withheld) {
			t.Errorf("with %v withheld, the status has %v, error %v", tc.withheld, st.Withheld, err)
		}
	}
}

// changing is a catalogue that changes.
type changing struct {
	now atomic.Pointer[profile.Catalogue]
}

func (c *changing) Current() *profile.Catalogue { return c.now.Load() }
