package evaluate

import (
	"fmt"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/lab/figures"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// FigureNames are the paper's figures that come from played traces.
func FigureNames() []string { return []string{"4", "5", "6", "8"} }

// Figure makes one of them from the rows of several traces.
func Figure(name string, cases []comparison.Case, rows []comparison.Ran) (figures.Figure, error) {
	switch name {
	case "4":
		return provisioned(rows), nil
	case "5":
		return costAndViolations("figure-5", "Cost and missed bounds of the schemes", rows, []string{"reactive", "util_aware", "exascale", "mixed"}), nil
	case "6":
		return load(cases), nil
	case "8":
		return costAndViolations("figure-8", "Paragon compared with mixed", rows, []string{"mixed", "mixed_predictive", "paragon", "hedged"}), nil
	}
	return figures.Figure{}, fmt.Errorf("there is no figure %q here, only %v", name, FigureNames())
}

// byTrace groups rows by trace, in their order.
func byTrace(rows []comparison.Ran) (names []string, of map[string]map[string]comparison.Ran) {
	of = map[string]map[string]comparison.Ran{}
	for _, r := range rows {
		t := r.Row.Trace
		if of[t] == nil {
			of[t] = map[string]comparison.Ran{}
			names = append(names, t)
		}
		of[t][r.Row.Scheme] = r
	}
	return names, of
}

// provisioned is figure 4: VM hours relative to reactive's.
func provisioned(rows []comparison.Ran) figures.Figure {
	f := figures.Figure{
		Name: "figure-4", Title: "VM hours relative to reactive's", Columns: []string{"trace", "scheme", "vm_hours", "of_reactive", "slo_violation_ratio"},
	}
	names, of := byTrace(rows)
	p := figures.Panel{Title: f.Title, X: axis(names), Y: "VM hours / reactive's"}
	for _, scheme := range []string{"reactive", "util_aware", "exascale"} {
		s := figures.Series{Name: scheme}
		for i, t := range names {
			row, base := of[t][scheme].Row, of[t]["reactive"].Row
			x := comparison.Ratio(row.VMHours, base.VMHours)
			s.Points = append(s.Points, figures.Point{X: float64(i + 1), Y: x})
			f.Rows = append(f.Rows, []string{t, scheme, number(row.VMHours), number(x), number(row.SLOViolation)})
		}
		p.Series = append(p.Series, s)
	}
	f.Panels = []figures.Panel{p}
	for _, t := range names {
		f.Findings = append(f.Findings, annotate(t, Findings(of[t])[:2])...)
	}
	return f
}

// costAndViolations are figures 5 and 8.
func costAndViolations(name, title string, rows []comparison.Ran, schemes []string) figures.Figure {
	f := figures.Figure{Name: name, Title: title, Columns: []string{"trace", "scheme", "cost_usd", "of_reactive", "strict_violation_ratio", "relaxed_violation_ratio", "overflow_ratio"}}
	names, of := byTrace(rows)
	cost := figures.Panel{Title: title, X: axis(names), Y: "cost / reactive's"}
	missed := figures.Panel{Title: "Bounds missed", X: axis(names), Y: "missed (%)"}
	for _, scheme := range schemes {
		c, m := figures.Series{Name: scheme}, figures.Series{Name: scheme}
		for i, t := range names {
			row := of[t][scheme].Row
			x := comparison.Ratio(row.CostUSD, of[t]["reactive"].Row.CostUSD)
			c.Points = append(c.Points, figures.Point{X: float64(i + 1), Y: x})
			m.Points = append(m.Points, figures.Point{X: float64(i + 1), Y: 100 * row.SLOViolation})
			f.Rows = append(f.Rows, []string{t, scheme, number(row.CostUSD), number(x), number(row.StrictViolation), number(row.RelaxedViolation), number(row.OverflowRatio)})
		}
		cost.Series, missed.Series = append(cost.Series, c), append(missed.Series, m)
	}
	f.Panels = []figures.Panel{cost, missed}
	for _, t := range names {
		all := Findings(of[t])
		if name == "figure-5" {
			f.Findings = append(f.Findings, annotate(t, all[2:3])...)
		} else {
			f.Findings = append(f.Findings, annotate(t, all[3:])...)
		}
	}
	return f
}

// load is figure 6: the arrivals that are played, and the peak compared with the
// median of the whole trace by sampling window.
func load(cases []comparison.Case) figures.Figure {
	f := figures.Figure{
		Name: "figure-6", Title: "Peak-to-median, Poisson's own peak divided out",
		Columns: []string{"trace", "window_seconds", "bin_seconds", "windows", "median_ratio", "highest_ratio", "dynamic_share"},
	}
	rate := figures.Panel{Title: "Arrivals", X: "seconds", Y: "queries/s, mean of a minute"}
	peak := figures.Panel{Title: f.Title, X: "window (s)", Y: "median ratio of the windows", LogX: true}
	for _, c := range cases {
		w, err := c.Trace.Window(c.From, c.For)
		if err != nil {
			continue
		}
		rate.Series = append(rate.Series, figures.Series{Name: c.Name, Joined: true, Points: minutes(w)})
		s := figures.Series{Name: c.Name, Joined: true}
		windows := c.Trace.Describe(Windows...).Windows
		for _, x := range windows {
			s.Points = append(s.Points, figures.Point{X: x.WindowSeconds, Y: x.Median})
			f.Rows = append(f.Rows, []string{c.Name, number(x.WindowSeconds), number(x.BinSeconds), fmt.Sprint(x.Windows), number(x.Median), number(x.Highest), number(x.Dynamic)})
		}
		peak.Series = append(peak.Series, s)
		f.Findings = append(f.Findings, peaks(c.Name, windows))
	}
	f.Panels = []figures.Panel{rate, peak}
	return f
}

// peaks is the finding that a trace's peak is more than half above its median,
// within an hour or within a day.
func peaks(trace string, windows []arrivals.WindowStat) figures.Finding {
	out := figures.Finding{Claim: trace + ": the peak is more than 50 % above the median"}
	var details []string
	for _, x := range windows {
		if length := time.Duration(x.WindowSeconds) * time.Second; length == time.Hour || length == 24*time.Hour {
			details = append(details, fmt.Sprintf("%.2f in the middle one of its windows of %.0f s", x.Median, x.WindowSeconds))
			out.Holds = out.Holds || x.Median > settings.Defaults().PeakToMedian
		}
	}
	out.Detail = strings.Join(details, ", ")
	if len(details) == 0 {
		out.Detail = "the trace is too short: it has no windows of an hour or a day"
	}
	return out
}

// Windows are the sampling windows in which the peak-to-median ratio is printed.
var Windows = []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}

// minutes are the mean rates of a trace's minutes, at most some hundreds of them.
func minutes(t arrivals.Trace) []figures.Point {
	steps := max(1, int(time.Minute/t.Step))
	steps = max(steps, len(t.Counts)/400)
	var out []figures.Point
	for i, v := range arrivals.Bins(t.Counts, steps) {
		seconds := float64(steps) * t.Step.Seconds()
		out = append(out, figures.Point{X: float64(i) * seconds, Y: v / seconds})
	}
	return out
}

func annotate(trace string, found []Finding) []figures.Finding {
	var out []figures.Finding
	for _, x := range found {
		out = append(out, figures.Finding{Claim: trace + ": " + x.Claim, Holds: x.Holds, Detail: strings.TrimSuffix(verdict(x), " holds")})
	}
	return out
}

// axis reports which trace stands where, by the first word of its name and its
// scale, as an axis has room for.
func axis(names []string) string {
	out := ""
	for i, n := range names {
		name, scale, _ := strings.Cut(n, " ")
		name, _, _ = strings.Cut(name, "_")
		out += strings.TrimSuffix(fmt.Sprintf("%d %s %s", i+1, name, scale), " ") + "  "
	}
	return out
}

func number(x float64) string { return fmt.Sprintf("%.6g", x) }
