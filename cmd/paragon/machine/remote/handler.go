package remote

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Handler answers other machines. Behind it a request is as if a caller on this machine
// had sent it, with the owner of its token.
type Handler struct {
	Tokens *Tokens
	// Proxies are the only networks that may connect; none means that all may.
	Proxies []netip.Prefix
	// Host is the name by which the API behind it is asked.
	Host string
	// Operator is what shows that a request is an operator's.
	Operator string
	// Refuse answers a request that is not let in.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, field, detail string)
	API    http.Handler
}

// NewHandler is the handler of a configuration, still without what is behind it.
func NewHandler(c Config, tokens *Tokens) (*Handler, error) {
	networks, err := c.networks()
	return &Handler{Tokens: tokens, Proxies: networks}, err
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.connects(r.RemoteAddr) {
		h.Refuse(w, r, http.StatusForbidden, "", "only the proxies that the server's flag --proxies names may connect")
		return
	}
	if httpapi.CheckOrigin(r) != nil {
		h.Refuse(w, r, http.StatusForbidden, "Origin", "web pages of other origins may not call this service")
		return
	}
	token, ok := h.Tokens.Of(shown(r))
	if !ok && !open(r) {
		// A browser asks for a name and a password then: the password is the token.
		w.Header().Add("WWW-Authenticate", "Bearer")
		w.Header().Add("WWW-Authenticate", `Basic realm="paragon"`)
		why := "a token is needed"
		if shown(r) != "" {
			why = "this token is not in the token file"
		}
		h.Refuse(w, r, http.StatusUnauthorized, "Authorization", why+": `Authorization: Bearer TOKEN`, with a token of the server's --tokens file")
		return
	}
	h.API.ServeHTTP(w, h.within(r, token))
}

// connects says whether the other end of the connection may be there.
func (h *Handler) connects(addr string) bool {
	if len(h.Proxies) == 0 {
		return true
	}
	from, err := netip.ParseAddrPort(addr)
	return err == nil && slices.ContainsFunc(h.Proxies, func(p netip.Prefix) bool { return p.Contains(from.Addr().Unmap()) })
}

// shown is the token that a request shows: a bearer's, or the password of a browser.
func shown(r *http.Request) string {
	if values := r.Header.Values("Authorization"); len(values) != 1 {
		return ""
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// open says whether a request needs no token: it asks whether the service is there, or
// fills a place for an upload, whose id entitles to it.
func open(r *http.Request) bool {
	switch {
	case r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == "/v2/health/live" || r.URL.Path == "/v2/health/ready":
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	default:
		return r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/v1/uploads/")
	}
}

// trusted are headers by which processes of this machine say who asks: nobody else may.
var trusted = []string{platform.OwnerHeader, api.OperatorHeader, "Authorization", "Origin", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// within is a request as it is asked on this machine.
func (h *Handler) within(r *http.Request, token Token) *http.Request {
	in := httpapi.OwnedBy(r, token.Owner)
	in.Header = r.Header.Clone()
	for _, name := range trusted {
		in.Header.Del(name)
	}
	in.Host = h.Host
	if token.Role == Operator {
		in.Header.Set(api.OperatorHeader, h.Operator)
	}
	return in
}

// URL is where other machines reach a listener: the host is as --listen has it.
func URL(c Config, l net.Listener) string {
	scheme := "http"
	if c.CertFile != "" {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(c.Listen) // checked with the configuration
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return scheme + "://" + net.JoinHostPort(host, port)
}
