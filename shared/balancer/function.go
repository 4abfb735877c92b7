package balancer

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
)

// callHandler has a target in this process answer. One that goes on
// after ctx has ended is left behind.
func (b *Balancer) callHandler(ctx context.Context, to Target, w http.ResponseWriter, r *http.Request) error {
	out := &collected{header: http.Header{}, limit: to.MaxOut}
	ended := make(chan error, 1)
	go func() { ended <- call(to.Handler, out, b.overwritten(r).WithContext(ctx)) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	switch {
	case err != nil:
		return err
	case out.over:
		return statusError(http.StatusBadGateway)
	}
	copyHeader(w.Header(), out.header)
	w.WriteHeader(out.code())
	_, _ = w.Write(out.body.Bytes()) // the caller may be gone
	return nil
}

// call runs a handler and turns a panic into an error.
func call(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("balancer: the target panicked: %v", p)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// collected is the answer of a handler.
type collected struct {
	header http.Header
	status int
	body   bytes.Buffer
	limit  int64 // of body; 0 means none
	over   bool  // there was more
}

func (c *collected) code() int {
	if c.status == 0 {
		return http.StatusOK
	}
	return c.status
}

func (c *collected) Header() http.Header { return c.header }

func (c *collected) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *collected) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	if c.limit > 0 && int64(c.body.Len()+len(p)) > c.limit {
		c.over = true
		return len(p), nil
	}
	return c.body.Write(p)
}
