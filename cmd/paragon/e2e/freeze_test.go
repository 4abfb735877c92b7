package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

const (
	mixedQueries = 600
	mixedCallers = 12
	mixedBoundMS = 3000 // of strict ones: one held by a process that is well keeps it on a busy machine, too
)

// mixed is one request of the mixed load, and what came of it.
type mixed struct {
	key    string
	strict bool
	wait   time.Duration
	items  int // above 1 a list
	got    []api.Query
}

// mixture is requests of every kind, in turn.
func mixture() []mixed {
	kinds := []mixed{
		{strict: true, wait: 10 * time.Second, items: 1},
		{strict: true, wait: 10 * time.Second, items: 1, key: "k"},
		{wait: 10 * time.Second, items: 1},
		{items: 1, key: "k"},
		{strict: true, items: 1},
		{strict: true, wait: 10 * time.Second, items: 3},
	}
	out := make([]mixed, mixedQueries)
	for i := range out {
		out[i] = kinds[i%len(kinds)]
		if out[i].key != "" {
			out[i].key = fmt.Sprint("mixed", i)
		}
	}
	return out
}

// send puts one request through, again where the API says so, as a client does.
func (s *stage) send(m *mixed, data []byte) error {
	one := client.Submission{Model: "cnn", Class: query.Relaxed, Input: query.Input{ContentType: "image/png", Data: data}}
	if m.strict {
		one.Class, one.Constraints.LatencyMS = query.Strict, mixedBoundMS
	}
	if m.items == 1 {
		q, err := s.Submit(context.Background(), one, client.Options{Key: m.key, Wait: m.wait})
		m.got = []api.Query{q}
		return err
	}
	list := make([]client.Submission, m.items)
	for i := range list {
		list[i] = one
	}
	var err error
	m.got, err = s.sendList(list, m.wait)
	return err
}

// sendList puts a list of queries through.
func (s *stage) sendList(list []client.Submission, wait time.Duration) (got []api.Query, err error) {
	body, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+"/v1/queries", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", fmt.Sprintf("wait=%.0f", wait.Seconds()))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var all api.Items
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("a list was answered %d: %w", res.StatusCode, err)
	}
	for i, item := range all.Items {
		if item.Query == nil {
			return nil, fmt.Errorf("item %d of a list was answered %d: %+v", i, item.Status, item.Problem)
		}
		got = append(got, *item.Query)
	}
	return got, nil
}

// freezeOne stops one worker; it never goes on by itself.
func (s *stage) freezeOne() {
	pids := s.children("worker")
	if len(pids) == 0 {
		s.t.Error("no worker runs that could be stopped")
		return
	}
	if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
		s.t.Errorf("stop a worker: %v", err)
	}
}

// One worker is killed and another stopped under a load of every kind. No query
// that was answered or accepted is lost, none has two ends, and strict ones keep
// their bound but for those that the two processes held.
func TestKilledAndFrozenWorkersLoseNothing(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=3", "--boot-seconds=0", flag("profiles", slowProfiles(t, killServiceMS)),
		flag("set", "max_overflow_concurrency=8"), flag("set", "heartbeat_seconds=0.5"))
	s.workersReady(3)
	data := pictures(t)[0].data
	load := mixture()
	var next atomic.Int64
	var all sync.WaitGroup
	for range mixedCallers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(load); i = int(next.Add(1)) - 1 {
				switch i {
				case mixedQueries / 4:
					s.killOne("worker")
				case mixedQueries / 2:
					s.freezeOne()
				}
				if err := s.send(&load[i], data); err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	s.allEndOnce(load)
}

// allEndOnce waits for every query's end, which is an answer and stays, and counts
// the strict ones that were late.
func (s *stage) allEndOnce(load []mixed) {
	s.t.Helper()
	late, strict := 0, 0
	for i := range load {
		for _, q := range load[i].got {
			done := q
			if !q.State.Terminal() {
				done = s.finish(q)
			}
			if done.State != query.Succeeded {
				s.t.Errorf("query %s (request %d) ended as %s: %+v, %+v", q.ID, i, done.State, done.Failure, done.Trail)
				continue
			}
			if again, err := s.Get(context.Background(), q.ID, 0); err == nil && (again.State != done.State || again.Result.Label != done.Result.Label) {
				s.t.Errorf("query %s was %s and is %s", q.ID, done.State, again.State)
			} else if p := (*client.Problem)(nil); err != nil && (!errors.As(err, &p) || p.Kind() != "answered-directly") {
				s.t.Errorf("query %s cannot be read: %v", q.ID, err)
			}
			if load[i].strict {
				strict++
				if done.MetSLO == nil || !*done.MetSLO {
					late++
				}
			}
		}
	}
	s.t.Logf("%d of %d strict queries were late", late, strict)
	// Each caller has one request under way, a list at most: that is the most that the
	// killed process and the stopped one can have held.
	if most := 2 * mixedCallers * 3; late > most {
		s.t.Errorf("%d strict queries were late, and the two processes held %d at most", late, most)
	}
}

const (
	lastServiceMS = 1000
	lastBoundMS   = 12_000 // less than the lease of a relaxed message
	lastOfEach    = 6
)

// lastWorker brings a stage of one worker up, which may have no other, and has it hold
// queries of both classes.
func lastWorker(t *testing.T, scheme string) (*stage, []api.Query) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=2", flag("scheme", scheme), flag("set", "max_workers=1"), flag("profiles", slowProfiles(t, lastServiceMS)),
		flag("set", "max_overflow_concurrency=24"), flag("max-functions", 24))
	s.workersReady(1)
	held := s.submitLast()
	s.until("the worker holds queries of both classes", func() bool {
		st, err := s.Status(context.Background())
		return err == nil && st.Queues["work-strict-general"].InFlight > 0 && st.Queues["work-relaxed-general"].InFlight > 0
	})
	return s, held
}

// submitLast submits queries of both classes in turn.
func (s *stage) submitLast() (qs []api.Query) {
	s.t.Helper()
	for i := range 2 * lastOfEach {
		one := strict(pictures(s.t)[0])
		one.Model, one.Task, one.Constraints.LatencyMS = "cnn", "", lastBoundMS
		if i%2 == 0 {
			one.Class = query.Relaxed
		}
		q, err := s.Submit(context.Background(), one, client.Options{})
		if err != nil {
			s.t.Fatal(err)
		}
		qs = append(qs, q)
	}
	return qs
}

// allKept waits for the queries, which must all end in time.
func (s *stage) allKept(qs []api.Query) (ended []api.Query) {
	s.t.Helper()
	for _, q := range qs {
		ended = append(ended, s.finish(q))
	}
	for _, q := range ended {
		if q.State != query.Succeeded || q.MetSLO == nil || !*q.MetSLO {
			s.t.Errorf("%s query %s ended as %s, met it: %v: %+v", q.Class, q.ID, q.State, q.MetSLO != nil && *q.MetSLO, q.Trail)
		}
	}
	return ended
}

// The only worker is stopped while it holds queries of both classes. What it holds is
// handed over to functions before its leases end, and what comes meanwhile goes there,
// so that all keep their bounds; when it goes on, nothing ends twice.
func TestTheLastWorkerIsStopped(t *testing.T) {
	s, all := lastWorker(t, "hedged")
	pids := s.children("worker")
	s.freezeOne()
	ended := s.allKept(append(all, s.submitLast()...))
	_ = syscall.Kill(pids[0], syscall.SIGCONT) // it may have been replaced
	s.sameAgain(ended, s.answers(ended))
}

// The only worker is killed while it holds queries of both classes, and there is no
// capacity for another. What it held, what comes at once and what comes once it is known
// that nobody is there runs on functions within its bound: nothing waits for nobody.
func TestTheLastWorkerDiesWithoutCapacity(t *testing.T) {
	for _, scheme := range []string{"hedged", "mixed"} {
		t.Run(scheme, func(t *testing.T) {
			s, all := lastWorker(t, scheme)
			s.fault(api.NoCapacity)
			s.killOne("worker")
			all = append(all, s.submitLast()...)
			s.until("no worker", func() bool { return len(s.workers()) == 0 })
			all = append(all, s.submitLast()...)
			ended := s.allKept(all)
			if pids := s.children("worker"); len(pids) != 0 {
				t.Errorf("workers run without capacity: %v", pids)
			}
			s.sameAgain(ended, s.answers(ended))
		})
	}
}

const (
	heldServiceMS = 250
	heldBoundMS   = 2000 // less than the three checks after which a worker is lost
)

// whileFrozen sends requests at once to workers of which one is stopped by then, and says
// whether all that came of them kept its bound, by who answered it.
func (s *stage) whileFrozen(workers int, requests ...func() ([]api.Query, error)) (all bool, by map[query.RunnerKind]int) {
	s.workersReady(workers)
	s.until("an end of the one that was stopped before", func() bool { return len(s.children("worker")) == workers })
	s.freezeOne()
	var sending sync.WaitGroup
	var mu sync.Mutex
	all, by = true, map[query.RunnerKind]int{}
	for _, send := range requests {
		sending.Go(func() {
			sent := time.Now() // who takes the request over may know of no earlier time
			qs, err := send()
			mu.Lock()
			defer mu.Unlock()
			if err != nil { // no worker was left that answers its checks, where other things take the cores
				s.t.Log(err)
				all = false
			}
			for _, q := range qs {
				if q.State != query.Succeeded || q.FinishedAt.After(sent.Add(heldBoundMS*time.Millisecond)) {
					s.t.Logf("%s query %s is %s, and was sent at %v: %+v", q.Class, q.ID, q.State, sent, q.Trail)
					all = false
					continue
				}
				by[q.ServedBy.Kind]++
			}
		})
	}
	sending.Wait()
	return all, by
}

// freezeRounds is how often what whileFrozen says is tried: where something else takes the
// machine's cores, functions start slowly, and the first times start them.
const freezeRounds = 4

// held is a query of a class whose bound is shorter than the time in which a stopped
// worker is found lost.
func held(p picture, class query.Class) client.Submission {
	one := strict(p)
	one.Model, one.Task, one.Class, one.Constraints.LatencyMS = "cnn", "", class, heldBoundMS
	return one
}

// single sends one query whose caller waits.
func (s *stage) single(one client.Submission, o client.Options) func() ([]api.Query, error) {
	return func() ([]api.Query, error) {
		o.Wait = 20 * time.Second
		q, err := s.Submit(context.Background(), one, o)
		return []api.Query{q}, err
	}
}

// The only worker is stopped while it holds requests whose callers wait. Functions answer
// them within their bound, long before the worker counts as lost.
func TestRequestsOfAFrozenWorkerKeepTheirBound(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", flag("profiles", slowProfiles(t, heldServiceMS)), flag("set", "max_overflow_concurrency=4"))
	one := held(pictures(t)[0], query.Strict)
	for range freezeRounds {
		if all, by := s.whileFrozen(1, s.single(one, client.Options{}), s.single(one, client.Options{})); all && by[query.OnFunction] == 2 {
			return
		}
	}
	t.Errorf("requests were late in each of %d rounds", freezeRounds)
}

// One of two workers is stopped while it holds relaxed requests, some with keys, and lists
// of both classes. All keep their bound: relaxed ones are the other worker's, and strict
// ones a function's where that has no time.
func TestListsAndRelaxedRequestsOfAFrozenWorkerKeepTheirBound(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=2", "--boot-seconds=0", flag("profiles", slowProfiles(t, heldServiceMS)), flag("set", "max_overflow_concurrency=4"))
	p := pictures(t)[0]
	relaxed, strict := held(p, query.Relaxed), held(p, query.Strict)
	list := func() ([]api.Query, error) {
		return s.sendList([]client.Submission{relaxed, strict}, 20*time.Second)
	}
	for i := range freezeRounds {
		key := client.Options{Key: fmt.Sprint("held", i)}
		all, by := s.whileFrozen(2, list, list, s.single(relaxed, client.Options{}), s.single(relaxed, key))
		if again, err := s.Submit(context.Background(), relaxed, key); all && (err != nil || again.State != query.Succeeded) {
			t.Errorf("the keyed query again: %+v, error %v", again, err)
		}
		if all && by[query.OnWorker] >= 4 {
			return
		}
	}
	t.Errorf("requests were late in each of %d rounds", freezeRounds)
}
