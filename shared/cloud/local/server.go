package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"paragon/shared/cloud"
	"paragon/shared/cloud/local/loopback"
	"paragon/shared/core/tally"
)

// NewServer returns the handler through which children reach the home, at
// /<secret>/<call>. It must be served on loopback alone. A path without a
// living secret is not found, whatever else it says.
func NewServer(h *Home) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		v, ok := h.consumers.visitor(secret)
		if !ok {
			http.NotFound(w, r)
			return
		}
		serve, ok := calls[name]
		if !ok {
			serve, ok = recordCalls[name]
		}
		if !ok || r.Method != http.MethodPost {
			answer(w, http.StatusBadRequest, loopback.FaultOf(fmt.Errorf("there is no call %s %q", r.Method, name)))
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(v.ctx, func() { cancel(cloud.ErrRevoked) })()
		serve(ctx, &consumer{Home: h, name: v.name}, w, http.MaxBytesReader(w, r.Body, loopback.MaxBody))
	})
}

func answer[T any](w http.ResponseWriter, status int, v T) error {
	body, err := loopback.Encode(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", body.Type)
	w.Header().Set("Content-Length", strconv.FormatInt(body.Bytes, 10))
	w.WriteHeader(status)
	_, err = body.WriteTo(w)
	return err
}

// handler answers one kind of call.
type handler func(ctx context.Context, c *consumer, w http.ResponseWriter, body requestBody)

type requestBody interface{ Read([]byte) (int, error) }

// on makes a handler of a function from request to response. undo, if any,
// takes the response back when the client went away before it had it.
func on[Req, Resp any](f func(context.Context, *consumer, Req) (Resp, error), undo ...func(*consumer, Resp)) handler {
	return func(ctx context.Context, c *consumer, w http.ResponseWriter, body requestBody) {
		var req Req
		if err := loopback.Decode(body, loopback.MaxBody, &req); err != nil {
			answer(w, http.StatusBadRequest, decodeFault(err))
			return
		}
		resp, err := f(ctx, c, req)
		if gone := context.Cause(ctx); gone != nil {
			answer(w, http.StatusUnprocessableEntity, loopback.FaultOf(gone))
		} else if err != nil {
			answer(w, http.StatusUnprocessableEntity, loopback.FaultOf(err))
			return
		} else if gone = answer(w, http.StatusOK, resp); gone == nil {
			return
		}
		for _, u := range undo {
			u(c, resp)
		}
	}
}

func decodeFault(err error) loopback.Fault {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = cloud.ErrTooLarge
	}
	return loopback.FaultOf(fmt.Errorf("read the call: %w", err))
}

// calls are all that a client can ask, by name; those of recordCalls besides.
var calls = map[string]handler{
	"send": on(func(ctx context.Context, c *consumer, q loopback.SendCall) (loopback.None, error) {
		return loopback.None{}, c.Send(ctx, q.Queue, q.Messages...)
	}),
	"receive": on(func(ctx context.Context, c *consumer, q loopback.ReceiveCall) (loopback.Deliveries, error) {
		return c.receive(ctx, q.Queue, q.Limit, q.Lease, q.Wait, q.Number)
	}, func(c *consumer, ds loopback.Deliveries) { _ = c.Release(context.Background(), ds...) }),
	"abandon": on(func(ctx context.Context, c *consumer, q loopback.ReceiveCall) (loopback.None, error) {
		return loopback.None{}, c.abandon(ctx, q.Number)
	}),
	"extend": on(func(ctx context.Context, c *consumer, q loopback.ExtendCall) (loopback.None, error) {
		return loopback.None{}, c.Extend(ctx, q.Delivery, q.Lease)
	}),
	"delete": on(func(ctx context.Context, c *consumer, ds []cloud.Delivery) (loopback.None, error) {
		return loopback.None{}, c.Delete(ctx, ds...)
	}),
	"release": on(func(ctx context.Context, c *consumer, ds []cloud.Delivery) (loopback.None, error) {
		return loopback.None{}, c.Release(ctx, ds...)
	}),
	"move": on(func(ctx context.Context, c *consumer, q loopback.MoveCall) (loopback.None, error) {
		return loopback.None{}, c.move(ctx, q.Delivery, q.To, q.Message, q.SameInput)
	}),
	"depth": on(func(ctx context.Context, c *consumer, q cloud.QueueName) (cloud.Depth, error) {
		return c.Depth(ctx, q)
	}),

	"set-desired": on(func(ctx context.Context, c *consumer, q loopback.DesireCall) (loopback.None, error) {
		return loopback.None{}, c.SetDesired(ctx, q.Pool, q.Workers)
	}),
	"workers": on(func(ctx context.Context, c *consumer, pool string) ([]cloud.WorkerReport, error) {
		return c.Workers(ctx, pool)
	}),
	"drain": on(func(ctx context.Context, c *consumer, q loopback.DrainCall) (loopback.None, error) {
		return loopback.None{}, c.Drain(ctx, q.Pool, q.IDs...)
	}),
	"report": on(func(ctx context.Context, c *consumer, r cloud.WorkerReport) (cloud.Orders, error) {
		return c.Report(ctx, r)
	}),
	"tallies": on(func(ctx context.Context, c *consumer, pool string) (map[string]tally.Snapshot, error) {
		return c.Tallies(ctx, pool)
	}),
	"publish-view": on(func(ctx context.Context, c *consumer, v cloud.View) (loopback.None, error) {
		return loopback.None{}, c.PublishView(ctx, v)
	}),
	"view": on(func(ctx context.Context, c *consumer, _ loopback.None) (cloud.View, error) {
		return c.View(ctx)
	}),

	"put": on(func(ctx context.Context, c *consumer, ps []cloud.Point) (loopback.None, error) {
		return loopback.None{}, c.Put(ctx, ps...)
	}),
	"series": on(func(ctx context.Context, c *consumer, q loopback.SeriesCall) ([]cloud.Sample, error) {
		return c.Series(ctx, q.Metric, q.Dimensions, q.From, q.To, q.Period)
	}),
	"raw": on(func(ctx context.Context, c *consumer, _ loopback.None) (loopback.RawAnswer, error) {
		values, version, err := c.Raw(ctx)
		return loopback.RawAnswer{Values: values, Version: version}, err
	}),
	"set": on(func(ctx context.Context, c *consumer, q loopback.SetCall) (loopback.None, error) {
		return loopback.None{}, c.Set(ctx, q.Name, q.Value)
	}),
	"claim": on(func(ctx context.Context, c *consumer, q loopback.ClaimCall) (cloud.Lease, error) {
		return c.Claim(ctx, q.Holder, q.Length)
	}),
	"resign": on(func(ctx context.Context, c *consumer, l cloud.Lease) (loopback.None, error) {
		return loopback.None{}, c.Resign(ctx, l)
	}),
	"memory": on(func(ctx context.Context, c *consumer, pool string) ([]byte, error) {
		return c.Memory(ctx, pool)
	}),
	"commit": on(func(ctx context.Context, c *consumer, q loopback.CommitCall) (loopback.None, error) {
		return loopback.None{}, c.Commit(ctx, q.Lease, q.Memory, q.Entry)
	}),
	"entry": on(func(ctx context.Context, c *consumer, id string) (cloud.Entry, error) {
		return c.Entry(ctx, id)
	}),
	"entries": on(func(ctx context.Context, c *consumer, q cloud.EntryQuery) ([]cloud.Entry, error) {
		return c.Entries(ctx, q)
	}),
	"group": on(func(ctx context.Context, c *consumer, pool string) (cloud.Group, error) {
		return c.Group(ctx, pool)
	}),
	"changes": on(func(ctx context.Context, c *consumer, q loopback.ChangesCall) ([]cloud.Change, error) {
		return c.Changes(ctx, q.Name, q.Limit)
	}),
	"vote": on(func(ctx context.Context, c *consumer, q loopback.VoteCall) (loopback.None, error) {
		return loopback.None{}, c.Vote(ctx, q.QueryID, q.Vote)
	}),
	"votes-after": on(func(ctx context.Context, c *consumer, q loopback.VotesCall) (loopback.VotesAnswer, error) {
		votes, cursor, err := c.VotesAfter(ctx, q.Cursor, q.Limit)
		return loopback.VotesAnswer{Votes: votes, Cursor: cursor}, err
	}),
	"new-upload": on(func(ctx context.Context, c *consumer, q loopback.UploadCall) (cloud.Upload, error) {
		return c.NewUpload(ctx, q.Owner, q.ContentType, q.Limit)
	}),
	"invoke": on(func(ctx context.Context, c *consumer, q loopback.InvokeCall) (loopback.InvokeAnswer, error) {
		inv, err := c.invoker.Invoke(ctx, q.Function, q.Payload)
		if err != nil {
			f := loopback.FaultOf(err)
			return loopback.InvokeAnswer{Invocation: inv, Fault: &f}, nil
		}
		return loopback.InvokeAnswer{Invocation: inv}, nil
	}),
	"blob": on(func(ctx context.Context, c *consumer, q loopback.BlobCall) (loopback.Blob, error) {
		data, err := c.Blob(ctx, q.Owner, q.URI, q.Limit)
		return loopback.Blob{Data: data}, err
	}),
}
