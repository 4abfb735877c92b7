// Package peer lets a worker offer a query, for which it has no slot in time, to
// another: over the port by which both take requests, signed with the stage's
// key, so that no caller can. The one that is offered a query runs it or refuses;
// it never passes the offer on.
package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/signed"
)

// Path is where a worker takes offers.
const Path = "/peer/answer"

// tokenHeader proves that an offer is of this stage.
const tokenHeader = "X-Paragon-Peer"

const (
	maxOffer    = 16 << 20 // bytes: an input that a request may carry, and room
	maxHead     = 64 << 10 // of an offer without its input
	maxAnswer   = 4 << 20
	dialTime    = 250 * time.Millisecond // to a worker of the same network
	idleTime    = 30 * time.Second       // below that of the workers' server
	unixPrefix  = "unix:"
	hostSuffix  = ".peer" // a host that stands for an address
	lengthBytes = 4
)

// offer is a query on its way to a peer, its input behind it.
type offer struct {
	Message query.Message `json:"message"`
	LeftMS  float64       `json:"left_ms"` // in which it must have ended: clocks differ
}

// refusal says that there is no slot in time.
type refusal struct {
	PredictedMS float64 `json:"predicted_ms"`
}

// Client offers queries. Create it with NewClient.
type Client struct {
	keys signed.Keys
	http *http.Client
}

// NewClient returns a client that signs with the stage's keys.
func NewClient(keys signed.Keys) *Client {
	return &Client{keys: keys, http: &http.Client{Transport: &http.Transport{
		DialContext: dial, IdleConnTimeout: idleTime, MaxIdleConnsPerHost: 8, DisableCompression: true,
	}}}
}

// dial connects to the address that a host stands for.
func dial(ctx context.Context, _, host string) (net.Conn, error) {
	name, _, _ := strings.Cut(host, hostSuffix)
	b, err := hex.DecodeString(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not the address of another worker", host)
	}
	d := net.Dialer{Timeout: dialTime}
	if path, unix := strings.CutPrefix(string(b), unixPrefix); unix {
		return d.DialContext(ctx, "unix", path)
	}
	return d.DialContext(ctx, "tcp", string(b))
}

// Answer has the worker at an address answer a query if that would end by the
// time given. *schedule.NoSlot when it has no slot. After any other error the
// query may have run, or not.
func (c *Client) Answer(ctx context.Context, addr string, m query.Message, by time.Time) (query.Outcome, error) {
	data := m.Input.Data
	m.Input.Data = nil
	head, err := json.Marshal(offer{m, query.Milliseconds(time.Until(by))})
	if err != nil {
		return query.Outcome{}, fmt.Errorf("offer query %s: %w", m.ID, err)
	}
	body := append(binary.BigEndian.AppendUint32(make([]byte, 0, lengthBytes+len(head)+len(data)), uint32(len(head))), head...)
	url := "http://" + hex.EncodeToString([]byte(addr)) + hostSuffix + Path
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(append(body, data...)))
	if err != nil {
		return query.Outcome{}, fmt.Errorf("offer query %s: %w", m.ID, err)
	}
	r.Header.Set(tokenHeader, c.keys.SignOffer(m.ID))
	res, err := c.http.Do(r)
	if err != nil {
		return query.Outcome{}, fmt.Errorf("offer query %s: %w", m.ID, err)
	}
	defer res.Body.Close()
	return read(res)
}

// read reads a peer's answer.
func read(res *http.Response) (o query.Outcome, err error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return o, fmt.Errorf("read a peer's answer: %w", err)
	}
	switch res.StatusCode {
	case http.StatusOK:
		err = json.Unmarshal(body, &o)
	case http.StatusConflict:
		var no refusal
		if err = json.Unmarshal(body, &no); err == nil {
			err = &schedule.NoSlot{PredictedMS: no.PredictedMS}
		}
	default:
		err = fmt.Errorf("the peer answered %s", res.Status)
	}
	return o, err
}

// Worker is the run queue of a worker.
type Worker interface {
	Answer(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error)
}

// Handler takes offers for a worker.
func Handler(w Worker, keys signed.Keys) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		o, err := parse(out, r)
		switch {
		case r.Method != http.MethodPost:
			out.WriteHeader(http.StatusMethodNotAllowed)
		case err != nil:
			out.WriteHeader(http.StatusBadRequest)
		case !keys.ValidOffer(o.Message.ID, r.Header.Get(tokenHeader)):
			out.WriteHeader(http.StatusForbidden)
		default:
			answer(out, r, w, o)
		}
	})
}

var errBroken = errors.New("the offer is broken")

// parse reads an offer.
func parse(w http.ResponseWriter, r *http.Request) (o offer, err error) {
	if r.ContentLength < lengthBytes || r.ContentLength > maxOffer || r.Header.Get(tokenHeader) == "" {
		return o, errBroken
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(http.MaxBytesReader(w, r.Body, maxOffer), body); err != nil {
		return o, fmt.Errorf("%w: %w", errBroken, err)
	}
	n := binary.BigEndian.Uint32(body)
	if n > maxHead || int(n) > len(body)-lengthBytes {
		return o, errBroken
	}
	head, data := body[lengthBytes:lengthBytes+n], body[lengthBytes+n:]
	if err := json.Unmarshal(head, &o); err != nil {
		return o, fmt.Errorf("%w: %w", errBroken, err)
	}
	o.Message.Input.Data = data
	return o, nil
}

// answer runs an offered query, or refuses it.
func answer(out http.ResponseWriter, r *http.Request, w Worker, o offer) {
	got, err := w.Answer(r.Context(), o.Message, time.Now().Add(query.Duration(o.LeftMS)))
	var v any = got
	status := http.StatusOK
	if none, ok := errors.AsType[*schedule.NoSlot](err); ok {
		status, v = http.StatusConflict, refusal{none.PredictedMS}
	} else if err != nil {
		out.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		out.WriteHeader(http.StatusInternalServerError)
		return
	}
	out.WriteHeader(status)
	_, _ = out.Write(body) // the peer may be gone
}
