package evaluate

import (
	"fmt"
	"math"

	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Finding is one of the paper's findings in one setting.
type Finding struct {
	Claim string  `json:"claim"`
	Value float64 `json:"percent"`
	Holds bool    `json:"holds"`
	// Why says in a word what is against it.
	Why string `json:"why,omitempty"`
	// Void is a finding that there was nothing to measure on.
	Void bool `json:"void,omitempty"`
}

// The paper's findings, in the order of Findings.
const (
	MoreVMsUtilAware = iota
	MoreVMsExascale
	MixedCuts
	ParagonSaves
	// MixedSaves is measured by the grid alone, as it depends on the load.
	MixedSaves
)

// likeCost is up to which cost compared with reactive's mixed is of like cost, and
// likeMissed by how much more of the strict bounds is still alike.
const (
	likeCost   = 1.1
	likeMissed = 0.005
	// saving is the least percent of reactive's cost that counts as saved.
	saving = 1
)

// Findings measures the paper's findings on the rows of one trace, by scheme.
func Findings(rows map[string]comparison.Ran) []Finding {
	of := map[string]comparison.Row{}
	for name, r := range rows {
		of[name] = r.Row
	}
	return findings(of)
}

func findings(of map[string]comparison.Row) []Finding {
	return []Finding{
		moreVMs("util_aware", of["util_aware"], of["reactive"]), moreVMs("exascale", of["exascale"], of["reactive"]),
		cuts(of["mixed"], of["reactive"]), cheaper(of["paragon"], of["mixed"]),
	}
}

func moreVMs(name string, r, reactive comparison.Row) Finding {
	f := Finding{Claim: name + " holds 20 to 30 % more VMs with no more violations", Value: shown(comparison.Ratio(r.VMHours, reactive.VMHours) - 1)}
	switch {
	case r.SLOViolation > reactive.SLOViolation:
		f.Why = "misses more"
	case f.Value < 20:
		f.Why = "too few"
	case f.Value > 30:
		f.Why = "too many"
	}
	return f.judged()
}

func cuts(mixed, reactive comparison.Row) Finding {
	f := Finding{Claim: "mixed cuts violations by 60 % or more at like cost"}
	if reactive.SLOViolation == 0 {
		f.Void, f.Why = true, "none missed"
		return f
	}
	f.Value = shown(1 - mixed.SLOViolation/reactive.SLOViolation)
	switch {
	case f.Value < 60:
		f.Why = "too little"
	case mixed.CostUSD > likeCost*reactive.CostUSD:
		f.Why = fmt.Sprintf("costs %.2f", comparison.Ratio(mixed.CostUSD, reactive.CostUSD))
	}
	return f.judged()
}

func cheaper(paragon, mixed comparison.Row) Finding {
	f := Finding{Claim: "paragon is 10 % or more cheaper than mixed at like strict violations", Value: shown(1 - comparison.Ratio(paragon.CostUSD, mixed.CostUSD))}
	switch {
	case paragon.StrictViolation > mixed.StrictViolation+likeMissed:
		f.Why = "misses more"
	case f.Value < 10:
		f.Why = "too little"
	}
	return f.judged()
}

// saves is the finding that mixed saves compared with reactive where the peak of the
// load is more than half above its median, and nothing where it is not.
func saves(mixed, reactive comparison.Row, dynamic bool) Finding {
	f := Finding{Claim: "mixed saves where the peak is more than half above the median, and nothing where it is not", Value: shown(1 - comparison.Ratio(mixed.CostUSD, reactive.CostUSD))}
	switch {
	case dynamic && f.Value < saving:
		f.Why = "saves nothing"
	case !dynamic && f.Value >= saving:
		f.Why = "saves anyway"
	}
	return f.judged()
}

// shown is a share in percent as the tables show it, which verdicts go by.
func shown(share float64) float64 { return math.Round(1000*share) / 10 }

// judged holds what nothing is against.
func (f Finding) judged() Finding {
	f.Holds = f.Why == ""
	return f
}

// verdict is a finding in a cell: what was measured, and what is against it.
func verdict(f Finding) string {
	switch {
	case f.Void:
		return f.Why
	case f.Holds:
		return fmt.Sprintf("%+.1f %% holds", f.Value)
	}
	return fmt.Sprintf("%+.1f %% %s", f.Value, f.Why)
}
