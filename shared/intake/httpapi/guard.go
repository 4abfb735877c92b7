package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/loopback"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

// ownerKey is under which a request's context has its owner.
type ownerKey struct{}

// OwnedBy is a request whose owner is known by other means than its headers. An empty
// owner is none.
func OwnedBy(r *http.Request, owner string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), ownerKey{}, owner))
}

// sinceKey is under which a request's context has when another process took it.
type sinceKey struct{}

// TakenAt is a request that another process took at a time and does not answer.
func TakenAt(r *http.Request, at time.Time) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), sinceKey{}, at))
}

// refusalKey is under which a request's context has why it is refused unread.
type refusalKey struct{}

// RefusedFor is a request that is refused for a reason that intake gave, unread.
func RefusedFor(r *http.Request, why error) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), refusalKey{}, why))
}

// admit is the owner of a request for answers, unless it is refused before it is read.
func (a *server) admit(r *http.Request) (string, error) {
	if why, ok := r.Context().Value(refusalKey{}).(error); ok {
		return "", why
	}
	owner, err := a.owner(r)
	if err != nil {
		return "", err
	}
	return owner, a.svc.OverRate(owner)
}

// diedKey is under which a request's context has the ids of the workers that held it as they ended.
type diedKey struct{}

// AfterDeaths is a request that the given workers held as they ended.
func AfterDeaths(r *http.Request, died []string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), diedKey{}, died))
}

// diedOf are the workers that AfterDeaths gave; nil without.
func diedOf(r *http.Request) []string {
	died, _ := r.Context().Value(diedKey{}).([]string)
	return died
}

// takenAt is the time that TakenAt gave; zero without.
func takenAt(r *http.Request) time.Time {
	at, _ := r.Context().Value(sinceKey{}).(time.Time)
	return at
}

// LocalOwner distinguishes callers on one machine: by the owner that OwnedBy gave,
// else by their bearer token, of which only a hash is kept, and "local" for all
// without one.
func LocalOwner(r *http.Request) string {
	if owner, ok := r.Context().Value(ownerKey{}).(string); ok {
		return owner
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "local"
	}
	sum := sha256.Sum256([]byte(token))
	return "key-" + hex.EncodeToString(sum[:12])
}

// BalancedOwner takes the owner from platform.OwnerHeader, which a balancer
// overwrites: exactly one value. It is for processes that nobody but a balancer
// reaches.
func BalancedOwner(r *http.Request) string {
	values := r.Header.Values(platform.OwnerHeader)
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// guard stands before every route.
func (a *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.hurry(w, r)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if no := Foreign(r); no != nil && !a.AnyHost {
			a.fail(w, r, no)
			return
		}
		if n := a.counted(r); n > 0 {
			owner := a.Owner(r)
			if !a.room.Enter(owner, n) {
				a.fail(w, r, refuse(busy, "", "the requests in progress have too many bytes: try again in a moment"))
				return
			}
			defer a.room.Leave(owner, n)
		}
		if carried := r.Header.Get("traceparent"); carried != "" {
			r = r.WithContext(a.svc.Traces.Continue(r.Context(), carried))
		}
		next.ServeHTTP(w, r)
	})
}

// Foreign refuses what reaches a service on loopback by another name or from a page of
// another origin.
func Foreign(r *http.Request) *intake.Refusal {
	switch {
	case !loopback.Names(r.Host):
		return refuse(wrongHost, "Host", "requests must use a loopback name of this machine, such as 127.0.0.1")
	case CheckOrigin(r) != nil:
		return refuse(wrongHost, "Origin", "web pages of other origins may not call this service")
	}
	return nil
}

// crossOrigin finds out what a browser sends for a page of another origin.
var crossOrigin = http.NewCrossOriginProtection()

// CheckOrigin refuses what a browser sends for a page of another origin to change
// something, or have something run. Content types do not keep it out where any is
// taken.
func CheckOrigin(r *http.Request) error { return crossOrigin.Check(r) }

// serve picks the handler of the method. HEAD is GET without the body, which
// the server leaves out.
func (a *server) serve(byMethod route) http.HandlerFunc {
	allowed := slices.Sorted(maps.Keys(byMethod))
	return func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h, ok := byMethod[method]
		switch {
		case len(byMethod) == 0:
			a.fail(w, r, refuse(intake.NotFound, "", "this path does not exist; GET /v1/openapi.yaml lists the paths"))
		case !ok:
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			a.fail(w, r, refuse(wrongMethod, "", "this path does not support the method %s, only %s", clip(r.Method), strings.Join(allowed, ", ")))
		default:
			if err := h(w, r); err != nil {
				a.fail(w, r, err)
			}
		}
	}
}

// owner finds whose a request is.
func (a *server) owner(r *http.Request) (string, error) {
	if o := a.Owner(r); o != "" {
		return o, nil
	}
	return "", refuse(noOwner, "Authorization", "the request has no caller: sign it, or send an API key")
}
