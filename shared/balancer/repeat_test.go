package balancer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// dying answers until it dies in the middle of a request, having read a part of it.
func dying(t testing.TB, id string, read int) *worker {
	var w *worker
	w = startWorker(t, id, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, read))
		w.kill()
	}))
	return w
}

func TestBodyIsWholeWhenATargetDies(t *testing.T) {
	for _, read := range []int{0, 1, 300_000, 600_000} {
		bad := dying(t, "bad", read)
		good := startWorker(t, "good", echo)
		b, server := front(t, Options{Repeats: 2}, bad.target(), good.target())
		if got := post(t, server, pattern(600_000), nil); got.status != 200 || got.body != string(pattern(600_000)) {
			t.Errorf("read %d: status %d, %d bytes back", read, got.status, len(got.body))
		}
		if c := b.Counts(); c.Repeated != 1 || b.Status()[0].Failed != 1 {
			t.Errorf("read %d: %+v, %+v", read, c, b.Status())
		}
		settled(t, b, server)
	}
}

// A request during which two targets ended goes to no third one. One that found no other
// target is answered with the number of those that ended; targets that were never
// reached, or are frozen, count for nothing.
func TestARequestThatEndsItsTargetsStops(t *testing.T) {
	for _, tc := range []struct {
		name   string
		kinds  string // of the targets: d dies, g good, f frozen until it is found lost, n not there
		want   string
		unsent bool // the last target never gets the request
	}{
		{"two deaths", "ddg", "t0 t1", true},
		{"a death, and none left", "d", "t0", false},
		{"a death", "dg", "good", false},
		{"not there", "nng", "good", false},
		{"frozen", "ffg", "good", false},
		{"a death and a frozen one", "dfg", "good", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var targets []Target
			frozen := make(chan string, len(tc.kinds))
			for i, kind := range tc.kinds {
				id := fmt.Sprint("t", i)
				switch kind {
				case 'd':
					targets = append(targets, dying(t, id, 5).target())
				case 'g':
					targets = append(targets, startWorker(t, id, says("good")).target())
				case 'n':
					targets = append(targets, Target{ID: id, Addr: "unix:/not/there"})
				case 'f':
					targets = append(targets, startWorker(t, id, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						frozen <- id
						<-r.Context().Done()
					})).target())
				}
			}
			b, server := front(t, Options{
				Repeats: len(targets), MostDeaths: 2, Fallback: says("fell back"),
				Died: func(w http.ResponseWriter, r *http.Request, died []string) {
					data, _ := io.ReadAll(r.Body)
					_, _ = fmt.Fprintf(w, "%s%s", strings.Join(died, " "), data[len("12345"):])
				},
			}, targets...)
			var losing sync.WaitGroup
			losing.Go(func() {
				for range strings.Count(tc.kinds, "f") {
					id := <-frozen
					i := slices.IndexFunc(b.targets, func(t *target) bool { return t.ID == id })
					for range 3 {
						b.noteCheck(b.targets[i], false, 0)
					}
				}
			})
			if got := post(t, server, []byte("12345"), nil); got.body != tc.want {
				t.Errorf("answered %d %q, want %q", got.status, got.body, tc.want)
			}
			losing.Wait()
			if last := b.Status()[len(targets)-1]; tc.unsent != (last.Sent == 0) {
				t.Errorf("the last target got %d requests", last.Sent)
			}
			settled(t, b, server)
		})
	}
}

// An answer that breaks off is asked of another target, while nothing of it has
// gone out; a longer one is cut off for the caller too.
func TestAnswersThatBreakOff(t *testing.T) {
	for _, tc := range []struct {
		announced int
		repeated  bool
	}{{100, true}, {answerRoom, true}, {answerRoom + 1, false}} {
		bad := startWorker(t, "bad", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(tc.announced))
			_, _ = w.Write(make([]byte, 50))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
		good := startWorker(t, "good", says("good"))
		b, server := front(t, Options{Repeats: 1}, bad.target(), good.target())
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader(pattern(10)))
		resp, err := server.Client().Do(r)
		var data []byte
		if err == nil {
			data, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if tc.repeated != (err == nil) || tc.repeated && string(data) != "good" {
			t.Errorf("%d bytes announced: %q, error %v", tc.announced, data, err)
		}
		settled(t, b, server)
	}
}

func TestFrozenTargetIsDeclaredLost(t *testing.T) {
	f := newFrozen()
	bad, good := startWorker(t, "bad", f), startWorker(t, "good", echo)
	b, server := front(t, Options{Repeats: 2}, bad.target())
	var answers sync.WaitGroup
	for range 3 {
		answers.Go(func() {
			if got := post(t, server, pattern(600_000), nil); got.status != 200 || got.body != string(pattern(600_000)) {
				t.Errorf("status %d, %d bytes back", got.status, len(got.body))
			}
		})
	}
	for range 3 {
		<-f.arrived
	}
	b.SetTargets([]Target{good.target()}) // bad would finish what it has
	b.Lose("bad")
	answers.Wait()
	for range 3 {
		<-f.left
	}
	settled(t, b, server)
	if len(b.Status()) != 1 {
		t.Errorf("a removed target is listed still: %+v", b.Status())
	}
}

func TestRemovedTargetFinishesWhatItHas(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	a := startWorker(t, "a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		_, _ = io.WriteString(w, "done")
	}))
	b, server := front(t, Options{}, a.target())
	var answers sync.WaitGroup
	answers.Go(func() {
		if got := post(t, server, nil, nil); got.body != "done" {
			t.Errorf("%+v", got)
		}
	})
	<-arrived
	b.SetTargets(nil)
	if s := b.Status(); len(s) != 1 || s[0].Healthy || s[0].Outstanding != 1 {
		t.Errorf("%+v", s)
	}
	close(finish)
	answers.Wait()
	settled(t, b, server)
}

func TestAnswerTimeSendsElsewhere(t *testing.T) {
	f := newFrozen()
	bad, good := startWorker(t, "bad", f), startWorker(t, "good", echo)
	for _, tc := range []struct {
		targets []Target
		status  int
	}{{[]Target{bad.target(), good.target()}, 200}, {[]Target{bad.target()}, 504}} {
		var tried atomic.Int64
		ofTheFirst := func(*http.Request) time.Duration { // the next has what time this machine takes
			if tried.Add(1) > 1 {
				return 0
			}
			return 200 * time.Millisecond
		}
		b, server := front(t, Options{Repeats: 1, AnswerTime: ofTheFirst}, tc.targets...)
		if got := post(t, server, nil, nil); got.status != tc.status {
			t.Errorf("%d targets: %d", len(tc.targets), got.status)
		}
		<-f.left
		settled(t, b, server)
	}
}

func TestCallerWhoLeavesCancelsTheTarget(t *testing.T) {
	f := newFrozen()
	a := startWorker(t, "a", f)
	for name, target := range map[string]Target{"process": a.target(), "function": {ID: "f", Handler: f}} {
		b, server := front(t, Options{Repeats: 3, Fallback: says("fallback")}, target)
		ctx, leave := canceled(t)
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, bytes.NewReader(pattern(600_000)))
		var caller sync.WaitGroup
		caller.Go(func() {
			if resp, err := server.Client().Do(r); err == nil {
				_ = resp.Body.Close()
				t.Error("answered")
			}
		})
		<-f.arrived
		leave()
		<-f.left
		caller.Wait()
		settled(t, b, server)
		if c := b.Counts(); c.Left != 1 || c.FellBack != 0 || c.Repeated != 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// A connection that its worker closed while it was idle costs nobody an answer.
func TestStaleConnectionsAreReplaced(t *testing.T) {
	a := startWorker(t, "a", echo)
	b, server := front(t, Options{}, a.target())
	for range 3 {
		if got := post(t, server, pattern(600_000), nil); got.status != 200 || len(got.body) != 600_000 {
			t.Fatalf("status %d", got.status)
		}
		a.mu.Lock()
		for c := range a.conns {
			_ = c.Close()
		}
		a.mu.Unlock()
	}
	if s := b.Status()[0]; s.Failed != 0 || s.Sent != 3 {
		t.Errorf("%+v", s)
	}
}

func TestFailedTargetIsPassedOverForAWhile(t *testing.T) {
	b := New(Options{Eject: time.Hour, Fallback: says("fallback")})
	b.SetTargets([]Target{{ID: "gone", Addr: "unix:/nowhere"}})
	for range 3 {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(pattern(1))))
		if w.Body.String() != "fallback" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if s := b.Status()[0]; s.Sent != 1 || s.Healthy {
		t.Errorf("%+v", s)
	}
}

// Whatever targets do, every request is answered once with its own body, and
// nothing stays counted.
func TestNoRequestIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"good", "dies", "freezes", "gone", "breaks off"}), 1, 5).Draw(rt, "targets")
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 5000, 600_000}), 1, 8).Draw(rt, "bodies")
		repeats := rapid.IntRange(0, 4).Draw(rt, "repeats")
		b := New(Options{Repeats: repeats, Fallback: echo, Room: &testRoom{}})
		f := newFrozen()
		var targets []Target
		var frozen []string
		var stop []func()
		for i, kind := range kinds {
			target, end := chaotic(rt, fmt.Sprintf("w%d", i), kind, f)
			targets, stop = append(targets, target), append(stop, end)
			if kind == "freezes" {
				frozen = append(frozen, target.ID)
			}
		}
		b.SetTargets(targets)
		server := httptest.NewServer(b)
		losing, end := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			for losing.Err() == nil {
				select {
				case <-f.arrived:
					for _, id := range frozen {
						b.Lose(id)
					}
				case <-losing.Done():
				}
			}
		})
		askAll(rt, server, sizes)
		end()
		running.Wait()
		server.Close()
		for _, s := range b.Status() {
			if s.Outstanding != 0 {
				rt.Errorf("%+v", s)
			}
		}
		if c := b.Counts(); c.Forwarded+c.FellBack != int64(len(sizes)) || held(b) != 0 {
			rt.Errorf("%d requests count as %+v, %d bytes held", len(sizes), c, held(b))
		}
		b.SetTargets(nil)
		for _, s := range stop {
			s()
		}
	})
}

// askAll sends bodies at once and wants each back.
func askAll(rt *rapid.T, server *httptest.Server, sizes []int) {
	var answers sync.WaitGroup
	for _, n := range sizes {
		answers.Go(func() {
			resp, err := server.Client().Post(server.URL, "x/y", bytes.NewReader(pattern(n)))
			if err != nil {
				rt.Errorf("%d bytes: %v", n, err)
				return
			}
			defer resp.Body.Close()
			if data, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(data, pattern(n)) {
				rt.Errorf("%d bytes: %d came back, error %v", n, len(data), err)
			}
		})
	}
	answers.Wait()
}
