package recorded_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// samples holds samples by task and class.
type samples map[string][]platform.Sample

func (r samples) Series(_ context.Context, metric string, dimensions []string, _, _ time.Time, _ time.Duration) ([]platform.Sample, error) {
	if metric != telemetry.Arrivals.Name {
		return nil, errors.New("another metric was read: " + metric)
	}
	return r[strings.Join(dimensions, " ")], nil
}

func at(second int, sum float64) platform.Sample {
	return platform.Sample{At: noon.Add(time.Duration(second) * time.Second), Sum: sum}
}

func TestReadAddsTasksAndClasses(t *testing.T) {
	m := samples{"task=a class=strict": {at(1, 3)}, "task=a class=relaxed": {at(1, 6), at(4, 2)}, "task=b class=relaxed": {at(2, 1)},
		"task=c class=strict": {at(1, 99)}, "task=b class=strict": {at(-1, 7), at(6, 7)}}
	l, err := recorded.Read(t.Context(), m, []string{"a", "b"}, noon.Add(300*time.Millisecond), noon.Add(6*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{0, 9, 1, 0, 2, 0}; !slices.Equal(l.Trace.Counts, want) || l.StrictShare != 0.25 {
		t.Errorf("%v with %v strict, want %v with a quarter", l.Trace.Counts, l.StrictShare, want)
	}
	if got := l.Trimmed().Trace.Counts; !slices.Equal(got, []float64{9, 1, 0, 2}) {
		t.Errorf("trimmed: %v", got)
	}
}

func TestNothingSeen(t *testing.T) {
	l, err := recorded.Read(t.Context(), samples{}, []string{"a"}, noon, noon.Add(3*time.Second))
	if err != nil || l.StrictShare != 0 || len(l.Trimmed().Trace.Counts) != 0 {
		t.Errorf("%+v, error %v", l, err)
	}
}

// By the minute, steps begin at whole minutes, whatever was asked for, and the
// trace says where it starts.
func TestReadByTheMinute(t *testing.T) {
	m := samples{"task=a class=strict": {at(0, 60), at(120, 30)}, "task=a class=relaxed": {at(60, 30), at(-60, 99), at(180, 99)}}
	l, err := recorded.ReadBy(t.Context(), m, []string{"a"}, noon.Add(20*time.Second), noon.Add(190*time.Second), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{60, 30, 30}; !slices.Equal(l.Trace.Counts, want) || l.Trace.Step != time.Minute || !l.From.Equal(noon) || l.StrictShare != 0.75 {
		t.Errorf("%+v, want %v from %v on", l, want, noon)
	}
	late := recorded.Load{From: noon, Trace: l.Trace}
	late.Trace.Counts = []float64{0, 0, 5, 0}
	if got := late.Trimmed(); !got.From.Equal(noon.Add(2*time.Minute)) || len(got.Trace.Counts) != 1 {
		t.Errorf("trimmed: %+v", got)
	}
	for _, step := range []time.Duration{0, time.Millisecond, 1500 * time.Millisecond} {
		if _, err := recorded.ReadBy(t.Context(), m, []string{"a"}, noon, noon.Add(time.Minute), step); err == nil {
			t.Errorf("steps of %v were read", step)
		}
	}
}
