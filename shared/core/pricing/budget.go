package pricing

import (
	"fmt"
	"time"
)

// Budget guards an hour's spending: a query is priced against it before it is
// accepted. The zero value has no limit. It is not safe for concurrent use.
type Budget struct {
	hourUSD float64
	hour    time.Time // the clock hour that spent belongs to
	spent   float64
}

// OverBudget says that a query would pass the hour's budget.
type OverBudget struct {
	QueryUSD, LeftUSD, HourUSD float64
	Until                      time.Time // the next hour's budget begins
}

func (e *OverBudget) Error() string {
	return fmt.Sprintf("the query costs $%.8f and $%.8f of this hour's budget of $%.4f are left until %s",
		e.QueryUSD, e.LeftUSD, e.HourUSD, e.Until.UTC().Format(time.RFC3339))
}

// Admit books a query's cost, or fails with *OverBudget and books nothing.
func (b *Budget) Admit(now time.Time, usd float64) error {
	b.turn(now)
	if b.hourUSD > 0 && b.spent+usd > b.hourUSD {
		return &OverBudget{QueryUSD: usd, LeftUSD: max(0, b.hourUSD-b.spent), HourUSD: b.hourUSD, Until: b.hour.Add(time.Hour)}
	}
	b.spent += usd
	return nil
}

// Settle replaces what was booked for a query by what it cost in the end.
func (b *Budget) Settle(now time.Time, bookedUSD, costUSD float64) {
	b.turn(now)
	b.spent = max(0, b.spent-bookedUSD+costUSD)
}

// Limit sets what a clock hour may cost, 0 for any amount; what was spent stays
// spent.
func (b *Budget) Limit(hourUSD float64) { b.hourUSD = hourUSD }

// turn begins a new hour. A clock that steps back keeps the later hour, so
// that it cannot spend an hour twice.
func (b *Budget) turn(now time.Time) {
	if hour := now.Truncate(time.Hour); hour.After(b.hour) {
		b.hour, b.spent = hour, 0
	}
}
