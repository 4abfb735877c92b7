//go:build rehearse

package rehearse

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"paragon/shared/cloud"
	"paragon/shared/cloud/local/runtimeapi"
)

// stand is what the deployed binaries take for AWS: the stand-in with a Lambda
// that runs bootstraps before it. It writes down who calls what: every caller
// has an access key of its own.
type stand struct {
	proxy     *httputil.ReverseProxy
	functions *runtimeapi.Invoker // set once they are known
	log       func(format string, args ...any)

	mu    sync.Mutex
	calls map[string]map[string]bool // actions of IAM by caller
}

func newStand(moto string, log func(format string, args ...any)) *stand {
	to, err := url.Parse(moto)
	if err != nil {
		panic(err) // made by this test
	}
	p := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog: nil, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return &stand{proxy: p, log: log, calls: map[string]map[string]bool{}}
}

var (
	credential = regexp.MustCompile(`Credential=([^/]+)/\d+/[^/]+/([^/]+)/`)
	invocation = regexp.MustCompile(`^/2015-03-31/functions/([^/]+)/invocations$`)
)

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	who, service := "", ""
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		who, service = m[1], m[2]
	} else if signed, err := url.QueryUnescape(r.URL.Query().Get("X-Amz-Credential")); err == nil && signed != "" {
		who, service, _ = strings.Cut(signed, "/")
		service = "s3"
	}
	s.note(who, actions(service, r, body))
	if m := invocation.FindStringSubmatch(r.URL.Path); m != nil {
		s.invoke(w, r.Context(), m[1], body)
		return
	}
	if strings.HasPrefix(string(body), "Action=CompleteLifecycleAction&") { // moto knows no hooks
		_, _ = io.WriteString(w, `<CompleteLifecycleActionResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><CompleteLifecycleActionResult/></CompleteLifecycleActionResponse>`)
		return
	}
	s.proxy.ServeHTTP(w, r)
}

// note writes actions down. The test's own key is not a caller.
func (s *stand) note(who string, actions []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[who] == nil {
		s.calls[who] = map[string]bool{}
	}
	for _, a := range actions {
		s.calls[who][a] = true
	}
}

// prefixes are the services as IAM calls them.
var prefixes = map[string]string{"monitoring": "cloudwatch"}

// actions are what IAM must allow for a call.
func actions(service string, r *http.Request, body []byte) []string {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if action == "" {
		if v, err := url.ParseQuery(string(body)); err == nil {
			action = v.Get("Action")
		}
	}
	switch service {
	case "s3":
		action = map[string]string{http.MethodGet: "GetObject", http.MethodPut: "PutObject"}[r.Method]
	case "lambda":
		action = "InvokeFunction"
	case "sqs":
		action = strings.TrimSuffix(action, "Batch")
	case "dynamodb":
		if action == "TransactWriteItems" {
			return transacted(body)
		}
	}
	if p := prefixes[service]; p != "" {
		service = p
	}
	return []string{service + ":" + action}
}

// transacted are the actions within a transaction, which IAM asks for one by one.
func transacted(body []byte) (out []string) {
	var in struct {
		TransactItems []map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return []string{"dynamodb:TransactWriteItems"}
	}
	names := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
	for _, i := range in.TransactItems {
		for kind := range i {
			out = append(out, "dynamodb:"+names[kind])
		}
	}
	return out
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
	case errors.Is(err, cloud.ErrThrottled):
		w.Header().Set("X-Amzn-ErrorType", "TooManyRequestsException")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"Type":"User","message":"Rate Exceeded."}`)
	case errors.Is(err, cloud.ErrNotFound):
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
