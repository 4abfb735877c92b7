package measure

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Job is everything that `paragon profile` measures in one go.
type Job struct {
	Subjects []Subject
	Settings []Setting // the first must be one thread, one picture, one caller
	Plan     Plan
	Clock    string // names Plan.Now in the report
	ColdRuns int    // cold starts of each model; 0 leaves them out
	// Resource is the instance type that this machine is; empty when its
	// figures are those that other resources scale from.
	Resource string
	// Child starts a process that runs RunCold for a model.
	Child func(ctx context.Context, model string) *exec.Cmd
	// MemoryMB are function sizes to be emulated, by Share: a process that
	// runs RunWhenTold for a model, in a control group.
	MemoryMB []int
	Share    func(ctx context.Context, model string) *exec.Cmd
	File     string // that the report goes to, below the profiles folder
	Today    time.Time
	// Tick is called after each step, Steps times in all.
	Tick func(what string)
}

// Steps is how often Tick is called.
func (j Job) Steps() int { return len(j.Subjects) * (len(j.Settings) + len(j.MemoryMB) + j.ColdRuns) }

// Run measures every subject in every setting.
func (j Job) Run(ctx context.Context) (Report, error) {
	r := Report{
		Date: j.Today.Format(time.DateOnly), Hardware: Hardware(), LoadAverage: loadAverage(),
		Clock: j.Clock, Go: runtime.Version(),
	}
	for _, s := range j.Subjects {
		m, library, err := j.one(ctx, s, r)
		if err != nil {
			return Report{}, err
		}
		if library != "" {
			r.Library = library
		}
		r.Models = append(r.Models, m)
	}
	return r, nil
}

func (j Job) one(ctx context.Context, s Subject, r Report) (Model, string, error) {
	m := Model{Name: s.Name}
	for _, set := range j.Settings {
		p := j.Plan
		if set.Concurrency > 1 || set.Threads > 1 {
			p.Now = Wall // a thread's own time leaves out the others' and the wait
		}
		l, err := Measure(ctx, s, set, p)
		if err != nil {
			return m, "", err
		}
		l.Resource = cmp.Or(j.Resource, reference)
		l.Source = j.source(s.Name, l, r)
		m.Latency = append(m.Latency, l)
		j.Tick(s.Name + " " + settingOf(l))
	}
	if err := j.asFunctions(ctx, &m, r); err != nil {
		return m, "", err
	}
	if j.ColdRuns == 0 {
		return m, "", nil
	}
	cold, report, err := Cold(ctx, j.ColdRuns,
		func(ctx context.Context) *exec.Cmd { return j.Child(ctx, s.Name) }, func() { j.Tick(s.Name + " cold") })
	if err != nil {
		return m, "", err
	}
	warm := m.Latency[0].MS.P50
	extra := profile.Percentiles{P50: max(0, cold.P50-warm), P95: max(0, cold.P95-warm), P99: max(0, cold.P99-warm)}
	m.Latency[0].ColdMS, m.MemoryMB = &extra, report.MemoryMB
	return m, report.Library, nil
}

// asFunctions adds the function sizes that are to be emulated.
func (j Job) asFunctions(ctx context.Context, m *Model, r Report) error {
	for _, mb := range j.MemoryMB {
		l, err := AsFunction(ctx, mb, inference.Arch(), j.Share(ctx, m.Name))
		if err != nil {
			return fmt.Errorf("measure %s: %w", m.Name, err)
		}
		l.Source.Kind, l.Source.File, l.Source.Column = "measured", j.File, "ms"
		l.Source.Row = fmt.Sprintf("name=%s,resource=%s,memory_mb=%d", m.Name, l.Resource, mb)
		l.Source.Hardware, l.Source.Date = r.Hardware, r.Date
		l.Source.Note = fmt.Sprintf("a function's share of a vCPU, emulated by a control group; wall clock; load average %.1f; %s", r.LoadAverage, r.Go)
		m.Latency = append(m.Latency, l)
		j.Tick(fmt.Sprintf("%s as a function of %d MB", m.Name, mb))
	}
	return nil
}

// source says where the figure will be found.
func (j Job) source(model string, l profile.Latency, r Report) profile.Source {
	clock := "wall clock"
	if j.Clock == "thread" && l.Concurrency == 1 && l.Threads == 1 {
		clock = "CPU time of the thread, as others shared the machine; the rate and the cold start by the wall clock"
	}
	return profile.Source{
		Kind: "measured", File: j.File, Row: "name=" + model + "," + settingOf(l), Column: "ms",
		Hardware: r.Hardware, Samples: l.Source.Samples, Date: r.Date,
		Note: fmt.Sprintf("input to outputs, %s; load average %.1f; %s", clock, r.LoadAverage, r.Go),
	}
}
