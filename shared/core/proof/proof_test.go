package proof

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func catalogue() *profile.Catalogue {
	return &profile.Catalogue{Models: []profile.Model{
		{Name: "a", Task: "t", File: "a.onnx", SHA256: "1", Input: &profile.Input{}}, {Name: "b", Task: "t", File: "b.onnx", SHA256: "2", Input: &profile.Input{}}, {Name: "figures only", Task: "t"},
	}}
}

func digest(t *testing.T, c *profile.Catalogue, model string) string {
	t.Helper()
	m, _ := c.Model(model)
	d, err := Digest(c, m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A model is withheld when a platform could not run it and none could.
func TestWithheld(t *testing.T) {
	passed, failed := Result{Engine: "e", At: now}, Result{Engine: "e", Why: "it has no inputs", At: now}
	old := failed
	old.At = now.Add(-keptFor - time.Second)
	for _, tc := range []struct {
		name     string
		on       map[string]Result
		withheld bool
	}{
		{"nobody has tried", nil, false},
		{"passed", map[string]Result{"linux/amd64": passed}, false},
		{"failed", map[string]Result{"linux/amd64": failed}, true},
		{"failed on both", map[string]Result{"linux/amd64": failed, "linux/arm64": failed}, true},
		{"passed on one, the first", map[string]Result{"linux/amd64": passed, "linux/arm64": failed}, false},
		{"passed on one, the second", map[string]Result{"linux/amd64": failed, "linux/arm64": passed}, false},
		{"failed long ago", map[string]Result{"linux/amd64": old}, false},
	} {
		c := catalogue()
		got := Book{digest(t, c, "a"): tc.on}.Withheld(c, now)
		if (got["a"] != "") != tc.withheld || got["b"] != "" || len(got) > 1 {
			t.Errorf("%s: withheld %v", tc.name, got)
		}
	}
	c := catalogue()
	b := Book{digest(t, c, "a"): {"linux/amd64": failed}}
	c.Models[0].SHA256 = "3"
	if got := b.Withheld(c, now); len(got) > 0 {
		t.Errorf("another file is withheld for the first one: %v", got)
	}
}

// Each model is run once by each engine on each platform, and again when it failed.
func TestDue(t *testing.T) {
	c := catalogue()
	names := func(ms []profile.Model) (out []string) {
		for _, m := range ms {
			out = append(out, m.Name)
		}
		return out
	}
	b := Book{}.With("linux/amd64", map[string]Result{digest(t, c, "a"): {Engine: "e", At: now}, digest(t, c, "b"): {Engine: "e", Why: "no", At: now}}, now)
	for _, tc := range []struct {
		platform, engine string
		after            time.Duration
		want             []string
	}{
		{"linux/amd64", "e", 0, nil},
		{"linux/amd64", "e", repeatAfter, []string{"b"}},
		{"linux/amd64", "newer", 0, []string{"a", "b"}},
		{"linux/arm64", "e", 0, []string{"a", "b"}},
		{"linux/amd64", "e", keptFor/2 + time.Second, []string{"a", "b"}},
	} {
		if got := names(b.Due(c, tc.platform, tc.engine, now.Add(tc.after))); !slices.Equal(got, tc.want) {
			t.Errorf("%s, engine %s, after %v: %v, want %v", tc.platform, tc.engine, tc.after, got, tc.want)
		}
	}
	if left := b.With("linux/arm64", nil, now.Add(keptFor+time.Second)); len(left) > 0 {
		t.Errorf("kept for ever: %v", left)
	}
	// What is measured of a model is no reason to run it again.
	c.Models[0].MemoryMB = 7
	if got := b.Due(c, "linux/amd64", "e", now); len(got) > 0 {
		t.Errorf("due %v after another measurement", names(got))
	}
}

// The result that says how long an answer takes comes before one that does not.
func TestBy(t *testing.T) {
	plain, timed, failed := Result{At: now}, Result{At: now, InstanceType: "c5.large", Samples: 20}, Result{At: now, Why: "no such operator"}
	for _, tc := range []struct {
		name string
		on   map[string]Result
		want Result
		done bool
	}{
		{"nobody has tried", nil, Result{}, false},
		{"run", map[string]Result{"linux/amd64": plain}, plain, true},
		{"run by both, timed by the first", map[string]Result{"linux/amd64": timed, "linux/arm64": plain}, timed, true},
		{"run by both, timed by the second", map[string]Result{"linux/amd64": plain, "linux/arm64": timed}, timed, true},
		{"failed on one", map[string]Result{"linux/amd64": failed, "linux/arm64": timed}, timed, true},
		{"failed", map[string]Result{"linux/amd64": failed}, Result{Why: "linux/amd64: no such operator"}, true},
	} {
		if got, done := (Book{"d": tc.on}).By("d", now); !reflect.DeepEqual(got, tc.want) || done != tc.done {
			t.Errorf("%s: %+v, %v, want %+v, %v", tc.name, got, done, tc.want, tc.done)
		}
	}
}
