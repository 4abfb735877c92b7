package measure

import (
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// WithWorker returns the report with what a worker of an instance type measured of a model: the
// CPU time of an answer on one thread, in milliseconds. file is where the report is kept.
func (r Report) WithWorker(model, instanceType string, ms profile.Percentiles, samples int, at time.Time, file string) Report {
	l := profile.Latency{Resource: instanceType, Threads: 1, Batch: 1, MS: ms}
	l.Source = profile.Source{
		Kind: "measured", File: file, Row: "name=" + model + "," + settingOf(l), Column: "ms", Hardware: instanceType,
		Samples: samples, Date: at.Format(time.DateOnly), Note: "CPU time of an answer on one thread of a worker",
	}
	if len(r.Models) == 0 {
		r = Report{Date: l.Source.Date, Hardware: instanceType, Clock: "thread", Models: []Model{{Name: model}}}
	}
	r.Models = slices.Clone(r.Models)
	for i, m := range r.Models {
		if m.Name == model {
			r.Models[i].Latency = append(slices.Clone(m.Latency), l)
		}
	}
	return r
}
