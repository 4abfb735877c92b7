package balancer

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/balancer/bodies"
)

// hopByHop are the headers of one connection (RFC 9110, section 7.6.1). What
// else Connection names is left out too.
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// unreliable are headers that only a proxy may set, and the caller is none.
var unreliable = []string{"Forwarded", "X-Real-Ip"}

// droppedHeaders are the request headers that are never forwarded as they came.
func droppedHeaders(overwritten string) map[string]bool {
	out := map[string]bool{"Host": true, "Content-Length": true, "Expect": true, bodies.Header: true}
	if overwritten != "" {
		out[overwritten] = true
	}
	for _, k := range hopByHop {
		out[k] = true
	}
	for _, k := range unreliable {
		out[k] = true
	}
	return out
}

// forwards says whether a request header goes on. Names that are no tokens, and
// so have no canonical form, never do.
func (b *Balancer) forwards(name string, connection []string) bool {
	name = http.CanonicalHeaderKey(name)
	return token(name) && !b.dropped[name] && !strings.HasPrefix(name, "X-Forwarded-") && !named(connection, name)
}

// named says whether a Connection header names another.
func named(connection []string, name string) bool {
	for _, list := range connection {
		for one := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(one), name) {
				return true
			}
		}
	}
	return false
}

// token says whether a text is a header's name (RFC 9110, section 5.6.2).
func token(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// head appends the request line and headers of what is forwarded. place is where
// a body lies that does not follow; empty for one that does.
func (b *Balancer) head(to []byte, r *http.Request, bodyBytes int, place string) []byte {
	to = append(to, r.Method...)
	to = append(to, ' ')
	to = append(to, r.URL.RequestURI()...)
	to = append(to, " HTTP/1.1\r\n"...)
	to = appendHeader(to, "Host", r.Host)
	connection := r.Header["Connection"]
	for k, vs := range r.Header {
		if b.forwards(k, connection) {
			for _, v := range vs {
				to = appendHeader(to, k, v)
			}
		}
	}
	if v := b.headerValue(r); v != "" {
		to = appendHeader(to, b.opts.Header, v)
	}
	if place != "" {
		to, bodyBytes = appendHeader(to, bodies.Header, place), 0
	}
	if bodyBytes > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		to = append(to, "Content-Length: "...)
		to = strconv.AppendInt(to, int64(bodyBytes), 10)
		to = append(to, "\r\n"...)
	}
	return append(to, "\r\n"...)
}

// appendHeader appends one header. A value that would begin another line is left out.
func appendHeader(to []byte, name, value string) []byte {
	if strings.ContainsAny(value, "\r\n\x00") {
		return to
	}
	to = append(to, name...)
	to = append(to, ": "...)
	to = append(to, value...)
	return append(to, "\r\n"...)
}

// headerValue is what the overwritten header says of a request.
func (b *Balancer) headerValue(r *http.Request) string {
	if b.opts.Header == "" {
		return ""
	}
	return b.opts.HeaderValue(r)
}

// overwritten is the request as a handler in this process gets it: without the
// headers that do not go on, and with the one that is overwritten.
func (b *Balancer) overwritten(r *http.Request) *http.Request {
	out := r.WithContext(r.Context())
	out.Header = make(http.Header, len(r.Header)+1)
	connection := r.Header["Connection"]
	for k, vs := range r.Header {
		if b.forwards(k, connection) || k == "Content-Length" || k == "Expect" {
			out.Header[k] = vs
		}
	}
	if v := b.headerValue(r); v != "" {
		out.Header.Set(b.opts.Header, v)
	}
	return out
}

// copyHeader passes a target's headers on.
func copyHeader(to, from http.Header) {
	connection := from["Connection"]
	for k, vs := range from {
		if !answerDropped[k] && !named(connection, k) {
			to[k] = vs
		}
	}
}

// answerDropped are the headers of an answer that do not go on.
var answerDropped = func() map[string]bool {
	out := map[string]bool{}
	for _, k := range hopByHop {
		out[k] = true
	}
	return out
}()
