package selection

import (
	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
)

// systemMB is the memory of a VM that is not for models: the system and the worker.
const systemMB = 512

// Table is a catalogue prepared for choosing: every model on every resource,
// with its service time and price. It never changes and may be shared.
type Table struct {
	catalogue *profile.Catalogue
	types     []string
	arch      string
	tasks     map[string][]row
}

// row is one model on one resource.
type row struct {
	model     *profile.Model
	resource  Resource
	pool      int // index of the instance type; -1 for a function
	service   profile.Percentiles
	coldP95   float64
	priceUSD  float64 // of a warm query
	coldExtra float64 // US dollars that a cold start adds
}

// NewTable prepares a catalogue for pools of those instance types and for the
// inference functions of an architecture (none when it is empty). A model that
// does not fit a resource's memory, or whose service time there is unknown,
// has no row for it.
func NewTable(c *profile.Catalogue, arch string, instanceTypes ...string) *Table {
	t := &Table{catalogue: c, types: instanceTypes, arch: arch, tasks: map[string][]row{}}
	for i := range c.Models {
		m := &c.Models[i]
		rows := t.tasks[m.Task]
		for pool, typ := range instanceTypes {
			if r, ok := onVM(c, m, typ); ok {
				r.pool = pool
				rows = append(rows, r)
			}
		}
		t.tasks[m.Task] = append(rows, onFunctions(c, m, arch)...)
	}
	return t
}

func onVM(c *profile.Catalogue, m *profile.Model, typ string) (row, bool) {
	in, ok := c.Instance(typ)
	st, have := c.OnVM(m, typ)
	if !ok || !have || m.MemoryMB+systemMB > in.MemoryMB {
		return row{}, false
	}
	return row{
		model:    m,
		resource: Resource{Kind: query.OnWorker, Name: typ},
		service:  st.MS,
		priceUSD: pricing.WorkerQueryUSD(in, st.MS.P50),
	}, true
}

func onFunctions(c *profile.Catalogue, m *profile.Model, arch string) []row {
	sizes, ok := c.FunctionSizes(arch)
	if !ok {
		return nil
	}
	var rows []row
	for _, mb := range sizes.MemoryMB {
		st, have := c.OnFunction(m, arch, mb)
		if !have || m.MemoryMB > mb {
			continue
		}
		warm := pricing.FunctionQueryUSD(c.Prices, arch, mb, st.MS.P50)
		rows = append(rows, row{
			model:     m,
			resource:  Resource{Kind: query.OnFunction, Name: "lambda-" + arch, MemoryMB: mb},
			pool:      -1,
			service:   st.MS,
			coldP95:   st.ColdMS.P95,
			priceUSD:  warm,
			coldExtra: pricing.FunctionQueryUSD(c.Prices, arch, mb, st.MS.P50+st.ColdMS.P50) - warm,
		})
	}
	return rows
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
