package spot

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

const intro = `# Spot instances by recorded availability

` + "`make spot`" + ` generates this page. The same arrivals are served in three ways:

- **hedged, on demand**: the scheme ` + "`hedged`" + ` with on-demand workers and functions.
- **hedged, spot**: ` + "`hedged`" + ` with [its mix](../schemes.md#spot-instances) of spot instances, on-demand workers and functions.
- **spothedge**: the policy SpotHedge (SkyServe, EuroSys 2025). It runs one spot instance more than a target number, and on-demand workers for the part of the
  target that the spot instances do not serve. Here the target is that of the rule ` + "`quantile`" + `, and queries that the workers cannot take overflow to functions. SkyServe itself has no functions.

All three are [simulated as deployed](simulator.md#running-as-a-stage), in windows spread evenly over the trace. Each window is paired with a window of a record of spot availability. When the record
no longer shows an instance, the instance drains after its notice. It is not replaced while its zones have no spot instance available. A new instance boots for 100 s, and the boot is billed. The records are of a GPU type, which
AWS interrupts more often than the types that workers use, so they are a hard case.
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
	fmt.Fprintf(b, "\n## %s, %s, %s\n\n%d windows of %s, %d queries. A spot instance costs %.2f times the on-demand price. No spot instance was available for %.1f %% of the time, and %.1f were available on average, in %d zones. If each on-demand worker of the first row ran on a spot instance whenever the record shows one for it, without boots and notices, %.1f %% would be saved.\n\n",
		t.Trace, t.Record.Name, t.Catalogue, t.Windows, t.Length, base.Strict.Arrived+base.Relaxed.Arrived, t.PriceFactor, 100*t.None, t.Mean, len(t.Record.Zones), 100*t.ReplaceableSaving())
	b.WriteString("| policy | workers and functions $ | saved compared with on demand % | workers $ | functions $ | whole bill $ | strict queries missed % | relaxed queries missed % | queries overflowed % | worker hours | instances interrupted |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, g := range t.Bought {
		all := simulate.Class{Arrived: g.Strict.Arrived + g.Relaxed.Arrived, Missed: g.Strict.Overflow + g.Relaxed.Overflow}
		fmt.Fprintf(b, "| %s | %.3f | %.1f | %.3f | %.3f | %.3f | %.3f | %.3f | %.2f | %.1f | %d |\n", g.Way, g.ComputeUSD(), 100*(1-g.ComputeUSD()/base.ComputeUSD()),
			g.Bill.Workers, g.Bill.Functions, g.Bill.Total(), 100*g.Strict.Ratio(), 100*g.Relaxed.Ratio(), 100*all.Ratio(), g.VMSeconds/3600, g.Interrupted)
	}
}
