package simulate

// LeastUSD is the least that a query of a model can cost by its profile.
func (p *Pool) LeastUSD(model int) float64 {
	m := &p.Models[model]
	return p.leastUSD(m, micros(m.ServiceMS), 1)
}

// LinearUSD is what the linear program of a run costs.
func LinearUSD(c Config) (float64, error) { return linearUSD(c) }
