package platformtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

var waitCases = []contractCase{
	{"a receive waits as long as it is asked to", quietBackend, receiveGivesUp},
	{"a receive ends with its context", quietBackend, receiveEnds},
	{"a waiting receive gets what is sent", quietBackend, receiveWakes},
	{"a waiting receive gets what is released", quietBackend, releaseWakes},
	{"a waiting receive gets what is moved", quietBackend, moveWakes},
	{"every waiting receive gets its message", quietBackend, receivesShare},
	{"a receive that gave up holds nothing", quietBackend, gaveUpHoldsNothing},
}

// prompt holds that something took no time, where time stands still meanwhile.
func (s *suite) prompt(t *testing.T, what string, since time.Time) {
	t.Helper()
	if took := time.Since(since); s.Bubble && took != 0 {
		t.Errorf("%s took %v, want it at once", what, took)
	}
}

func receiveGivesUp(t *testing.T, s *suite) {
	start := time.Now()
	ds, err := s.Backend.Queues.Receive(t.Context(), strictQueue, 10, s.Lease, s.Lease)
	must(t, err)
	if took := time.Since(start); len(ds) != 0 || took < s.Lease {
		t.Errorf("%d messages came after %v, want none after %v", len(ds), took, s.Lease)
	}
}

func receiveEnds(t *testing.T, s *suite) {
	ctx, cancel := context.WithTimeout(t.Context(), s.Lease)
	defer cancel()
	ds, err := s.Backend.Queues.Receive(ctx, strictQueue, 10, s.Lease, time.Hour)
	if len(ds) != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("came %d messages and %v, want the context's error", len(ds), err)
	}
}

// answer is what a receive in the background brought.
type answer struct {
	ds  []platform.Delivery
	err error
}

// receiveSoon starts a receive of one message.
func (s *suite) receiveSoon(ctx context.Context, q platform.QueueName, wait time.Duration) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		ds, err := s.Backend.Queues.Receive(ctx, q, 1, 10*s.Lease, wait)
		c <- answer{ds, err}
	}()
	return c
}

func receiveWakes(t *testing.T, s *suite) {
	s.wakes(t, strictQueue, func() error { return s.Backend.Queues.Send(t.Context(), strictQueue, message("a")) })
}

func releaseWakes(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	ds, err := s.Backend.Queues.Receive(t.Context(), strictQueue, 1, 20*s.Lease, s.Lease)
	must(t, err)
	s.wakes(t, strictQueue, func() error { return s.Backend.Queues.Release(t.Context(), ds...) })
}

func moveWakes(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	d := s.take(t, strictQueue)
	s.wakes(t, platform.Overflow, func() error { return s.Backend.Queues.Move(t.Context(), d, platform.Overflow, d.Message) })
}

// wakes holds that a receive which waits gets message a from what give does.
func (s *suite) wakes(t *testing.T, q platform.QueueName, give func() error) {
	t.Helper()
	c := s.receiveSoon(t.Context(), q, 10*s.Lease)
	pass(s.Lease / 2)
	start := time.Now()
	must(t, give())
	a := <-c
	must(t, a.err)
	s.prompt(t, "the handover", start)
	if len(a.ds) != 1 || a.ds[0].Message.ID != "a" {
		t.Errorf("came %+v, want a", a.ds)
	}
}

func receivesShare(t *testing.T, s *suite) {
	const n = 5
	var waiting []<-chan answer
	for range n {
		waiting = append(waiting, s.receiveSoon(t.Context(), strictQueue, 10*s.Lease))
	}
	pass(s.Lease / 2)
	start := time.Now()
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, messages(n)...))
	seen := map[string]bool{}
	for _, c := range waiting {
		a := <-c
		must(t, a.err)
		for _, d := range a.ds {
			seen[d.Message.ID] = true
		}
	}
	s.prompt(t, "the handover to all", start)
	if len(seen) != n {
		t.Errorf("%d different messages came to %d receives", len(seen), n)
	}
}

// gaveUpHoldsNothing holds that a message never goes to a caller that left.
func gaveUpHoldsNothing(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	c := s.receiveSoon(ctx, strictQueue, time.Hour)
	pass(s.Lease)
	cancel()
	if a := <-c; len(a.ds) != 0 || !errors.Is(a.err, context.Canceled) {
		t.Errorf("came %d messages and %v, want the context's error", len(a.ds), a.err)
	}
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	start := time.Now()
	s.take(t, strictQueue)
	s.prompt(t, "the receive after it", start)
}
