package cli

import (
	"context"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Play plays the schemes of one case under a progress bar.
func (t *Terminal) Play(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error) {
	bar := t.Progress(len(schemes) + 2)
	defer bar.Finish()
	return comparison.Play(ctx, c, schemes, bar.Step)
}

// PrintRows prints what the schemes came to.
func (t *Terminal) PrintRows(rows []comparison.Ran) error {
	if t.JSON {
		out := make([]comparison.Row, len(rows))
		for i, r := range rows {
			out[i] = r.Row
		}
		t.PrintJSON(out)
		return nil
	}
	if err := comparison.Text(t.Out, rows); err != nil {
		return err
	}
	t.printEstimates(rows)
	return nil
}

// printEstimates sets how long a scheme expected static load to last next to how
// long it did.
func (t *Terminal) printEstimates(rows []comparison.Ran) {
	for _, r := range rows {
		e := r.Row.StaticEstimate
		switch {
		case e == nil:
		case e.Open == e.Decisions:
			t.Printf("%s, %s: the scheme's predictions of how long the load stays static cannot be checked, because each of them ends after the trace\n", r.Row.Trace, r.Row.Scheme)
		default:
			t.Printf("%s, %s: the scheme predicted that the load stays static for %.0f s more (median of %d decisions), and it stayed static for %.0f s; the error is %.0f s at the median and %.0f s at p90%s\n",
				r.Row.Trace, r.Row.Scheme, e.MedianEstimate, e.Decisions-e.Open, e.MedianTrue, e.MedianError, e.P90Error, notCounted(e.Open))
		}
	}
}

// notCounted says how many predictions ended after the trace, if any did.
func notCounted(open int) string {
	switch open {
	case 0:
		return ""
	case 1:
		return "; 1 more decision is not counted, because the trace ended first"
	}
	return fmt.Sprintf("; %d more decisions are not counted, because the trace ended first", open)
}
