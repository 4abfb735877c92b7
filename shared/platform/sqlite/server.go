package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

// NewServer returns the handler through which children reach the backend, at
// /<secret>/<call>. It must be served on loopback alone. A path without a
// living secret is not found, whatever else it says.
func NewServer(h *Backend) http.Handler {
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
			answer(w, http.StatusBadRequest, rpc.FaultOf(fmt.Errorf("the local backend has no call %s %q", r.Method, name)))
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(v.ctx, func() { cancel(platform.ErrRevoked) })()
		serve(ctx, &consumer{Backend: h, name: v.name}, w, http.MaxBytesReader(w, r.Body, rpc.MaxBody))
	})
}

func answer[T any](w http.ResponseWriter, status int, v T) error {
	body, err := rpc.Encode(v)
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
		if err := rpc.Decode(body, rpc.MaxBody, &req); err != nil {
			answer(w, http.StatusBadRequest, decodeFault(err))
			return
		}
		resp, err := f(ctx, c, req)
		if gone := context.Cause(ctx); gone != nil {
			answer(w, http.StatusUnprocessableEntity, rpc.FaultOf(gone))
		} else if err != nil {
			answer(w, http.StatusUnprocessableEntity, rpc.FaultOf(err))
			return
		} else if gone = answer(w, http.StatusOK, resp); gone == nil {
			return
		}
		for _, u := range undo {
			u(c, resp)
		}
	}
}

func decodeFault(err error) rpc.Fault {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = platform.ErrTooLarge
	}
	return rpc.FaultOf(fmt.Errorf("read the call: %w", err))
}

// calls are all that a client can ask, by name; those of recordCalls besides.
var calls = map[string]handler{
	"send": on(func(ctx context.Context, c *consumer, q rpc.SendCall) (rpc.None, error) {
		return rpc.None{}, c.Send(ctx, q.Queue, q.Messages...)
	}),
	"receive": on(func(ctx context.Context, c *consumer, q rpc.ReceiveCall) (rpc.Deliveries, error) {
		return c.receive(ctx, q.Queue, q.Limit, q.Lease, q.Wait, q.Number)
	}, func(c *consumer, ds rpc.Deliveries) { _ = c.Release(context.Background(), ds...) }),
	"abandon": on(func(ctx context.Context, c *consumer, q rpc.ReceiveCall) (rpc.None, error) {
		return rpc.None{}, c.abandon(ctx, q.Number)
	}),
	"extend": on(func(ctx context.Context, c *consumer, q rpc.ExtendCall) (rpc.None, error) {
		return rpc.None{}, c.Extend(ctx, q.Delivery, q.Lease)
	}),
	"delete": on(func(ctx context.Context, c *consumer, ds []platform.Delivery) (rpc.None, error) {
		return rpc.None{}, c.Delete(ctx, ds...)
	}),
	"release": on(func(ctx context.Context, c *consumer, ds []platform.Delivery) (rpc.None, error) {
		return rpc.None{}, c.Release(ctx, ds...)
	}),
	"move": on(func(ctx context.Context, c *consumer, q rpc.MoveCall) (rpc.None, error) {
		return rpc.None{}, c.move(ctx, q.Delivery, q.To, q.Message, q.SameInput)
	}),
	"depth": on(func(ctx context.Context, c *consumer, q platform.QueueName) (platform.Depth, error) {
		return c.Depth(ctx, q)
	}),

	"set-desired": on(func(ctx context.Context, c *consumer, q rpc.DesireCall) (rpc.None, error) {
		return rpc.None{}, c.SetDesired(ctx, q.Pool, q.Workers)
	}),
	"workers": on(func(ctx context.Context, c *consumer, pool string) ([]platform.WorkerReport, error) {
		return c.Workers(ctx, pool)
	}),
	"drain": on(func(ctx context.Context, c *consumer, q rpc.DrainCall) (rpc.None, error) {
		return rpc.None{}, c.Drain(ctx, q.Pool, q.IDs...)
	}),
	"replace-workers": on(func(ctx context.Context, c *consumer, q rpc.ReplaceWorkersCall) (rpc.None, error) {
		return rpc.None{}, c.Replace(ctx, q.Pool, q.Workers, q.IDs...)
	}),
	"report": on(func(ctx context.Context, c *consumer, r platform.WorkerReport) (platform.Orders, error) {
		return c.Report(ctx, r)
	}),
	"tallies": on(func(ctx context.Context, c *consumer, pool string) (map[string]tally.Snapshot, error) {
		return c.Tallies(ctx, pool)
	}),
	"publish-view": on(func(ctx context.Context, c *consumer, v platform.FleetView) (rpc.None, error) {
		return rpc.None{}, c.PublishView(ctx, v)
	}),
	"view": on(func(ctx context.Context, c *consumer, _ rpc.None) (platform.FleetView, error) {
		return c.View(ctx)
	}),

	"put": on(func(ctx context.Context, c *consumer, ps []platform.Point) (rpc.None, error) {
		return rpc.None{}, c.Put(ctx, ps...)
	}),
	"series": on(func(ctx context.Context, c *consumer, q rpc.SeriesCall) ([]platform.Sample, error) {
		return c.Series(ctx, q.Metric, q.Dimensions, q.From, q.To, q.Period)
	}),
	"raw": on(func(ctx context.Context, c *consumer, _ rpc.None) (rpc.RawAnswer, error) {
		values, version, err := c.Raw(ctx)
		return rpc.RawAnswer{Values: values, Version: version}, err
	}),
	"set": on(func(ctx context.Context, c *consumer, q rpc.SetCall) (rpc.None, error) {
		return rpc.None{}, c.Set(ctx, q.Name, q.Value)
	}),
	"acquire-lease": on(func(ctx context.Context, c *consumer, q rpc.LeaseCall) (platform.Lease, error) {
		return c.AcquireLease(ctx, q.Holder, q.Length)
	}),
	"release-lease": on(func(ctx context.Context, c *consumer, l platform.Lease) (rpc.None, error) {
		return rpc.None{}, c.ReleaseLease(ctx, l)
	}),
	"memory": on(func(ctx context.Context, c *consumer, pool string) ([]byte, error) {
		return c.Memory(ctx, pool)
	}),
	"commit": on(func(ctx context.Context, c *consumer, q rpc.CommitCall) (rpc.None, error) {
		return rpc.None{}, c.Commit(ctx, q.Lease, q.Memory, q.Entry)
	}),
	"entry": on(func(ctx context.Context, c *consumer, id string) (platform.Entry, error) {
		return c.Entry(ctx, id)
	}),
	"entries": on(func(ctx context.Context, c *consumer, q platform.EntryQuery) ([]platform.Entry, error) {
		return c.Entries(ctx, q)
	}),
	"group": on(func(ctx context.Context, c *consumer, pool string) (platform.Group, error) {
		return c.Group(ctx, pool)
	}),
	"changes": on(func(ctx context.Context, c *consumer, q rpc.ChangesCall) ([]platform.Change, error) {
		return c.Changes(ctx, q.Name, q.Limit)
	}),
	"vote": on(func(ctx context.Context, c *consumer, q rpc.VoteCall) (rpc.None, error) {
		return rpc.None{}, c.Vote(ctx, q.QueryID, q.Vote)
	}),
	"votes-after": on(func(ctx context.Context, c *consumer, q rpc.VotesCall) (rpc.VotesAnswer, error) {
		votes, cursor, err := c.VotesAfter(ctx, q.Cursor, q.Limit)
		return rpc.VotesAnswer{Votes: votes, Cursor: cursor}, err
	}),
	"new-upload": on(func(ctx context.Context, c *consumer, q rpc.UploadCall) (platform.Upload, error) {
		return c.NewUpload(ctx, q.Owner, q.ContentType, q.Limit)
	}),
	"invoke": on(func(ctx context.Context, c *consumer, q rpc.InvokeCall) (rpc.InvokeAnswer, error) {
		inv, err := c.invoker.Invoke(ctx, q.Function, q.Payload)
		if err != nil {
			f := rpc.FaultOf(err)
			return rpc.InvokeAnswer{Invocation: inv, Fault: &f}, nil
		}
		return rpc.InvokeAnswer{Invocation: inv}, nil
	}),
	"blob": on(func(ctx context.Context, c *consumer, q rpc.BlobCall) (rpc.Blob, error) {
		data, err := c.Blob(ctx, q.Owner, q.URI, q.Limit)
		return rpc.Blob{Data: data}, err
	}),
}
