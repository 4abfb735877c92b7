package spock

import (
	"fmt"
	"io"
)

// Row is what a scheme came to. Its fields are those of the simulator's rows
// that Spock's model has.
type Row struct {
	Trace              string  `json:"trace"`
	Scheme             string  `json:"scheme"`
	Preset             string  `json:"preset"`
	Queries            int     `json:"queries"`
	CostUSD            float64 `json:"cost_usd"`
	VMUSD              float64 `json:"vm_usd"`
	LambdaUSD          float64 `json:"lambda_usd"`
	MachineryUSD       float64 `json:"machinery_usd"` // it has none
	SLOViolation       float64 `json:"slo_violation_ratio"`
	VMHours            float64 `json:"vm_hours"`
	OverflowRatio      float64 `json:"overflow_ratio"`
	RelativeToReactive float64 `json:"relative_to_reactive"`
	Published          float64 `json:"published,omitempty"` // the same cell of its own simulator, where known
	Seed               uint64  `json:"seed"`
}

// row prices the run. Machines are billed from their start to their end, those
// that are left to the last event.
func (s *simulation) row() Row {
	r := Row{Scheme: s.scheme, Preset: "spock", Queries: s.requests}
	for kind := range s.vms {
		for _, v := range s.vms[kind] {
			r.VMHours += float64(s.now-v.start) / 3_600_000
		}
		for _, v := range s.done[kind] {
			r.VMHours += float64(v.end-v.start) / 3_600_000
		}
		n := float64(s.lambdas[kind])
		r.LambdaUSD += n*callUSD + n*memoryGB[kind]*float64(execMS[kind])/1000*gbSecondUSD
		r.OverflowRatio += n
	}
	r.VMUSD = r.VMHours * vmUSD
	r.CostUSD = r.VMUSD + r.LambdaUSD
	if s.requests > 0 {
		r.SLOViolation = float64(s.missed) / float64(s.requests)
		r.OverflowRatio /= float64(s.requests)
	}
	return r
}

// cells are the cost cells of its own simulator on hour 0, compared with reactive's.
var cells = map[string]map[string]float64{
	"wits":     {"reactive": 1, "reactive_buffer": 1.14, "predictive": 0.52, "mixed": 0.80, "mixed_predictive": 0.47, "instant": 0.83},
	"berkeley": {"reactive": 1, "reactive_buffer": 1.13, "predictive": 0.97, "mixed": 0.93, "mixed_predictive": 0.78, "instant": 0.94},
}

// Play plays every scheme on a trace.
func Play(name string, t Seconds, seed uint64) ([]Row, error) {
	var out []Row
	for _, scheme := range Schemes() {
		r, err := Run(scheme, t, seed)
		if err != nil {
			return nil, err
		}
		r.Trace, r.Seed, r.Published = name, seed, cells[name][scheme]
		out = append(out, r)
		out[len(out)-1].RelativeToReactive = r.CostUSD / out[0].CostUSD
	}
	return out, nil
}

// Text writes rows as columns.
func Text(w io.Writer, rows []Row) error {
	if _, err := fmt.Fprintf(w, "%-12s %-17s %9s %9s %10s %10s %9s %9s %9s\n", "TRACE", "SCHEME", "QUERIES", "USD", "/REACTIVE", "PUBLISHED", "MISSED %", "VM HOURS", "LAMBDA %"); err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, "%-12s %-17s %9d %9.3f %10.3f %10.2f %9.3f %9.1f %9.2f\n", r.Trace, r.Scheme, r.Queries, r.CostUSD,
			r.RelativeToReactive, r.Published, 100*r.SLOViolation, r.VMHours, 100*r.OverflowRatio); err != nil {
			return err
		}
	}
	return nil
}
