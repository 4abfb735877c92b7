//go:build rehearse

package rehearse

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"paragon/shared/cloud/aws/names"
	"paragon/shared/cloud/tuning"
	"paragon/shared/core/query"
	"paragon/shared/core/signed"
)

// recordWrites is how many writes of records and keys there were, by whomever.
func (p *play) recordWrites() int {
	return p.stand.count("", "table/"+names.Prefix(stage)+"records", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
}

// turned tells whether the load balancer sends requests to the workers.
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

	writes = p.recordWrites()
	p.directly(query.Strict, worker, "Idempotency-Key", "direct")
	if got := p.recordWrites() - writes; got != 2 {
		p.t.Errorf("a direct answer with a key took %d writes, want the key and the record", got)
	}
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

// keepShare is the share of direct answers of which a sample is kept.
func (p *play) keepShare() float64 {
	p.t.Helper()
	tunables := tuning.New(p.home.Settings)
	must(p.t, tunables.Refresh(p.t.Context()))
	return tunables.Current().KeepShare
}

// sends is how many messages the workers and the api function sent.
func (p *play) sends() int {
	return p.stand.count("worker", "", "sqs:SendMessage") + p.stand.count("api", "", "sqs:SendMessage")
}

// The gateway overwrites the owner's header: nobody reads another's query by
// writing it, and without a good signature there is no owner.
func TestNobodyNamesAnotherOwner(t *testing.T) {
	p := newPlay(t)
	location := p.submit(query.Relaxed)
	if got := p.request("GET", location, ""); got.Code != http.StatusOK && got.Code != http.StatusAccepted {
		t.Errorf("its owner reads %d %s", got.Code, got.Body)
	}
	for _, other := range []struct {
		owner string
		want  int
	}{{"arn:aws:iam::123456789012:user/bob", http.StatusNotFound}, {"", http.StatusUnauthorized}} {
		if got := p.requestAs(other.owner, "GET", location, "", "X-Paragon-Owner", caller); got.Code != other.want {
			t.Errorf("%q reads %d %s, want %d", other.owner, got.Code, got.Body, other.want)
		}
	}
	if !strings.HasPrefix(location, "/v1/queries/") {
		t.Errorf("the query is at %s", location)
	}
}
