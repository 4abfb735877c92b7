package procurement_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// watcher feeds snapshots to a scheme and keeps what its state has to be.
type watcher struct {
	set   settings.Settings
	state procurement.State
	seen  int                        // seconds after `at` up to which seconds were shown
	want  []procurement.Second       // that the state has to hold, oldest first
	from  []int                      // the second of each of them
	truth map[int]procurement.Second // as it was shown last
}

// show has a tick see the seconds of [from, to).
func (w *watcher) show(from, to int) {
	s := observedReason(0, 0, procurement.Pool{Ready: 1})
	s.CoveredTo = at.Add(time.Duration(to) * time.Second)
	for i := from; i < to; i++ {
		s.Arrivals = append(s.Arrivals, w.truth[i])
		j := slices.Index(w.from, i)
		switch {
		case j < 0 && i >= w.seen:
			w.want, w.from = append(w.want, w.truth[i]), append(w.from, i)
		case j >= 0 && i >= w.seen-procurement.RereadSeconds:
			w.want[j] = w.truth[i]
		}
	}
	w.seen = max(w.seen, to)
	_, w.state, _ = run(at.Add(time.Duration(to)*time.Second), s, w.set, w.state)
}

// share is the share of strict queries, from the first second on.
func (w *watcher) share() float64 {
	share := 0.0
	for _, a := range w.want {
		if a.All() > 0 {
			share += (a.Strict/a.All() - share) / 100
		}
	}
	return share
}

// Seconds that are shown again replace what was shown of them, and none is
// counted twice: the history is what was shown last, second by second.
func TestSecondsShownAgainReplace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &watcher{set: settings.Defaults(), truth: map[int]procurement.Second{}}
		w.set.Scheme = "reactive"
		for range rapid.IntRange(1, 12).Draw(rt, "ticks") {
			to := w.seen + rapid.IntRange(0, 40).Draw(rt, "new seconds")
			back := rapid.IntRange(0, 200).Draw(rt, "shown again")
			from := max(0, w.seen-back)
			for i := from; i < to; i++ { // points come late: any second may have others by now
				if _, known := w.truth[i]; !known || rapid.IntRange(0, 3).Draw(rt, "late") == 0 {
					w.truth[i] = procurement.Second{Strict: float64(rapid.IntRange(0, 9).Draw(rt, "strict")), Relaxed: float64(rapid.IntRange(0, 9).Draw(rt, "relaxed"))}
				}
			}
			w.show(from, to)
			var all []float64
			for _, a := range w.want {
				all = append(all, a.All())
			}
			if !slices.Equal(w.state.History, all) {
				rt.Fatalf("history\n%v, want\n%v", w.state.History, all)
			}
			if w.state.StrictShare != w.share() {
				rt.Fatalf("share of strict queries %v, want %v", w.state.StrictShare, w.share())
			}
			if len(w.state.StrictLast) > procurement.RereadSeconds {
				rt.Fatalf("%d seconds are kept to be replaced", len(w.state.StrictLast))
			}
		}
	})
}

// A tick that sees again does not change the state that it was given: the same
// case decides again as it did.
func TestSeeingAgainChangesNothingOfBefore(t *testing.T) {
	w := &watcher{set: settings.Defaults(), truth: map[int]procurement.Second{}}
	w.set.Scheme = "reactive"
	for i := range 200 {
		w.truth[i] = procurement.Second{Strict: 3, Relaxed: 1}
	}
	w.show(0, 150)
	before := w.state
	history, strict := slices.Clone(before.History), slices.Clone(before.StrictLast)
	for i := range 200 {
		w.truth[i] = procurement.Second{Strict: 7, Relaxed: 9}
	}
	w.show(30, 200)
	if !slices.Equal(before.History, history) || !slices.Equal(before.StrictLast, strict) {
		t.Error("the state before was changed")
	}
	if slices.Equal(w.state.History[:150], history) {
		t.Error("late points changed nothing")
	}
}

// After seconds that nobody saw, those before them are settled: what is shown
// later stands behind them.
func TestAGapSettlesWhatWasSeen(t *testing.T) {
	w := &watcher{set: settings.Defaults(), truth: map[int]procurement.Second{}}
	w.set.Scheme = "reactive"
	for i := range 400 {
		w.truth[i] = procurement.Second{Strict: 1}
	}
	w.show(0, 100)
	w.show(150, 160) // from 100 to 150 nothing is known
	for i := range 400 {
		w.truth[i] = procurement.Second{Strict: 2}
	}
	w.show(40, 170)
	want := slices.Concat(slices.Repeat([]float64{1}, 100), slices.Repeat([]float64{2}, 20))
	if !slices.Equal(w.state.History, want) {
		t.Errorf("history %v, want %v", w.state.History, want)
	}
}

// A state of a version that kept no seconds to be replaced takes what is new.
func TestAStateWithoutThemTakesWhatIsNew(t *testing.T) {
	w := &watcher{set: settings.Defaults(), truth: map[int]procurement.Second{}, seen: 3}
	w.set.Scheme = "reactive"
	w.state = procurement.State{KnownUntil: at.Add(3 * time.Second), History: []float64{5, 5, 5}, StrictShare: 0.5}
	w.truth[3] = procurement.Second{Strict: 4}
	w.show(0, 4)
	if want := []float64{5, 5, 5, 4}; !slices.Equal(w.state.History, want) || w.state.StrictShare != 0.505 {
		t.Errorf("history %v, share %v", w.state.History, w.state.StrictShare)
	}
}

// An hour is kept, however much of it is shown again.
func TestAnHourIsKept(t *testing.T) {
	w := &watcher{set: settings.Defaults(), truth: map[int]procurement.Second{}}
	w.set.Scheme = "reactive"
	for i := range 8000 {
		w.truth[i] = procurement.Second{Strict: float64(i)}
	}
	w.show(0, 3590)
	for _, to := range []int{3700, 8000} {
		w.show(w.seen-100, to)
		if h := w.state.History; len(h) != 3600 || h[0] != float64(to-3600) || h[3599] != float64(to-1) {
			t.Errorf("%d seconds from %v to %v, want the 3600 before %d", len(h), h[0], h[len(h)-1], to)
		}
	}
}
