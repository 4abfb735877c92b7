// Package rpc reaches a machine's backend from another process, by HTTP on
// loopback: as JSON, with the inputs of queries as they are (frames). It knows nothing of how the backend keeps what it keeps: what
// deploys to an account reaches either backend and has no database in it.
package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// goodbye bounds the calls that follow on a caller's context that has ended.
const goodbye = time.Second

// remote is a backend reached over loopback.
type remote struct {
	base string
	http *http.Client
}

// Dial returns the backend at a base URL that holds a secret of its Register's. It
// connects when first called. Calls fail with ErrUnavailable while the backend
// cannot be reached, and with ErrRevoked once the secret is dead.
func Dial(baseURL string) (platform.Backend, error) {
	return DialOver(baseURL, &http.Transport{
		MaxIdleConnsPerHost: 256, // a connection a waiting call
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	})
}

// DialOver is Dial with a transport of the caller's.
func DialOver(baseURL string, t http.RoundTripper) (platform.Backend, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" || u.Host == "" || len(u.Path) < 2 {
		return platform.Backend{}, errors.New("the URL of the local backend is not of the form http://host:port/secret") // not quoted: it holds a secret
	}
	r := &remote{base: strings.TrimSuffix(baseURL, "/") + "/", http: &http.Client{Transport: t}}
	return platform.Backend{
		Queues: r, Fleet: r, Metrics: r, Settings: r, Blobs: r, Invoker: r, DecisionLog: r, Groups: r, History: r, Votes: r,
		Records: r, Attempts: r, Shared: r,
	}, nil
}

// call makes one call: req there, Resp back.
func call[Resp, Req any](ctx context.Context, r *remote, name string, req Req) (resp Resp, err error) {
	body, err := Encode(req)
	if err != nil {
		return resp, fmt.Errorf("%s: encode the call: %w", name, err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+name, body.Reader())
	if err != nil {
		return resp, fmt.Errorf("%s: the call to the local backend cannot be built", name) // the cause would reveal the secret
	}
	q.ContentLength = body.Bytes
	q.GetBody = func() (io.ReadCloser, error) { return body.Reader(), nil }
	q.Header.Set("Content-Type", body.Type)
	answer, err := r.http.Do(q)
	if err != nil {
		return resp, callFault(ctx, name, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(answer.Body, MaxBody))
		if err != nil {
			return resp, callFault(ctx, name, err)
		}
		return resp, refusal(name, answer.StatusCode, text)
	}
	cut := &cutOff{from: answer.Body}
	if err := Decode(cut, maxAnswer, &resp); err != nil {
		if cut.err != nil {
			return resp, callFault(ctx, name, cut.err)
		}
		return resp, fmt.Errorf("%s: decode the answer: %w", name, err)
	}
	return resp, nil
}

// cutOff remembers why an answer could not be read to its end, to distinguish that from
// one that cannot be decoded.
type cutOff struct {
	from io.Reader
	err  error
}

func (c *cutOff) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// callFault is a call that got no answer: the caller's context ended, or the
// backend is not there. The URL, which holds the secret, is left out.
func callFault(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", name, ctx.Err())
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%s: reach the local backend: %w: %w", name, platform.ErrUnavailable, err)
}

// refusal is an answer that is an error.
func refusal(name string, status int, body []byte) error {
	if status == http.StatusNotFound {
		return fmt.Errorf("%s: the local backend no longer accepts calls of this process: %w", name, platform.ErrRevoked)
	}
	var f Fault
	if err := json.Unmarshal(body, &f); err != nil || f.Text == "" {
		return fmt.Errorf("%s: the local backend answered %d", name, status)
	}
	return &remoteError{f}
}

func (r *remote) Send(ctx context.Context, q platform.QueueName, msgs ...query.Message) error {
	_, err := call[None](ctx, r, "send", SendCall{q, msgs})
	return err
}

// Receive gives back what may have been on its way when ctx ended.
func (r *remote) Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	c := ReceiveCall{Queue: q, Limit: limit, Lease: lease, Wait: wait, Number: rand.Int64() | 1<<62} // never 0, and none of the parent's
	ds, err := call[Deliveries](ctx, r, "receive", c)
	if err != nil && ctx.Err() != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		_, _ = call[None](late, r, "abandon", c) // failing that, the lease runs out
	}
	return ds, err
}

func (r *remote) Extend(ctx context.Context, d platform.Delivery, lease time.Duration) error {
	_, err := call[None](ctx, r, "extend", ExtendCall{receipts(d)[0], lease})
	return err
}

func (r *remote) Delete(ctx context.Context, ds ...platform.Delivery) error {
	_, err := call[None](ctx, r, "delete", receipts(ds...))
	return err
}

func (r *remote) Release(ctx context.Context, ds ...platform.Delivery) error {
	_, err := call[None](ctx, r, "release", receipts(ds...))
	return err
}

func (r *remote) Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error {
	c := MoveCall{Delivery: receipts(d)[0], To: to, Message: m, SameInput: SameData(d.Message, m)}
	if c.SameInput {
		c.Message.Input.Data = nil
	}
	_, err := call[None](ctx, r, "move", c)
	return err
}

// receipts strips deliveries of their messages' content, which the backend has.
func receipts(ds ...platform.Delivery) []platform.Delivery {
	out := make([]platform.Delivery, len(ds))
	for i, d := range ds {
		out[i] = platform.Delivery{Message: query.Message{ID: d.Message.ID}, Receipt: d.Receipt, Queue: d.Queue}
	}
	return out
}

func (r *remote) Depth(ctx context.Context, q platform.QueueName) (platform.Depth, error) {
	return call[platform.Depth](ctx, r, "depth", q)
}

func (r *remote) SetDesired(ctx context.Context, pool string, workers int) error {
	_, err := call[None](ctx, r, "set-desired", DesireCall{pool, workers})
	return err
}

func (r *remote) Workers(ctx context.Context, pool string) ([]platform.WorkerReport, error) {
	return call[[]platform.WorkerReport](ctx, r, "workers", pool)
}

func (r *remote) Drain(ctx context.Context, pool string, ids ...string) error {
	_, err := call[None](ctx, r, "drain", DrainCall{pool, ids})
	return err
}

func (r *remote) Replace(ctx context.Context, pool string, workers int, ids ...string) error {
	_, err := call[None](ctx, r, "replace-workers", ReplaceWorkersCall{pool, workers, ids})
	return err
}

func (r *remote) Report(ctx context.Context, w platform.WorkerReport) (platform.Orders, error) {
	return call[platform.Orders](ctx, r, "report", w)
}

func (r *remote) Tallies(ctx context.Context, pool string) (map[string]tally.Snapshot, error) {
	return call[map[string]tally.Snapshot](ctx, r, "tallies", pool)
}

func (r *remote) PublishView(ctx context.Context, v platform.FleetView) error {
	_, err := call[None](ctx, r, "publish-view", v)
	return err
}

func (r *remote) View(ctx context.Context) (platform.FleetView, error) {
	return call[platform.FleetView](ctx, r, "view", None{})
}

func (r *remote) Put(ctx context.Context, points ...platform.Point) error {
	_, err := call[None](ctx, r, "put", points)
	return err
}

func (r *remote) Series(ctx context.Context, metric string, dims []string, from, to time.Time, period time.Duration) ([]platform.Sample, error) {
	return call[[]platform.Sample](ctx, r, "series", SeriesCall{metric, dims, from, to, period})
}

func (r *remote) Raw(ctx context.Context) (map[string]string, int64, error) {
	a, err := call[RawAnswer](ctx, r, "raw", None{})
	return a.Values, a.Version, err
}

func (r *remote) Set(ctx context.Context, name, value string) error {
	_, err := call[None](ctx, r, "set", SetCall{name, value})
	return err
}

func (r *remote) NewUpload(ctx context.Context, owner, contentType string, limit int) (platform.Upload, error) {
	return call[platform.Upload](ctx, r, "new-upload", UploadCall{owner, contentType, limit})
}

func (r *remote) Invoke(ctx context.Context, function string, payload []byte) (platform.Invocation, error) {
	a, err := call[InvokeAnswer](ctx, r, "invoke", InvokeCall{function, payload})
	if err == nil && a.Fault != nil {
		err = &remoteError{*a.Fault}
	}
	return a.Invocation, err
}

func (r *remote) Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error) {
	b, err := call[Blob](ctx, r, "blob", BlobCall{owner, uri, limit})
	return b.Data, err
}

func (r *remote) AcquireLease(ctx context.Context, holder string, length time.Duration) (platform.Lease, error) {
	return call[platform.Lease](ctx, r, "acquire-lease", LeaseCall{holder, length})
}

func (r *remote) ReleaseLease(ctx context.Context, l platform.Lease) error {
	_, err := call[None](ctx, r, "release-lease", l)
	return err
}

func (r *remote) Memory(ctx context.Context, pool string) ([]byte, error) {
	return call[[]byte](ctx, r, "memory", pool)
}

func (r *remote) Commit(ctx context.Context, l platform.Lease, memory []byte, e platform.Entry) error {
	_, err := call[None](ctx, r, "commit", CommitCall{l, memory, e})
	return err
}

func (r *remote) Entry(ctx context.Context, id string) (platform.Entry, error) {
	return call[platform.Entry](ctx, r, "entry", id)
}

func (r *remote) Entries(ctx context.Context, q platform.EntryQuery) ([]platform.Entry, error) {
	return call[[]platform.Entry](ctx, r, "entries", q)
}

func (r *remote) Group(ctx context.Context, pool string) (platform.Group, error) {
	return call[platform.Group](ctx, r, "group", pool)
}

func (r *remote) Changes(ctx context.Context, name string, limit int) ([]platform.Change, error) {
	return call[[]platform.Change](ctx, r, "changes", ChangesCall{name, limit})
}

func (r *remote) Vote(ctx context.Context, queryID string, v feedback.Vote) error {
	_, err := call[None](ctx, r, "vote", VoteCall{queryID, v})
	return err
}

// VotesAfter returns the caller's cursor where the call failed.
func (r *remote) VotesAfter(ctx context.Context, cursor int64, limit int) ([]feedback.Vote, int64, error) {
	a, err := call[VotesAnswer](ctx, r, "votes-after", VotesCall{cursor, limit})
	if err != nil {
		return nil, cursor, err
	}
	return a.Votes, a.Cursor, nil
}
