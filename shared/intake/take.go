package intake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Terms are how a caller wants its answer.
type Terms struct {
	Key  string        // idempotency key; empty without one
	Item int           // the query's place among those that share the key, from 1; 0 when it has it alone
	Wait time.Duration // how long it waits for the answer; 0 when it does not
	// Since is when the request came, where another process took it, counted it and
	// has not answered by the moment of KeepAfter; zero for any other.
	Since time.Time
	// Died has the ids of the workers that ended while they held the request.
	Died []string
}

// key is what the query's attempt is kept under. The line feed, which no caller's
// key may hold, keeps an item apart from a query with the key alone.
func (t Terms) key() string {
	if t.Item == 0 {
		return t.Key
	}
	return t.Key + "\n" + strconv.Itoa(t.Item)
}

// Answer is what a caller gets.
type Answer struct {
	// Record is the query as it stands: with its outcome, or accepted.
	Record query.Record
	// Receipt entitles the caller to say whether the answer was right; empty
	// without an answer.
	Receipt string
	// Candidates are every model on every resource as they stood, when asked for.
	Candidates []selection.Candidate
	// Busy says that the caller wanted to wait and too many waited already.
	Busy bool
}

// submission is one query while it is taken in.
type submission struct {
	plan
	terms Terms
	set   settings.Settings
	asks  workload.Demand
	ask   placement.Ask
	m     query.Message // without an id until it is known how it is kept
	// noSlotMS is when this worker would have ended it, where it had no slot in time.
	noSlotMS float64
	// attempt is what the key stands for; nil without one.
	attempt *platform.Attempt
	// share is its owner's share of what no worker has a slot for in time.
	share ownerShare
	// charged says that an earlier request under the key was charged for its way
	// through the queue.
	charged bool
	// leftTrial says that the version on trial failed, and what is served answers.
	leftTrial bool
}

// Take takes a query in for an owner and answers it, or accepts it for later.
// A *Refusal says what is wrong with the request; nothing is stored then.
func (s *Service) Take(ctx context.Context, owner string, r Request, t Terms) (a Answer, err error) {
	ctx, span := s.Traces.Root(ctx, "accept")
	defer func() { annotate(span, a.Record, err); span.End() }()
	set := s.withHandOver(s.Settings(), len(r.Input.Data))
	t.Wait = min(t.Wait, query.Duration(set.MaxWaitSeconds*1000))
	s.refreshView(ctx)
	if s.Votes != nil {
		s.refreshLearnt(ctx)
	}
	q, err := s.prepare(ctx, owner, r, t, set)
	if err != nil {
		return a, err
	}
	done, err := s.admitOwner(ctx, owner, q)
	if err != nil {
		return a, err
	}
	defer func() { done(a) }()
	if t.Key != "" {
		a, err = s.takeKeyed(ctx, owner, r, q)
	} else {
		if t.Since.IsZero() {
			s.count(q)
		}
		a, err = s.answer(ctx, q)
	}
	if s.Counts != nil && turnedAway(err) {
		s.Counts.Refused(owner, q.need.Task, q.class)
	}
	if err == nil && r.Explain {
		a.Candidates, err = s.candidates(q)
	}
	return a, err
}

// turnedAway reports whether a valid query that its owner's limits let through was
// refused for want of capacity or budget.
func turnedAway(err error) bool {
	no, refused := errors.AsType[*Refusal](err)
	return refused && (no.Kind == NoCapacity || no.Kind == OverBudget || no.Kind == OverOwnerLimit)
}

// count counts an arrival: each query that is valid, whatever becomes of it.
func (s *Service) count(q *submission) {
	s.arrivals.count(q.m.AcceptedAt, q.need.Task, q.class, q.asks)
	if s.Counts != nil {
		s.Counts.Arrived(q.need.Task, q.class, 1)
	}
}

// prepare validates a request, selects the model and writes the message.
func (s *Service) prepare(ctx context.Context, owner string, r Request, t Terms, set settings.Settings) (*submission, error) {
	now := s.Now()
	p, err := s.planFor(ctx, owner, r, t, now, set)
	if err != nil {
		return nil, err
	}
	if !t.Since.IsZero() {
		now = t.Since
	}
	expires := query.ExpiresAt(now, p.latencyMS)
	q := &submission{plan: p, terms: t, set: set, asks: s.asks(p, set), ask: s.ask(p, set)}
	q.m = query.Message{
		Owner: owner, Task: p.need.Task, Need: p.need, Model: p.model.Name, Class: p.class,
		AcceptedAt: now, DeadlineAt: now.Add(query.Duration(p.latencyMS)), ExpiresAt: expires,
		ForgetAt: expires.Add(query.Duration(set.IdempotencyHours * 3600 * 1000)),
		Attempts: len(t.Died), Died: t.Died, Input: p.input(r), AllScores: r.AllScores, Choice: p.chosen.Reason, Keyed: t.Key != "", Callback: r.Callback,
	}
	return q, nil
}

// planFor selects the model and checks the input against it. A picture that is larger
// than the model's takes longer, costs more and needs a larger function, so that the
// choice is made once more with that.
func (s *Service) planFor(ctx context.Context, owner string, r Request, t Terms, now time.Time, set settings.Settings) (plan, error) {
	p, err := s.selects(ctx, r, t, now, set, profile.Decoding{})
	if err != nil {
		return p, err
	}
	in, err := s.load(ctx, owner, r.Input, set)
	if err != nil {
		return p, err
	}
	d, err := in.check(p.model)
	p.in = in
	p.checkTrial()
	if err != nil || d == (profile.Decoding{}) {
		return p, err
	}
	first := p.model.Name
	if p, err = s.selects(ctx, r, t, now, set, d); err == nil && p.model.Name != first {
		_, err = in.check(p.model)
	}
	p.in = in
	p.checkTrial()
	return p, err
}

// input is a request's input with what decoding takes. An upload goes on with the digest
// of the bytes that were checked: its place may be written again.
func (p plan) input(r Request) query.Input {
	in := r.Input
	in.Decoding, in.SHA256 = p.decoding, ""
	if in.URI != "" {
		in.SHA256 = platform.Digest(p.in.data)
	}
	return in
}

// selects is plan, traced.
func (s *Service) selects(ctx context.Context, r Request, t Terms, now time.Time, set settings.Settings, d profile.Decoding) (plan, error) {
	_, span := s.Traces.Child(ctx, "select")
	defer span.End()
	p, err := s.plan(r, t.Wait > 0, now, set, d)
	if err == nil {
		span.Set("model", p.chosen.Model)
	}
	return p, err
}

// annotate adds to a span what became of a request.
func annotate(span tracing.Span, rec query.Record, err error) {
	if !span.On() {
		return
	}
	span.Query(rec.Message(query.Input{}))
	span.Set("placement", rec.Placement)
	var no *Refusal
	switch {
	case errors.As(err, &no):
		span.Fail(string(no.Kind))
	case err != nil:
		span.Fail("could not accept the query")
	}
}

// sign gives a query its id, unless it has one: which says how it is kept.
func (s *Service) sign(m *query.Message, kind signed.Kind) error {
	if m.ID != "" {
		return nil
	}
	id, err := signed.NewID(s.Random, kind, m.Owner, m.AcceptedAt, m.ExpiresAt, m.ForgetAt)
	m.ID = s.Keys.SignID(id)
	return err
}

// answer has a query answered in its request where that can be, and sends it to
// a queue otherwise.
func (s *Service) answer(ctx context.Context, q *submission) (Answer, error) {
	if len(q.m.Died) >= query.MostDeaths {
		return s.deadly(ctx, q)
	}
	s.shares.came(q.m.AcceptedAt, q.m.Owner)
	if q.terms.Wait > 0 && s.Worker != nil {
		a, done, err := s.onWorker(ctx, q, q.by())
		if !done && err == nil && q.leftTrial { // at once, by the version that is served
			a, done, err = s.onWorker(ctx, q, q.by())
		}
		if !done && err == nil && q.noSlotMS > 0 {
			a, done, err = s.onPeer(ctx, q, q.by())
		}
		if !done && err == nil && q.noSlotMS > 0 && q.class == query.Strict {
			a, done, err = s.insteadHere(ctx, q)
		}
		if done || err != nil {
			return a, err
		}
	}
	if !q.terms.Since.IsZero() {
		if a, done, err := s.fromOther(ctx, q); done || err != nil {
			return a, err
		}
	}
	return s.place(ctx, q)
}

// by is until when a query must have ended on this worker to stay in its
// request: a strict one within its bound, a relaxed one also while its caller waits.
func (q *submission) by() time.Time {
	if q.class == query.Strict {
		return q.m.DeadlineAt
	}
	return earlier(q.m.DeadlineAt, q.m.AcceptedAt.Add(q.terms.Wait))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// onWorker runs a query on this process's worker if it would end in time. It is
// not done when there is no slot, or the run failed and another may succeed.
func (s *Service) onWorker(ctx context.Context, q *submission, by time.Time) (Answer, bool, error) {
	return s.inRequest(ctx, q, by, s.Worker.Answer)
}

// runner runs a query that is held in its request, if it would end by a time.
type runner func(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error)

// inRequest has a query run while its caller waits, as onWorker says.
func (s *Service) inRequest(ctx context.Context, q *submission, by time.Time, run runner) (Answer, bool, error) {
	if err := s.identify(q, q.kind()); err != nil {
		return Answer{}, false, err
	}
	m := q.m
	m.Placement = placedDirect
	waiting, cancel := context.WithDeadlineCause(ctx, time.Now().Add(q.m.AcceptedAt.Add(q.terms.Wait).Sub(s.Now())), errWaited)
	defer cancel()
	o, err := run(waiting, m, by)
	var none *schedule.NoSlot
	switch {
	case errors.Is(err, errWaited): // strict ones pushed it back
	case errors.Is(err, errNoPeer):
	case errors.As(err, &none):
		q.noSlotMS = none.PredictedMS
	case err != nil:
		return Answer{}, false, err
	case o.State == query.Failed && o.Failure.Code != query.InputIsGone && s.leaveTrial(q, *o.Failure):
	case o.State == query.Failed && o.Failure.Code != query.BadInput && o.Failure.Code != query.InputIsGone:
		q.m.Attempts = max(1, o.Attempts)
		q.m.Trail = o.Trail
	default:
		m.PredictedMS = o.PredictedMS
		a, err := s.direct(ctx, q, m.Ended(o))
		return a, true, err
	}
	if !q.m.Stored() {
		q.m.ID = "" // nobody has seen it: how it is kept may still change
	}
	return Answer{}, false, nil
}

// errWaited ends the wait for a worker when the caller does not wait any longer.
var errWaited = errors.New("the caller no longer waits")

// kind is how a query is kept that is answered in its request.
func (q *submission) kind() signed.Kind {
	if q.m.Stored() {
		return signed.Stored
	}
	return signed.Direct
}

// placedDirect is the placement of a query that was answered in its request.
const placedDirect = "direct"

// direct answers with an outcome that no queue's consumer has stored. One with a key, or
// a callback, is stored first: the first record under the id is the answer.
func (s *Service) direct(ctx context.Context, q *submission, r query.Record) (Answer, error) {
	if q.m.Stored() {
		if err := platform.OweCallback(ctx, s.CallbackQueue, q.m); err != nil {
			return Answer{}, err
		}
		held, won, err := s.Records.PutRecord(ctx, r)
		if err != nil {
			return Answer{}, fmt.Errorf("store the answer of query %s: %w", r.ID, err)
		}
		if !won {
			return s.answerWith(q, held)
		}
		r = held
	} else if signed.Kept(r.ID, q.set.KeepShare) {
		s.keep(ctx, r)
	}
	s.Counts.Settled(r)
	return s.answerWith(q, r)
}

// answerWith is the answer of a query that has ended. Bad input that only the
// run could find is refused as any other.
func (s *Service) answerWith(q *submission, r query.Record) (Answer, error) {
	if r.Outcome != nil && r.Outcome.Failure != nil && r.Outcome.Failure.Code == query.BadInput {
		field, detail := "input.data", r.Outcome.Failure.Detail
		if named, reason, cut := strings.Cut(detail, ": "); cut && strings.HasPrefix(named, "input.") {
			field, detail = named, reason // the engine named the field itself
		}
		return Answer{Record: r}, refuse(BadInput, field, "%s", detail)
	}
	a := Answer{Record: r}
	if r.State != query.Succeeded || r.Outcome == nil || r.Outcome.Result == nil {
		return a, nil
	}
	model := q.model
	if answered, ok := s.Catalogue.Current().Model(r.Model); ok { // another version, by the process that ended it
		model = answered
	}
	var err error
	a.Receipt, err = s.Keys.SignReceipt(signed.Receipt{
		ID: r.ID, Owner: signed.HashOwner(r.Owner), Task: r.Need.Task, Model: r.Model, Digest: short(model.SHA256),
		Label: r.Outcome.Result.Label, Until: r.ForgetAt.Truncate(time.Second).UTC(),
	})
	return a, err
}

// short is the beginning of a digest: enough to distinguish versions of a model.
func short(digest string) string { return digest[:min(len(digest), 12)] }

// mostKeeping bounds the samples on their way to the store: with more of them
// the store is slow, and a sample is left out.
const mostKeeping = 32

// keepTime bounds the write of a sample.
const keepTime = 5 * time.Second

// keep stores a sample while its caller has the answer already.
func (s *Service) keep(ctx context.Context, r query.Record) {
	select {
	case s.places <- struct{}{}:
	default:
		return
	}
	s.background.Go(func() {
		defer func() { <-s.places }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
		defer cancel()
		if _, _, err := s.Records.PutRecord(ctx, r); err != nil {
			s.Log.Warn("a sampled answer could not be stored", "query", r.ID, "error", err)
		}
	})
}

// Settle waits for what goes on in the background: in a process that may be
// frozen, before a request ends.
func (s *Service) Settle() {
	s.background.Wait()
	s.views.Settle()
	s.votes.Settle()
	profile.Settle(s.Catalogue)
}

// candidates are every model on every resource for a query, as they stand.
func (s *Service) candidates(q *submission) ([]selection.Candidate, error) {
	ranked, err := s.Chooser.Choose(q.effective(), s.offer(q.pool, q.terms.Wait > 0, q.m.AcceptedAt, q.set, q.decoding))
	if u := (*selection.Unsatisfiable)(nil); err != nil && !errors.As(err, &u) {
		return nil, fmt.Errorf("explain query %s: %w", q.m.ID, err)
	}
	return ranked.Candidates, nil
}
