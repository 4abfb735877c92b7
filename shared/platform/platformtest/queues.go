package platformtest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

var queueCases = []contractCase{
	{"every message comes, as it was sent", anyBackend, everyMessageComes},
	{"a receive keeps its bounds", quietBackend, receiveKeepsBounds},
	{"a lease hides a message until it ends", quietBackend, leaseHides},
	{"a renewed lease lasts", quietBackend, extendLasts},
	{"a lost lease cannot be renewed", quietBackend, extendLost},
	{"a released message is back at once, uncounted", quietBackend, releaseIsUncounted},
	{"a deleted message is gone", quietBackend, deleteEnds},
	{"a lost lease deletes and releases nothing", quietBackend, lostLeaseHarmless},
	{"a moved message is on the other queue only", quietBackend, moveMoves},
	{"a lost lease moves nothing", quietBackend, moveLost},
	{"depth counts what is there", exactBackend, depthCounts},
}

// odd are messages whose content is easily damaged on the way.
func odd() []query.Message {
	out := messages(4)
	out[0].Input.Data = make([]byte, 200<<10)
	for i := range out[0].Input.Data {
		out[0].Input.Data[i] = byte(i * i >> 3)
	}
	out[1].Input.Data = []byte{0, 0xff, 0xfe, '"', '\\', '\n', 0x80}
	out[2].Owner = "Žofie \u2028 <&> \U0001F457"
	out[2].Trail = query.Trail{{At: out[2].AcceptedAt, Event: query.StepPlaced, Where: "work", Why: "naïve “quotes”"}}
	out[3].Input = query.Input{ContentType: "image/png", URI: "blob:1"}
	out[3].Attempts, out[3].Pinned = 2, true
	return out
}

func everyMessageComes(t *testing.T, s *suite) {
	want, sent := map[string]query.Message{}, odd()
	for _, m := range sent {
		want[m.ID] = m
	}
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, sent...))
	seen := map[string]bool{}
	for len(seen) < len(want) {
		ds, err := s.Backend.Queues.Receive(t.Context(), strictQueue, 10, s.Lease, 10*s.Lease)
		must(t, err)
		if len(ds) == 0 {
			t.Fatalf("only %d of %d messages came", len(seen), len(want))
		}
		for _, d := range ds {
			seen[d.Message.ID] = true
			if diff := cmp.Diff(want[d.Message.ID], d.Message); diff != "" {
				t.Errorf("message %s changed on its way (-sent +came):\n%s", d.Message.ID, diff)
			}
			if d.Queue != strictQueue || d.Receives < 1 || d.Receipt == "" {
				t.Errorf("delivery of %s says queue %q, receives %d, receipt %q", d.Message.ID, d.Queue, d.Receives, d.Receipt)
			}
		}
		must(t, s.Backend.Queues.Delete(t.Context(), ds...))
	}
}

func receiveKeepsBounds(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, messages(15)...))
	for _, limit := range []int{3, 10} {
		ds, err := s.Backend.Queues.Receive(t.Context(), strictQueue, limit, time.Minute, s.Lease)
		must(t, err)
		if len(ds) == 0 || len(ds) > limit {
			t.Errorf("a receive of at most %d brought %d", limit, len(ds))
		}
	}
	for _, limit := range []int{-1, 0, 11} {
		if _, err := s.Backend.Queues.Receive(t.Context(), strictQueue, limit, time.Minute, 0); err == nil {
			t.Errorf("a receive of at most %d was no error", limit)
		}
	}
}

func leaseHides(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	if d := s.take(t, strictQueue); d.Receives != 1 {
		t.Errorf("the first delivery says %d receives", d.Receives)
	}
	s.empty(t, strictQueue)
	if d := s.take(t, strictQueue); d.Receives != 2 { // it waits for the lease's end
		t.Errorf("the second delivery says %d receives", d.Receives)
	}
}

func extendLasts(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	d := s.take(t, strictQueue)
	for range 3 {
		pass(s.Lease / 2)
		must(t, s.Backend.Queues.Extend(t.Context(), d, s.Lease))
		s.empty(t, strictQueue)
	}
	must(t, s.Backend.Queues.Delete(t.Context(), d))
}

func extendLost(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	old := s.take(t, strictQueue)
	held := s.take(t, strictQueue)
	if err := s.Backend.Queues.Extend(t.Context(), old, s.Lease); !errors.Is(err, platform.ErrLeaseLost) {
		t.Errorf("extending a lease that another has now: %v, want ErrLeaseLost", err)
	}
	must(t, s.Backend.Queues.Delete(t.Context(), held))
	if err := s.Backend.Queues.Extend(t.Context(), held, s.Lease); !errors.Is(err, platform.ErrLeaseLost) {
		t.Errorf("extending the lease of a deleted message: %v, want ErrLeaseLost", err)
	}
}

func releaseIsUncounted(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	for range 3 {
		ds, err := s.Backend.Queues.Receive(t.Context(), strictQueue, 1, time.Hour, s.Lease)
		must(t, err)
		if len(ds) != 1 || ds[0].Receives != 1 {
			t.Fatalf("came %+v, want one message, received once", ds)
		}
		must(t, s.Backend.Queues.Release(t.Context(), ds...))
	}
}

func deleteEnds(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, messages(2)...))
	first, second := s.take(t, strictQueue), s.take(t, strictQueue)
	must(t, s.Backend.Queues.Delete(t.Context(), first, second))
	must(t, s.Backend.Queues.Delete(t.Context(), first)) // a repeat is nothing
	pass(2 * s.Lease)
	s.empty(t, strictQueue)
}

func lostLeaseHarmless(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	old := s.take(t, strictQueue)
	held := s.take(t, strictQueue)
	must(t, s.Backend.Queues.Release(t.Context(), old))
	s.empty(t, strictQueue)
	must(t, s.Backend.Queues.Delete(t.Context(), old))
	must(t, s.Backend.Queues.Extend(t.Context(), held, s.Lease))
	must(t, s.Backend.Queues.Release(t.Context(), held))
	if d := s.take(t, strictQueue); d.Message.ID != "a" {
		t.Errorf("%s came, want the message that a lost lease tried to delete", d.Message.ID)
	}
}

func moveMoves(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	d := s.take(t, strictQueue)
	changed := d.Message
	changed.Attempts, changed.Pinned = 1, true
	changed.Trail = changed.Trail.Add(query.Step{Event: query.StepDeclined, Where: "w1"})
	must(t, s.Backend.Queues.Move(t.Context(), d, platform.Overflow, changed))
	moved := s.take(t, platform.Overflow)
	if diff := cmp.Diff(changed, moved.Message); diff != "" {
		t.Errorf("the message changed as it moved (-given +came):\n%s", diff)
	}
	if moved.Receives != 1 || moved.Queue != platform.Overflow {
		t.Errorf("it came from %s with %d receives, want 1 from the new queue", moved.Queue, moved.Receives)
	}
	must(t, s.Backend.Queues.Delete(t.Context(), moved))
	pass(2 * s.Lease)
	s.empty(t, strictQueue)
	s.empty(t, platform.Overflow)
}

func moveLost(t *testing.T, s *suite) {
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, message("a")))
	old := s.take(t, strictQueue)
	held := s.take(t, strictQueue)
	err := s.Backend.Queues.Move(t.Context(), old, platform.Overflow, old.Message)
	if !errors.Is(err, platform.ErrLeaseLost) {
		t.Errorf("moving with a lost lease: %v, want ErrLeaseLost", err)
	}
	s.empty(t, platform.Overflow)
	must(t, s.Backend.Queues.Extend(t.Context(), held, s.Lease))
}

func depthCounts(t *testing.T, s *suite) {
	depth := func(want platform.Depth) {
		t.Helper()
		got, err := s.Backend.Queues.Depth(t.Context(), strictQueue)
		must(t, err)
		got.Oldest = got.Oldest.Truncate(s.Lease)
		if got != want {
			t.Errorf("depth is %+v, want %+v", got, want)
		}
	}
	depth(platform.Depth{})
	must(t, s.Backend.Queues.Send(t.Context(), strictQueue, messages(3)...))
	depth(platform.Depth{Visible: 3})
	pass(s.Lease)
	depth(platform.Depth{Visible: 3, Oldest: s.Lease})
	ds, err := s.Backend.Queues.Receive(t.Context(), strictQueue, 3, s.Lease, 0)
	must(t, err)
	depth(platform.Depth{InFlight: 3})
	must(t, s.Backend.Queues.Delete(t.Context(), ds[:2]...))
	depth(platform.Depth{InFlight: 1})
	must(t, s.Backend.Queues.Release(t.Context(), ds...))
	depth(platform.Depth{Visible: 1, Oldest: s.Lease})
	must(t, s.Backend.Queues.Send(t.Context(), relaxedQueue, message("b")))
	depth(platform.Depth{Visible: 1, Oldest: s.Lease})
}
