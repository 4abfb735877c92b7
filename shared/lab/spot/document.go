package spot

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate"
)

const intro = `# Spot instances by recorded availability

Made by ` + "`make spot`" + `; edit nothing here. The same arrivals are served by ` + "`hedged`" + ` with workers on
demand alone, by its mix of spot instances, workers on demand and functions, and by SpotHedge's
(SkyServe, EuroSys 2025: a target and one spot instance more, workers on demand for what of it does
not serve). SpotHedge's target is the rule of ` + "`quantile`" + `, and what is left overflows to functions,
which SkyServe has not. All are played as deployed, on windows spread evenly over the trace, each
with a window of the record. An instance that a record no longer shows drains on its notice and is
not replaced while its zones have none; it takes 100 s to boot, billed. The records are of a GPU
type, which is interrupted more often than the types that workers use: a hard case. How it is decided is in
[schemes.md](../schemes.md#spot-instances).
`

// Document writes a table for each trace and record.
func Document(w io.Writer, tables []Table) error {
	var b strings.Builder
	b.WriteString(intro)
	for _, t := range tables {
		t.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) write(b *strings.Builder) {
	base := t.Bought[0]
	fmt.Fprintf(b, "\n## %s, %s, %s\n\n%d windows of %s, %d queries. A spot instance costs %.2f of one on demand. There were none for %.1f %% of the time, %.1f in the mean, in %d zones.\n\n",
		t.Trace, t.Record.Name, t.Catalogue, t.Windows, t.Length, base.Strict.Arrived+base.Relaxed.Arrived, t.PriceFactor, 100*t.None, t.Mean, len(t.Record.Zones))
	b.WriteString("| | compute $ | saved % | workers $ | functions $ | whole bill $ | strict missed % | relaxed missed % | overflow % | VM hours | taken back |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, g := range t.Bought {
		all := simulate.Class{Arrived: g.Strict.Arrived + g.Relaxed.Arrived, Missed: g.Strict.Overflow + g.Relaxed.Overflow}
		fmt.Fprintf(b, "| %s | %.3f | %.1f | %.3f | %.3f | %.3f | %.3f | %.3f | %.2f | %.1f | %d |\n", g.Way, g.ComputeUSD(), 100*(1-g.ComputeUSD()/base.ComputeUSD()),
			g.Bill.Workers, g.Bill.Functions, g.Bill.Total(), 100*g.Strict.Ratio(), 100*g.Relaxed.Ratio(), 100*all.Ratio(), g.VMSeconds/3600, g.Interrupted)
	}
}
