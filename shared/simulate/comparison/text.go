package comparison

import (
	"fmt"
	"io"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/procurement"
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
	if _, err := fmt.Fprintf(w, "%-22s %-12s %-17s %9s %9s %10s %9s %9s %9s %9s %13s %13s\n", "TRACE", "CATALOGUE", "SCHEME", "BILL $", "COMPUTE $",
		"X REACTIVE", "FUNCTIONS", "STRICT %", "RELAXED %", "VM HOURS", "X CLAIRVOYANT", "X LOWER BOUND"); err != nil {
		return err
	}
	for _, r := range rows {
		row := r.Row
		if _, err := fmt.Fprintf(w, "%-22s %-12s %-17s %9.3f %9.3f %10s %9.3f %9.3f %9.3f %9.1f %13s %13.3f\n", row.Trace, row.Catalogue, row.Scheme, row.BillUSD, row.CostUSD,
			RatioText(row.RelativeToReactive), row.LambdaUSD, 100*row.StrictViolation, 100*row.RelaxedViolation, row.VMHours, RatioText(row.RatioToClairvoyant), row.RatioToBound); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(w, columnsText); err != nil {
		return err
	}
	if err := gapText(w, rows); err != nil {
		return err
	}
	return belowText(w, rows)
}

// columnsText says what the columns are that have no unit of their own.
const columnsText = `
BILL $ is COMPUTE $ (workers and functions) plus the machinery: gateway, store, queues, logs. FUNCTIONS is
the part of COMPUTE $ for functions. STRICT % and RELAXED % are the shares of the queries of a class that
missed their bound. The columns with X are COMPUTE $ divided by that of the scheme reactive, of a schedule
that knows all arrivals (clairvoyant), and of workers that are always busy (lower bound); "-" means that
this was not simulated.
`

// gapText says of each trace how near the clairvoyant is to what nothing can beat.
func gapText(w io.Writer, rows []Ran) error {
	printed := map[string]bool{}
	for _, r := range rows {
		row := r.Row
		if of := row.Trace + row.Catalogue; row.ClairvoyantGap > 0 && !printed[of] {
			printed[of] = true
			if _, err := fmt.Fprintf(w, "%s %s: clairvoyant $%.3f, which is %.3f times the cost of its linear program, $%.3f (no schedule that keeps the bounds costs less)\n", row.Trace, row.Catalogue, row.ClairvoyantUSD, row.ClairvoyantGap, row.LinearUSD); err != nil {
				return err
			}
		}
	}
	return nil
}

// belowText explains ratios to the lower bound that are below 1.
func belowText(w io.Writer, rows []Ran) error {
	var left []string
	for _, r := range rows {
		row := r.Row
		if without := row.UnansweredQueries + row.RejectedQueries; row.RatioToBound > 0 && row.RatioToBound < 1 && without > 0 {
			left = append(left, fmt.Sprintf("%s %d of %d", row.Scheme, without, row.Queries))
		}
	}
	if len(left) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nX LOWER BOUND is below 1 where queries have no answer, as they expired, were refused or still waited at the end: they\ncost nothing, and the lower bound answers all queries. Queries without an answer: %s.\n", strings.Join(left, ", "))
	return err
}

// OfRules says in a page of results by which version of the rules the schemes decided.
func OfRules() string {
	return fmt.Sprintf("The schemes decided by version %d of [their rules](../schemes.md#hedged).\n", procurement.Rules)
}
