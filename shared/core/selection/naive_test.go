package selection

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// take returns a draw that always gives the same place.
func take(i int) Draw { return func(n int) int { return i % n } }

func TestNaiveAnyChecksNoBound(t *testing.T) {
	n := need(50, 95, 0) // nothing is as accurate, and large takes 100 ms
	for i, want := range []string{"small", "large"} {
		c, class, err := NaiveAny(n, idlePool(), take(i))
		if err != nil || c.Model != want || class != query.Strict {
			t.Errorf("%s: %+v, %q, %v", want, c, class, err)
		}
	}
}

func TestNaiveFeasibleDrawsFromWhatKeepsTheBounds(t *testing.T) {
	for i, want := range []string{"small", "large", "small"} {
		if c, _, err := NaiveFeasible(need(500, 0, 0), idlePool(), take(i)); err != nil || c.Model != want || c.Resource.Name != "vm" {
			t.Errorf("%s: %+v, %v", want, c, err)
		}
	}
	for i := range 3 {
		if c, _, err := NaiveFeasible(need(500, 85, 0), idlePool(), take(i)); err != nil || c.Model != "large" {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if _, _, err := NaiveFeasible(need(500, 95, 0), idlePool(), take(0)); err == nil {
		t.Error("it drew from nothing")
	}
}

func TestExploringSeesModelsThatFeedbackRulesOut(t *testing.T) {
	o := idlePool()
	o.Accuracy = map[string]float64{"small": 40}
	n := need(500, 70, 0)
	never, always := func() float64 { return 0.99 }, func() float64 { return 0 }
	for _, tt := range []struct {
		name   string
		chance func() float64
		need   query.Need
		want   string
	}{
		{"mostly it chooses", never, n, "large"},
		{"sometimes it explores", always, n, "small"},
	} {
		if c, _, err := Explore(tt.need, o, 0.01, tt.chance, take(0)); err != nil || c.Model != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, c, err)
		}
	}
	n.Model = "large"
	if c, _, err := Explore(n, o, 1, always, take(0)); err != nil || c.Model != "large" {
		t.Errorf("who insists on a model gets it: %+v, %v", c, err)
	}
}
