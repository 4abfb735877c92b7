//go:build rehearse

package rehearse

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/rehearse/policy"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver/dynamo"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/lambdaemulator"
)

// stand is what the deployed binaries take for AWS: the test server with a Lambda
// that runs bootstraps before it. It writes down who calls what: every caller
// has an access key of its own.
type stand struct {
	proxy     *httputil.ReverseProxy
	scaling   *testserver.Groups      // before the faults
	faults    *testserver.Faults      // before the tables
	tables    *dynamo.Throttle        // before the test server
	functions *lambdaemulator.Invoker // set once they are known
	metrics   *extractor              // of metrics in logs
	log       func(format string, args ...any)

	mu     sync.Mutex
	calls  map[string]map[string]policy.Call // by caller, each once
	counts map[tally]int
	// groups are the groups of instances, which a call may not say.
	groups    map[string]string
	addresses map[string]string // of workers, by instance
}

// tally is of whose calls of what to what.
type tally struct{ who, action, resource string }

// How long a group deregisters an instance that it ends, and then waits for its
// hook: shorter than AWS does, and in the same order.
const deregistration, hookTimeout = 3 * time.Second, 6 * time.Second

func newStand(moto string, log func(format string, args ...any)) *stand {
	to, err := url.Parse(moto)
	if err != nil {
		panic(err) // made by this test
	}
	p := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog: nil, ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				log("the test server does not answer: %v", err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	tables := &dynamo.Throttle{Next: http.DefaultTransport, Now: time.Now, Partition: names.StateKey}
	faults := &testserver.Faults{Next: tables.RoundTrip, Spared: testKey}
	scaling := &testserver.Groups{Next: faults.RoundTrip, Hooks: true, Deregistration: deregistration, HookTimeout: hookTimeout}
	p.Transport = scaling
	return &stand{proxy: p, scaling: scaling, faults: faults, tables: tables, log: log, calls: map[string]map[string]policy.Call{}, counts: map[tally]int{},
		groups: map[string]string{}, addresses: map[string]string{}}
}

var (
	credential = regexp.MustCompile(`Credential=([^/]+)/\d+/[^/]+/([^/]+)/`)
	invocation = regexp.MustCompile(`^/2015-03-31/functions/([^/]+)/invocations$`)
)

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := unpacked(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	who, service := "", ""
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		who, service = m[1], m[2]
	} else if signed, err := url.QueryUnescape(r.URL.Query().Get("X-Amz-Credential")); err == nil && signed != "" {
		who, _, _ = strings.Cut(signed, "/")
		service = "s3"
	}
	s.note(who, callsOf(service, r, body, s.groupOf))
	if m := invocation.FindStringSubmatch(r.URL.Path); m != nil {
		s.invoke(w, r.Context(), m[1], body)
		return
	}
	if strings.HasPrefix(string(body), "Action=DescribeTargetHealth&") {
		s.health(w, r)
		return
	}
	if answersOfAccount(w, r, body) {
		return
	}
	answer := &statusKeeper{ResponseWriter: w}
	s.proxy.ServeHTTP(answer, r)
	if isLines(r) && answer.status == http.StatusOK {
		s.metrics.take(r.Context(), body)
	}
	if service == "s3" && r.Method == http.MethodGet && answer.status == http.StatusNotFound {
		s.note(who, []policy.Call{listing(r)})
	}
}

// statusKeeper remembers the status of an answer.
type statusKeeper struct {
	http.ResponseWriter
	status int
}

func (a *statusKeeper) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the proxy pass on what has come so far.
func (a *statusKeeper) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// unpacked reads a request's body and leaves it to be read again. The SDK compresses
// PutMetricData from 10 KB on, which neither the rules here nor moto can read.
func unpacked(r *http.Request) ([]byte, error) {
	from := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		from = z
		r.Header.Del("Content-Encoding")
	}
	body, err := io.ReadAll(from)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return body, err
}

var (
	targetMember = regexp.MustCompile(`(?s)<member>.*?</member>`)
	targetID     = regexp.MustCompile(`<Id>([^<]+)</Id>`)
	targetState  = regexp.MustCompile(`<State>healthy</State>`)
)

// health answers which targets are well: moto takes all for well, and here those
// are that answer the load balancer's check and that no group ends.
func (s *stand) health(w http.ResponseWriter, r *http.Request) {
	said := httptest.NewRecorder()
	s.proxy.ServeHTTP(said, r)
	body := targetMember.ReplaceAllFunc(said.Body.Bytes(), func(member []byte) []byte {
		if m := targetID.FindSubmatch(member); m != nil && (s.scaling.Leaving(string(m[1])) || !answers(r.Context(), s.address(string(m[1])))) {
			return targetState.ReplaceAll(member, []byte("<State>unhealthy</State>"))
		}
		return member
	})
	w.Header().Set("Content-Type", said.Header().Get("Content-Type"))
	w.WriteHeader(said.Code)
	_, _ = w.Write(body)
}

// answers checks a worker as the load balancer does.
func answers(ctx context.Context, address string) bool {
	if address == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+names.HealthPath, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

// count is how often somebody, or anybody, did one of several things to what has
// a name ending so.
func (s *stand) count(who, resource string, actions ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, times := range s.counts {
		if (who == "" || t.who == who) && strings.HasSuffix(t.resource, resource) && slices.Contains(actions, t.action) {
			n += times
		}
	}
	return n
}

// countLike is how often the stage itself did something to what has a name like
// that, with wildcards.
func (s *stand) countLike(resource, action string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, times := range s.counts {
		if t.who != testKey && t.action == action && policy.Like(resource, t.resource) {
			n += times
		}
	}
	return n
}

// note writes calls down.
func (s *stand) note(who string, calls []policy.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[who] == nil {
		s.calls[who] = map[string]policy.Call{}
	}
	for _, c := range calls {
		s.calls[who][fmt.Sprint(c)] = c
		s.counts[tally{who, c.Action, c.Resource}]++
	}
}

// made are the calls of every caller but the test, which has the test server's key.
func (s *stand) made() map[string][]policy.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]policy.Call{}
	for who, calls := range s.calls {
		if who != testKey {
			out[who] = slices.Collect(maps.Values(calls))
		}
	}
	return out
}

// testKey is the access key of testserver.Env.
const testKey = "testing"

func (s *stand) groupOf(instance string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[instance]
}

// belongs says which group an instance is of, and where its worker listens.
func (s *stand) belongs(instance, group, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[instance], s.addresses[instance] = group, address
}

func (s *stand) address(instance string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses[instance]
}

// invoke runs a function as Lambda does.
func (s *stand) invoke(w http.ResponseWriter, ctx context.Context, name string, payload []byte) {
	inv, err := s.functions.Invoke(ctx, name, payload)
	log := fmt.Sprintf("REPORT RequestId: 1\tDuration: %.2f ms\tBilled Duration: %.0f ms\tMemory Size: 1 MB", inv.BilledMS, inv.BilledMS)
	if inv.InitMS > 0 {
		s.log("cold start of %s: %.0f ms", name, inv.InitMS)
		log += fmt.Sprintf("\tInit Duration: %.2f ms\t", inv.InitMS)
	}
	w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString([]byte(log)))
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.Is(err, platform.ErrThrottled):
		w.Header().Set("X-Amzn-ErrorType", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"Type":"User","message":"Rate Exceeded."}`)
	case errors.Is(err, platform.ErrNotFound):
		w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"Type":"User","Message":"Function not found"}`)
	case err != nil:
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		_, _ = fmt.Fprintf(w, `{"errorType":"Fault","errorMessage":%q}`, err.Error())
	default:
		_, _ = w.Write(inv.Payload)
	}
}
