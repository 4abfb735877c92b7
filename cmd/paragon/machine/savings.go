package machine

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

const (
	// savingsEvery is how often the other schemes are simulated again, and
	// savingsRest how many times as long as that took is waited at least.
	savingsEvery = 10 * time.Second
	savingsRest  = 20
	// savingsBack is how far back arrivals are kept.
	savingsBack = 23 * time.Hour
	// savingsFrom is for how long a stage runs before its cost is compared: in less,
	// the boot of one worker decides.
	savingsFrom = 30 * time.Second
)

// compared are the schemes and rivals with which the cost so far is compared: all but the
// one that runs. The rival that runs every query on functions stays out, as the plain
// function has the exact prices of the same.
func (m *Machine) compared() (schemes []procurement.Scheme, names []string) {
	set := m.settings.Current()
	for _, s := range rivals.Schemes() {
		if name := s.Name(); name != allFunctions && (name != set.Scheme || set.Fleet == settings.FleetFixed) {
			schemes, names = append(schemes, s), append(names, name)
		}
	}
	return schemes, names
}

const allFunctions = "all_functions"

// savings keeps what other schemes would have cost.
type savings struct {
	mu   sync.Mutex // guards what follows
	last api.Savings
}

func (s *savings) now() *api.Savings {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last
	return &last
}

// updateSavings simulates the other schemes again and again, until run ends.
func (m *Machine) updateSavings(run context.Context) {
	for run.Err() == nil {
		began := time.Now()
		found := m.weigh(run, began)
		m.savings.mu.Lock()
		m.savings.last = found
		m.savings.mu.Unlock()
		timer := time.NewTimer(max(savingsEvery, savingsRest*time.Since(began)))
		select {
		case <-run.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// weigh simulates the other schemes on what arrived since the meter began, and
// says within which error their costs are known.
func (m *Machine) weigh(ctx context.Context, now time.Time) api.Savings {
	schemes, names := m.compared()
	out := api.Savings{Verdict: JudgeCalibration(m.cfg.DataDir, calibration.Subject{Catalogue: m.catalogue.Name, Schemes: names})}
	out.Why, out.Next = query.WithoutFolders(out.Why), query.WithoutFolders(out.Next) // callers read them
	if !out.Quoted {
		return out
	}
	if now.Sub(m.meter.since) < savingsFrom {
		out.Verdict = calibration.Verdict{Why: fmt.Sprintf("the server has run for less than %.0f s", savingsFrom.Seconds()), Next: "the comparison with other schemes begins then"}
		return out
	}
	if now.Sub(m.meter.since) > savingsBack {
		out.Verdict = calibration.Verdict{Why: fmt.Sprintf("the server has run longer than the %v for which it keeps arrivals", savingsBack),
			Next: "run `paragon replay --data " + filepath.Base(m.cfg.DataDir) + "` to simulate the arrivals that are kept"}
		return out
	}
	cost := m.meter.costUSD()
	others, err := m.others(ctx, now, schemes)
	if err != nil {
		m.log.Warn("what other schemes would have cost is not known", "error", err)
		out.Verdict = calibration.Verdict{Why: "the simulation failed: " + err.Error(), Next: "see the server's log"}
		return out
	}
	for i := range others {
		others[i].LowUSD, others[i].HighUSD = out.Interval(others[i].CostUSD)
	}
	if plain, err := m.plainFunction(ctx, now); err == nil {
		others = append(others, api.SchemeCost{Scheme: "plain function", CostUSD: plain, LowUSD: plain, HighUSD: plain})
		if pricing.PlainIsCheaper(plain, cost) {
			out.Next = strings.TrimPrefix(out.Next+". For this load a plain function would be cheaper than Paragon", ". ")
		}
	}
	slices.SortStableFunc(others, func(a, b api.SchemeCost) int { return cmp.Compare(a.CostUSD, b.CostUSD) })
	out.CostUSD, out.To, out.Others = cost, now, others
	return out
}

// plainFunction is what the arrivals up to now would have cost on inference
// functions alone, as intake priced each of them: nothing of it is simulated.
func (m *Machine) plainFunction(ctx context.Context, now time.Time) (usd float64, err error) {
	series, err := m.backend.Metrics.Series(ctx, telemetry.ArrivalFunctionUSD.Name, nil, m.meter.since, now, time.Hour)
	for _, s := range series {
		usd += s.Sum
	}
	return usd, err
}

// others is what each of the other schemes would have cost up to now.
func (m *Machine) others(ctx context.Context, now time.Time, schemes []procurement.Scheme) ([]api.SchemeCost, error) {
	var tasks []string
	for _, t := range m.catalogue.Tasks {
		tasks = append(tasks, t.Name)
	}
	load, err := recorded.Read(ctx, m.backend.Metrics, tasks, m.meter.since, now)
	if err != nil {
		return nil, err
	}
	if len(load.Trace.Counts) == 0 { // it came up just now
		return nil, nil
	}
	e := m.asSimulated(load)
	if e.Asks, err = m.asks(ctx, e.Market.Models, e.Settings.PathMS); err != nil {
		return nil, err
	}
	rows, err := comparison.Play(ctx, e, schemes, nil)
	if err != nil {
		return nil, err
	}
	var out []api.SchemeCost
	for _, r := range rows {
		missed := 100 * r.Row.SLOViolation
		out = append(out, api.SchemeCost{Scheme: r.Row.Scheme, Simulated: true, CostUSD: r.Row.CostUSD, MissedPercent: &missed})
	}
	return out, nil
}

// asSimulated is this backend as the simulator has it.
func (m *Machine) asSimulated(load recorded.Load) comparison.Case {
	e := comparison.New("deployed", load.Trace, simulate.Market{
		Name: m.catalogue.Name, Catalogue: m.catalogue, Models: m.served(), InstanceType: m.instance.Type, Arch: inference.Arch(),
	})
	set := m.settings.Current()
	e.Settings, e.MetricDelay = set, time.Duration(set.MetricSettleSeconds*float64(time.Second))
	e.Workers, e.Warmup, e.StrictShare, e.References = m.cfg.Workers, 0, load.StrictShare, false
	e.MinimumSeconds, e.KeepAliveSeconds = 0, m.cfg.KeepAlive.Seconds() // as the meter counts
	e.AsDeployed = &simulate.AsDeployed{BootSeconds: cmp.Or(m.BootSeconds(), m.cfg.Boot.Seconds()), GroupMax: m.cfg.GroupMax}
	return e
}

// served are the models that have a network.
func (m *Machine) served() []string {
	var out []string
	for i := range m.catalogue.Models {
		if m.catalogue.Models[i].File != "" {
			out = append(out, m.catalogue.Models[i].Name)
		}
	}
	return out
}

// asksOf is how many of the newest sampled queries tell what queries ask for.
const asksOf = 500

// asks are the bounds and the models of the newest queries of which samples are
// kept, each as likely; none before the first.
func (m *Machine) asks(ctx context.Context, models []string, pathMS float64) ([]simulate.Ask, error) {
	newest, err := m.backend.Records.SampleRecords(ctx, m.meter.since, asksOf)
	if err != nil {
		return nil, err
	}
	var out []simulate.Ask
	for _, r := range newest {
		bound := query.Milliseconds(r.DeadlineAt.Sub(r.AcceptedAt))
		if i := slices.Index(models, r.Model); i >= 0 && bound > pathMS {
			out = append(out, simulate.Ask{Strict: r.Class == query.Strict, BoundMS: bound, Served: []simulate.Served{{Model: i}}})
		}
	}
	return out, nil
}
