package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

// mostUsage bounds the owners and tasks of a usage: those with the most queries are
// in it by themselves.
const mostUsage = 500

// Usage is what the queries of the last clock hours came to, by owner and task; of one
// owner alone when it is named. ErrUnknown where nothing is kept by owner.
func (a *Archive) Usage(ctx context.Context, hours int, owner string) (api.Usage, error) {
	if a.Owners == nil && a.Timeline == nil {
		return api.Usage{}, fmt.Errorf("usage by owner: %w, because this stage stores no usage", ErrUnknown)
	}
	to := a.Now().Truncate(time.Second)
	from := to.Add(-time.Duration(hours-1) * time.Hour).Truncate(time.Hour)
	all, err := a.owners(ctx, from, to)
	if err != nil {
		return api.Usage{}, err
	}
	if owner != "" {
		all = slices.DeleteFunc(all, func(t tally.OwnerTally) bool { return t.Owner != owner })
	}
	out := api.Usage{From: from, To: to, Owners: []api.OwnerUsage{}}
	for _, t := range tally.TopOwners(all, mostUsage) {
		out.Owners = append(out.Owners, usageOf(t))
	}
	slices.SortStableFunc(out.Owners, func(a, b api.OwnerUsage) int { return cmp.Compare(b.CostUSD, a.CostUSD) })
	return out, nil
}

// Usage is that of the Archive.
func (d *Service) Usage(ctx context.Context, hours int, owner string) (api.Usage, error) {
	return d.Archive().Usage(ctx, hours, owner)
}

// owners reads what was counted by owner: from the backend, or on one machine from
// the rows of the past.
func (a *Archive) owners(ctx context.Context, from, to time.Time) ([]tally.OwnerTally, error) {
	if a.Owners != nil {
		return a.Owners.Usage(ctx, from, to)
	}
	rows, err := a.Timeline.Timeline(ctx, timeline.OwnersStep, from, to)
	if err != nil {
		return nil, err
	}
	var all []tally.OwnerTally
	for _, r := range rows {
		all = append(all, r.Owners...)
	}
	return all, nil
}

func usageOf(t tally.OwnerTally) api.OwnerUsage {
	return api.OwnerUsage{Owner: t.Owner, Task: t.Task, Queries: t.Queries(), Answered: t.Answered, Missed: t.Ended() - t.Met,
		Failed: t.Failed, Expired: t.Expired, Cancelled: t.Cancelled, BadInput: t.BadInput, Refused: t.Refused, Overflowed: t.Overflowed, CostUSD: tally.Rounded(t.CostUSD, 6)}
}
