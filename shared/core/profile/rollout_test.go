package profile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// versions is a catalogue whose forest has two more versions, the third on trial.
func versions(t *testing.T) (*Catalogue, Added) {
	t.Helper()
	c, a := tabular(t)
	for _, name := range []string{"forest@2", "forest@3"} {
		m := a.Models[0]
		m.Name = name
		a.Models = append(a.Models, m)
	}
	a.Rollouts = []Rollout{{Model: "forest", Served: "forest@2", Previous: "forest", Canary: "forest@3", Share: 0.05, Newest: 3}}
	with, err := c.With(a)
	if err != nil {
		t.Fatal(err)
	}
	return with, a
}

func TestNamesStandForVersions(t *testing.T) {
	c, _ := versions(t)
	for name, want := range map[string]string{"forest": "forest@2", "forest@1": "forest", "forest@3": "forest@3", "mlp": "mlp", "mlp@1": "mlp", "mail@x": "mail@x", "": ""} {
		if got := c.Version(name); got != want {
			t.Errorf("%q stands for %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"forest": "forest@2", "forest@2": "", "forest@3": "forest@2", "mlp": ""} {
		if got, is := c.ServedInstead(name); is != (want != "") || is && got != want {
			t.Errorf("instead of %q answers %q, %v", name, got, is)
		}
	}
}

func TestOneVersionIsOffered(t *testing.T) {
	c, a := versions(t)
	offered := func(c *Catalogue) (out []string) {
		for _, m := range c.Models {
			if m.Task == "iris" {
				out = append(out, m.Name)
			}
		}
		return out
	}
	if got := offered(c.Offered()); !slices.Equal(got, []string{"forest@2"}) {
		t.Errorf("offered %v", got)
	}
	if got := offered(c.OnTrial()); !slices.Equal(got, []string{"forest@3"}) {
		t.Errorf("on trial %v", got)
	}
	base, _ := tabular(t)
	for field, change := range map[string]func(r *Rollout){
		"served": func(r *Rollout) { r.Served = "forest@9" }, "canary": func(r *Rollout) { r.Canary = c.Models[0].Name },
		"previous": func(r *Rollout) { r.Previous = "gone" }, "share": func(r *Rollout) { r.Share = 1 },
	} {
		bad := a
		bad.Rollouts = slices.Clone(a.Rollouts)
		change(&bad.Rollouts[0])
		if _, err := base.With(bad); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A version comes, is tried, promoted and taken back; what answers no query any more is named.
func TestARolloutGoesItsWay(t *testing.T) {
	r := Rollout{Model: "net", Served: "net", Newest: 1}
	want := func(step string, got []string, withdrawn ...string) {
		t.Helper()
		if !slices.Equal(got, withdrawn) {
			t.Errorf("%s: withdrawn are %v, want %v", step, got, withdrawn)
		}
	}
	must := func(out Rollout, withdrawn []string, err error) []string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		r = out
		return withdrawn
	}
	add := func(share float64) []string {
		out, withdrawn := r.Add(share, noon)
		return must(out, withdrawn, nil)
	}
	want("the second is added", add(0.05))
	if r.Canary != "net@2" || r.Share != 0.05 || !r.CanarySince.Equal(noon) {
		t.Fatalf("%+v", r)
	}
	want("a third comes meanwhile", add(0), "net@2")
	if r.Canary != "net@3" || r.Share != 0 {
		t.Fatalf("%+v", r)
	}
	out, err := r.Trial(CanaryShare, 0.2, noon)
	want("a share", must(out, nil, err))
	want("promoted", must(r.Promote(noon)))
	if r.Served != "net@3" || r.Previous != "net" || r.Canary != "" {
		t.Fatalf("%+v", r)
	}
	want("a fourth at once", add(1), "net")
	if r.Served != "net@4" || r.Previous != "net@3" {
		t.Fatalf("%+v", r)
	}
	want("back", must(r.Rollback(noon, ByRule, "it is bad")), "net@4")
	if last := r.History[len(r.History)-1]; r.Served != "net@3" || last.Version != "net@4" || last.By != ByRule || last.Why != "it is bad" {
		t.Fatalf("%+v", r)
	}
	for name, wrong := range map[string]func() error{
		"back again": func() error { _, _, err := r.Rollback(noon, ByOperator, ""); return err },
		"promote":    func() error { _, _, err := r.Promote(noon); return err },
		"a share":    func() error { _, err := r.Trial(CanaryShare, 0.1, noon); return err },
	} {
		if wrong() == nil {
			t.Errorf("%s: nothing is on trial, and nothing was served before", name)
		}
	}
	for range 2 * historyKept {
		add(0)
	}
	if len(r.History) != historyKept {
		t.Errorf("%d actions are kept", len(r.History))
	}
}

// A version in shadow runs on its share of the queries that the served one answers, until
// it answers some itself or is not on trial any more.
func TestAVersionInShadow(t *testing.T) {
	r, _ := Rollout{Model: "net", Served: "net", Newest: 1}.Add(0.1, noon)
	r, err := r.Trial(VersionInShadow, 0.25, noon)
	if err != nil || !r.Shadow || r.History[len(r.History)-1].Action != VersionInShadow {
		t.Fatalf("%+v, error %v", r, err)
	}
	drawn := func(r Rollout, version string) (n int) {
		c := Catalogue{Rollouts: []Rollout{r}}
		for i := range 1000 {
			if c.InShadow(version, fmt.Sprint(i)) == "net@2" {
				n++
			}
		}
		return n
	}
	if n := drawn(r, "net"); n < 200 || n > 300 {
		t.Errorf("%d of 1000 queries are run in shadow, of a share of a quarter", n)
	}
	again, err := r.Trial(CanaryShare, 0.25, noon)
	if err != nil {
		t.Fatal(err)
	}
	promoted, _, _ := r.Promote(noon)
	back, _, _ := r.Rollback(noon, ByOperator, "")
	if n := drawn(r, "net@2") + drawn(r, "other") + drawn(again, "net") + drawn(promoted, "net@2") + drawn(back, "net"); n > 0 || promoted.Shadow || back.Shadow {
		t.Errorf("%d queries are run in shadow", n)
	}
}
