package spot

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

const intro = `# Spot instances by recorded availability

` + "`make spot`" + ` generates this page. The simulator serves the same arrivals in three ways:

- **hedged, on demand**: the scheme ` + "`hedged`" + ` with on-demand workers and functions.
- **hedged, spot**: ` + "`hedged`" + ` with [its mix](../schemes.md#spot-instances) of spot instances, on-demand workers and functions.
- **spothedge**: the policy SpotHedge (SkyServe, EuroSys 2025). It requests one spot instance more than a target number. Here, the target is the number of workers that the [rival](simulator.md#rivals) ` + "`quantile`" + ` would choose.
  For each requested spot instance that does not serve, it requests an on-demand worker, but no more on-demand workers than the target number. Here, unlike in SkyServe, queries can overflow to functions.

Each way is [simulated as a stage](simulator.md#running-as-a-stage), in windows that are spread evenly over the trace. Each of these windows is combined with a window of a *record*, which states how many spot
instances were available in each zone. When more instances run in a zone than the record states, the surplus instances, drawn at random, get an interruption notice and drain. A new instance boots for 100 s, and the boot is billed. The records are of
a GPU instance type, which AWS interrupts more often than the types that workers use.

Each heading names the trace and its scale, the record, and the [catalogue](simulator.md#catalogues) of models and prices.
`

// Document writes a table for each trace and record.
func Document(w io.Writer, tables []Table) error {
	var b strings.Builder
	b.WriteString(intro + "\n" + comparison.OfRules())
	for _, t := range tables {
		t.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) write(b *strings.Builder) {
	base := t.Bought[0]
	fmt.Fprintf(b, "\n## %s, %s, %s\n\n%d windows of %s with %d queries in all. A spot instance costs %.2f times the on-demand price. The record has %d zones. For %.1f %% of the time, no spot instance was available in any zone. On average, %.1f were available. Suppose that available spot instances had replaced as many workers of *hedged, on demand* as possible at each moment, without boots and interruptions. Workers and functions would then have cost %.1f %% less.\n\n",
		t.Trace, t.Record.Name, t.Catalogue, t.Windows, t.Length, base.Strict.Arrived+base.Relaxed.Arrived, t.PriceFactor, len(t.Record.Zones), 100*t.None, t.Mean, 100*t.ReplaceableSaving())
	b.WriteString("| policy | workers and functions $ | saved compared with on demand % | workers $ | functions $ | whole bill $ | strict queries missed % | relaxed queries missed % | queries overflowed % | worker hours | instances interrupted |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, g := range t.Bought {
		all := simulate.Class{Arrived: g.Strict.Arrived + g.Relaxed.Arrived, Missed: g.Strict.Overflow + g.Relaxed.Overflow}
		fmt.Fprintf(b, "| %s | %.3f | %.1f | %.3f | %.3f | %.3f | %.3f | %.3f | %.2f | %.1f | %d |\n", g.Way, g.ComputeUSD(), 100*(1-g.ComputeUSD()/base.ComputeUSD()),
			g.Bill.Workers, g.Bill.Functions, g.Bill.Total(), 100*g.Strict.Ratio(), 100*g.Relaxed.Ratio(), 100*all.Ratio(), g.VMSeconds/3600, g.Interrupted)
	}
}
