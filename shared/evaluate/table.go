package evaluate

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes rows as one table a trace and catalogue.
func Markdown(w io.Writer, rows []Ran) error {
	var b strings.Builder
	last := ""
	for _, r := range rows {
		row := r.Row
		title := fmt.Sprintf("%s, %s (a function's query costs %.2f times a worker's)", row.Trace, row.Catalogue, row.PriceRatio)
		if title != last {
			head(&b, title, row)
			last = title
		}
		fmt.Fprintf(&b, "| %s | %.3f | %s | %.3f | %.3f | %.3f | %.3f | %.1f | %.2f | %.3f | %s | %.2f |\n",
			row.Scheme, row.CostUSD, relative(row), row.VMUSD, row.LambdaUSD, 100*row.StrictViolation, 100*row.RelaxedViolation,
			row.VMHours, 100*row.OverflowRatio, 100*row.ColdRatio, related(row.RatioToClairvoyant), row.RatioToBound)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func head(b *strings.Builder, title string, row Row) {
	s := row.Settings
	fmt.Fprintf(b, "\n### %s\n\n%d queries, seconds %.0f to %.0f, %s; seed %d. ", title, row.Queries,
		s.FromSeconds, s.FromSeconds+s.ForSeconds, s.Scaling, row.Seed)
	fmt.Fprintf(b, "Clairvoyant $%.3f, without deferral $%.3f; bound $%.3f; machinery $%.3f.\n\n",
		row.ClairvoyantUSD, row.ClairvoyantNoDefer, row.BoundUSD, row.MachineryUSD)
	b.WriteString("| scheme | $ | of reactive | workers $ | functions $ | strict missed % | relaxed missed % | VM hours | overflow % | cold % | of clairvoyant | of bound |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
}

func relative(r Row) string { return related(r.RelativeToReactive) }

// related writes a ratio, and a dash where there is nothing to relate to.
func related(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", x)
}

// Text writes rows as columns for a terminal.
func Text(w io.Writer, rows []Ran) error {
	if _, err := fmt.Fprintf(w, "%-22s %-10s %-17s %9s %9s %9s %9s %9s %9s %8s %8s\n", "TRACE", "CATALOGUE", "SCHEME", "USD",
		"/REACTIVE", "FUNCTIONS", "STRICT %", "RELAXED %", "VM HOURS", "/CLAIRV.", "/BOUND"); err != nil {
		return err
	}
	for _, r := range rows {
		row := r.Row
		if _, err := fmt.Fprintf(w, "%-22s %-10s %-17s %9.3f %9s %9.3f %9.3f %9.3f %9.1f %8s %8.3f\n", row.Trace, row.Catalogue, row.Scheme, row.CostUSD,
			relative(row), row.LambdaUSD, 100*row.StrictViolation, 100*row.RelaxedViolation, row.VMHours, related(row.RatioToClairvoyant), row.RatioToBound); err != nil {
			return err
		}
	}
	return nil
}
