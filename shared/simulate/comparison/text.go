package comparison

import (
	"fmt"
	"io"
)

// RatioText writes a ratio, and a dash where there is nothing to relate to.
func RatioText(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", x)
}

// Text writes rows as columns for a terminal.
func Text(w io.Writer, rows []Ran) error {
	if _, err := fmt.Fprintf(w, "%-22s %-10s %-17s %9s %9s %9s %9s %9s %9s %9s %8s %8s\n", "TRACE", "CATALOGUE", "SCHEME", "BILL", "COMPUTE",
		"/REACTIVE", "FUNCTIONS", "STRICT %", "RELAXED %", "VM HOURS", "/CLAIRV.", "/BOUND"); err != nil {
		return err
	}
	for _, r := range rows {
		row := r.Row
		if _, err := fmt.Fprintf(w, "%-22s %-10s %-17s %9.3f %9.3f %9s %9.3f %9.3f %9.3f %9.1f %8s %8.3f\n", row.Trace, row.Catalogue, row.Scheme, row.BillUSD, row.CostUSD,
			RatioText(row.RelativeToReactive), row.LambdaUSD, 100*row.StrictViolation, 100*row.RelaxedViolation, row.VMHours, RatioText(row.RatioToClairvoyant), row.RatioToBound); err != nil {
			return err
		}
	}
	return gapText(w, rows)
}

// gapText says of each trace how near the clairvoyant is to what nothing can beat.
func gapText(w io.Writer, rows []Ran) error {
	printed := map[string]bool{}
	for _, r := range rows {
		row := r.Row
		if of := row.Trace + row.Catalogue; row.ClairvoyantGap > 0 && !printed[of] {
			printed[of] = true
			if _, err := fmt.Fprintf(w, "%s %s: clairvoyant $%.3f, %.3f of its linear programme's $%.3f\n", row.Trace, row.Catalogue, row.ClairvoyantUSD, row.ClairvoyantGap, row.LinearUSD); err != nil {
				return err
			}
		}
	}
	return nil
}
