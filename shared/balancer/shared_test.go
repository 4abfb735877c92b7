package balancer

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"testing"
	"unsafe"

	"github.com/paragon-serving/paragon/shared/balancer/bodies"
)

// shared is memory for bodies until the test ends, with a view of it.
func shared(t testing.TB) (*bodies.Pool, *bodies.View) {
	t.Helper()
	p, err := bodies.New(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	v, err := bodies.Open(p.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, v
}

// sharing is a target that shares memory.
func (w *worker) sharing() Target { return Target{ID: w.id, Addr: w.addr, Shares: true} }

func TestLargeBodiesAreNotSent(t *testing.T) {
	pool, view := shared(t)
	var in bool
	a := startWorker(t, "a", view.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, in = r.Body.(*bodies.Body)
		echo(w, r)
	})))
	for _, tc := range []struct {
		bytes  int
		target Target
		in     bool
	}{{0, a.sharing(), false}, {100, a.sharing(), false}, {602112, a.sharing(), true}, {1 << 20, a.sharing(), true}, {602112, a.target(), false}} {
		b, server := front(t, Options{Bodies: pool}, tc.target)
		for _, chunked := range []bool{false, true} {
			var from io.Reader = bytes.NewReader(pattern(tc.bytes))
			if chunked {
				from = struct{ io.Reader }{from}
			}
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, from)
			r.Header.Set(bodies.Header, "0 5") // as a caller must not
			if got := do(t, server, r, nil); got.status != 200 || got.body != string(pattern(tc.bytes)) || in != tc.in {
				t.Errorf("%+v, chunked %v: status %d, %d bytes back, in shared memory: %v", tc, chunked, got.status, len(got.body), in)
			}
		}
		settled(t, b, server)
	}
}

// What lies behind the lead is aligned in the target.
func TestNumbersAreAligned(t *testing.T) {
	pool, view := shared(t)
	for _, lead := range []int{0, 1, 3, 4, 15, 16, 17, 250} {
		var at int
		a := startWorker(t, "a", view.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			at = int(uintptr(unsafe.Pointer(unsafe.SliceData(r.Body.(*bodies.Body).Whole())))) + lead
		})))
		_, server := front(t, Options{Bodies: pool, Lead: func(*http.Request) int { return lead }}, a.sharing())
		if post(t, server, pattern(20_000), nil); at%alignment != 0 {
			t.Errorf("behind %d bytes the numbers begin at %d", lead, at)
		}
	}
}

// A target that dies leaves its body to the next.
func TestSharedBodyIsWholeWhenATargetDies(t *testing.T) {
	pool, view := shared(t)
	bad := dying(t, "bad", 0)
	good := startWorker(t, "good", view.Handler(echo))
	b, server := front(t, Options{Repeats: 2, Bodies: pool}, bad.sharing(), good.sharing())
	if got := post(t, server, pattern(600_000), nil); got.status != 200 || got.body != string(pattern(600_000)) {
		t.Errorf("status %d, %d bytes back", got.status, len(got.body))
	}
	if c := b.Counts(); c.Repeated != 1 {
		t.Errorf("%+v", c)
	}
	bad.kill()
	server.Close()
	awaitRelease(t, b)
}

// A body is no other's while a target may read it still, although its caller
// left or another target answered.
func TestBodyOutlivesItsCaller(t *testing.T) {
	pool, view := shared(t)
	for name, others := range map[string]bool{"caller leaves": false, "target is lost": true} {
		arrived, stuck, same := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
		slow := startWorker(t, "slow", view.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			data := r.Body.(*bodies.Body).Whole()
			close(arrived)
			<-r.Context().Done() // it learns that nobody waits
			<-stuck
			same <- bytes.Equal(data, pattern(600_000))
		})))
		good := startWorker(t, "good", view.Handler(echo))
		b, server := front(t, Options{Repeats: 1, Bodies: pool}, slow.sharing())
		ctx, leave := canceled(t)
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, bytes.NewReader(pattern(600_000)))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if resp, err := server.Client().Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}()
		<-arrived
		b.SetTargets([]Target{good.sharing()})
		if others {
			b.Lose("slow")
		} else {
			leave()
		}
		<-ended
		for range 3 { // would overwrite it
			post(t, server, bytes.Repeat([]byte("x"), 600_000), nil)
		}
		if n := held(b); n != 1<<20 {
			t.Errorf("%s: %d bytes are held for a target that still reads", name, n)
		}
		close(stuck)
		if !<-same {
			t.Errorf("%s: the body changed under a target", name)
		}
		leave()
		server.Close()
		awaitRelease(t, b)
	}
}

// awaitRelease returns once no body is held.
func awaitRelease(t testing.TB, b *Balancer) {
	t.Helper()
	for held(b) != 0 {
		if t.Context().Err() != nil {
			t.Fatal("a body is never released")
		}
		runtime.Gosched()
	}
}
