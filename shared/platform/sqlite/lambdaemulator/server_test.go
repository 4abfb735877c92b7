package lambdaemulator

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// bare puts an environment without a process in place and returns its address.
func bare(in *Invoker, name string) (*environment, string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	e := newEnvironment(in.functions[name])
	in.environments[e.sandbox] = e
	return e, "http://" + in.addr + "/" + e.sandbox + "/2018-06-01/runtime/"
}

func post(t *testing.T, url, body string, trailer http.Header) int {
	t.Helper()
	req, err := http.NewRequest("POST", url, io.MultiReader(strings.NewReader(body))) // of unknown length, as trailers want it
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = trailer
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestTheProtocol(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	in := start(t, Options{Functions: []Function{self("f")}})
	e, base := bare(in, "f")
	foreign := strings.Replace(base, e.sandbox, "AAAA", 1)
	detail := base64.StdEncoding.EncodeToString([]byte(`{"errorMessage":"half way","errorType":"io"}`))
	for _, step := range []struct {
		name, url, body string
		trailer         http.Header
		status          int
		payload, fault  string
	}{
		{name: "another sandbox", url: foreign + "invocation/1/response", status: 403},
		{name: "another event", url: base + "invocation/2/response", status: 400},
		{name: "an error of another event", url: base + "invocation/2/error", status: 400},
		{name: "a response", url: base + "invocation/1/response", body: "pong", status: 202, payload: "pong"},
		{name: "an error", url: base + "invocation/1/error", body: `{"errorMessage":"m","errorType":"t"}`, status: 202, fault: "function f: t: m"},
		{name: "an unreadable error", url: base + "invocation/1/error", body: "<", status: 202, fault: "function f: Runtime.Unknown: the error that it reported cannot be read"},
		{name: "a broken stream", url: base + "invocation/1/response", body: "po", status: 202, fault: "function f: io: half way",
			trailer: http.Header{headerErrorType: {"io"}, headerErrorBody: {detail}}},
	} {
		ev := &event{id: "1", answer: make(chan answer, 1)}
		e.current.Store(ev)
		if got := post(t, step.url, step.body, step.trailer); got != step.status {
			t.Errorf("%s: status %d, want %d", step.name, got, step.status)
		}
		if step.status != 202 {
			continue
		}
		if got := post(t, step.url, step.body, step.trailer); got != 400 {
			t.Errorf("%s again: status %d", step.name, got)
		}
		a := <-ev.answer
		if string(a.payload) != step.payload || (a.err == nil) != (step.fault == "") || a.err != nil && a.err.Error() != step.fault {
			t.Errorf("%s: %q, %v", step.name, a.payload, a.err)
		}
	}
}

func TestNextHandsAnEventOut(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	in := start(t, Options{Functions: []Function{self("f")}})
	e, base := bare(in, "f")
	e.events <- &event{id: "7", payload: []byte("ping"), deadline: time.UnixMilli(1234)}
	resp, err := http.Get(base + "invocation/next")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if h := resp.Header; string(body) != "ping" || h.Get(headerRequestID) != "7" || h.Get(headerDeadline) != "1234" {
		t.Errorf("%q %v", body, h)
	}
	<-e.polls
	in.mu.Lock()
	in.discard(e)
	in.mu.Unlock()
	if resp, err = http.Get(base + "invocation/next"); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("of one that is gone: status %d", resp.StatusCode)
	}
}

func FuzzReported(f *testing.F) {
	f.Add("t", []byte(`{"errorMessage":"m","errorType":"t","stackTrace":[]}`))
	f.Add("", []byte(`{`))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if e := reported("f", kind, body); e.Type == "" || len(e.Message) > maxErrorMessage {
			t.Errorf("%#v", e)
		}
	})
}
