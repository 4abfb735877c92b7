package testserver

import (
	"context"
	"net/http"
)

// heldCall is a call that reaches the server only when it is let go, whether or not
// its caller still waits.
type heldCall struct {
	who, action string
	came        chan struct{} // closed when the call is there
	passes      chan struct{} // closed when it may pass
	answered    chan int      // the server's status
}

// Hold keeps the next call of an action by a caller from the server until Release.
func (f *Faults) Hold(who, action string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = &heldCall{who, action, make(chan struct{}), make(chan struct{}), make(chan int, 1)}
	f.held = f.next
}

// Held says whether the call that is to be kept is there.
func (f *Faults) Held() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		return false
	}
	select {
	case <-f.held.came:
		return true
	default:
		return false
	}
}

// Release lets the call pass that is kept, and returns the status that the server
// answers it with; 0 when there is none.
func (f *Faults) Release() int {
	f.mu.Lock()
	h := f.held
	there := h != nil && f.next != h
	f.next, f.held = nil, nil
	f.mu.Unlock()
	if !there {
		return 0
	}
	close(h.passes)
	return <-h.answered
}

// hold returns the kept call that a call is, if it is one; the next one is not.
func (f *Faults) hold(who, action string) *heldCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.next
	if h == nil || h.who != who || h.action != action {
		return nil
	}
	f.next = nil
	close(h.came)
	return h
}

// pass waits until a call may pass, and then passes it on.
func (h *heldCall) pass(r *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	<-h.passes
	res, err := next(r.WithContext(context.WithoutCancel(r.Context())))
	status := 0
	if err == nil {
		status = res.StatusCode
	}
	h.answered <- status
	return res, err
}
