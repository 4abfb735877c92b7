package chaos

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/paragon-serving/paragon/shared/lab/load"
)

// Report is what a run showed.
type Report struct {
	Date      string      `json:"date"`
	Cores     int         `json:"cores"`
	Seconds   float64     `json:"seconds"` // of load
	Seed      uint64      `json:"seed"`
	Objective float64     `json:"objective_percent"`
	Promises  Promises    `json:"promises"`
	Broken    []string    `json:"broken"` // promises, a sentence each
	Faults    []Injected  `json:"faults"`
	Changed   []string    `json:"changed,omitempty"` // queries that ended twice, and how
	Load      load.Report `json:"load"`
	Cancelled bool        `json:"cancelled,omitempty"` // stopped before its end
}

// busyMS is the delay of sending, p99, from which on a machine counts as busy with other work: the
// prober itself gets no time, and neither do the processes that it tests. Otherwise it is 2 ms.
const busyMS = 20

// objective is the one that counts.
func (c Config) objective(l load.Report) float64 {
	if l.LateMS >= busyMS {
		return c.BusyObjective
	}
	return c.Objective
}

func newReport(c Config, o observed, l load.Report) Report {
	r := Report{Date: time.Now().Format(time.DateOnly), Cores: runtime.NumCPU(), Seconds: c.Length.Seconds(), Seed: c.Seed,
		Objective: c.objective(l), Promises: judge(o), Faults: o.faults, Load: l}
	r.Broken = append(r.Promises.Broken(r.Objective), neverInjected(o.faults)...)
	for _, id := range slices.Sorted(maps.Keys(o.changed)) {
		r.Changed = append(r.Changed, id+": "+o.changed[id])
	}
	return r
}

// row is a line of a table.
type row struct{ name, value string }

func (r Report) rows() []row {
	p := r.Promises
	statuses := ""
	for _, s := range slices.Sorted(maps.Keys(p.ServerErrors)) {
		statuses += fmt.Sprintf("%d of status %d, ", p.ServerErrors[s], s)
	}
	return []row{
		{"queries sent", fmt.Sprint(r.Load.All.Sent)},
		{"delay of sending, p99", fmt.Sprintf("%.0f ms", r.Load.LateMS)},
		{"accepted (200 or 202)", fmt.Sprint(p.Accepted)},
		{"lost", fmt.Sprint(p.Lost)},
		{"ended twice", fmt.Sprint(p.Double)},
		{"expired", p.expired()},
		{"failed", fmt.Sprint(p.Failed)},
		{"queries repeated with the same key", fmt.Sprint(p.Repeats)},
		{"repeats with another answer than the first", fmt.Sprint(p.RepeatsDiffering)},
		{"strict queries accepted", fmt.Sprint(p.Strict)},
		{"strict queries late", fmt.Sprintf("%d, of which %d were in progress at the faulty process", p.StrictLate, p.StrictInHands)},
		{"strict queries answered in time", fmt.Sprintf("%.2f %% (the objective is %g %%)", p.StrictKeptPercent, r.Objective)},
		{"errors", fmt.Sprintf("%s%d requests without an answer", statuses, p.NoAnswer)},
		{"longest time from the end of a fault to an error", fmt.Sprintf("%.1f s", p.LatestErrorSeconds)},
		{"queries answered by functions", fmt.Sprintf("%.1f %%", r.Load.All.FunctionsPercent)},
	}
}

// expired is how many queries expired, and of how many the machine was the cause.
func (p Promises) expired() string {
	if p.ExpiredStarved == 0 {
		return fmt.Sprint(p.Expired)
	}
	return fmt.Sprintf("%d, of which %d while functions got less than %.0f %% of the processor time that they wanted", p.Expired, p.ExpiredStarved, 100*starvedBelow)
}

// countKind counts how often a kind of fault was injected and was not, by why.
func countKind(faults []Injected, k Kind) (done int, skipped map[string]int) {
	skipped = map[string]int{}
	for _, f := range faults {
		if f.Kind == k && f.Skipped == "" {
			done++
		} else if f.Kind == k {
			skipped[f.Skipped]++
		}
	}
	return done, skipped
}

// counts are how often each kind of fault was injected, and why not.
func (r Report) counts() []row {
	var out []row
	for _, k := range Kinds() {
		done, skipped := countKind(r.Faults, k)
		value := fmt.Sprint(done)
		for _, why := range slices.Sorted(maps.Keys(skipped)) {
			value += fmt.Sprintf("; %d not done: %s", skipped[why], why)
		}
		out = append(out, row{string(k), value})
	}
	return out
}

// verdict is the report in a sentence.
func (r Report) verdict() string {
	if len(r.Broken) == 0 {
		return "Every promise was kept."
	}
	return "Broken: " + strings.Join(r.Broken, "; ") + "."
}

// Print prints the report as text.
func (r Report) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range r.rows() {
		fmt.Fprintf(w, "%s\t%s\n", l.name, l.value)
	}
	fmt.Fprintln(w)
	for _, l := range r.counts() {
		fmt.Fprintf(w, "%s\t%s\n", l.name, l.value)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	for _, c := range r.Changed {
		fmt.Fprintln(out, "ended twice:", c)
	}
	if r.Cancelled {
		fmt.Fprintln(out, "stopped before its end")
	}
	_, err := fmt.Fprintf(out, "\n%s\n", r.verdict())
	return err
}

// Page is the report as a page of the documentation.
func (r Report) Page() string {
	var b strings.Builder
	fmt.Fprintf(&b, page, r.Date, r.Seconds, r.Cores, r.Seed, errorsFor.Seconds(), r.verdict())
	b.WriteString("\n| what was counted | result |\n|---|---|\n")
	for _, l := range r.rows() {
		fmt.Fprintf(&b, "| %s | %s |\n", l.name, l.value)
	}
	b.WriteString("\n| fault | times injected |\n|---|---|\n")
	for _, l := range r.counts() {
		fmt.Fprintf(&b, "| %s | %s |\n", l.name, l.value)
	}
	return b.String()
}

const page = `# Chaos

` + "`make chaos`" + ` generates this page. On %s, ` + "`paragon up`" + ` ran under load for %.0f s on %d cores, with a changing number of workers and with functions. During the load, faults were
injected at random (seed %d). The load had strict and relaxed queries, with and without an idempotency key. Some callers waited for their answer in the request, others read it later.
Half of the answered queries with a key were sent again. A separate process sent the queries and counted:

- **lost**: queries that were accepted with 200 or 202 and never ended.
- **ended twice**: queries whose record, read again after the run, differed from the result that the caller got.
- **expired**: queries that expired before anything answered them. An expired query breaks a promise if functions could run. The kernel counts how long functions ran, and how long
  they waited for the processor. Between the sending of a query and its end, functions could *not* run if they waited, together, for at least half of this time, and ran for less than a tenth of their running and waiting time.
- **late**: strict queries that were not answered within their bound. If the caller waited in the request, the caller's clock decides.
- **in progress at the faulty process**: late queries that a fault delayed. The process was killed while it worked on the query, or it was frozen and Paragon had not detected this yet.
  For a fault of the store, these are the queries that were queued while the store was full, locked or away.
- **errors**: answers with a status 5xx and requests without an answer, also for repeated queries and reads of results.

Notes on the faults:

- *full disk* needs root, because the fault uses a file system of its own.
- *lost capacity* kills every worker, and no launch succeeds for some time.
- *slow store* and *failing store*: another program locks the data file, for less or for more than the five seconds that Paragon waits for the lock.

Paragon promises the following:

- No accepted query is lost, ends twice or fails. None expires while functions could run.
- A repeat with the same key gets the answer of the first query.
- The share of the strict queries that are answered in time reaches the objective in the table below. Late queries in progress at the faulty process do not count.
- No error occurs more than %g s after the end of a fault.

%s
`
