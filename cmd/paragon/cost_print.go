package main

import (
	"fmt"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/pricing"
)

// bill is what `paragon cost` found.
type bill struct {
	Model        string               `json:"model"`
	Prices       string               `json:"prices"` // set of prices
	Front        pricing.Front        `json:"front"`
	Path         pricing.Path         `json:"path"`
	OverflowPath pricing.OverflowPath `json:"overflow_path"`
	Network      string               `json:"network"`
	PerSecond    float64              `json:"rate_per_second"`
	Workers      float64              `json:"workers"`
	// Compute and Fixed are of a month: what answers queries, and the machinery
	// that does not grow with them. Million is the machinery of a
	// million queries on top, and IdleMonth a month without any and with every
	// pool at its least.
	Compute   []pricing.Line `json:"compute"`
	Fixed     []pricing.Line `json:"fixed"`
	Million   []pricing.Line `json:"million"`
	IdleMonth []pricing.Line `json:"idle_month"`

	MonthUSD float64 `json:"month_usd"`
	// IdleUSD is the sum of IdleMonth and of the workers that stand in it;
	// MachineryIdleUSD the same without those workers' hours.
	IdleUSD          float64 `json:"idle_usd"`
	MachineryIdleUSD float64 `json:"machinery_idle_usd"`
	// MachineryMillionUSD is the sum of Million, and MillionUSD the whole bill
	// over the queries of the month. 0 without load.
	MachineryMillionUSD float64 `json:"machinery_million_usd"`
	MillionUSD          float64 `json:"million_usd"`

	// BreakEven is the least rate from which on workers in front are no more
	// expensive than the api function, queries a second; null where there is
	// none. The other is the same where a worker is up anyway.
	BreakEven       *float64      `json:"break_even_per_second"`
	BreakEvenAnyway *float64      `json:"break_even_worker_anyway_per_second"`
	PlainFunction   plainFunction `json:"plain_function"`
}

// plainFunction is a comparison with a plain function behind the same gateway.
type plainFunction struct {
	Lines      []pricing.Line `json:"million"`
	MillionUSD float64        `json:"million_usd"`
	MonthUSD   float64        `json:"month_usd"`
	// Cheaper says that it costs less than the whole bill at this rate.
	Cheaper bool `json:"cheaper"`
	// ExcessMillionUSD is by how much a million queries cost more here while no
	// worker is up and the api function invokes inference functions itself,
	// in addition to what is paid by the month.
	ExcessMillionUSD float64 `json:"excess_million_usd"`
	// BreakEven is the least rate from which on the whole bill with this front, and
	// as many workers and places on functions as the rate needs, is no more than a
	// plain function's; null where there is none.
	BreakEven *float64 `json:"break_even_per_second"`
}

// bill adds up the stage that the flags ask for, and compares.
func (f *costFlags) bill() (bill, error) {
	s, p := f.asked(), f.catalogue.Prices
	parts := s.Bill(p)
	idle := f.stageOf(pricing.SmallQueries(s.Traffic.Front, s.Traffic.Path), float64(f.stage.Pools[f.pools[0]].Min)).Bill(p)
	b := bill{
		Model: f.m.Name, Prices: p.Name, Front: s.Traffic.Front, Path: s.Traffic.Path, OverflowPath: s.Traffic.OverflowPath,
		Network: f.network, PerSecond: f.rate, Workers: s.Traffic.Workers,
		Compute: parts.Compute, Fixed: parts.Fixed, Million: parts.Million, IdleMonth: idle.Fixed,
		MonthUSD: parts.MonthUSD(f.rate), IdleUSD: idle.MonthUSD(0), MachineryIdleUSD: pricing.Sum(idle.Fixed),
		MachineryMillionUSD: pricing.Sum(parts.Million),
	}
	b.BreakEven = orNone(pricing.BreakEven(f.least(pricing.WorkersFront, 1), f.least(pricing.LambdaFront, 0)))
	b.BreakEvenAnyway = orNone(pricing.BreakEven(f.least(pricing.WorkersFront, 1), f.least(pricing.LambdaFront, 1)))
	if f.rate > 0 {
		b.MillionUSD = b.MonthUSD / f.rate / pricing.SecondsPerMonth * 1e6
		b.PlainFunction = f.compare(s, b.MonthUSD)
	}
	return b, nil
}

// compare is of the stage that the flags ask for, which costs so much a month.
func (f *costFlags) compare(s pricing.Stage, monthUSD float64) plainFunction {
	p := f.catalogue.Prices
	plain := func(rate float64) float64 {
		t := s.Traffic
		t.PerSecond = rate
		return pricing.Sum(pricing.PlainFunction(p, t, s.FunctionUSD)) * rate * pricing.SecondsPerMonth / 1e6
	}
	c := plainFunction{Lines: pricing.PlainFunction(p, s.Traffic, s.FunctionUSD), MonthUSD: plain(f.rate), ExcessMillionUSD: pricing.ExcessUSD(p, s)}
	c.MillionUSD, c.Cheaper = pricing.Sum(c.Lines), pricing.PlainIsCheaper(c.MonthUSD, monthUSD)
	c.BreakEven = orNone(pricing.BreakEven(f.least(s.Traffic.Front, 0), plain))
	return c
}

// orNone is a rate, or nil where there is none.
func orNone(perSecond float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return &perSecond
}

// printBill prints a line a part, then the sums in words.
func printBill(term *cli.Terminal, b bill) {
	w := term.Table()
	if b.PerSecond > 0 {
		printLines(w, "A MONTH, COMPUTE", b.Compute)
		printLines(w, "A MONTH, FIXED", b.Fixed)
		printLines(w, "A MILLION QUERIES", b.Million)
		printSums(w, b)
	} else {
		printLines(w, "AN IDLE MONTH", b.IdleMonth)
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintf(term.Err, "paragon: print the bill: %v\n", err)
		return
	}
	term.Printf("Prices: %s. Options: network=%s, front=%s. %s.\n",
		b.Prices, b.Network, b.Front, idleMonth(b))
	term.Printf("With front=workers, the stage costs less than with front=lambda %s. If a worker runs all month anyway, front=workers costs less %s.\n", from(b.BreakEven), from(b.BreakEvenAnyway))
	if b.PerSecond > 0 {
		printLoadOfBill(term, b)
	}
}

// idleMonth is what a month without queries costs, and how much of that is no compute.
func idleMonth(b bill) string {
	switch compute := b.IdleUSD - b.MachineryIdleUSD; {
	case compute < halfCent:
		return fmt.Sprintf("A month without queries costs $%.2f, all of it for machinery (everything except workers and functions)", b.IdleUSD)
	case b.MachineryIdleUSD < halfCent:
		return fmt.Sprintf("A month without queries costs $%.2f, none of it for machinery (everything except workers and functions)", b.IdleUSD)
	default:
		return fmt.Sprintf("A month without queries costs $%.2f: $%.2f for workers and functions, and $%.2f for machinery (everything else)", b.IdleUSD, compute, b.MachineryIdleUSD)
	}
}

// halfCent is the least that is printed as a cent.
const halfCent = 0.005

func printLoadOfBill(term *cli.Terminal, b bill) {
	term.Printf("Load: %.4g queries per second, path %s, model %s, mean number of workers %.4g. A month costs $%.2f. A million queries cost $%.2f; $%.2f of that is for machinery whose cost grows with the number of queries.\n",
		b.PerSecond, b.Path, b.Model, b.Workers, b.MonthUSD, b.MillionUSD, b.MachineryMillionUSD)
	verdict := "would cost more"
	if b.PlainFunction.Cheaper {
		verdict = "would cost less"
	}
	term.Printf("A plain Lambda function behind the same gateway %s: $%.2f a month, $%.2f per million queries. While Paragon has no worker, a million queries cost $%.2f more than with the plain function. With front=%s, Paragon costs less than the plain function %s.\n",
		verdict, b.PlainFunction.MonthUSD, b.PlainFunction.MillionUSD, b.PlainFunction.ExcessMillionUSD, b.Front, from(b.PlainFunction.BreakEven))
}

// from says from which rate on something stays so.
func from(perSecond *float64) string {
	switch {
	case perSecond == nil:
		return "at no rate up to 100,000 queries per second"
	case *perSecond == 0:
		return "at every rate"
	}
	return fmt.Sprintf("from %.1f queries per second on", *perSecond)
}

// printSums adds up the three tables of a month with load.
func printSums(w *cli.Table, b bill) {
	compute, fixed := pricing.Sum(b.Compute), pricing.Sum(b.Fixed)
	w.Header("A MONTH IN ALL\tUSD")
	fmt.Fprintf(w, "compute: workers and inference functions\t%.2f\n", compute)
	fmt.Fprintf(w, "machinery, fixed\t%.2f\n", fixed)
	fmt.Fprintf(w, "machinery of %s million queries\t%.2f\n", cli.Number(b.PerSecond*pricing.SecondsPerMonth/1e6, 4), b.MonthUSD-compute-fixed)
	fmt.Fprintf(w, "sum\t%.2f\n\n", b.MonthUSD)
}

func printLines(w *cli.Table, title string, lines []pricing.Line) {
	if len(lines) == 0 {
		return
	}
	w.Header(title + "\tCOUNT\tUNIT\tUSD EACH\tUSD")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.3f\n", l.Name, cli.Number(l.Count, 4), l.Unit, cli.Number(l.UnitUSD, 3), l.USD)
	}
	fmt.Fprintf(w, "sum\t\t\t\t%.2f\n\n", pricing.Sum(lines))
}
