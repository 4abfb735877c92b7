package proteus

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// The cluster and the queries, as in Proteus's simulator. Its 10 CPUs and 10 VPUs,
// which are as fast, are 20 CPUs here.
const (
	deadlineMS = 300
	leastShare = 90 // percent of the family's best that every query asks for at least
)

// Cluster is how many devices there are of each kind.
type Cluster map[string]int

// Devices is Proteus's cluster.
func Devices() Cluster { return Cluster{"cpu": 20, "gpu_ampere": 10, "gpu_pascal": 10} }

// Share is a family's part of the cluster, and the most accurate variant that it serves.
type Share struct {
	Family  string  `json:"family"`
	Kind    string  `json:"kind"`
	Devices int     `json:"devices"`
	Best    string  `json:"best"`
	Queries int64   `json:"queries"`
	Late    int64   `json:"late"`
	Other   int64   `json:"other_model"`
	Points  float64 `json:"accuracy_points"`
	worth   float64
}

// Outcome is what a run came to.
type Outcome struct {
	Shares    []Share `json:"shares"`
	Queries   int64   `json:"queries"`
	LateRatio float64 `json:"slo_violation_ratio"`
	Other     float64 `json:"other_model_ratio"`
	Accuracy  float64 `json:"effective_accuracy"`
}

// Options are what of the cluster's assumptions is varied.
type Options struct {
	MaxBatch  int    // of one run; 1 for none
	Downgrade string // the setting
	// Plan is how much of the trace the shares are planned from, and Headroom by how
	// much more than that they are to carry.
	Plan     time.Duration
	Headroom float64
}

// Play shares the cluster among the families and plays the trace on it.
func Play(ctx context.Context, families []Family, c Cluster, o Options, done func(string)) (Outcome, error) {
	plan, err := planned(ctx, families, c, o)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{}
	points := 0.0
	for i, s := range plan {
		got, err := play(families[i], s, o, families[i].AtMS)
		if err != nil {
			return Outcome{}, fmt.Errorf("%s: %w", s.Family, err)
		}
		out.Shares = append(out.Shares, got)
		out.Queries += got.Queries
		out.LateRatio += float64(got.Late)
		out.Other += float64(got.Other)
		points += got.Points
		if done != nil {
			done(s.Family)
		}
	}
	n := float64(max(1, out.Queries))
	out.LateRatio, out.Other, out.Accuracy = out.LateRatio/n, out.Other/n, points/n
	return out, ctx.Err()
}

// planned is the shares that answer most, weighed by accuracy, of the beginning of the
// trace, made denser: each possible share of each family is simulated, and of the sums
// that the cluster has the best is taken.
func planned(ctx context.Context, families []Family, c Cluster, o Options) ([]Share, error) {
	kinds := []string{"cpu", "gpu_ampere", "gpu_pascal"}
	type state [3]int
	type step struct {
		worth float64
		plan  []Share
	}
	best := map[state]step{{}: {}}
	for _, f := range families {
		var options []Share
		for _, kind := range kinds {
			for n := 1; n <= c[kind]; n++ {
				s, ok, err := bestOf(f, kind, n, o)
				if err != nil {
					return nil, err
				}
				if ok {
					options = append(options, s)
				}
				if ok && s.worth > 0.9995 { // more devices cannot do better
					break
				}
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		next := map[state]step{}
		for used, sum := range best {
			for _, s := range options {
				k := slices.Index(kinds, s.Kind)
				to := used
				to[k] += s.Devices
				if to[k] > c[s.Kind] {
					continue
				}
				if worth := sum.worth + s.worth*float64(len(f.AtMS)); worth > next[to].worth {
					next[to] = step{worth, append(slices.Clone(sum.plan), s)}
				}
			}
		}
		best = next
	}
	var found step
	used := state{}
	for at, s := range best {
		if s.worth > found.worth || s.worth == found.worth && slices.Compare(at[:], used[:]) < 0 {
			found, used = s, at
		}
	}
	if len(found.plan) != len(families) {
		return nil, fmt.Errorf("the cluster has too few devices for %d families", len(families))
	}
	return found.plan, nil
}

// bestOf is a family on n devices, with the most accurate variant that is worth
// being served there. It is false where no variant keeps the deadline.
func bestOf(f Family, kind string, n int, o Options) (best Share, ok bool, err error) {
	until := int(o.Plan.Milliseconds())
	var at []int
	for _, ms := range f.AtMS {
		if ms < until {
			at = append(at, int(float64(ms)/o.Headroom))
		}
	}
	for _, v := range f.Variants {
		if ms := v.MS[kind][1]; ms == 0 || ms > deadlineMS || v.Accuracy < leastShare {
			continue
		}
		s, err := play(f, Share{Family: f.Name, Kind: kind, Devices: n, Best: v.Name}, o, at)
		if err != nil {
			return Share{}, false, err
		}
		// A late query is worth nothing, an answer its accuracy.
		s.worth = s.Points / 100 / float64(s.Queries) * (1 - float64(s.Late)/float64(s.Queries))
		if !ok || s.worth > best.worth {
			best, ok = s, true
		}
	}
	return best, ok, nil
}

// play plays arrivals on a family's share of the cluster, as a stage would whose fleet
// is fixed and that has no functions.
func play(f Family, s Share, o Options, atMS []int) (Share, error) {
	c := catalogue(f, s)
	pool := simulate.Pool{Name: f.Name, InstanceType: s.Kind, Runners: 1, USDPerHour: 1, Share: 1}
	for i := range c.Models {
		m := &c.Models[i]
		ms := m.Latency[0].MS.P50
		sm := simulate.Model{Name: m.Name, ServiceMS: ms, FunctionMS: ms, Accuracy: m.Accuracy.Top1Percent}
		sm.BatchMax, sm.BatchMS = batches(f, m.Name, s.Kind, o.MaxBatch)
		pool.Models = append(pool.Models, sm)
	}
	set := settings.Defaults()
	set.PathMS, set.OverflowPathMS, set.FloorMS, set.MaxOverflowConcurrency, set.Downgrade = 0, 0, 0, 0, o.Downgrade
	set.MinWorkers, set.MaxWorkers = s.Devices, s.Devices
	scheme, err := procurement.Get("reactive")
	if err != nil {
		return s, err
	}
	n := query.Need{Task: f.Name, Class: query.Strict, Optimize: query.Accuracy, Constraints: query.Constraints{LatencyMS: deadlineMS, Accuracy: leastShare}}
	offer := selection.Offer{Catalogue: c, Table: selection.NewTable(c, "", s.Kind), InstanceType: s.Kind}
	chosen := slices.IndexFunc(c.Models, func(m profile.Model) bool { return m.Name == s.Best })
	cfg := simulate.Config{
		Trace: counts(atMS), Pools: []simulate.Pool{pool}, Strict: 1, StrictMS: deadlineMS, RelaxMS: deadlineMS, Scheme: scheme, Settings: set,
		Workers: s.Devices, Limits: &simulate.Limits{MinWorkers: s.Devices, MaxWorkers: s.Devices}, Seed: 1, AsDeployed: &simulate.AsDeployed{GroupMax: s.Devices},
		Asks: []simulate.Ask{{Strict: true, BoundMS: deadlineMS, Served: []simulate.Served{{Model: chosen}}, Choice: &simulate.Choice{Need: n, Offer: offer}}},
	}
	r, err := simulate.Run(cfg)
	if err != nil {
		return s, err
	}
	s.Queries, s.Late, s.Other, s.Points = r.Arrived(), r.Strict.Missed+r.InSystem, r.Strict.Downgraded, r.MeanAccuracy()*float64(r.Arrived())
	return s, nil
}

// catalogue is the variants of a family on a kind of device that are no more accurate
// than the best that is served.
func catalogue(f Family, s Share) *profile.Catalogue {
	c := &profile.Catalogue{Name: f.Name, Tasks: []profile.Task{{Name: f.Name}},
		Instances: []profile.Instance{{Type: s.Kind, VCPUs: 1, MemoryMB: math.MaxInt32, USDPerHour: 1, Speed: 1}}}
	best := slices.IndexFunc(f.Variants, func(v Variant) bool { return v.Name == s.Best })
	for _, v := range f.Variants {
		if ms := v.MS[s.Kind][1]; ms > 0 && v.Accuracy <= f.Variants[best].Accuracy {
			c.Models = append(c.Models, profile.Model{Name: v.Name, Task: f.Name, Accuracy: profile.Accuracy{Top1Percent: v.Accuracy},
				Latency: []profile.Latency{{Resource: s.Kind, Threads: 1, Batch: 1, MS: profile.Percentiles{P50: ms, P95: ms, P99: ms}}}})
		}
	}
	slices.SortStableFunc(c.Models, func(a, b profile.Model) int {
		return cmp.Compare(b.Accuracy.Top1Percent, a.Accuracy.Top1Percent)
	})
	return c
}

// batches are the largest batch of a model up to a size that pays, and what each query
// takes in a batch: the most that any measured size says, so that none is faster than
// it was measured.
func batches(f Family, name, kind string, most int) (size int, eachMS float64) {
	for _, v := range f.Variants {
		if v.Name != name {
			continue
		}
		for n := 2; n <= most; n *= 2 {
			ms := v.MS[kind][n]
			each := ms / float64(n)
			if ms == 0 || ms > deadlineMS || each >= v.MS[kind][1] {
				break
			}
			size, eachMS = n, max(eachMS, each)
		}
	}
	return size, eachMS
}

// counts are arrivals as a trace of a second a step.
func counts(atMS []int) arrivals.Trace {
	t := arrivals.Trace{Step: time.Second, Counts: make([]float64, slices.Max(atMS)/1000+1)}
	for _, ms := range atMS {
		t.Counts[ms/1000]++
	}
	return t
}
