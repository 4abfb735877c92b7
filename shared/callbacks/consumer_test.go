package callbacks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// account is a queue and the rows of records in memory, as an account has them. A line at
// which a process dies is one of its calls: that call and all after it fail.
type account struct {
	now  time.Time // moves between deliveries alone
	mu   sync.Mutex
	rows map[string]*row
	sent []platform.CallbackMessage // that wait in the queue
	dies int                        // calls that are left to the process; below 0 it does not die
	came map[string][]time.Time     // at the receiver, by query
	// answer says how the receiver answers a call to a query; nil answers 200.
	answer func(id string, call int) int
}

type row struct {
	record query.Record
	until  time.Time
	tries  int
	over   bool
}

var errDied = errors.New("the process died")

// lives counts a call of a process that may die. It wants a.mu.
func (a *account) lives() error {
	if a.dies == 0 {
		return errDied
	}
	a.dies--
	return nil
}

func (a *account) SendCallback(_ context.Context, c platform.CallbackMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.lives(); err != nil {
		return err
	}
	a.sent = append(a.sent, c)
	return nil
}

func (a *account) ClaimCallback(_ context.Context, id string, tries int, until time.Time) (query.Record, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.lives(); err != nil {
		return query.Record{}, err
	}
	r := a.rows[id]
	switch {
	case r == nil:
		return query.Record{}, platform.ErrNotFound
	case r.over || r.tries > tries:
		return query.Record{}, platform.ErrCallbackOver
	case r.until.After(a.now):
		return query.Record{}, platform.ErrConflict
	}
	r.until, r.tries = until, tries
	return r.record, nil
}

func (a *account) RetryCallback(_ context.Context, id string, tries int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.lives(); err != nil {
		return err
	}
	if r := a.rows[id]; r.tries < tries {
		r.tries, r.until = tries, time.Time{}
	}
	return nil
}

func (a *account) EndCallback(_ context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.lives(); err != nil {
		return err
	}
	a.rows[id].over, a.rows[id].until = true, time.Time{}
	return nil
}

func (a *account) WaitingCallbacks(context.Context) (int, error) { return len(a.sent), nil }

func (a *account) PutRecord(_ context.Context, r query.Record) (query.Record, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.lives(); err != nil {
		return query.Record{}, false, err
	}
	if held := a.rows[r.ID]; held != nil {
		return held.record, false, nil
	}
	a.rows[r.ID] = &row{record: r}
	return r, true, nil
}

// consumer calls the receiver of an account. A call is a line at which a process may die,
// before it or after the receiver has it.
func (a *account) consumer() *Consumer {
	client := NewHTTP(callback.Public)
	client.Transport = receiver(func(r *http.Request, _ []byte) (int, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		id := r.Header.Get(callback.IDHeader)
		a.came[id] = append(a.came[id], a.now)
		if a.answer != nil {
			return a.answer(id, len(a.came[id])), nil
		}
		return 200, nil
	})
	c := &Consumer{Caller: caller("*.example.com", client), Callbacks: a, Records: a}
	c.Now = func() time.Time { return a.now }
	return c
}

func newAccount() *account {
	return &account{now: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC), rows: map[string]*row{}, dies: -1, came: map[string][]time.Time{}}
}

// wait lets time pass.
func (a *account) wait(d time.Duration) { a.now = a.now.Add(d) }

// asks is a query that is accepted now.
func (a *account) asks(id string) query.Message {
	now := a.now
	return query.Message{ID: id, Callback: "https://a.example.com/", AcceptedAt: now, DeadlineAt: now.Add(5 * time.Second),
		ExpiresAt: now.Add(time.Minute), ForgetAt: now.Add(48 * time.Hour)}
}

// ends stores the record of a query that was answered.
func (a *account) ends(m query.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rows[m.ID] == nil {
		a.rows[m.ID] = &row{record: m.Ended(query.Outcome{State: query.Succeeded, FinishedAt: a.now})}
	}
}

// deliver hands over what waits, due or not, in the order that a caller gives. What fails
// comes again after the visibility timeout.
func (a *account) deliver(ctx context.Context, c *Consumer, order func(n int) []int) {
	a.mu.Lock()
	batch := a.sent
	a.sent = nil
	a.mu.Unlock()
	var in []platform.CallbackMessage
	for _, i := range order(len(batch)) {
		in = append(in, batch[i])
	}
	for i, err := range c.HandleAll(ctx, in) {
		if err != nil {
			a.mu.Lock()
			a.sent = append(a.sent, in[i])
			a.mu.Unlock()
		}
	}
}

func inOrder(n int) (out []int) {
	for i := range n {
		out = append(out, i)
	}
	return out
}

// runs delivers every second until nothing waits, for most at the longest.
func (a *account) runs(ctx context.Context, c *Consumer, most time.Duration) {
	for end := a.now.Add(most); len(a.sent) > 0 && a.now.Before(end); a.wait(time.Second) {
		a.deliver(ctx, c, inOrder)
	}
}

// Whatever order the messages of a query come in, twice or late, before its end or after,
// together or one by one: while nobody dies, its receiver gets one call.
func TestAnyMessagesMakeOneCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		takes := rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Second, 2 * time.Minute}).Draw(t, "the query takes")
		prompt := rapid.IntRange(0, 2).Draw(t, "messages by who stored the record")
		first := rapid.IntRange(1, 2).Draw(t, "times that the first message comes")
		late := time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds that they are late")) * time.Second
		failing := rapid.IntRange(0, 3).Draw(t, "calls that fail")
		reversed := rapid.Bool().Draw(t, "in reverse")
		a, ctx := newAccount(), context.Background()
		a.answer = failsFirst(failing)
		c, q := a.consumer(), a.asks("q1")
		for range first {
			if err := platform.OweCallback(ctx, a, q); err != nil {
				t.Fatal(err)
			}
		}
		for end := a.now.Add(takes); a.now.Before(end); a.wait(time.Second) {
			a.deliver(ctx, c, inOrder)
		}
		a.ends(q) // unless it has expired
		a.wait(late)
		for range prompt {
			a.sent = append(a.sent, platform.NewCallbackMessage(q, a.now))
		}
		a.deliver(ctx, c, func(n int) []int {
			out := inOrder(n)
			if reversed {
				slices.Reverse(out)
			}
			return out
		})
		a.runs(ctx, c, time.Hour)
		if len(a.came["q1"]) != failing+1 || !a.rows["q1"].over || len(a.sent) != 0 {
			t.Fatalf("%d calls of which %d fail, over %v, %d messages are left", len(a.came["q1"]), failing, a.rows["q1"].over, len(a.sent))
		}
	})
}

// failsFirst answers the first n calls to a query with 500, and the others with 200.
func failsFirst(n int) func(id string, call int) int {
	return func(_ string, call int) int {
		if call <= n {
			return 500
		}
		return 200
	}
}

// Wherever a process dies, the callback is made: with the message alone that was sent
// before the query was accepted, whichever process stored the record or made the call.
func TestNoDeathLosesACallback(t *testing.T) {
	for _, failing := range []int{0, 2} {
		for _, ended := range []bool{true, false} {
			for line := range 20 {
				a := newAccount()
				a.answer = failsFirst(failing)
				c, q := a.consumer(), a.asks("q1")
				if err := platform.OweCallback(t.Context(), a, q); err != nil {
					t.Fatal(err)
				}
				if ended {
					a.ends(q) // and the process dies before it says so
				}
				a.dies = line
				for end := a.now.Add(3 * time.Minute); a.now.Before(end); a.wait(time.Second) {
					a.deliver(t.Context(), c, inOrder)
				}
				a.dies = -1
				a.runs(t.Context(), c, time.Hour)
				if n := len(a.came["q1"]); n <= failing || a.rows["q1"] == nil || !a.rows["q1"].over || len(a.sent) != 0 {
					t.Errorf("died at line %d, ended %v: %d calls, %d messages are left", line, ended, n, len(a.sent))
				}
			}
		}
	}
}

// A query that nobody answered is ended as expired, and its callback says so.
func TestAQueryThatExpiredIsCalled(t *testing.T) {
	a := newAccount()
	c, q := a.consumer(), a.asks("q1")
	if err := platform.OweCallback(t.Context(), a, q); err != nil {
		t.Fatal(err)
	}
	a.runs(t.Context(), c, time.Hour)
	if r := a.rows["q1"]; r == nil || r.record.State != query.Expired || len(a.came["q1"]) != 1 || a.came["q1"][0].Before(q.ExpiresAt) {
		t.Errorf("%+v, calls at %v", r, a.came["q1"])
	}
}

// A callback is given up once its time is over, and when its receiver says that it is
// gone or its host was taken off the list: with the waits of one machine.
func TestMessagesAreGivenUp(t *testing.T) {
	for name, tc := range map[string]struct {
		url         string
		status      int
		least, most int
	}{
		"down":         {"https://a.example.com/", 503, 20, 40},
		"gone":         {"https://a.example.com/", 410, 1, 1},
		"off the list": {"https://elsewhere.com/", 200, 0, 0},
	} {
		a := newAccount()
		a.answer = func(string, int) int { return tc.status }
		c, q := a.consumer(), a.asks("q1")
		q.Callback = tc.url
		a.ends(q)
		a.sent = append(a.sent, platform.NewCallbackMessage(q, a.now))
		a.runs(t.Context(), c, 26*time.Hour)
		if n := len(a.came["q1"]); n < tc.least || n > tc.most || !a.rows["q1"].over || len(a.sent) != 0 {
			t.Errorf("%s: %d calls, over %v, %d messages are left", name, len(a.came["q1"]), a.rows["q1"].over, len(a.sent))
		}
		for i := range min(3, len(a.came["q1"])-1) {
			if got, want := a.came["q1"][i+1].Sub(a.came["q1"][i]), callback.Wait(i+1, 0.5); got < want || got > want+time.Second {
				t.Errorf("%s: try %d came after %v, want %v", name, i+2, got, want)
			}
		}
	}
}

// A message of a query that is no longer stored is dropped.
func TestAForgottenQueryIsNotCalled(t *testing.T) {
	a := newAccount()
	q := a.asks("q1")
	a.sent = append(a.sent, platform.NewCallbackMessage(q, a.now))
	a.wait(72 * time.Hour)
	a.runs(t.Context(), a.consumer(), time.Hour)
	if len(a.came) != 0 || len(a.rows) != 0 || len(a.sent) != 0 {
		t.Errorf("calls %v, %d messages are left", a.came, len(a.sent))
	}
}

// While a host gives no response, batch after batch makes the calls of another one, and
// few of its own. Once it answers, each of its callbacks arrives once.
func TestAHostThatIsDownHoldsUpNoBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount()
		var down slowHost
		var up atomic.Bool
		c := a.consumer()
		answer := c.HTTP.Transport
		c.HTTP.Transport = receiver(func(r *http.Request, _ []byte) (int, error) {
			if r.URL.Host == "slow.example.com" && !up.Load() {
				return down.answer(r)
			}
			resp, err := answer.RoundTrip(r)
			return resp.StatusCode, err
		})
		const each = 50
		var good, bad []platform.CallbackMessage
		for i := range each {
			for host, of := range map[string]*[]platform.CallbackMessage{"fast": &good, "slow": &bad} {
				q := a.asks(fmt.Sprint(host, i))
				q.Callback = "https://" + host + ".example.com/"
				a.ends(q)
				*of = append(*of, platform.NewCallbackMessage(q, a.now))
			}
		}
		handle := func(batch []platform.CallbackMessage) {
			for _, err := range c.HandleAll(t.Context(), batch) {
				if err != nil {
					t.Error(err)
				}
			}
		}
		for i := 0; i < each; i += MostMessages / 2 {
			handle(append(slices.Clone(bad[i:i+MostMessages/2]), good[i:i+MostMessages/2]...))
		}
		if len(a.came) != each || down.most != hostInBatch || down.made != hostInBatch || len(a.sent) != each {
			t.Errorf("%d callbacks of the fast host arrived; %d calls to the slow one at once, %d in all; %d messages wait, want %d", len(a.came), down.most, down.made, len(a.sent), each)
		}

		a.wait(callback.Wait(1, 1)) // the first pause
		again := a.sent
		a.sent = nil
		handle(again[:MostMessages])
		if down.made != hostInBatch+1 {
			t.Errorf("%d calls to the slow host after a pause, want 1", down.made-hostInBatch)
		}
		a.sent = append(a.sent, again[MostMessages:]...)

		up.Store(true)
		a.runs(t.Context(), c, time.Hour)
		for id, calls := range a.came {
			if len(calls) != 1 {
				t.Errorf("%d calls of %s arrived", len(calls), id)
			}
		}
		if len(a.came) != 2*each || len(a.sent) != 0 {
			t.Errorf("%d callbacks arrived, %d messages wait", len(a.came), len(a.sent))
		}
	})
}

// The pauses of a host grow to a bound, those that fail together begin one, and a response
// ends them.
func TestPausesOfAHostThatGivesNoResponse(t *testing.T) {
	var u unresponsive
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	for i, want := range []time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second, longestPause, longestPause} {
		for range 3 {
			u.failed("a", now, 0.5)
		}
		until, failing := u.until("a")
		if !failing || until.Sub(now) != want {
			t.Errorf("pause %d: %v, failing %v, want %v", i+1, until.Sub(now), failing, want)
		}
		now = until
	}
	u.responded("a")
	if _, failing := u.until("a"); failing {
		t.Error("a host that responded is remembered")
	}
	for i := range mostUnresponsive + 10 {
		u.failed(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second), 0.5)
	}
	if _, first := u.until("0"); len(u.last) != mostUnresponsive || first {
		t.Errorf("%d hosts are remembered, the first: %v", len(u.last), first)
	}
}

// A response of any status is one: a receiver that fails at one path is called at others.
func TestAHostThatAnswersWithAFaultIsNotPaused(t *testing.T) {
	a := newAccount()
	a.answer = func(id string, _ int) int {
		if id == "bad" {
			return 500
		}
		return 200
	}
	for _, id := range []string{"bad", "good"} {
		q := a.asks(id)
		a.ends(q)
		a.sent = append(a.sent, platform.NewCallbackMessage(q, a.now))
		a.deliver(t.Context(), a.consumer(), inOrder)
	}
	if len(a.came["bad"]) != 1 || !a.rows["good"].over {
		t.Errorf("calls %v", a.came)
	}
}
