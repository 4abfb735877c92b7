package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// sent is the load as it was sent, after the seconds in which the backend was up
// and nothing came: its controller remembers them.
func (r *Report) sent() arrivals.Trace {
	return arrivals.Trace{Step: time.Second, Counts: append(make([]float64, int(r.quiet/time.Second)), r.Sent...)}
}

// watchOwn simulates the scheme of the run once more, tick by tick.
func (r *Report) watchOwn(e comparison.Case) error {
	scheme, err := procurement.Get(r.Scheme)
	if err != nil {
		return err
	}
	cfg, err := e.Config(scheme)
	if err != nil {
		return err
	}
	cfg.Watch = r.watchTicks
	if _, err = simulate.Run(cfg); err != nil {
		return fmt.Errorf("simulate the run: %w", err)
	}
	r.WorkersApartPercent = apart(r.Ticks, r.SimulatedTicks)
	return nil
}

// addOthers simulates the same load under every scheme.
func (r *Report) addOthers(ctx context.Context, c Config, catalogue *profile.Catalogue) error {
	values := c.settings()
	values["vm_boot_seconds"] = fmt.Sprint(bootSeconds / c.TimeScale)
	set, err := settings.Parse(values)
	if err != nil {
		return fmt.Errorf("settings of the simulation: %w", err)
	}
	e := comparison.New("demo", r.sent(), simulate.Market{Name: catalogue.Name, Catalogue: catalogue, Models: []string{c.Model}, InstanceType: instanceType, Arch: "x86_64"})
	e.From, e.Warmup = r.quiet, r.quiet
	e.StrictShare, e.StrictMS, e.RelaxMS, e.Workers = c.StrictShare, c.StrictMS, c.RelaxedMS, c.Workers
	e.MetricDelay = time.Duration(set.MetricSettleSeconds * float64(time.Second))
	e.MinimumSeconds, e.KeepAliveSeconds, e.Settings, e.References = 0, c.keepAlive().Seconds(), set, false
	e.AsDeployed = &simulate.AsDeployed{BootSeconds: r.BootSeconds}
	rows, err := comparison.Play(ctx, e, procurement.All(), nil)
	if err != nil {
		return fmt.Errorf("simulate the other schemes: %w", err)
	}
	if err := r.watchOwn(e); err != nil {
		return err
	}
	for _, row := range rows {
		o := Other{Scheme: row.Row.Scheme, CostUSD: row.Row.CostUSD * c.TimeScale, WorkersMean: row.Result.VMSeconds / max(1, row.Result.Seconds),
			StrictViolationPercent: 100 * row.Row.StrictViolation, RelaxedViolationPercent: 100 * row.Row.RelaxedViolation}
		r.Others = append(r.Others, o)
	}
	r.CostErrorPercent, r.WorkersErrorPercent = off(r.own().CostUSD, r.CostUSD), off(r.own().WorkersMean, r.WorkersMean)
	return nil
}

// Run is the run with its simulation, as a calibration keeps it.
func (r Report) Run(trace string, seed uint64) calibration.Run {
	own := r.own()
	return calibration.Run{
		Trace: trace, Seed: seed, CostUSD: r.CostUSD, CostErrorPercent: r.CostErrorPercent,
		WorkersMean: r.WorkersMean, WorkersErrorPercent: r.WorkersErrorPercent, WorkersApartPercent: r.WorkersApartPercent,
		StrictMissedPercent: 100 - r.StrictMetPercent, StrictMissedSimulatedPercent: own.StrictViolationPercent,
		RelaxedMissedPercent: 100 - r.RelaxedMetPercent, RelaxedMissedSimulatedPercent: own.RelaxedViolationPercent,
	}
}

// own is the simulation of the scheme that ran.
func (r Report) own() Other {
	for _, o := range r.Others {
		if o.Scheme == r.Scheme {
			return o
		}
	}
	return Other{}
}

// off is by how many percent a simulated value is off the one that was seen;
// wholly so where nothing was seen.
func off(simulated, seen float64) float64 {
	switch {
	case seen != 0:
		return 100 * (simulated/seen - 1)
	case simulated != 0:
		return 100
	}
	return 0
}
