package testserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Faults makes a server behave as AWS may: it throttles, takes its time, delivers
// messages twice and late, and shows metrics late. What goes wrong follows from the
// seed and the order of the calls. The zero value but Next passes everything on.
type Faults struct {
	// Next passes a request on to the server.
	Next func(*http.Request) (*http.Response, error)
	// Spared is the access key whose calls are passed on as they are.
	Spared string

	mu   sync.Mutex
	rand *rand.Rand
	plan Plan
	hits map[string]int
	read map[string]answered // the last answers of reads that may lag, by their bodies

	next, held *heldCall // that is to be kept, and that is or is to be

	refused struct { // the calls that are throttled next
		who, action string
		left        int
	}
}

// answered is an answer that may be given again.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// Plan is what goes wrong.
type Plan struct {
	Seed uint64
	// Throttled is the share of the calls of a service that are refused; under an
	// empty name that of every service that has none.
	Throttled map[string]float64
	// Latency is what a call takes longer, at most.
	Latency time.Duration
	// Twice and Delayed are the shares of batches of messages that are sent twice
	// and that are delivered Delay later.
	Twice, Delayed float64
	Delay          time.Duration
	// PointsLate is the age at which a point of a metric is first shown. Of the points
	// that are shown, a share is not yet, in the answer at hand: they come out of order.
	PointsLate time.Duration
	Gaps       float64
	// Lagging is the share of reads of a table that need not be consistent and are
	// answered as the same read was before, where there was one.
	Lagging float64
}

// Begin has a plan in force from now on, instead of the one before.
func (f *Faults) Begin(p Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.rand, f.hits = p, rand.New(rand.NewPCG(p.Seed, 0)), map[string]int{}
}

// Refuse has the next calls of an action by a caller throttled, as many as calls says.
func (f *Faults) Refuse(who, action string, calls int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused.who, f.refused.action, f.refused.left = who, action, calls
}

func (f *Faults) refuses(who, action string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused.left == 0 || f.refused.who != who || f.refused.action != action {
		return false
	}
	f.refused.left--
	return true
}

// Hits is how often each fault has happened since the plan began.
func (f *Faults) Hits() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int{}
	for name, n := range f.hits {
		out[name] = n
	}
	return out
}

// callFaults is what goes wrong with one call.
type callFaults struct {
	throttled, twice, delayed bool
	lagging                   bool
	gaps                      float64
	latency, pointsLate       time.Duration
	delay                     time.Duration
}

// draw decides what goes wrong with a call of a service.
func (f *Faults) draw(service, action string) (one callFaults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rand == nil {
		return one
	}
	share, own := f.plan.Throttled[service]
	if !own {
		share = f.plan.Throttled[""]
	}
	occurs := func(name string, share float64) bool {
		if f.rand.Float64() >= share {
			return false
		}
		f.hits[name]++
		return true
	}
	one.throttled = occurs("throttled", share)
	if f.plan.Latency > 0 {
		one.latency = time.Duration(f.rand.Int64N(int64(f.plan.Latency)))
		f.hits["latency"]++
	}
	switch action {
	case "SendMessageBatch":
		one.twice, one.delayed, one.delay = occurs("twice", f.plan.Twice), occurs("delayed", f.plan.Delayed), f.plan.Delay
	case "GetMetricData":
		if one.pointsLate, one.gaps = f.plan.PointsLate, f.plan.Gaps; one.pointsLate > 0 {
			f.hits["points"]++
		}
	case "GetItem", "Query":
		one.lagging = f.plan.Lagging > 0 && occurs("lagging", f.plan.Lagging)
	}
	return one
}

var scope = regexp.MustCompile(`Credential=([^/]+)/\d+/[^/]+/([^/]+)/`)

// RoundTrip implements http.RoundTripper.
func (f *Faults) RoundTrip(r *http.Request) (*http.Response, error) {
	m := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil || m[1] == f.Spared || r.Body == nil {
		return f.Next(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close() // it was read
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	form, _ := url.ParseQuery(string(body)) // of a JSON body it has no action
	if action == "" {
		action = form.Get("Action")
	}
	if h := f.hold(m[1], action); h != nil {
		return h.pass(withBody(r, body), f.Next)
	}
	one := f.draw(m[2], action)
	one.throttled = f.refuses(m[1], action) || one.throttled
	if err := wait(r, one.latency); err != nil {
		return nil, err
	}
	switch {
	case one.throttled:
		return refuse(r, form.Get("Action") != ""), nil
	case one.delayed:
		body = delayed(body, one.delay)
	case one.pointsLate > 0:
		body = []byte(shownLate(form, one.pointsLate).Encode())
	}
	if one.lagging {
		return f.lagging(r, body)
	}
	if one.gaps > 0 {
		return f.withGaps(r, body, one.gaps)
	}
	if one.twice {
		res, err := f.Next(withBody(r, body))
		if err != nil {
			return nil, err
		}
		_ = res.Body.Close() // the second answer is the caller's
	}
	return f.Next(withBody(r, body))
}

func withBody(r *http.Request, body []byte) *http.Request {
	c := r.Clone(r.Context())
	c.Body, c.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return c
}

func wait(r *http.Request, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.Context().Done():
		return r.Context().Err()
	case <-t.C:
		return nil
	}
}

// refuse throttles a call, in the protocol that it came in.
func refuse(r *http.Request, query bool) *http.Response {
	const code = "ThrottlingException"
	text, kind := fmt.Sprintf(`{"__type":"com.amazonaws#%s","message":"Rate exceeded"}`, code), "application/x-amz-json-1.0"
	if query {
		text, kind = `<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>1</RequestId></ErrorResponse>`, "text/xml"
	}
	return &http.Response{StatusCode: http.StatusBadRequest, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {kind}, "X-Amzn-Errortype": {code}}, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text))}
}

// delayed is a batch of messages that come later.
func delayed(body []byte, by time.Duration) []byte {
	var in map[string]any
	if json.Unmarshal(body, &in) != nil {
		return body
	}
	entries, _ := in["Entries"].([]any)
	for _, e := range entries {
		if e, ok := e.(map[string]any); ok {
			e["DelaySeconds"] = int(by / time.Second)
		}
	}
	out, err := json.Marshal(in)
	if err != nil {
		return body
	}
	return out
}

// shownLate is a query for points that leaves out those that are not shown yet.
func shownLate(form url.Values, late time.Duration) url.Values {
	shown := time.Now().Add(-late)
	for _, layout := range []string{time.RFC3339Nano, time.RFC3339} {
		if end, err := time.Parse(layout, form.Get("EndTime")); err == nil && end.After(shown) {
			form.Set("EndTime", shown.UTC().Format(time.RFC3339))
			return form
		}
	}
	if s, err := strconv.ParseFloat(form.Get("EndTime"), 64); err == nil && s > float64(shown.Unix()) {
		form.Set("EndTime", strconv.FormatInt(shown.Unix(), 10))
	}
	return form
}
