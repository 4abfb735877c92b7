package demo

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

func TestCompressedKeepsTheRates(t *testing.T) {
	c := Config{TimeScale: 10, Trace: arrivals.Trace{Step: time.Second, Counts: make([]float64, 600)}}
	for i := range c.Trace.Counts {
		c.Trace.Counts[i] = float64(i % 20)
	}
	got := c.Compressed()
	if len(got.Counts) != 60 || got.Counts[0] != 4.5 || got.Counts[1] != 14.5 {
		t.Errorf("%d steps: %v", len(got.Counts), got.Counts[:2])
	}
	if mean := got.Total() / 60; math.Abs(mean-c.Trace.Total()/600) > 1e-9 {
		t.Errorf("mean rate %v, want %v", mean, c.Trace.Total()/600)
	}
	c.Trace.Step = time.Minute // ten hours, of which a step lasts six seconds
	if got := c.Compressed(); len(got.Counts) != 3600 || got.Counts[6] != 1./60 {
		t.Errorf("%d steps, the seventh %v", len(got.Counts), got.Counts[6])
	}
}

func TestCrowdIsTenTimesTheRest(t *testing.T) {
	c := Crowd(6, time.Hour)
	for at, want := range map[time.Duration]float64{0: 6, 19 * time.Minute: 6, 30 * time.Minute: 60, 40 * time.Minute: 6} {
		if got := c.Counts[int(at.Seconds())]; got != want {
			t.Errorf("at %v %v queries/s, want %v", at, got, want)
		}
	}
}

func TestSettingsKeepTheirRanges(t *testing.T) {
	for _, scale := range []float64{1, 10, 60} {
		c := Config{TimeScale: scale, Scheme: "paragon", Set: map[string]string{"max_workers": "5"}}
		set, err := settings.Parse(c.settings())
		if err != nil {
			t.Errorf("scale %v: %v", scale, err)
		}
		if set.MaxWorkers != 5 || set.MaxOverflowConcurrency != 0 || set.IdleSeconds != 180/scale {
			t.Errorf("scale %v: %+v", scale, set)
		}
	}
}

func TestTheModelTakesWhatWasAsked(t *testing.T) {
	dir := t.TempDir() + "/p"
	slow, err := Config{Catalogue: "fashion", Model: "cnn", ServiceMS: 250}.writeProfiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := slow.Model("cnn")
	st, ok := slow.OnVM(m, instanceType)
	if !ok || math.Abs(st.MS.P50-250) > 1e-6 || st.MS.P99 != st.MS.P50 {
		t.Errorf("service time %+v", st)
	}
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	as, _ := set.Catalogue("fashion")
	quick, _ := as.Model("cnn")
	a, _ := slow.OnFunction(m, "x86_64", 1769)
	b, _ := as.OnFunction(quick, "x86_64", 1769)
	if a.ColdMS != b.ColdMS {
		t.Errorf("cold start %+v, was %+v", a.ColdMS, b.ColdMS)
	}
}

func TestBadConfigurationsAreNamed(t *testing.T) {
	for want, c := range map[string]Config{
		"time-scale": {TimeScale: 0}, "service-ms": {TimeScale: 1, ServiceMS: math.NaN()},
		"strict-share": {TimeScale: 1, ServiceMS: 1, StrictShare: 2}, "the trace lasts": {TimeScale: 1, ServiceMS: 1},
	} {
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestReportCounts(t *testing.T) {
	r := newReport(Config{TimeScale: 2}, time.Minute)
	row := func(second int, class query.Class, kind query.RunnerKind, met, cold bool) {
		r.add(load.Row{Intended: time.Duration(second) * time.Second, Shot: load.Shot{Class: class},
			Answer: load.Answer{State: query.Succeeded, ServedBy: kind, MetSLO: met, Cold: cold}})
	}
	for i := range 40 {
		row(i/4, query.Strict, query.OnWorker, true, false) // the first ten seconds
	}
	for i := range 20 {
		kind := query.OnWorker
		if i < 5 {
			kind = query.OnFunction
		}
		row(15, query.Strict, kind, i != 0, i == 0)
	}
	row(30, query.Relaxed, query.OnWorker, false, false)
	r.add(load.Row{Intended: 40 * time.Second, Shot: load.Shot{Class: query.Relaxed}, Answer: load.Answer{State: query.Failed, Retries: 2}})
	r.observe(time.Second, api.Status{BackendStatus: api.BackendStatus{CostUSD: 3}, Pools: []api.PoolStatus{{}}})
	r.end()
	if r.PeakOverflowPercent != 25 || r.StrictWarmMetPercent != 100 || r.StrictMetPercent >= 100 || r.RelaxedMetPercent != 0 || r.CostUSD != 6 || r.Interrupted != 1 {
		t.Errorf("%+v", r)
	}
}
