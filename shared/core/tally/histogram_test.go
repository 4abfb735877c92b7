package tally

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// times are drawn over the whole range, evenly on a logarithmic scale.
func times(t *rapid.T, name string, least int) []float64 {
	one := rapid.Custom(func(t *rapid.T) float64 {
		return math.Exp2(rapid.Float64Range(-4.3, 19.1).Draw(t, "doublings")) // 0.05 ms to 562 s
	})
	return rapid.SliceOfN(one, least, 60).Draw(t, name)
}

func TestQuantilesAreWithinTheBucketError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := times(t, "ms", 1)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got, ok := NewHistogram(all...).Quantile(q)
		slices.Sort(all)
		want := all[max(int(math.Ceil(q*float64(len(all)))), 1)-1]
		if !ok || math.Abs(got-want) > BucketError*want {
			t.Fatalf("the %g quantile of %v is %g, %v, want %g", q, all, got, ok, want)
		}
	})
}

func TestEveryValueLiesWithinItsBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.OneOf(rapid.Float64Min(0), rapid.Custom(func(t *rapid.T) float64 { return UpperMS(rapid.IntRange(0, BucketCount-2).Draw(t, "bound")) })).Draw(t, "ms")
		at := place(ms)
		if ms > UpperMS(at) || at > 0 && ms <= UpperMS(at-1) {
			t.Fatalf("%g is in bucket %d, which takes (%g, %g]", ms, at, UpperMS(at-1), UpperMS(at))
		}
	})
	for _, none := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
		if at := place(none); at != 0 {
			t.Errorf("%g is in bucket %d", none, at)
		}
	}
	if at := place(math.Inf(1)); at != BucketCount-1 {
		t.Errorf("what has no end is in bucket %d", at)
	}
}

func TestBucketsReachFarEnough(t *testing.T) {
	if low, high := UpperMS(0), UpperMS(BucketCount-2); low > 0.05 || high < 10*60*1000 {
		t.Errorf("buckets are from %g to %g ms", low, high)
	}
	for i := 1; i < BucketCount-1; i++ {
		if wide := UpperMS(i)/UpperMS(i-1) - 1; wide > BucketError || wide < 0.09 {
			t.Fatalf("bucket %d is %g wide", i, wide)
		}
	}
}

func TestMerging(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := times(t, "a", 0), times(t, "b", 0), times(t, "c", 0)
		ha, hb, hc := NewHistogram(a...), NewHistogram(b...), NewHistogram(c...)
		same(t, "(a+b)+c and a+(b+c)", ha.Merge(hb).Merge(hc), ha.Merge(hb.Merge(hc)))
		same(t, "a+b and b+a", ha.Merge(hb), hb.Merge(ha))
		same(t, "a+b and those of both", ha.Merge(hb), NewHistogram(slices.Concat(a, b)...))
		same(t, "(a+b)-b and a", ha.Merge(hb).Minus(hb), ha)
		same(t, "a-a and nothing", ha.Minus(ha), Histogram{})
	})
}

// same compares two histograms; sums are rounded by as much as floats are.
func same(t *rapid.T, what string, a, b Histogram) {
	if !slices.Equal(a.cells, b.cells) || math.Abs(a.sumMS-b.sumMS) > 1e-6*(1+max(a.sumMS, b.sumMS)) {
		t.Fatalf("%s differ: %+v and %+v", what, a, b)
	}
}

func TestMinusOfAnotherHistoryIsNeverBelowNothing(t *testing.T) {
	got := NewHistogram(1, 1, 50).Minus(NewHistogram(1, 7, 7, 7, 1000))
	if want := map[int]int64{place(1): 1, place(50): 1}; len(got.cells) != 2 || got.cells[0].n != want[place(1)] || got.cells[1].n != want[place(50)] || got.sumMS < 0 {
		t.Errorf("%+v", got)
	}
}

func TestNothingHasNoQuantile(t *testing.T) {
	if ms, ok := (Histogram{}).Quantile(0.5); ok {
		t.Errorf("the median of nothing is %g", ms)
	}
	if ms, ok := NewHistogram(math.Inf(1)).Quantile(0.5); !ok || ms != UpperMS(BucketCount-2) {
		t.Errorf("the median of what has no end is %g", ms)
	}
}

func TestHistogramsAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := NewHistogram(times(t, "ms", 0)...)
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var got Histogram
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		same(t, "what was encoded and what was decoded", h, got)
	})
	h := NewHistogram(1, 1.05, 1.06, 3)
	if text, err := json.Marshal(h); err != nil || string(text) != `{"buckets":[35,1,2,-11,1],"sum_ms":6.11}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestWhatIsNoHistogramIsRefused(t *testing.T) {
	for _, text := range []string{
		`{"buckets":[1],"sum_ms":0}`, `{"buckets":[-1,1],"sum_ms":1}`, `{"buckets":[0,0],"sum_ms":1}`, `{"buckets":[0,1,-2],"sum_ms":1}`,
		`{"buckets":[0,1,-2,-2,1],"sum_ms":1}`, `{"buckets":[0,-1,1],"sum_ms":1}`, `{"buckets":[191,1],"sum_ms":1}`, `{"buckets":[190,1,1],"sum_ms":1}`,
		`{"buckets":[0,1,-189,1,1],"sum_ms":1}`, `{"buckets":[0,9007199254740992,1],"sum_ms":1}`, `{"buckets":[0,1,-9223372036854775808,1],"sum_ms":1}`,
		`{"buckets":[0,1],"sum_ms":-1}`, `{"buckets":[],"sum_ms":1}`, `{"buckets":[0.5,1],"sum_ms":1}`, `[]`,
	} {
		var h Histogram
		if err := json.Unmarshal([]byte(text), &h); err == nil || !strings.Contains(err.Error(), "histogram") {
			t.Errorf("%s was taken for %+v, error %v", text, h, err)
		}
	}
}

// Whatever is decoded can be added up and asked, and is encoded as it was.
func FuzzDecode(f *testing.F) {
	f.Add(`{"buckets":[35,1,2,-11,1],"sum_ms":6.11}`)
	f.Add(`{"buckets":[0,9007199254740992],"sum_ms":0}`)
	f.Add(`{"buckets":[0,1,-189,1],"sum_ms":1e300}`)
	f.Fuzz(func(t *testing.T, text string) {
		var h Histogram
		if json.Unmarshal([]byte(text), &h) != nil {
			return
		}
		if n := h.Count(); n < 0 || n > mostCounted {
			t.Fatalf("%s counts %d", text, n)
		}
		if !h.Minus(h).IsZero() || h.Merge(h).Count() != 2*h.Count() {
			t.Fatalf("%s does not add up: %+v", text, h)
		}
		p50, _ := h.Quantile(0.5)
		if p99, ok := h.Quantile(0.99); p99 < p50 || ok == h.IsZero() {
			t.Fatalf("%s has p50 %g and p99 %g", text, p50, p99)
		}
		encoded, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var again Histogram
		if err := json.Unmarshal(encoded, &again); err != nil || !slices.Equal(h.cells, again.cells) {
			t.Fatalf("%s became %s, which is %+v, error %v", text, encoded, again, err)
		}
	})
}
