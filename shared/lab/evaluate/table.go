package evaluate

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// writeMarkdown writes rows as one table a trace and catalogue.
func writeMarkdown(w io.Writer, rows []comparison.Ran) error {
	var b strings.Builder
	last := ""
	for _, r := range rows {
		row := r.Row
		title := row.Trace + ", " + row.Catalogue
		if title != last {
			head(&b, title, row)
			last = title
		}
		fmt.Fprintf(&b, "| %s | %.3f | %s | %.3f | %.3f | %.3f | %.3f | %.1f | %.2f | %.3f | %s | %.2f |\n",
			row.Scheme, row.CostUSD, comparison.RatioText(row.RelativeToReactive), row.VMUSD, row.LambdaUSD, 100*row.StrictViolation, 100*row.RelaxedViolation,
			row.VMHours, 100*row.OverflowRatio, 100*row.ColdRatio, comparison.RatioText(row.RatioToClairvoyant), row.RatioToBound)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func head(b *strings.Builder, title string, row comparison.Row) {
	s := row.Settings
	fmt.Fprintf(b, "\n### %s\n\n%d queries, from second %.0f to second %.0f of the trace, with seed %d. ", title, row.Queries,
		s.FromSeconds, s.FromSeconds+s.ForSeconds, row.Seed)
	fmt.Fprintf(b, "For comparison, the schedule that knows all arrivals (the clairvoyant) costs $%.3f (%.3f times the optimum of its linear program), or $%.3f if no query waits. Machinery (gateway, queues, store): $%.3f. Lower bound: $%.3f.\n\n",
		row.ClairvoyantUSD, row.ClairvoyantGap, row.ClairvoyantNoDefer, row.MachineryUSD, row.BoundUSD)
	b.WriteString("| scheme | cost $ | ÷ cost of reactive | workers $ | functions $ | strict queries missed % | relaxed queries missed % | worker hours | queries overflowed % | queries with a cold start % | cost ÷ clairvoyant | cost ÷ lower bound |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
}
