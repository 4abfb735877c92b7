package measure

import (
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// WithWorker returns the report with what a worker of an instance type measured of a model: the
// CPU times of runs on one thread, of one query first. file is where the report is kept.
func (r Report) WithWorker(model, instanceType string, times []profile.BatchTime, at time.Time, file string) Report {
	date := at.Format(time.DateOnly)
	var rows []profile.Latency
	for _, t := range times {
		l := profile.Latency{Resource: instanceType, Threads: 1, Batch: t.Batch, MS: t.MS}
		l.Source = profile.Source{
			Kind: "measured", File: file, Row: "name=" + model + "," + settingOf(l), Column: "ms", Hardware: instanceType,
			Samples: t.Samples, Date: date, Note: "CPU time on one thread of a worker, of a run of as many queries as the batch",
		}
		rows = append(rows, l)
	}
	if len(r.Models) == 0 {
		r = Report{Date: date, Hardware: instanceType, Clock: "thread", Models: []Model{{Name: model}}}
	}
	r.Models = slices.Clone(r.Models)
	for i, m := range r.Models {
		if m.Name == model {
			r.Models[i].Latency = slices.Concat(m.Latency, rows)
		}
	}
	return r
}
