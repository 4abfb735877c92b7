package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// driveLoad runs a load, with a progress bar and a row a query, and reports it.
func driveLoad(ctx context.Context, term *cli.Terminal, f *loadFlags, plan load.Plan, length time.Duration, send load.Send) error {
	rows, err := newRows(f.out)
	if err != nil {
		return err
	}
	tally, bar := load.NewTally(), newLoadBar(term, length)
	load.Run(ctx, plan, load.Clock{Now: term.Now, Sleep: term.Sleep}, send, func(r load.Row) {
		tally.Add(r)
		rows.add(r)
		finished, answered := tally.Counts()
		bar.show(r.Intended, finished, answered, "")
	})
	bar.finish()
	if err := rows.close(); err != nil {
		return fmt.Errorf("write %s: %w", f.out, err)
	}
	report := tally.Report()
	report.Cancelled = ctx.Err() != nil
	if term.JSON {
		term.PrintJSON(report)
	} else if err := printReport(term.Out, report); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if report.All.Sent > 0 && report.All.Answered == 0 {
		return &cli.NoAnswer{Queries: report.All.Sent, Of: report.All.Sent}
	}
	return nil
}

// loadBar is the progress bar of a load: over the time, with the counts next to it.
type loadBar struct{ *progressbar.ProgressBar }

// newLoadBar returns a bar on stderr, or a silent one when that is no terminal.
func newLoadBar(term *cli.Terminal, length time.Duration) loadBar {
	if !cli.IsTerminal(term.Err) {
		return loadBar{}
	}
	return loadBar{progressbar.NewOptions64(length.Milliseconds(),
		progressbar.OptionSetWriter(term.Err), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(false))}
}

// show draws how far the load is.
func (b loadBar) show(at time.Duration, finished, answered int, note string) {
	if b.ProgressBar == nil {
		return
	}
	b.Describe(fmt.Sprintf("%d answered, %d failed%s", answered, finished-answered, note))
	// It only draws: a terminal that is gone must not stop the measurement.
	_ = b.Set64(max(b.State().CurrentNum, min(at.Milliseconds(), b.GetMax64()-1)))
}

func (b loadBar) finish() {
	if b.ProgressBar != nil {
		_ = b.ProgressBar.Finish() // likewise
	}
}

// rows writes one CSV row a query; without a file it writes nothing.
type rows struct {
	file *os.File
	csv  *csv.Writer
}

func newRows(name string) (*rows, error) {
	if name == "" {
		return &rows{}, nil
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	w := csv.NewWriter(file)
	r := &rows{file: file, csv: w}
	return r, w.Write([]string{"intended_ms", "sent_ms", "latency_ms", "class", "served_by", "met", "state", "id"})
}

func (r *rows) add(row load.Row) {
	if r.file == nil {
		return
	}
	ms := func(d time.Duration) string {
		return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 3, 64)
	}
	// A fault of the file stays with the writer and comes out of close.
	_ = r.csv.Write([]string{ms(row.Intended), ms(row.Sent), ms(row.Latency()), string(row.Shot.Class),
		string(row.Answer.ServedBy), strconv.FormatBool(row.Met()), string(row.Answer.State), row.Answer.ID})
}

func (r *rows) close() error {
	if r.file == nil {
		return nil
	}
	r.csv.Flush()
	return errors.Join(r.csv.Error(), r.file.Close())
}

// printReport prints a report as a table, a column a class.
func printReport(out io.Writer, r load.Report) error {
	fmt.Fprintf(out, "%.1f s, %d queries sent, %.1f/s; p99 of the delay from the planned time of a query until it was sent: %s\n", r.Seconds, r.All.Sent, r.SentPerS, cli.Milliseconds(r.LateMS))
	if r.HeldBack > 0 {
		fmt.Fprintf(out, "%d queries were sent late, because --max-outstanding others had no answer yet; their latency includes this delay\n", r.HeldBack)
	}
	if r.Paced {
		fmt.Fprintln(out, "paced: each run took at least the service time of the resource that it imitates")
	}
	if r.Cancelled {
		fmt.Fprintln(out, "the load was stopped before its end")
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\n\tstrict\trelaxed\tall\t")
	for _, line := range reportLines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", line.name, line.of(r.Strict), line.of(r.Relaxed), line.of(r.All))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if a := r.All; a.Keyed > 0 {
		fmt.Fprintf(out, "%d queries had an idempotency key, and %d of them were sent again; for %d of these repeats, the answer differed from the first answer\n", a.Keyed, a.Repeats, a.RepeatsDiffering)
	}
	for _, why := range slices.Sorted(maps.Keys(r.All.Faults)) {
		fmt.Fprintf(out, "failed %d times: %s\n", r.All.Faults[why], cli.OneLine(why))
	}
	return nil
}

// reportLines are the lines of the table.
var reportLines = []struct {
	name string
	of   func(load.Group) string
}{
	{"sent", func(g load.Group) string { return strconv.Itoa(g.Sent) }},
	{"answered", func(g load.Group) string { return strconv.Itoa(g.Answered) }},
	{"failed", func(g load.Group) string { return strconv.Itoa(g.Failed) }},
	{"of those lost", func(g load.Group) string { return strconv.Itoa(g.Lost) }},
	{"in bound", func(g load.Group) string { return percent(g.MetPercent, g.Sent) }},
	{"in bound, by the server", func(g load.Group) string { return percent(g.ServerMetPercent, g.Sent) }},
	{"p50", func(g load.Group) string { return latency(g.LatencyMS.P50, g.Answered) }},
	{"p90", func(g load.Group) string { return latency(g.LatencyMS.P90, g.Answered) }},
	{"p95", func(g load.Group) string { return latency(g.LatencyMS.P95, g.Answered) }},
	{"p99", func(g load.Group) string { return latency(g.LatencyMS.P99, g.Answered) }},
	{"max", func(g load.Group) string { return latency(g.LatencyMS.Max, g.Answered) }},
	{"on workers", func(g load.Group) string { return percent(g.WorkersPercent, g.Answered) }},
	{"on functions", func(g load.Group) string { return percent(g.FunctionsPercent, g.Answered) }},
	{"cold starts", func(g load.Group) string { return strconv.Itoa(g.ColdStarts) }},
	{"mean cost", func(g load.Group) string { return pricing.Dollars(g.MeanCostUSD) }},
	{"cost a million", func(g load.Group) string { return pricing.Dollars(g.CostPerMillion) }},
}

func percent(p float64, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", p)
}

func latency(ms float64, of int) string {
	if of == 0 {
		return "-"
	}
	return cli.Milliseconds(ms)
}
