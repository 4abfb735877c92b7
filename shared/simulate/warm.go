package simulate

// warm are the warm instances of each pool at the start.
func (c *Config) warm() int {
	if c.AsDeployed == nil {
		return 0
	}
	return c.AsDeployed.Warm
}

// nextBootUS is how long the next worker that is asked for takes to come. It is a
// warm instance while there is one. Another is launched into its place, which runs
// for a boot, and is billed for it, until it is prepared and stopped.
func (e *engine) nextBootUS(p *pool) int64 {
	boot := e.bootUS()
	if p.warm == 0 {
		return boot
	}
	p.warm--
	e.events.push(event{at: e.now + boot, kind: warmPrepared, pool: p.id})
	if e.live && e.now >= e.from {
		e.chargeWorker(p, max(boot, int64(e.cfg.MinimumSeconds*float64(second))), false)
	}
	return min(boot, int64(e.cfg.Settings.NextBootSeconds(1)*float64(second)))
}

// chargeWarm charges the disks of a pool's warm instances for a time. One that is
// being prepared has its disk already.
func (e *engine) chargeWarm(us int64) {
	if d := e.cfg.AsDeployed; d != nil && d.Warm > 0 {
		e.spend(Bill{Workers: float64(d.Warm) * d.WarmUSDPerHour * float64(us) / float64(second) / 3600})
	}
}
