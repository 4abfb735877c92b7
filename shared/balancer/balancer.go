// Package balancer spreads requests over the processes that can answer them: it
// forwards each to the target with the fewest outstanding requests, keeps the
// body until there is an answer, and sends it to another target when the first
// one dies or hangs. `paragon up` stands so before its workers. With other
// options it plays API Gateway and an Application Load Balancer in tests.
//
// It reads a body whole before it picks a target, so that a slow caller holds no
// target, and copies it once from the caller's connection into a pooled buffer.
// A target on this machine that shares the buffer's memory is given its place in
// it (package bodies); others are sent the bytes.
package balancer

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/balancer/bodies"
)

// Options say how a Balancer behaves. The zero value forwards to healthy
// targets, repeats nothing and refuses what it cannot forward, as an Application
// Load Balancer does.
type Options struct {
	// Fallback answers what no target can answer. nil refuses it instead: 503
	// without a target that may be tried, 502 after one that failed, 504 after one
	// that was too slow.
	Fallback http.Handler
	// FailOpen tries targets that are not healthy when none is healthy.
	FailOpen bool
	// Repeats is to how many further targets a request goes whose target failed
	// before its answer began. Requests must be safe to repeat.
	Repeats int
	// MostDeaths is how many targets may end during a request before it goes to no further
	// one; 0 means any number. Died answers it then, and one that found no other target
	// after fewer; died has the ids of those that ended.
	MostDeaths int
	Died       func(w http.ResponseWriter, r *http.Request, died []string)
	// Eject is how long a target is passed over after its connection failed; 0
	// means not at all.
	Eject time.Duration

	// MaxBody is the most bytes of a request's body; nil means 16 MiB for all.
	MaxBody func(*http.Request) int64
	// Room bounds the bytes of the bodies that are held at once, by the owner that
	// HeaderValue returns; nil bounds nothing.
	Room Room
	// Bodies is memory that targets share, where larger bodies are kept: a target
	// that Shares gets the place of one instead of its bytes. nil sends the bytes.
	Bodies *bodies.Pool
	// Lead is how many bytes of a body come before numbers that its target uses in
	// place, and so are to be aligned; nil means none.
	Lead func(*http.Request) int
	// BodyTime bounds how long a body may take to arrive; 0 means half a minute.
	BodyTime time.Duration
	// AnswerTime bounds how long one target may take to answer before the request
	// goes to another; nil, or a result of 0, means without bound.
	AnswerTime func(*http.Request) time.Duration
	// Timeout bounds the whole of a request once its body is there, after which it
	// is refused with 504; 0 means without bound.
	Timeout time.Duration

	// Header is overwritten in what is forwarded, whatever the caller sent, with
	// what HeaderValue returns; an empty value leaves it out. Header empty
	// overwrites nothing.
	Header      string
	HeaderValue func(*http.Request) string
	// ByOwner spreads the requests of each owner, which HeaderValue returns, by that owner's
	// outstanding requests, and by those of all owners only among targets with equally many.
	// A target that serves owners in turn is then free for an owner whose few requests it does
	// not have, however many it has of others. An Application Load Balancer knows no owners.
	ByOwner bool

	// Refuse answers a request that is not forwarded: 400 (the body broke off),
	// 413, 502, 503 or 504. The request's body can be read from its beginning, as
	// far as it arrived. Retry-After is set. nil answers as API Gateway does.
	Refuse func(w http.ResponseWriter, r *http.Request, status int)

	// Health says how Run checks targets.
	Health Health
	// Overdue takes requests from targets that are frozen, before Run finds that; nil
	// leaves it to Run.
	Overdue *Overdue
}

// Room counts the bytes of bodies by owner.
type Room interface {
	// Enter takes room for n bytes more, if there is some for that owner.
	Enter(owner string, n int64) bool
	// Leave gives room back.
	Leave(owner string, n int64)
}

// unbounded is a Room for everything.
type unbounded struct{}

func (unbounded) Enter(string, int64) bool { return true }
func (unbounded) Leave(string, int64)      {}

// Counts are what a Balancer did since it was made.
type Counts struct {
	Forwarded int64 // requests answered by a target
	Repeated  int64 // times that a request went to a further target
	FellBack  int64 // requests given to Fallback
	Refused   int64 // requests refused here
	Left      int64 // requests whose caller left before the answer
}

// Balancer is an http.Handler. Make it with New, give it targets with SetTargets.
type Balancer struct {
	opts    Options
	dropped map[string]bool // request headers that are never forwarded

	forwarded, repeated, fellBack, refused, left atomic.Int64

	mu      sync.Mutex // guards what follows, and the state of targets
	targets []*target  // those that get requests
	leaving []*target  // removed, with requests under way
	next    int        // where the search for the least begins
}

// New returns a Balancer without targets.
func New(o Options) *Balancer {
	if o.MaxBody == nil {
		o.MaxBody = func(*http.Request) int64 { return 16 << 20 }
	}
	if o.Lead == nil {
		o.Lead = func(*http.Request) int { return 0 }
	}
	if o.Room == nil {
		o.Room = unbounded{}
	}
	if o.HeaderValue == nil {
		o.HeaderValue = func(*http.Request) string { return "" }
	}
	if o.BodyTime == 0 {
		o.BodyTime = 30 * time.Second
	}
	if o.AnswerTime == nil {
		o.AnswerTime = func(*http.Request) time.Duration { return 0 }
	}
	if o.Refuse == nil {
		o.Refuse = refuseAsGateway
	}
	o.Health = o.Health.withDefaults()
	o.Header = http.CanonicalHeaderKey(o.Header)
	return &Balancer{opts: o, dropped: droppedHeaders(o.Header)}
}

// Counts returns what was done so far.
func (b *Balancer) Counts() Counts {
	return Counts{Forwarded: b.forwarded.Load(), Repeated: b.repeated.Load(), FellBack: b.fellBack.Load(),
		Refused: b.refused.Load(), Left: b.left.Load()}
}

// ServeHTTP forwards a request, or has it answered by the fallback. Without a
// target that may be tried the fallback reads the body itself.
func (b *Balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !b.anyReady() {
		b.without(w, r, http.StatusServiceUnavailable)
		return
	}
	body, status := b.readBody(w, r)
	if status != 0 {
		b.refuse(w, r, status)
		return
	}
	defer body.release()
	run, stop := within(r.Context(), b.opts.Timeout)
	defer stop()
	b.dispatch(run, w, r, body)
}

// Why an attempt ended without an answer to pass on. Any other error is a fault
// of the target.
var (
	errTooSlow = errors.New("balancer: the target did not answer in time")
	errLost    = errors.New("balancer: the target was declared lost")
	errEnded   = errors.New("balancer: the target ended before it answered the request")
	errCutOff  = errors.New("balancer: the connection ended before the response was complete")
	errOverdue = errors.New("balancer: the target does not answer, and the query's latency bound is near")
)

// within is a context that ends for want of time with errTooSlow; without end for 0.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, d, errTooSlow)
}

// dispatch tries one target after the other until one answers.
func (b *Balancer) dispatch(run context.Context, w http.ResponseWriter, r *http.Request, body *body) {
	var room [4]*target
	tried := room[:0]
	began, owner := time.Now(), b.ownerOf(body)
	status := http.StatusServiceUnavailable
	var died []string
	for len(tried) <= b.opts.Repeats && (b.opts.MostDeaths == 0 || len(died) < b.opts.MostDeaths) {
		a := b.acquire(run, owner, tried)
		if a == nil {
			break
		}
		if len(tried) > 0 {
			b.repeated.Add(1)
		}
		stop := b.watch(a, r, body, began)
		err := b.attempt(a, w, r, body)
		stop()
		switch {
		case err == nil && r.Context().Err() == nil:
			b.forwarded.Add(1)
			return
		case errors.Is(err, errCutOff):
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		case r.Context().Err() != nil: // also where the target answered nobody
			b.left.Add(1)
			return
		case run.Err() != nil:
			b.refuse(w, body.replay(r), http.StatusGatewayTimeout)
			return
		case errors.Is(err, errOverdue):
			b.fellBack.Add(1)
			b.opts.Overdue.Handler(w, b.overwritten(body.replay(r)), began)
			return
		}
		if errors.Is(err, errEnded) {
			died = append(died, a.to.ID)
		}
		status = statusOf(err)
		tried = append(tried, a.target)
	}
	if len(died) > 0 && b.opts.Died != nil {
		b.fellBack.Add(1)
		b.opts.Died(w, b.overwritten(body.replay(r)), died)
		return
	}
	b.without(w, body.replay(r), status)
}

// ownerOf is by whose outstanding requests a request is spread; empty for all alike.
func (b *Balancer) ownerOf(d *body) string {
	if !b.opts.ByOwner {
		return ""
	}
	return d.owner
}

// statusOf is the refusal after an attempt that failed.
func statusOf(err error) int {
	var s statusError
	switch {
	case errors.As(err, &s):
		return int(s)
	case errors.Is(err, errTooSlow):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// statusError is an attempt that ended with a refusal of its own.
type statusError int

func (s statusError) Error() string { return "balancer: " + http.StatusText(int(s)) }

// without answers a request that no target answers.
func (b *Balancer) without(w http.ResponseWriter, r *http.Request, status int) {
	if b.opts.Fallback == nil {
		b.refuse(w, r, status)
		return
	}
	b.fellBack.Add(1)
	b.opts.Fallback.ServeHTTP(w, b.overwritten(r))
}

// refuse answers a request that is not forwarded.
func (b *Balancer) refuse(w http.ResponseWriter, r *http.Request, status int) {
	b.refused.Add(1)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	b.opts.Refuse(w, r, status)
}

// refuseAsGateway is what API Gateway says in front of a balancer.
func refuseAsGateway(w http.ResponseWriter, _ *http.Request, status int) {
	text := map[int]string{
		http.StatusRequestEntityTooLarge: "Request Too Long",
		http.StatusGatewayTimeout:        "Service Unavailable",
	}[status]
	if text == "" {
		text = http.StatusText(status)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"message":"` + text + `"}`)) // the caller may be gone
}
