package placement

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPickFunction(t *testing.T) {
	small := FunctionOffer{MemoryMB: 512, P95MS: 181, ColdP95MS: 400, USD: 2}
	middle := FunctionOffer{MemoryMB: 1024, P95MS: 89, ColdP95MS: 200, USD: 1}
	large := FunctionOffer{MemoryMB: 1769, P95MS: 51, ColdP95MS: 120, USD: 3}
	huge := FunctionOffer{MemoryMB: 3538, P95MS: 51, ColdP95MS: 120, USD: 6}
	cold := func(o FunctionOffer, share float64) FunctionOffer { o.ColdShare = share; return o }
	for _, tc := range []struct {
		name   string
		offers []FunctionOffer
		leftMS float64
		want   []int
	}{
		{"all in time: the cheapest", []FunctionOffer{small, middle, large, huge}, 1000, []int{1024, 512, 1769, 3538}},
		{"some in time: the cheapest of them", []FunctionOffer{small, middle, large, huge}, 60, []int{1769, 3538, 1024, 512}},
		{"none in time: the fastest, then the cheaper", []FunctionOffer{small, middle, huge, large}, 10, []int{1769, 3538, 1024, 512}},
		{"a cold start counts by its share", []FunctionOffer{cold(middle, 1), cold(large, 0.1)}, 100, []int{1769, 1024}},
		{"a rare one hardly", []FunctionOffer{cold(middle, 0.05), cold(large, 1)}, 100, []int{1024, 1769}},
		{"nothing on offer", nil, 100, nil},
	} {
		var got []int
		for _, o := range PickFunction(tc.offers, tc.leftMS) {
			got = append(got, o.MemoryMB)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestColdShare(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c ColdShare
		if c.Value() != 1 {
			rt.Fatal("a function that was never invoked is not cold")
		}
		for _, cold := range rapid.SliceOfN(rapid.Bool(), 1, 30).Draw(rt, "cold") {
			before := c.Value()
			c.Saw(cold)
			if v := c.Value(); v < 0 || v > 1 || cold && v < before-1e-12 || !cold && v > before {
				rt.Fatalf("share went from %v to %v", before, v)
			}
		}
	})
	var c ColdShare
	for range 60 {
		c.Saw(false)
	}
	if math.Abs(c.Value()) > 1e-5 {
		t.Errorf("share %v after 60 warm invocations", c.Value())
	}
}
