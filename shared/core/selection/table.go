package selection

import (
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// Table is a catalogue prepared for choosing: every model on every resource,
// with its service time and price. It never changes and may be shared.
type Table struct {
	catalogue *profile.Catalogue
	types     []string
	arch      string
	tasks     map[string][]group
}

// group is one model on all its resources.
type group struct {
	model   *profile.Model
	rows    []row
	details []detail // of the row at the same place
}

// row is what the scan reads of one model on one resource. It is kept small,
// as every choice goes over all of them.
type row struct {
	serviceMS float64 // p99 on a worker, p95 on a function
	coldMS    float64 // p95 of what a cold start adds
	priceUSD  float64 // of a warm query
	coldUSD   float64 // what a cold start adds
	pool      int     // index of the instance type; -1 for a function
}

// detail is what only an answer needs of a row.
type detail struct {
	resource Resource
	service  profile.Percentiles
}

// NewTable prepares a catalogue for pools of those instance types and for the
// inference functions of an architecture (none when it is empty). A model that
// does not fit a resource's memory, or whose service time there is unknown,
// has no row for it.
func NewTable(c *profile.Catalogue, arch string, instanceTypes ...string) *Table {
	t := &Table{catalogue: c, types: instanceTypes, arch: arch, tasks: map[string][]group{}}
	for i := range c.Models {
		g := group{model: &c.Models[i]}
		for pool, typ := range instanceTypes {
			g.addVM(c, pool, typ)
		}
		g.addFunctions(c, arch)
		t.tasks[g.model.Task] = append(t.tasks[g.model.Task], g)
	}
	return t
}

func (g *group) addVM(c *profile.Catalogue, pool int, typ string) {
	in, ok := c.Instance(typ)
	st, have := c.OnVM(g.model, typ)
	if !ok || !have || !in.Holds(g.model) {
		return
	}
	g.rows = append(g.rows, row{
		serviceMS: st.MS.P99, priceUSD: pricing.WorkerQueryUSD(in, st.MS.P50), pool: pool,
	})
	g.details = append(g.details, detail{resource: Resource{Kind: query.OnWorker, Name: typ}, service: st.MS})
}

func (g *group) addFunctions(c *profile.Catalogue, arch string) {
	for _, h := range sizing.FunctionsThatHold(c, g.model, arch) {
		warm := pricing.FunctionQueryUSD(c.Prices, arch, h.MemoryMB, h.MS.P50)
		g.rows = append(g.rows, row{
			serviceMS: h.MS.P95, coldMS: h.ColdMS.P95, priceUSD: warm, pool: -1,
			coldUSD: pricing.FunctionQueryUSD(c.Prices, arch, h.MemoryMB, h.MS.P50+h.ColdMS.P50) - warm,
		})
		g.details = append(g.details, detail{
			resource: Resource{Kind: query.OnFunction, Name: "lambda-" + arch, MemoryMB: h.MemoryMB}, service: h.MS,
		})
	}
}

// table returns the offer's table, or one made for it.
func (o *Offer) table() *Table {
	if o.Table != nil && o.Table.catalogue == o.Catalogue {
		return o.Table
	}
	types := make([]string, 0, len(o.Pools)+1)
	for _, p := range o.Pools {
		types = append(types, p.InstanceType)
	}
	if len(o.Pools) == 0 && o.InstanceType != "" {
		types = append(types, o.InstanceType)
	}
	return NewTable(o.Catalogue, o.Arch, types...)
}

// load is a pool's load as the rows need it.
type load struct {
	served bool // the offer has this pool
	ready  bool // it has runners
	waitMS float64
}

// loads returns the load of each of the table's instance types.
func (o *Offer) loads(t *Table, out []load) []load {
	for _, typ := range t.types {
		p, served := o.pool(typ)
		l := load{served: served, ready: o.Planned || p.Runners > 0}
		if !o.Planned && p.Runners > 0 {
			l.waitMS = max(0, p.AheadMS) / float64(p.Runners)
		}
		out = append(out, l)
	}
	return out
}

func (o *Offer) pool(typ string) (Pool, bool) {
	if len(o.Pools) == 0 {
		return Pool{InstanceType: typ, Runners: o.Runners, AheadMS: o.AheadMS}, typ == o.InstanceType
	}
	for _, p := range o.Pools {
		if p.InstanceType == typ {
			return p, true
		}
	}
	return Pool{}, false
}
