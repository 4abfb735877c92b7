package breaker

import (
	"slices"
	"testing"
	"time"
)

var t0 = time.Unix(1000, 0)

func TestABreakerOpensAndCloses(t *testing.T) {
	fail := func(s *Set, now time.Time) { s.Failed("m", "it broke", now) }
	load := func(s *Set, now time.Time) { s.NotLoaded("m", "no such file", now) }
	ok := func(s *Set, _ time.Time) { s.Succeeded("m") }
	type step struct {
		after time.Duration
		do    func(*Set, time.Time)
	}
	times := func(n int, s step) (out []step) {
		for range n {
			out = append(out, s)
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		steps []step
		open  time.Duration // from the last step on; 0 when it is closed
	}{
		{"never failed", nil, 0},
		{"a few failures", times(tripAfter-1, step{0, fail}), 0},
		{"failures in a row", times(tripAfter, step{0, fail}), firstOpen},
		{"a success between", append(append(times(tripAfter-1, step{0, fail}), step{0, ok}), times(tripAfter-1, step{0, fail})...), 0},
		{"a failed load", []step{{0, load}}, firstOpen},
		{"more failures while it is open do not lengthen it", append(times(tripAfter, step{0, fail}), step{firstOpen / 3, fail}), firstOpen * 2 / 3},
		{"the trial fails", []step{{0, load}, {firstOpen, fail}}, 2 * firstOpen},
		{"the trial succeeds", []step{{0, load}, {firstOpen, ok}}, 0},
		{"the time is bounded", times(20, step{longestOpen, load}), longestOpen},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s Set
			now := t0
			for _, st := range tc.steps {
				now = now.Add(st.after)
				st.do(&s, now)
			}
			got, open := s.IsOpen("m", now)
			if open != (tc.open > 0) || open && got.Until.Sub(now) != tc.open {
				t.Fatalf("open %v for %v, want %v", open, got.Until.Sub(now), tc.open)
			}
			if n := len(s.AllOpen(now)); open != (n == 1) {
				t.Errorf("%d are listed as open", n)
			}
			if _, later := s.IsOpen("m", now.Add(tc.open)); later {
				t.Error("it is open beyond its time")
			}
			if _, other := s.IsOpen("another", now); other {
				t.Error("another model's is open")
			}
		})
	}
}

// A model is open everywhere when it is in each place, until the first place tries it again.
func TestOpenEverywhere(t *testing.T) {
	open := func(model string, seconds int) Open {
		return Open{Model: model, Until: t0.Add(time.Duration(seconds) * time.Second), Why: "it broke"}
	}
	for _, tc := range []struct {
		name   string
		places [][]Open
		want   []Open
	}{
		{"no place", nil, nil},
		{"one place with none", [][]Open{nil}, nil},
		{"one place", [][]Open{{open("a", 1), open("b", 2)}}, []Open{open("a", 1), open("b", 2)}},
		{"the first of two", [][]Open{{open("a", 1)}, nil}, nil},
		{"the second of two", [][]Open{nil, {open("a", 1)}}, nil},
		{"another in each", [][]Open{{open("a", 1)}, {open("b", 1)}}, nil},
		{"both, the second ends first", [][]Open{{open("a", 9)}, {open("b", 1), open("a", 5)}}, []Open{open("a", 5)}},
		{"both, the first ends first", [][]Open{{open("a", 5)}, {open("a", 9)}}, []Open{open("a", 5)}},
		{"two of three", [][]Open{{open("a", 1)}, {open("a", 1)}, {open("b", 1)}}, nil},
		{"the second of three has none", [][]Open{{open("a", 1)}, nil, {open("a", 1)}}, nil},
		{"three, the last ends first", [][]Open{{open("a", 3)}, {open("a", 2)}, {open("a", 1)}}, []Open{open("a", 1)}},
	} {
		if got := Everywhere(tc.places); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// A model is open anywhere until the last place closes it.
func TestAnywhere(t *testing.T) {
	open := func(model string, after time.Duration, why string) Open { return Open{model, t0.Add(after), why} }
	a, b, later := open("a", 1, "here"), open("b", 2, "here"), open("a", 3, "there")
	if got := Anywhere([]Open{b, a}, nil, []Open{later}); !slices.Equal(got, []Open{later, b}) {
		t.Errorf("%+v", got)
	}
	if got := Anywhere(nil, nil); got != nil {
		t.Errorf("%+v", got)
	}
}

// What fails in one process of many, while it succeeds in others, is open for that one alone.
func TestPrevailing(t *testing.T) {
	a, b := Open{"a", t0.Add(9), "x"}, Open{"b", t0.Add(9), "x"}
	for _, tc := range []struct {
		name      string
		open      [][]Open
		answering map[string]int
		want      []Open
	}{
		{"nobody answers", [][]Open{{a}, nil, nil}, nil, []Open{a}},
		{"another answers", [][]Open{{a}, nil}, map[string]int{"a": 1}, nil},
		{"one of many fails", [][]Open{{a}, nil, nil, nil}, map[string]int{"a": 3}, nil},
		{"most fail", [][]Open{{a}, {a}, nil}, map[string]int{"a": 1}, []Open{a}},
		{"another model is answered", [][]Open{{a, b}}, map[string]int{"b": 1}, []Open{a}},
	} {
		if got := Prevailing(tc.open, tc.answering); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// What opens, opens again or closes before its time is a change; what closes by time is none.
func TestChanged(t *testing.T) {
	a, again, b := Open{"a", t0.Add(9), "x"}, Open{"a", t0.Add(20), "x"}, Open{"b", t0.Add(9), "x"}
	for _, tc := range []struct {
		name      string
		was, open []Open
		at        time.Duration
		want      bool
	}{
		{"nothing", nil, nil, 0, false},
		{"opens", nil, []Open{a}, 0, true},
		{"is open", []Open{a}, []Open{a}, 5, false},
		{"opens again", []Open{a}, []Open{again}, 10, true},
		{"another opens", []Open{a}, []Open{a, b}, 5, true},
		{"closes before its time", []Open{a, b}, []Open{a}, 5, true},
		{"closes by time", []Open{a}, nil, 9, false},
	} {
		if got := Changed(tc.was, tc.open, t0.Add(tc.at)); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
