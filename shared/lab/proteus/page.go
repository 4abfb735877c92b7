package proteus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Case is a run with what is assumed in it.
type Case struct {
	Options
	Outcome
}

// planned from the first minute, as nobody knows more when a cluster is set up.
const planFrom = time.Minute

// Cases are the assumptions that are played.
func Cases() []Options {
	var out []Options
	for _, batch := range []int{1, 8} {
		for _, headroom := range []float64{1, settings.Defaults().Headroom, 1.5} {
			for _, downgrade := range []string{settings.On, "off"} {
				out = append(out, Options{MaxBatch: batch, Downgrade: downgrade, Plan: planFrom, Headroom: headroom})
			}
		}
	}
	return out
}

// PlayAll plays every case.
func PlayAll(ctx context.Context, families []Family, done func(string)) ([]Case, error) {
	var out []Case
	for _, o := range Cases() {
		r, err := Play(ctx, families, Devices(), o, done)
		if err != nil {
			return nil, err
		}
		out = append(out, Case{o, r})
	}
	return out, nil
}

// What INFaaS comes to in Proteus's own simulator, as published: every case must miss
// fewer deadlines, in percent, and be at least as accurate.
const (
	infaasLatePercent = 7.9
	infaasAccuracy    = 96.1
)

// BelowGoal names the cases that are not better than INFaaS; it is nil where all are.
func BelowGoal(cases []Case) error {
	var below []error
	for _, c := range cases {
		late := 100 * c.LateRatio
		if late >= infaasLatePercent || c.Accuracy < infaasAccuracy {
			below = append(below, fmt.Errorf("batches of at most %d, headroom %.1f, downgrade %s: %.2f %% missed deadlines at a mean accuracy of %.2f %%; the goal is fewer than %.1f %% at %.1f %% or more",
				c.MaxBatch, c.Headroom, c.Downgrade, late, c.Accuracy, infaasLatePercent, infaasAccuracy))
		}
	}
	return errors.Join(below...)
}

const intro = `# Accuracy scaling on Proteus's trace

` + "`make proteus`" + ` generates this page. The page applies Paragon's rules to the data of Proteus (Ahmad et al., ASPLOS 2024,
[UMass-LIDS/Proteus](https://github.com/UMass-LIDS/Proteus)). The data is about nine families of models. A *family* consists of *variants*, which differ in accuracy and speed. The
data contains the Twitter trace ` + "`zipf_exponential`" + ` with the queries to each family, and the profiles of the variants. The deadline of each query is %d ms. The cluster has a
fixed size of 40 devices: 20 CPUs, 10 GPUs that Proteus calls Ampere, and 10 GPUs that it calls Pascal. An accuracy on this page is a percentage of the accuracy of the best variant of the family.

For comparison: in Proteus's own simulator, the system INFaaS misses %.1f %% of the deadlines at an accuracy of %.1f %%, as published.
The command fails if any result below misses as many deadlines as INFaaS or more, or has a lower mean accuracy.

## What is assumed

- Each device is a worker with one runner. It serves variants of one family: the most accurate one that the command has chosen for the family, and all less accurate ones. A switch from one variant to another takes no time. The simulation does not check whether a device has enough memory for
  a family. In Proteus's simulator, a device holds one variant at a time. Every 10 s, it may switch to another variant, which takes no time either.
- The devices are assigned to the families once, for the load of the first minute of the trace, multiplied by the headroom. For each family, the command simulates every
  possible number of devices of each kind, and every variant as the most accurate one that is served. It chooses the assignment that answers the most queries, weighted by accuracy.
  Proteus assigns the devices again every 10 s.
- Every query is strict. It asks for an accuracy of at least %d %%, and for the most accurate answer. If ` + "`downgrade`" + ` is on and no device has a slot in time for the chosen variant, another
  variant answers the query ([the rule](../selection.md#another-model-before-overflow)). There are no functions. A query without a slot therefore waits in the work queue and is late.
- Service times are the medians in the profiles and never vary, as in Proteus's simulator. In the rows with a largest batch of 8, one run takes up to 8 queries if the profile has a lower time per query for a
  batch than for a single query. The path to a device takes no time.
- The trace has the number of queries in each second. Within the second, the arrival times are drawn at random.
- The simulator plays a [stage](simulator.md) with the same code for balancers, run queues and admission as a real stage. The mean accuracy is over all queries, including late ones.

## What it comes to

The headroom is the factor by which the planned load exceeds the load of the first minute.

| largest batch | headroom | downgrade | missed deadlines | mean accuracy | queries answered by another variant |
|--:|--:|---|--:|--:|--:|
`

// Markdown is the page of the cases.
func Markdown(cases []Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, deadlineMS, infaasLatePercent, infaasAccuracy, leastShare)
	for _, c := range cases {
		fmt.Fprintf(&b, "| %d | %.1f | %s | %.2f %% | %.2f %% | %.2f %% |\n", c.MaxBatch, c.Headroom, c.Downgrade, 100*c.LateRatio, c.Accuracy, 100*c.Other)
	}
	c := cases[0] // the most headroom, without batches
	for _, x := range cases {
		if x.MaxBatch == 1 && x.Downgrade == settings.On {
			c = x
		}
	}
	fmt.Fprintf(&b, "\n## Devices of each family\n\nOne case in detail: %d queries, batches of at most %d, headroom %.1f, downgrade %s.\n\n", c.Queries, c.MaxBatch, c.Headroom, c.Downgrade)
	b.WriteString("| family of models | devices | most accurate variant served | queries | missed deadlines | queries answered by another variant | mean accuracy |\n|---|---|---|--:|--:|--:|--:|\n")
	for _, s := range c.Shares {
		n := float64(max(1, s.Queries))
		fmt.Fprintf(&b, "| %s | %d %s | %s | %d | %.2f %% | %.2f %% | %.2f %% |\n",
			s.Family, s.Devices, s.Kind, s.Best, s.Queries, 100*float64(s.Late)/n, 100*float64(s.Other)/n, s.Points/n)
	}
	return b.String()
}
