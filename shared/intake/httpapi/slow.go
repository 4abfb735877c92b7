package httpapi

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// defaultBodyTime is how long a request's body may take to come. A caller that
// trickles one would hold a connection and its memory for ever.
const defaultBodyTime = 30 * time.Second

// hurry bounds how long the body of a request may take. The bound stays until
// arrived says that the body is there: it must also end what the server reads of
// a body that nobody wanted. Behind a gateway, which does as much itself, there
// is no connection to bound.
func (a *server) hurry(w http.ResponseWriter, r *http.Request) {
	if _, there := r.Body.(whole); !there && r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(a.BodyTime))
	}
}

// arrived lifts the bound: a caller that waits for a result sends nothing more.
func arrived(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// brokenOff says why a body could not be read to its end.
func brokenOff(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(brokenBody, "", "the body was sent too slowly")
	}
	return refuse(brokenBody, "", "the body ends too early")
}
