package callbacks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// tryTime bounds one try, from its name's resolution to the end of the answer.
	tryTime = 10 * time.Second
	// mostAnswer bounds what is read of an answer, which nobody looks at.
	mostAnswer = 16 << 10
)

// errNoResponse is of a call to which its host gave no response.
var errNoResponse = errors.New("no response")

// NewHTTP returns a client for callbacks. Each connection is checked once its name is
// resolved, and none is kept, so that a name that changes its address is checked again.
// No proxy and no redirect is used: either would choose another address.
func NewHTTP(reach callback.Reach) *http.Client {
	d := &net.Dialer{Timeout: tryTime, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%q is no address: %w", address, err)
		}
		return callback.CheckAddress(at.Addr(), reach)
	}}
	return &http.Client{
		Timeout: tryTime,
		Transport: &http.Transport{
			DialContext: d.DialContext, TLSHandshakeTimeout: tryTime, DisableKeepAlives: true, DisableCompression: true,
			MaxResponseHeaderBytes: mostAnswer, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends a body, signed, and wants an answer of 2xx.
func (o *Caller) post(ctx context.Context, c platform.Callback, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request: %w: %w", err, errFinal)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Paragon-Callback")
	for name, value := range callback.Sign(o.Keys.Secrets(req.URL.Hostname()), c.ID, o.Now(), body) {
		req.Header.Set(name, value)
	}
	resp, err := o.HTTP.Do(req)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the address, which may hold the receiver's secrets
		}
		return fmt.Errorf("%s gave %w: %w", req.URL.Hostname(), errNoResponse, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, mostAnswer)) // nobody looks at it
	switch {
	case resp.StatusCode == http.StatusGone:
		return fmt.Errorf("%s answered 410: %w", req.URL.Hostname(), errFinal)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fmt.Errorf("%s answered %d", req.URL.Hostname(), resp.StatusCode)
	}
	return nil
}
