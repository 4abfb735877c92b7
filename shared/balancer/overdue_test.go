package balancer

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// An overdue request is taken from a target that does not answer its check, with the
// whole body and the time when it came. A target that answers keeps it, as does one
// whose request is never overdue until it is declared lost.
func TestOverdueRequestsAreTakenFromFrozenTargets(t *testing.T) {
	const mine = "taken over: "
	for _, tc := range []struct {
		name   string
		answer string // of the target's check; empty for a frozen one
		never  bool   // overdue
		want   string
	}{
		{"frozen", "", false, mine + string(pattern(70_000))},
		{"slow", "well", false, "late"},
		{"frozen and never overdue", "", true, "fell back"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked, checked := make(chan struct{}, 9), make(chan struct{}, 9)
			finish := make(chan struct{})
			a := startWorker(t, "a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.URL.Path == "/healthz" {
					checked <- struct{}{}
				}
				if r.URL.Path == "/healthz" && tc.answer != "" {
					_, _ = io.WriteString(w, tc.answer)
					return
				}
				select {
				case <-finish:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, "late")
			}))
			before := time.Now()
			frozen := make(chan string, 9)
			b, server := front(t, Options{
				Health:   Health{Path: "/healthz"},
				Fallback: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fell back") }),
				Overdue: &Overdue{
					Frozen: func(id string) { frozen <- id },
					After: func(r *http.Request) (time.Duration, bool) {
						if data, err := io.ReadAll(r.Body); err != nil || string(data) != string(pattern(70_000)) {
							t.Errorf("asked of a body of %d bytes, %v", len(data), err)
						}
						asked <- struct{}{}
						return 0, !tc.never
					},
					Handler: func(w http.ResponseWriter, r *http.Request, came time.Time) {
						select {
						case id := <-frozen:
							if id != "a" {
								t.Errorf("target %q is said to be frozen", id)
							}
						default:
							t.Error("taken over before its target is said to be frozen")
						}
						if came.Before(before) || came.After(time.Now()) {
							t.Errorf("it came at %v", came)
						}
						data, _ := io.ReadAll(r.Body)
						_, _ = io.WriteString(w, mine+string(data))
					},
				},
			}, a.target())
			var caller sync.WaitGroup
			caller.Go(func() {
				if got := post(t, server, pattern(70_000), nil); got.body != tc.want {
					t.Errorf("answered %.20q, %d bytes; want %.20q", got.body, len(got.body), tc.want)
				}
			})
			<-asked
			defer time.AfterFunc(30*time.Second, func() { b.Lose("a") }).Stop() // so that a failure ends
			if tc.answer != "" {
				<-checked
				close(finish)
			}
			if tc.never {
				b.Lose("a")
			}
			caller.Wait()
			settled(t, b, server)
			if len(frozen) > 0 {
				t.Errorf("%s is said to be frozen", <-frozen)
			}
		})
	}
}

// A target that answers the check of an overdue request, and stops then, loses it at the
// first of its checks that it leaves without an answer.
func TestAnOverdueRequestLeavesAtTheFirstFailedCheck(t *testing.T) {
	checked := make(chan struct{}, 1)
	answers := make(chan struct{})
	a := startWorker(t, "a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/healthz" {
			checked <- struct{}{}
			return
		}
		<-answers
	}))
	defer close(answers)
	b, server := front(t, Options{
		Health: Health{Path: "/healthz"},
		Overdue: &Overdue{
			After:   func(*http.Request) (time.Duration, bool) { return 0, true },
			Handler: func(w http.ResponseWriter, _ *http.Request, _ time.Time) { _, _ = io.WriteString(w, "taken over") },
		},
	}, a.target())
	var caller sync.WaitGroup
	caller.Go(func() {
		if got := post(t, server, nil, nil); got.body != "taken over" {
			t.Errorf("answered %d %q", got.status, got.body)
		}
	})
	<-checked
	defer time.AfterFunc(30*time.Second, func() { b.Lose("a") }).Stop() // so that a failure ends
	b.mu.Lock()
	target := b.targets[0]
	b.mu.Unlock()
	b.noteCheck(target, true, http.StatusOK)
	b.mu.Lock()
	held := len(target.outstanding)
	b.mu.Unlock()
	if held != 1 {
		t.Errorf("%d requests are held by a target that answers its checks", held)
	}
	b.noteCheck(target, false, 0)
	caller.Wait()
}

// What is answered at once is not read for how long it may wait, and gives its body back.
func TestAQuickAnswerIsNeverOverdue(t *testing.T) {
	a := startWorker(t, "a", echo)
	b, server := front(t, Options{Health: Health{Path: "/healthz"}, Overdue: &Overdue{
		After: func(*http.Request) (time.Duration, bool) { return 0, false },
		Handler: func(http.ResponseWriter, *http.Request, time.Time) {
			t.Error("an answered request was taken over")
		},
	}}, a.target())
	for range 20 {
		if got := post(t, server, pattern(70_000), nil); got.body != string(pattern(70_000)) {
			t.Fatalf("%+v", got.status)
		}
	}
	settled(t, b, server)
}
