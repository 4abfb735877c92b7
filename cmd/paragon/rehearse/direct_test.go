//go:build rehearse

package rehearse

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// recordWrites is how many writes of records and keys there were, by whomever.
func (p *play) recordWrites() int {
	return p.stand.count("", "table/"+p.table("Records"), "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
}

// turned reports whether the load balancer sends requests to the workers.
func (p *play) turned() bool {
	p.t.Helper()
	yes, err := p.front.turned(p.t.Context())
	must(p.t, err)
	return yes
}

// answersDirectly asks with a caller that waits: through gateway and load
// balancer the worker answers itself, and nothing is stored or queued of it but
// the sample, or with a key.
func (p *play) answersDirectly(worker string) {
	p.t.Helper()
	p.until("requests go to the workers", p.turned)
	writes, sends, received := p.recordWrites(), p.sends(), p.front.toWorkers.Counts().Forwarded
	want, asked := 0, int64(0)
	var last answered
	for range 20 {
		for _, class := range []query.Class{query.Relaxed, query.Strict} {
			last = p.directly(class, worker)
			if asked++; signed.Kept(last.ID, p.keepShare()) {
				want++
			}
		}
	}
	p.until("the samples are kept", func() bool { return p.recordWrites()-writes >= want })
	if got := p.recordWrites() - writes; got != want {
		p.t.Errorf("%d direct answers took %d writes, want those of %d samples", asked, got, want)
	}
	if got := p.sends() - sends; got != 0 {
		p.t.Errorf("%d direct answers took %d messages", asked, got)
	}
	if got := p.front.toWorkers.Counts().Forwarded - received; got != asked {
		p.t.Errorf("the load balancer forwarded %d of %d requests", got, asked)
	}
	p.isDirect(last)
	p.isOwners("/v1/queries/" + p.directly(query.Relaxed, worker, "Idempotency-Key", "stored").ID)

	writes = p.recordWrites()
	p.directly(query.Strict, worker, "Idempotency-Key", "direct")
	if got := p.recordWrites() - writes; got != 2 {
		p.t.Errorf("a direct answer with a key took %d writes, want the key and the record", got)
	}
	_, id := p.receiver.asks(query.Strict, "/done", "Prefer", "wait=10")
	p.receiver.arrives(map[string]int{id: 1})
}

// directly asks and waits, and is answered by the worker in the request.
func (p *play) directly(class query.Class, worker string, headers ...string) answered {
	p.t.Helper()
	got := p.request("POST", "/v1/queries", asked(fetched, class, p.inline()), append(headers, "Prefer", "wait=10")...)
	var q answered
	if got.Code != http.StatusOK || json.Unmarshal(got.Body.Bytes(), &q) != nil {
		p.t.Fatalf("a %s query was answered %d %s", class, got.Code, got.Body)
	}
	if q.State != query.Succeeded || q.ServedBy.Kind != query.OnWorker || q.ServedBy.Name != worker || q.Result.Label == "" || q.Receipt == "" {
		p.t.Fatalf("a %s query was answered %s", class, got.Body)
	}
	return q
}

// isDirect reads a query that was answered directly: there is the sample or
// nothing. Its receipt entitles to a vote all the same.
func (p *play) isDirect(q answered) {
	p.t.Helper()
	want := http.StatusGone
	if signed.Kept(q.ID, p.keepShare()) {
		want = http.StatusOK
	}
	if got := p.request("GET", "/v1/queries/"+q.ID, ""); got.Code != want {
		p.t.Errorf("a query that was answered directly reads %d %s, want %d", got.Code, got.Body, want)
	}
	if got := p.request("DELETE", "/v1/queries/"+q.ID, ""); got.Code != http.StatusConflict {
		p.t.Errorf("a query that was answered directly is cancelled with %d %s", got.Code, got.Body)
	}
	p.vote("/v1/queries/"+q.ID, q.Receipt)
}

// invokes has the api function answer a caller that waits by a function that it
// invokes itself: nothing is queued, and nothing stored but the sample.
func (p *play) invokes() {
	p.t.Helper()
	writes, sends := p.recordWrites(), p.sends()
	got := p.request("POST", "/v1/queries", asked(fetched, query.Strict, p.inline()), "Prefer", "wait=20")
	var q answered
	if got.Code != http.StatusOK || json.Unmarshal(got.Body.Bytes(), &q) != nil || q.State != query.Succeeded || q.ServedBy.Kind != query.OnFunction || q.Receipt == "" {
		p.t.Fatalf("a strict query was answered %d %s, want a function's answer", got.Code, got.Body)
	}
	want := 0
	if signed.Kept(q.ID, p.keepShare()) {
		want = 1
	}
	if w, s := p.recordWrites()-writes, p.sends()-sends; w != want || s != 0 {
		p.t.Errorf("a function's answer at once took %d writes and %d messages, want %d and none", w, s, want)
	}
}

// message is one of a query that nothing else knows of: of another key's id, so
// that no request can ask for it.
func (p *play) message(owner string) query.Message {
	p.t.Helper()
	now := time.Now()
	keys, err := signed.NewKeys([]byte("the key of another stage"))
	must(p.t, err)
	id, err := signed.NewID(rand.Reader, signed.Stored, owner, now, now.Add(time.Minute), now.Add(time.Hour))
	must(p.t, err)
	return query.Message{ID: keys.SignID(id), Owner: owner, Task: "fashion", Model: "logistic", Class: query.Strict,
		Need: query.Need{Task: "fashion", Model: "logistic"}, AcceptedAt: now, DeadlineAt: now.Add(20 * time.Second), ExpiresAt: id.ExpiresAt,
		ForgetAt: id.ForgetAt, Placement: string(platform.Overflow), Input: query.Input{ContentType: "image/png", Data: p.picture()}}
}

// deadLetter is a message that came too often, of which nothing was stored.
func (p *play) deadLetter() query.Message {
	p.t.Helper()
	m := p.message(caller)
	must(p.t, p.backend.Queues.Send(p.t.Context(), platform.DeadLetters, m))
	return m
}

// isFailed awaits the record that the controller writes of a dead letter.
func (p *play) isFailed(m query.Message) {
	p.t.Helper()
	p.until("the dead letter's query has failed", func() bool {
		r, err := p.backend.Records.GetRecord(p.t.Context(), m.ID)
		return err == nil && r.State == query.Failed && r.Outcome.Failure.Code == query.TooOften
	})
}

// keepShare is the share of direct answers of which a sample is kept.
func (p *play) keepShare() float64 {
	p.t.Helper()
	tunables := tuning.New(p.backend.Settings)
	must(p.t, tunables.Refresh(p.t.Context()))
	return tunables.Current().KeepShare
}

// sends is how many messages the workers and the api function sent.
func (p *play) sends() int {
	return p.stand.count("worker", "", "sqs:SendMessage") + p.stand.count("api", "", "sqs:SendMessage")
}

// While a worker is up that has no slot in time, and the queue is the path of overflow,
// the request of a caller that waits is held until a function's answer is stored.
func TestAWaitingCallerGetsTheStoredAnswer(t *testing.T) {
	p := newPlay(t)
	full := placement.Pool{Name: pool, InstanceType: "c5.large", Workers: 1, Runners: 2, StrictMS: 1e6, At: time.Now()}
	must(t, p.backend.Fleet.PublishView(t.Context(), platform.FleetView{Pools: []placement.Pool{full}, At: time.Now()}))
	before := p.recordWrites()
	answers := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		answers <- p.request("POST", "/v1/queries", asked(fetched, query.Strict, p.inline()), "Prefer", "wait=25")
	}()
	p.until("the query is on the overflow queue", func() bool {
		d, err := p.backend.Queues.Depth(t.Context(), platform.Overflow)
		must(t, err)
		return d.Visible > 0
	})
	p.overflow()
	got := <-answers
	var q answered
	if got.Code != http.StatusOK || json.Unmarshal(got.Body.Bytes(), &q) != nil || q.ServedBy.Kind != query.OnFunction || q.Receipt == "" {
		t.Fatalf("answered %d %s", got.Code, got.Body)
	}
	if n := p.recordWrites() - before; n != 1 {
		t.Errorf("it took %d writes, want the record", n)
	}
	p.isOwners("/v1/queries/" + q.ID)
	if p.front.listener != "" { // which hands a function no more
		if got := p.request("POST", "/v1/queries", strings.Repeat(" ", targetBytes+1)); got.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("a request above what a function takes is answered %d %s", got.Code, got.Body)
		}
	}
}

// isOwners asks for a query as others: the gateway overwrites the owner's header,
// so that nobody reads another's by writing it, and without a good signature
// there is no owner.
func (p *play) isOwners(location string) {
	p.t.Helper()
	for owner, want := range map[string]int{caller: http.StatusOK, "arn:aws:iam::123456789012:user/bob": http.StatusNotFound, "": http.StatusUnauthorized} {
		if got := p.requestAs(owner, "GET", location, "", platform.OwnerHeader, caller); got.Code != want {
			p.t.Errorf("%q reads %d %s, want %d", owner, got.Code, got.Body, want)
		}
	}
}
