package machine

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine/apart"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/savings"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
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

// updateSavings simulates the other schemes again and again, until run ends.
func (m *Machine) updateSavings(run context.Context) {
	m.savings.Keep(run, m.weigh, func(took time.Duration) time.Duration { return max(savingsEvery, savingsRest*took) })
}

// weigh simulates the other schemes on what arrived since the meter began, and
// says within which error their costs are known.
func (m *Machine) weigh(ctx context.Context, now time.Time) api.Savings {
	stage := m.asSimulated()
	_, of := stage.Compared()
	if v := m.judge(nil, of); !v.Quoted {
		return api.Savings{Verdict: v}
	}
	ran := now.Sub(m.meter.since)
	if ran < savingsFrom {
		return api.Savings{Verdict: calibration.Verdict{Why: fmt.Sprintf("the server has run for less than %.0f s", savingsFrom.Seconds()), Next: "after this time, the comparison with other schemes begins"}}
	}
	if ran > savingsBack {
		return api.Savings{Verdict: calibration.Verdict{Why: fmt.Sprintf("the server has run longer than the %v for which it keeps arrivals", savingsBack),
			Next: "run `paragon replay --data " + filepath.Base(m.cfg.DataDir) + "` to simulate the arrivals that are kept"}}
	}
	p := savings.Period{From: m.meter.since, To: now, CostUSD: m.meter.costUSD(), Cost: ran}
	err := m.readArrivals(ctx, &p)
	if err == nil {
		var out api.Savings
		if out, err = savings.Compare(ctx, stage, p, m.judge, m.play); err == nil {
			return out
		}
	}
	m.log.Warn("what other schemes would have cost is not known", "error", err)
	return api.Savings{Verdict: calibration.Verdict{Why: "the simulation failed: " + err.Error(), Next: "see the server's log"}}
}

// judge gives the verdict on this machine, in words that callers may read.
func (m *Machine) judge(past *calibration.Past, of calibration.Subject) calibration.Verdict {
	v := JudgeCalibration(m.cfg.DataDir, past, of)
	v.Why, v.Next = query.WithoutFolders(v.Why), query.WithoutFolders(v.Next)
	return v
}

// SavingsPlay is the command of paragon that simulates what comes on its standard input.
const SavingsPlay = "savings-play"

// playApart simulates schemes in another process.
func (m *Machine) playApart(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error) {
	path, err := m.cfg.binary("paragon")
	if err != nil {
		return nil, err
	}
	return apart.Program{path, SavingsPlay}.Play(ctx, c, schemes)
}

// readArrivals reads what arrived in the time, and what it asked for.
func (m *Machine) readArrivals(ctx context.Context, p *savings.Period) (err error) {
	metrics := m.backend.Metrics
	if p.Load, err = recorded.Read(ctx, metrics, savings.Tasks(m.catalogue), p.From, p.To); err != nil {
		return err
	}
	if p.PlainHoursUSD, err = savings.PlainHoursUSD(ctx, metrics, p.From, p.To, time.Hour); err != nil {
		return err
	}
	if p.Samples, err = m.backend.Records.SampleRecords(ctx, p.From, savings.Samples); err != nil {
		return err
	}
	p.Changed, err = savings.ChangedAfter(ctx, m.backend.History, p.From.Add(savingsFrom)) // a start may set the scheme
	return err
}

// asSimulated is this backend as the simulator has it.
func (m *Machine) asSimulated() savings.Stage {
	return savings.Stage{
		Catalogue: m.catalogue, InstanceType: m.instance.Type, Arch: inference.Arch(), Settings: m.settings.Current(),
		Workers: m.cfg.Workers, KeepAlive: m.cfg.KeepAlive,
		AsDeployed: simulate.AsDeployed{BootSeconds: cmp.Or(m.BootSeconds(), m.cfg.Boot.Seconds()), GroupMax: m.cfg.GroupMax},
	}
}
