// Package savings compares what a stage has cost with what other schemes, the rules of
// other systems and a plain function would have cost for the same arrivals, on one
// machine and in an account alike. The simulated scheme that ran shows how far off the
// simulation of this very stage is.
package savings

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// Samples is how many of the newest sampled queries show what queries ask for.
const Samples = 500

// Stage is a stage as the simulator has it.
type Stage struct {
	Catalogue    *profile.Catalogue
	InstanceType string // of its workers
	Arch         string // of its functions
	Settings     settings.Settings
	Workers      int           // when the simulation begins
	KeepAlive    time.Duration // of a function's idle environment
	AsDeployed   simulate.AsDeployed
}

// Period is the time that is compared.
type Period struct {
	From, To time.Time
	// Load is what arrived. It may begin before From: what came before is played and not
	// counted.
	Load    recorded.Load
	Samples []query.Record // of queries, the newest
	// CostUSD is what the stage counted of its workers and functions, and Cost for how long
	// the stage cost something.
	CostUSD float64
	Cost    time.Duration
	// PlainHoursUSD is what the arrivals of each hour would have cost on inference functions
	// alone.
	PlainHoursUSD []float64
	// Changed is when the setting scheme or fleet was changed within the time, if it was:
	// then no one scheme is what ran.
	Changed time.Time
}

// Play plays schemes, as comparison.Play does.
type Play func(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error)

// Judge gives the verdict by the stage's own past, which may be nil.
type Judge func(past *calibration.Past, of calibration.Subject) calibration.Verdict

// allFunctions is the rival that runs every query on functions. The plain function has
// the exact prices of the same.
const allFunctions = "all_functions"

// Compared are the schemes and rivals that a stage is compared with: all but the one that
// runs.
func (s Stage) Compared() (schemes []procurement.Scheme, of calibration.Subject) {
	of.Catalogue = s.Catalogue.Name
	for _, scheme := range rivals.Schemes() {
		if name := scheme.Name(); name != allFunctions && (name != s.Settings.Scheme || s.Settings.Fleet == settings.FleetFixed) {
			schemes, of.Schemes = append(schemes, scheme), append(of.Schemes, name)
		}
	}
	return schemes, of
}

// Measure simulates the scheme that ran on what arrived: the result compared with what the
// stage counted shows how far off the simulation of this stage is.
func Measure(ctx context.Context, s Stage, p Period, play Play) (*calibration.Past, error) {
	past := &calibration.Past{Cost: p.Cost, Scheme: s.Settings.Scheme, Catalogue: s.Catalogue.Name, CostUSD: p.CostUSD}
	switch {
	case s.Settings.Fleet == settings.FleetFixed:
		past.Unknown = "the setting fleet is fixed, so no scheme ran that could be simulated"
	case !p.Changed.IsZero():
		past.Unknown = fmt.Sprintf("the setting scheme or fleet was changed on %s, within the time that is compared, so no single scheme ran", p.Changed.UTC().Format(time.RFC3339))
	case p.Cost >= calibration.LeastPast && len(p.Load.Trace.Counts) > 0:
		scheme, err := procurement.Get(s.Settings.Scheme)
		if err != nil {
			return nil, err
		}
		rows, err := play(ctx, s.played(p), []procurement.Scheme{scheme})
		if err != nil {
			return nil, err
		}
		past.SimulatedUSD = rows[0].Row.CostUSD
	default:
		past.Cost = 0
	}
	return past, nil
}

// Compare simulates the other schemes on what arrived, with the margin of what judge says.
func Compare(ctx context.Context, s Stage, p Period, judge Judge, play Play) (api.Savings, error) {
	past, err := Measure(ctx, s, p, play)
	if err != nil {
		return api.Savings{}, err
	}
	schemes, of := s.Compared()
	out := api.Savings{Verdict: judge(past, of), CostUSD: p.CostUSD, From: p.From, To: p.To,
		FixedUSD: pricing.LeastFixedUSD(s.Catalogue.Prices, s.Settings.TickSeconds, s.Settings.ViewSeconds, p.To.Sub(p.From).Seconds())}
	if !out.Quoted {
		return api.Savings{Verdict: out.Verdict}, nil
	}
	if len(p.Load.Trace.Counts) > 0 {
		rows, err := play(ctx, s.played(p), schemes)
		if err != nil {
			return api.Savings{}, err
		}
		for _, r := range rows {
			missed := 100 * r.Row.SLOViolation
			low, high := out.Interval(r.Row.CostUSD)
			out.Others = append(out.Others, api.SchemeCost{Scheme: r.Row.Scheme, Simulated: true, CostUSD: r.Row.CostUSD, LowUSD: low, HighUSD: high, MissedPercent: &missed, HoursUSD: hoursOf(r.Result)})
		}
	}
	plain := 0.0
	for _, usd := range p.PlainHoursUSD {
		plain += usd
	}
	out.Others = append(out.Others, api.SchemeCost{Scheme: "plain function", CostUSD: plain, LowUSD: plain, HighUSD: plain, HoursUSD: p.PlainHoursUSD})
	if pricing.PlainIsCheaper(plain, p.CostUSD+out.FixedUSD) {
		out.Next = strings.TrimPrefix(out.Next+". For this load a plain function would be cheaper than Paragon", ". ")
	}
	slices.SortStableFunc(out.Others, func(a, b api.SchemeCost) int { return cmp.Compare(a.CostUSD, b.CostUSD) })
	return out, nil
}

// hoursOf is what workers and functions cost in each hour of a run.
func hoursOf(r simulate.Result) (usd []float64) {
	for _, h := range r.Hours {
		usd = append(usd, h.Bill.Workers+h.Bill.Functions)
	}
	return usd
}

// played is the case that is simulated.
func (s Stage) played(p Period) comparison.Case {
	c := comparison.New("deployed", p.Load.Trace, simulate.Market{
		Name: s.Catalogue.Name, Catalogue: s.Catalogue, Models: s.served(), InstanceType: s.InstanceType, Arch: s.Arch,
	})
	c.From = max(0, p.From.Sub(p.Load.From))
	c.Warmup = c.From
	c.Settings, c.MetricDelay = s.Settings, time.Duration(s.Settings.MetricSettleSeconds*float64(time.Second))
	c.Workers, c.StrictShare, c.References = s.Workers, p.Load.StrictShare, false
	c.MinimumSeconds, c.KeepAliveSeconds = 0, s.KeepAlive.Seconds() // as a stage counts its cost
	c.AsDeployed, c.Asks = &s.AsDeployed, asks(p.Samples, c.Market.Models, s.Settings.PathMS)
	return c
}

// served are the models that have a network and times on the workers.
func (s Stage) served() (out []string) {
	for i := range s.Catalogue.Models {
		m := &s.Catalogue.Models[i]
		if _, ok := s.Catalogue.OnVM(m, s.InstanceType); ok && m.File != "" {
			out = append(out, m.Name)
		}
	}
	return out
}

// asks are the bounds and the models of sampled queries, each as likely; none without
// samples.
func asks(samples []query.Record, models []string, pathMS float64) (out []simulate.Ask) {
	for _, r := range samples {
		bound := query.Milliseconds(r.DeadlineAt.Sub(r.AcceptedAt))
		if i := slices.Index(models, r.Model); i >= 0 && bound > pathMS {
			out = append(out, simulate.Ask{Strict: r.Class == query.Strict, BoundMS: bound, Served: []simulate.Served{{Model: i}}})
		}
	}
	return out
}

// Tasks are the names of a catalogue's tasks, by which arrivals are recorded.
func Tasks(c *profile.Catalogue) (out []string) {
	for _, t := range c.Tasks {
		out = append(out, t.Name)
	}
	return out
}

// PlainHoursUSD is what the arrivals of each hour of a time would have cost on inference
// functions alone, as intake priced each of them: nothing of it is simulated. They are read by
// steps.
func PlainHoursUSD(ctx context.Context, m recorded.Metrics, from, to time.Time, step time.Duration) ([]float64, error) {
	series, err := m.Series(ctx, telemetry.ArrivalFunctionUSD.Name, nil, from, to, step)
	if err != nil {
		return nil, fmt.Errorf("read the prices of the arrivals on functions: %w", err)
	}
	usd := make([]float64, max(1, int(math.Ceil(to.Sub(from).Hours()))))
	for _, s := range series {
		hour := int(s.At.Sub(from) / time.Hour) // 0 for a step that began before
		usd[max(0, min(hour, len(usd)-1))] += s.Sum
	}
	return usd, nil
}

// ChangedAfter is when the setting scheme or fleet was last changed, if that was after a
// moment; zero otherwise.
func ChangedAfter(ctx context.Context, h platform.History, moment time.Time) (at time.Time, err error) {
	for _, name := range []string{"scheme", "fleet"} {
		changes, err := h.Changes(ctx, name, 1)
		if err != nil {
			return at, err
		}
		for _, c := range changes {
			if c.At.After(moment) && c.At.After(at) {
				at = c.At
			}
		}
	}
	return at, nil
}
