package proteus

import (
	"context"
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

const intro = `# Accuracy scaling on Proteus's trace

Made by ` + "`make proteus`" + `; edit nothing here. Paragon's rules on the data of Proteus (Ahmad et al.,
ASPLOS 2024, [UMass-LIDS/Proteus](https://github.com/UMass-LIDS/Proteus)): the Twitter trace
` + "`zipf_exponential`" + ` of nine families of models, the profiles of their variants, a deadline of %d ms, and
a cluster of 40 devices that does not grow: 20 CPUs, 10 GPUs called Ampere and 10 called Pascal.
Accuracy is in percent of a family's best variant. In that repository's own simulator INFaaS misses
7.9 %% of the deadlines at an effective accuracy of 96.1 %%; those two figures are not measured again
here.

## What is assumed

- Each device is a worker with one runner and serves one family. It holds all variants that are
  served of it and changes between them from query to query in no time. In Proteus's simulator a
  device holds one variant, and variants change every 10 s, in no time too. That devices have memory
  enough for a family is not checked.
- The shares of the cluster are planned once, from the first minute of the trace, for that load
  times the headroom: each possible share of each family, with each most accurate variant, is
  simulated, and the sum that answers most, weighed by accuracy, is taken. Nothing is planned anew
  later; Proteus solves its program every 10 s.
- Every query is strict and asks for the most accurate answer of at least %d %%. A query for whose
  variant no device has a slot in time is answered by another one ([the
  rule](../selection.md#another-model-before-overflow)), when ` + "`downgrade`" + ` is on. There are no
  functions: what has no slot waits in the work queue and is late.
- Service times are the profiles' medians, the same for every run, as in Proteus's simulator. With
  batches a run takes up to 8 queries where that pays; a query's time in a batch is the longest that
  any measured size says. The way to a device takes no time.
- Of the trace the number of queries in each second is kept; when in its second one comes is drawn.
- The simulator is the one that plays a [stage](simulator.md): balancers, run queues and admission
  of production. The mean of the accuracy is over all queries, late ones too.

## What it comes to

| batch | headroom | downgrade | missed deadlines | effective accuracy | another variant |
|--:|--:|---|--:|--:|--:|
`

// Markdown is the page of the cases.
func Markdown(cases []Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, deadlineMS, leastShare)
	for _, c := range cases {
		fmt.Fprintf(&b, "| %d | %.1f | %s | %.2f %% | %.2f %% | %.2f %% |\n", c.MaxBatch, c.Headroom, c.Downgrade, 100*c.LateRatio, c.Accuracy, 100*c.Other)
	}
	c := cases[0] // the most headroom, without batches
	for _, x := range cases {
		if x.MaxBatch == 1 && x.Downgrade == settings.On {
			c = x
		}
	}
	fmt.Fprintf(&b, "\n## Shares\n\n%d queries, batches of %d, headroom %.1f, downgrade %s.\n\n", c.Queries, c.MaxBatch, c.Headroom, c.Downgrade)
	b.WriteString("| family | devices | best variant served | queries | missed | another variant | accuracy |\n|---|---|---|--:|--:|--:|--:|\n")
	for _, s := range c.Shares {
		n := float64(max(1, s.Queries))
		fmt.Fprintf(&b, "| %s | %d %s | %s | %d | %.2f %% | %.2f %% | %.2f %% |\n",
			s.Family, s.Devices, s.Kind, s.Best, s.Queries, 100*float64(s.Late)/n, 100*float64(s.Other)/n, s.Points/n)
	}
	return b.String()
}
