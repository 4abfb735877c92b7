//go:build rehearse

package rehearse

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// picture is one that is in the test set.
func (p *play) picture() []byte {
	p.t.Helper()
	paths, err := filepath.Glob("../../../profiles/fashion/testdata/*-trouser.png")
	must(p.t, err)
	data, err := os.ReadFile(paths[0])
	must(p.t, err)
	return data
}

// submit hands a query with its picture in and returns where to ask for it.
func (p *play) submit(class query.Class) string {
	p.t.Helper()
	return p.ask(class, p.inline())
}

// inline is the picture as a message carries it.
func (p *play) inline() string {
	p.t.Helper()
	return fmt.Sprintf(`"data":%q`, base64.StdEncoding.EncodeToString(p.picture()))
}

// large is the picture in a file that is too large for a message, and not for a
// request.
func (p *play) large() string {
	p.t.Helper()
	data := append(p.picture(), make([]byte, 600<<10)...)
	return fmt.Sprintf(`"data":%q`, base64.StdEncoding.EncodeToString(data))
}

// ask hands a query in for the model whose network is fetched.
func (p *play) ask(class query.Class, input string) string { return p.askFor(fetched, class, input) }

// usualBound is that of queries, where a play sets none.
const usualBound = 20 * time.Second

// asked is the body of a query.
func asked(model string, class query.Class, input string) string {
	return askedWithin(usualBound, model, class, input)
}

// askedWithin is a query with a bound of its own.
func askedWithin(bound time.Duration, model string, class query.Class, input string) string {
	return fmt.Sprintf(`{"model":%q,"class":%q,"constraints":{"latency_ms":%d},"input":{"content_type":"image/png",%s}}`, model, class, bound.Milliseconds(), input)
}

// askFor hands a query in for a model.
func (p *play) askFor(model string, class query.Class, input string, headers ...string) string {
	p.t.Helper()
	body := asked(model, class, input)
	got := p.request("POST", "/v1/queries", body, headers...)
	if got.Code != http.StatusAccepted {
		p.t.Fatalf("the API answered %d %s", got.Code, got.Body)
	}
	return got.Header().Get("Location")
}

// upload puts the picture where the API says, and returns its name.
func (p *play) upload() string {
	p.t.Helper()
	data := p.picture()
	got := p.request("POST", "/v1/uploads", fmt.Sprintf(`{"content_type":"image/png","bytes":%d}`, len(data)))
	var place platform.Upload
	must(p.t, json.Unmarshal(got.Body.Bytes(), &place))
	r, err := http.NewRequestWithContext(p.t.Context(), place.Method, place.URL, bytes.NewReader(data))
	must(p.t, err)
	for name, value := range place.Headers {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	must(p.t, err)
	must(p.t, res.Body.Close())
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("the upload was answered %s", res.Status)
	}
	return place.URI
}

// answered is what the API says of a query.
type answered struct {
	State    query.State
	Model    string
	Result   query.Result
	ServedBy query.Runner `json:"served_by"`
	Failure  query.Failure
	ID       string
	Receipt  string
}

// await asks for a query until it is terminal.
func (p *play) await(location string) answered {
	p.t.Helper()
	var q answered
	p.until("the query "+location+" is answered", func() bool {
		if d, err := p.backend.Queues.Depth(p.t.Context(), platform.Overflow); err == nil && d.Visible > 0 {
			p.dispatch(0) // the controller has handed it over, or another
		}
		got := p.request("GET", location, "")
		must(p.t, json.Unmarshal(got.Body.Bytes(), &q))
		return q.State.Terminal()
	})
	return q
}

// read asks for a query until it is answered. The highest scores are stored of it, as
// it asked for no more.
func (p *play) read(location string) answered {
	p.t.Helper()
	q := p.await(location)
	if q.State != query.Succeeded || q.Result.Label == "" {
		p.t.Errorf("the query %s reads %+v", location, q)
	}
	p.storesScores(q.ID, 0)
	return q
}

// classes are how many the models of the play distinguish.
const classes = 10

// asksForAll asks a query for the scores of every class, which are stored of it then.
func (p *play) asksForAll(class query.Class, by query.RunnerKind) {
	p.t.Helper()
	got := p.request("POST", "/v1/queries", strings.Replace(asked(fetched, class, p.inline()), "{", `{"all_scores":true,`, 1))
	if got.Code != http.StatusAccepted {
		p.t.Fatalf("the API answered %d %s", got.Code, got.Body)
	}
	q := p.await(got.Header().Get("Location"))
	if q.ServedBy.Kind != by {
		p.t.Errorf("a query for all scores was served by %+v, want a %s", q.ServedBy, by)
	}
	p.storesScores(q.ID, classes)
}

// storesScores checks that a record has the highest scores, and all scores of every class.
func (p *play) storesScores(id string, all int) {
	p.t.Helper()
	r, err := p.backend.Records.GetRecord(p.t.Context(), id)
	must(p.t, err)
	if r.Outcome == nil || r.Outcome.Result == nil || len(r.Outcome.Result.Top) != query.TopScores || len(r.Outcome.Result.Scores) != all {
		p.t.Errorf("of the query %s is stored %+v, want the %d highest scores and %d of every class", id, r.Outcome, query.TopScores, all)
	}
}

// cancelled takes back a query that waits, and the answer confirms it.
func (p *play) cancelled(location string) {
	p.t.Helper()
	p.request("DELETE", location, "")
	if q := p.await(location); q.State != query.Cancelled {
		p.t.Errorf("the query that was taken back reads %+v", q)
	}
}

// vote says that an answer is right, by its receipt if it came with one.
func (p *play) vote(location, receipt string) {
	p.t.Helper()
	got := p.request("POST", location+"/feedback", fmt.Sprintf(`{"correct":true,"receipt":%q}`, receipt))
	if got.Code/100 != 2 {
		p.t.Errorf("the vote was answered %d %s", got.Code, got.Body)
	}
}

// overflow hands what waits on the overflow queue to the dispatcher, as its
// event source does: one query at least, and what the controller has handed over, as
// the test takes queries back that wait for a worker.
func (p *play) overflow() {
	p.t.Helper()
	p.dispatch(5 * time.Second)
}

// dispatch waits up to wait for messages on the overflow queue, if it waits at all, and
// hands those that are there to the dispatcher.
func (p *play) dispatch(wait time.Duration) {
	p.t.Helper()
	ds, err := p.backend.Queues.Receive(p.t.Context(), platform.Overflow, 10, time.Minute, wait)
	must(p.t, err)
	if len(ds) == 0 && wait > 0 {
		p.t.Fatal("no message on the overflow queue")
	}
	for _, d := range ds {
		p.dispatchOne(d)
	}
}

func (p *play) dispatchOne(d platform.Delivery) {
	p.t.Helper()
	message, err := json.Marshal(d.Message)
	must(p.t, err)
	_, handle, _ := strings.Cut(d.Receipt, " ")
	var failed events.SQSEventResponse
	p.call("dispatcher", events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m1", ReceiptHandle: handle, Body: string(message), EventSource: "aws:sqs",
		Attributes: map[string]string{"ApproximateReceiveCount": "1"},
	}}}, &failed)
	if len(failed.BatchItemFailures) > 0 {
		p.t.Fatalf("the dispatcher handed back %+v", failed.BatchItemFailures)
	}
}

// submitAny submits a query and serves the overflow, should it go there.
func (p *play) submitAny(class query.Class) string {
	p.t.Helper()
	location := p.submit(class)
	d, err := p.backend.Queues.Depth(p.t.Context(), platform.Overflow)
	must(p.t, err)
	if d.Visible > 0 {
		p.overflow()
	}
	return location
}
