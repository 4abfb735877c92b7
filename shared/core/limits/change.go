package limits

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// change changes the State until no query waits. What the process holds and does
// not use goes back in the same write, and what is granted takes its place, so
// that there is one block at a time. Meanwhile none of it may be used.
func (t *Taker) change() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), changeTime)
		err := t.changeOnce(ctx)
		cancel()
		t.mu.Lock()
		t.answer(err)
		if len(t.waiting) == 0 {
			t.busy = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
	}
}

// answer serves the queries that wait, the oldest first. One that cannot be
// served is refused if the change counted it; one that came later stays.
func (t *Taker) answer(err error) {
	now := t.o.Now()
	if errors.Is(err, ErrUnknown) {
		t.refuse(now, err, 0)
	}
	var later []*waiter
	for _, w := range t.waiting {
		switch {
		case t.serve(now, w):
			w.done <- nil
		case w.asked && err != nil:
			w.done <- err
		case w.asked: // less was granted than all of them need
			err := t.short(now, w)
			if err == nil {
				w.asked, w.again = false, true
				later = append(later, w)
				continue
			}
			w.done <- err
		default:
			later = append(later, w)
		}
	}
	t.waiting = later
}

// short says what there is too little of for a query; nothing where it is to ask once
// more. A place is free and has no money where a query has ended meanwhile: it cost
// more than was taken for it, or places were granted to fewer queries than asked.
func (t *Taker) short(now time.Time, w *waiter) error {
	_, idle := t.block.place(now.Add(w.hold))
	switch {
	case idle && !t.left.covers(w.cost):
		return ErrBudget
	case idle && !w.again:
		return nil
	}
	return ErrConcurrency
}

// changeOnce makes one change, in as many tries as others make necessary.
func (t *Taker) changeOnce(ctx context.Context) error {
	held := t.detach()
	for try, pause := 1, firstPause; ; try, pause = try+1, min(2*pause, lastPause) {
		err := t.try(ctx, held)
		if err == nil || !errors.Is(err, t.o.Conflict) {
			return err
		}
		if try == tries {
			t.attach(held)
			return fmt.Errorf("%w: too many processes change them at the same time", ErrUnknown)
		}
		timer := time.NewTimer(t.o.Jitter(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			t.attach(held)
			return fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
		}
	}
}

// try reads the State, changes it and stores it. Only Conflict leaves what was
// held where it is, detached.
func (t *Taker) try(ctx context.Context, held block) error {
	text, version, err := t.o.Store.ReadShared(ctx, t.o.Name)
	var s State
	if err == nil {
		s, err = decode(text)
	}
	if err != nil {
		t.attach(held)
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	now := t.o.Now()
	next, g, keep, err := t.plan(s, now, held)
	if err != nil {
		t.attach(held)
		return err
	}
	if text, err = next.Encode(); err == nil {
		_, err = t.o.Store.SwapShared(ctx, t.o.Name, text, version)
	}
	switch {
	case errors.Is(err, t.o.Conflict):
		return err
	case err != nil: // it may be stored: what was held is given back and nothing is granted
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	t.adopt(now, next, g, keep)
	return nil
}

// plan returns the State with what is held given back and what is needed taken.
// Nothing is taken when no query waits. keep is for how long what is taken may be
// used. On an error nothing is to be stored.
func (t *Taker) plan(s State, now time.Time, held block) (_ State, _ Grant, keep time.Duration, _ error) {
	next := s.clone()
	next.Return(now, held.grants()...)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		return next, Grant{Hour: next.Hour}, 0, nil
	}
	if keep = blockTime; t.roomy(&next) {
		keep = longTime
	}
	a := t.ask(now, keep)
	g, err := next.Take(now, t.limits, a)
	if err != nil {
		t.refuse(now, err, t.least)
		return s, Grant{}, 0, err
	}
	return next, g, keep, nil
}

// roomy reports whether nearly everything is still free once the waiting queries
// have what they need.
func (t *Taker) roomy(s *State) bool {
	money := s.Spent
	for _, w := range t.waiting {
		money += w.cost
	}
	return (s.held()+len(t.waiting))*roomyShare <= t.limits.Concurrency && money <= pico(t.limits.BudgetUSD)/roomyShare
}

// ask counts the queries that wait, and what would be of use besides: as much as
// was used lately, in the time that a block may be spent in.
func (t *Taker) ask(now time.Time, keep time.Duration) Ask {
	a := Ask{Slots: t.recent.peak}
	var hold time.Duration
	t.least = t.waiting[0].cost
	for _, w := range t.waiting {
		w.asked = true
		a.Costs = append(a.Costs, w.cost)
		hold = max(hold, w.hold)
		t.least = min(t.least, w.cost)
	}
	if !t.recent.since.IsZero() {
		over := max(time.Second, now.Sub(t.recent.since))
		a.Spare = picoUSD(float64(t.recent.money) * float64(keep) / float64(over))
	}
	a.Until = now.Add(hold + keep)
	return a
}

func (t *Taker) refuse(now time.Time, err error, cost picoUSD) {
	r := refusal{err: err, until: now.Add(fullTime), limits: t.limits}
	if errors.Is(err, ErrBudget) {
		r.until, r.cost = now.Add(spentTime), cost
	}
	t.refused = r
}

// detach takes what is held out of use.
func (t *Taker) detach() block {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.waiting { // should it fail before any of them is counted
		w.asked = true
	}
	held := t.block
	t.block = block{hour: held.hour, until: held.until, sure: held.sure, of: held.of, tight: held.tight, idle: map[int64]int{}}
	return held
}

// attach puts what was detached into use again, with what was freed meanwhile.
func (t *Taker) attach(held block) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.block.money += held.money
	for end, n := range held.idle {
		t.block.idle[end] += n
	}
}

// adopt makes a grant the block, with what was freed meanwhile.
func (t *Taker) adopt(now time.Time, s State, g Grant, keep time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := block{hour: g.Hour, money: g.Money, until: now.Add(keep), sure: now.Add(min(keep, blockTime)), idle: t.block.idle, of: t.limits}
	if t.block.hour == g.Hour {
		b.money += t.block.money
	}
	for end := range b.idle {
		if time.Unix(end, 0).Add(maxSkew).Before(now) {
			delete(b.idle, end)
		}
	}
	if g.Slots.N > 0 {
		b.idle[g.Slots.EndS] += g.Slots.N
	}
	b.tight = t.limits.Concurrency-s.held() < fewPlaces(t.limits.Concurrency) || pico(t.limits.BudgetUSD)-s.Spent < spareShare*t.least
	t.block, t.left = b, pico(t.limits.BudgetUSD)-s.Spent
	t.refused = refusal{}
	t.recent = recent{since: now, running: t.recent.running, peak: t.recent.running}
}

// fewPlaces is from how few free places on a process gives each back at once,
// instead of keeping it for its next query: half of a small number, so that no
// idle process holds up the others for want of the last places.
func fewPlaces(concurrency int) int { return min(spareShare, (concurrency+1)/2) }

// grants are what is held, as it was granted.
func (b block) grants() []Grant {
	gs := []Grant{{Hour: b.hour, Money: b.money}}
	for end, n := range b.idle {
		if n > 0 {
			gs = append(gs, Grant{Slots: Slots{EndS: end, N: n}})
		}
	}
	return gs
}
