package main

import (
	"fmt"
	"text/tabwriter"

	"paragon/shared/core/pricing"
)

// bill is what `paragon cost` found.
type bill struct {
	Model  string         `json:"model"`
	Prices string         `json:"prices"` // set of prices
	Lines  []pricing.Line `json:"lines"`
	// MonthUSD is all of it; IdleUSD what is paid although no query comes,
	// workers included; MachineryIdleUSD the same without workers.
	MonthUSD         float64 `json:"month_usd"`
	IdleUSD          float64 `json:"idle_usd"`
	MachineryIdleUSD float64 `json:"machinery_idle_usd"`
	// MachineryMillionUSD is what a million queries take beside computing, and
	// MillionUSD the whole bill over the queries of the month. 0 without load.
	MachineryMillionUSD float64 `json:"machinery_million_usd"`
	MillionUSD          float64 `json:"million_usd"`
}

const secondsOfMonth = 730 * 3600

// add adds the lines up.
func (b *bill) add(l pricing.Load) {
	b.MonthUSD = pricing.Sum(b.Lines, func(pricing.Line) bool { return true })
	b.IdleUSD = pricing.Sum(b.Lines, func(x pricing.Line) bool { return x.Standing })
	b.MachineryIdleUSD = pricing.Sum(b.Lines, func(x pricing.Line) bool { return x.Standing && x.Machinery })
	b.MachineryMillionUSD = pricing.MillionUSD(b.Lines, l)
	if l.PerSecond > 0 {
		b.MillionUSD = b.MonthUSD / (l.PerSecond * secondsOfMonth) * 1e6
	}
}

// printBill prints a line a part, then the sums in words.
func (a *app) printBill(b bill, rate float64) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PART\tA MONTH\tUNIT\tUSD")
	for _, l := range b.Lines {
		if l.Quantity > 0 {
			fmt.Fprintf(w, "%s\t%.4g\t%s\t%.2f\n", l.What, l.Quantity, l.Unit, l.USD)
		}
	}
	fmt.Fprintf(w, "\t\t\t%.2f\n", b.MonthUSD)
	if err := w.Flush(); err != nil {
		fmt.Fprintf(a.err, "paragon: print the bill: %v\n", err)
		return
	}
	a.printf("\nAt the prices %s. Of it $%.2f are paid although no query comes, $%.2f of that for Paragon's own machinery.\n",
		b.Prices, b.IdleUSD, b.MachineryIdleUSD)
	if rate > 0 {
		a.printf("At %.4g queries a second, answered by %s, a million cost $%.2f in all; Paragon's own machinery takes $%.2f for each million.\n",
			rate, b.Model, b.MillionUSD, b.MachineryMillionUSD)
	}
}
