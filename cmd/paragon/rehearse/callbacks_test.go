//go:build rehearse

package rehearse

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	wiring "github.com/paragon-serving/paragon/shared/stage"
)

// receiver takes callbacks, on this machine: AWS's functions call the public internet
// alone.
type receiver struct {
	p       *play
	address string
	secrets [][]byte
	fails   int // of the calls to /fails that come first

	wanted map[string]int // calls of each query

	mu     sync.Mutex
	states map[string]query.State // that arrived, by query
	calls  map[string]int
}

// loopback has callbacks of the stage go to this machine too.
func loopback(name, value string) string {
	if name == environment.Callbacks && value == string(callback.Public) {
		return string(callback.Loopback)
	}
	return value
}

// openReceiver has the stage know its host before anything reads the settings: the api
// reads them again when the controller says that they have changed.
func (p *play) openReceiver() {
	p.t.Helper()
	r := &receiver{p: p, fails: 1, wanted: map[string]int{}, states: map[string]query.State{}, calls: map[string]int{}}
	server := httptest.NewServer(r)
	p.t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://")
	keys, err := wiring.Keys(p.t.Context(), func(name string) string {
		if name != names.SigningSecret {
			return ""
		}
		for id, made := range p.made {
			if p.stack.resources[id].Type == "AWS::SecretsManager::Secret" {
				return made
			}
		}
		return ""
	})
	must(p.t, err)
	r.secrets = callback.KeysOf(keys.ForCallbacks()).Secrets("127.0.0.1")
	p.set("callback_hosts", r.address)
	p.receiver = r
}

// ServeHTTP holds a call to its signature.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	id := req.Header.Get(callback.IDHeader)
	at, bad := strconv.ParseInt(req.Header.Get(callback.TimeHeader), 10, 64)
	if err != nil || bad != nil || req.Header.Get(callback.SignatureHeader) != callback.Sign(r.secrets, id, time.Unix(at, 0), body)[callback.SignatureHeader] {
		r.p.t.Errorf("the callback of %s has the signature %q", id, req.Header.Get(callback.SignatureHeader))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[id]++
	if req.URL.Path == "/fails" && r.calls[id] <= r.fails {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var event struct {
		Type string
		Data answered
	}
	if json.Unmarshal(body, &event) != nil || event.Type != "query.finished" || event.Data.ID != id || r.states[id] != "" {
		r.p.t.Errorf("the callback of %s, call %d: %s", id, r.calls[id], body)
	}
	r.states[id] = event.Data.State
}

// asks hands a query in with a callback.
func (r *receiver) asks(class query.Class, path string, headers ...string) (location, id string) {
	r.p.t.Helper()
	body := strings.Replace(asked(fetched, class, r.p.inline()), "{", fmt.Sprintf(`{"callback":"http://%s%s",`, r.address, path), 1)
	got := r.p.request("POST", "/v1/queries", body, headers...)
	var q answered
	if err := json.Unmarshal(got.Body.Bytes(), &q); err != nil || got.Code != http.StatusAccepted && got.Code != http.StatusOK {
		r.p.t.Fatalf("a query with a callback was answered %d %s", got.Code, got.Body)
	}
	return got.Header().Get("Location"), q.ID
}

// source hands what is due in the queue of callbacks to its function, as the event
// source does, and returns how many messages there were.
func (p *play) source() int {
	p.t.Helper()
	client, url := sqs.NewFromConfig(p.sdk), p.callbackQueue()
	got, err := client.ReceiveMessage(p.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 8, VisibilityTimeout: 60})
	must(p.t, err)
	if len(got.Messages) == 0 {
		return 0
	}
	var event events.SQSEvent
	for _, m := range got.Messages {
		event.Records = append(event.Records, events.SQSMessage{MessageId: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body), EventSource: "aws:sqs"})
	}
	var failed events.SQSEventResponse
	p.call("callbacks", event, &failed)
	for _, m := range got.Messages {
		if slices.ContainsFunc(failed.BatchItemFailures, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == aws.ToString(m.MessageId) }) {
			p.t.Errorf("the callbacks function handed back %s", aws.ToString(m.Body))
			continue
		}
		_, err := client.DeleteMessage(p.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
		must(p.t, err)
	}
	return len(got.Messages)
}

// callbackQueue is the address of the queue of callbacks.
func (p *play) callbackQueue() string {
	return p.moto + "/" + testserver.Account + "/" + names.Queue(stage, platform.CallbackQueue)
}

// loses takes the message out of the queue of callbacks that was sent by who stored the
// only query's record: as if it had died before. The other one is due once the latency
// bound is over.
func (p *play) loses() {
	p.t.Helper()
	client, url := sqs.NewFromConfig(p.sdk), p.callbackQueue()
	got, err := client.ReceiveMessage(p.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 1})
	must(p.t, err)
	lost := 0
	for _, m := range got.Messages {
		var c platform.CallbackMessage
		must(p.t, json.Unmarshal([]byte(aws.ToString(m.Body)), &c))
		if c.DueAt.Equal(c.Query.DeadlineAt) {
			continue
		}
		lost++
		_, err = client.DeleteMessage(p.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
		must(p.t, err)
	}
	if lost != 1 {
		p.t.Fatalf("of %d messages of callbacks %d were sent with the record, want one", len(got.Messages), lost)
	}
}

// arrives expects the callbacks of queries in the given numbers of calls, those that fail included, no
// others, and that all of their messages are over then.
func (r *receiver) arrives(calls map[string]int) {
	r.p.t.Helper()
	maps.Copy(r.wanted, calls)
	r.p.until("the callbacks have arrived and their messages are over", func() bool {
		if r.p.source() > 0 {
			return false
		}
		n, err := r.p.backend.Callbacks.WaitingCallbacks(r.p.t.Context())
		must(r.p.t, err)
		return n == 0
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, want := range r.wanted {
		if r.states[id] != query.Succeeded || r.calls[id] != want {
			r.p.t.Errorf("the callback of %s says %q after %d calls, want %d", id, r.states[id], r.calls[id], want)
		}
	}
	if len(r.calls) != len(r.wanted) {
		r.p.t.Errorf("calls %v, want those of %d queries", r.calls, len(r.wanted))
	}
}

// callsBack asks three queries with a callback, which functions answer: one whose receiver
// takes it, one whose receiver fails first, and one of which the process died that stored
// its record.
func (p *play) callsBack() {
	p.t.Helper()
	r := p.receiver
	lost, lostID := r.asks(query.Strict, "/done")
	p.overflow()
	p.read(lost)
	p.loses()
	taken, takenID := r.asks(query.Strict, "/done")
	failed, failedID := r.asks(query.Strict, "/fails", "Idempotency-Key", "called back")
	p.overflow()
	for _, at := range []string{taken, failed} {
		p.read(at)
	}
	if _, again := r.asks(query.Strict, "/fails", "Idempotency-Key", "called back"); again != failedID {
		p.t.Errorf("the repeat is query %s, want %s", again, failedID)
	}
	r.arrives(map[string]int{lostID: 1, takenID: 1, failedID: 2})
}
