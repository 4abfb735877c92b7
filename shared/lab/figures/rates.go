package figures

import (
	"fmt"
	"math"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// figure3Models are the models of figures 3 and 7 that were measured on VMs
// and functions alike, and ResNeXt-50 by its stated rule.
var figure3Models = []string{"SqueezeNet", "CaffeNet", "Inception-BN", "ResNeXt50", "VGG16-MXNet", "ResNet200"}

var rates = []float64{10, 50, 100, 200}

// machinesAndFunctions is figure 3: an hour at a constant rate on VMs of every
// c5 and m5 size, and on functions.
func machinesAndFunctions(in Inputs) (Figure, error) {
	ms, err := models(in.Catalogue, figure3Models)
	if err != nil {
		return Figure{}, err
	}
	f := Figure{
		Name: "figure-3", Title: "An hour at a constant rate, on VMs and on functions",
		Columns: []string{"model", "per_second", "resource", "vms", "memory_mb", "hour_usd", "usd_per_million_when_busy", "busy"},
	}
	p := Panel{Title: f.Title, X: "queries a second", Y: "cost of the hour ($)", LogX: true, LogY: true}
	var tally costs
	for _, m := range ms {
		vm, fn := Series{Name: m.Name + " VM", Joined: true, Pair: true}, Series{Name: m.Name + " function", Joined: true, Pair: true}
		for _, rate := range rates {
			fleets := c5AndM5(in.Catalogue, m, rate)
			today, then := functionHour(in.Catalogue, m, rate), functionHour(in.then(), m, rate)
			if len(fleets) == 0 || today.usd == 0 {
				return f, fmt.Errorf("figure 3: nothing runs %s", m.Name)
			}
			f.Rows = append(f.Rows, fleetRows(m, rate, fleets)...)
			f.Rows = append(f.Rows, functionRow(m, rate, "lambda-x86_64 today", today), functionRow(m, rate, "lambda-x86_64 in steps of 100 ms", then))
			vm.Points = append(vm.Points, Point{X: rate, Y: fleets[0].HourUSD})
			fn.Points = append(fn.Points, Point{X: rate, Y: today.usd})
			tally.add(m.Name, rate, fleets, today.usd, then.usd)
		}
		p.Series = append(p.Series, vm, fn)
	}
	f.Panels = []Panel{p}
	f.Findings = tally.findings()
	return f, nil
}

// c5AndM5 are the fleets of every c5 and m5 size, cheapest first. The bound is
// the paper's relaxed one: the figure is about cost.
func c5AndM5(c *profile.Catalogue, m *profile.Model, rate float64) []sizing.Fleet {
	var out []sizing.Fleet
	for _, fl := range sizing.RankInstances(c, m, rate, 10000) {
		if strings.HasPrefix(fl.InstanceType, "c5.") || strings.HasPrefix(fl.InstanceType, "m5.") {
			out = append(out, fl)
		}
	}
	return out
}

// functionHour is an hour of the rate on the function size that is cheapest.
func functionHour(c *profile.Catalogue, m *profile.Model, rate float64) priced {
	sizes := sizing.RankFunctions(c, m, "x86_64", sizing.Wants{BoundMS: math.Inf(1)}, sizing.Warm)
	best := priced{}
	for _, s := range sizes {
		if s.Estimated {
			continue // only sizes with a published time
		}
		if usd := s.QueryUSD * rate * 3600; best.usd == 0 || usd < best.usd {
			best = priced{usd: usd, ms: s.ServiceMS, memoryMB: s.MemoryMB}
		}
	}
	return best
}

func fleetRows(m *profile.Model, rate float64, fleets []sizing.Fleet) [][]string {
	var rows [][]string
	for _, fl := range fleets {
		rows = append(rows, []string{
			m.Name, text(rate), fl.InstanceType, fmt.Sprint(fl.VMs), "", text(fl.HourUSD), text(fl.QueryUSD * 1e6), text(fl.Busy),
		})
	}
	return rows
}

func functionRow(m *profile.Model, rate float64, name string, p priced) []string {
	return []string{m.Name, text(rate), name, "", fmt.Sprint(p.memoryMB), text(p.usd), text(p.usd / rate / 3600 * 1e6), ""}
}

// costs gathers what figure 3 shows.
type costs struct {
	dearer, dearerThen, oversize []string
	least, most                  float64 // function ÷ VM
	spread                       float64 // of $ a query over the sizes of a family
}

func (t *costs) add(model string, rate float64, fleets []sizing.Fleet, today, then float64) {
	at := fmt.Sprintf("%s at %.0f/s", model, rate)
	vm := fleets[0].HourUSD
	if vm >= today {
		t.dearer = append(t.dearer, at)
	}
	if vm >= then {
		t.dearerThen = append(t.dearerThen, at)
	}
	if t.least == 0 || today/vm < t.least {
		t.least = today / vm
	}
	t.most = max(t.most, today/vm)
	families := map[string][2]float64{}
	for _, fl := range fleets {
		family, _, _ := strings.Cut(fl.InstanceType, ".")
		r, ok := families[family]
		if !ok {
			r = [2]float64{fl.QueryUSD, fl.QueryUSD}
		}
		families[family] = [2]float64{min(r[0], fl.QueryUSD), max(r[1], fl.QueryUSD)}
		if fl.HourUSD >= today {
			t.oversize = append(t.oversize, at+" on "+fl.InstanceType)
		}
	}
	for _, r := range families {
		t.spread = max(t.spread, r[1]/r[0]-1)
	}
}

func (t *costs) findings() []Finding {
	return []Finding{
		{
			"a VM is cheaper than functions at 10, 50, 100 and 200 queries a second, for each model", len(t.dearer) == 0,
			fmt.Sprintf("at today's prices a function's hour costs %.1f to %.1f times the right VM's%s", t.least, t.most, except(t.dearer)),
		},
		{
			"the same in steps of 100 ms, as in 2020", len(t.dearerThen) == 0, "the VMs are cheaper" + except(t.dearerThen),
		},
		{
			"bigger VMs cost the same a query, over all c5 and m5 sizes", t.spread < 0.01,
			fmt.Sprintf("when busy, the sizes of a family differ by at most %.2f %%", 100*t.spread),
		},
		{
			"any size will do at any rate (the paper does not say so)", len(t.oversize) == 0,
			fmt.Sprintf("a VM too large for the rate is mostly idle: %d of the pairs of rate and size cost more than functions", len(t.oversize)),
		},
	}
}

func except(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; but not " + strings.Join(names, ", ")
}
