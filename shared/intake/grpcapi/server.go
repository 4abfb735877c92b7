// Package grpcapi is the Open Inference Protocol's gRPC service over the handler of
// the protocol's HTTP paths: a call becomes a request with binary tensors, and its
// answer becomes the call's. What is taken of a query, what it means and what is
// refused is therefore decided in one place, for both. This package converts the
// encodings and the errors, and bounds a message before it is parsed.
package grpcapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

// MaxConnections is how many connections one server holds at once: each may have
// connectionBuffer bytes unread.
const MaxConnections = 1024

const (
	// connectionBuffer bounds the bytes that a connection's caller may send ahead of
	// what is read of them.
	connectionBuffer = 256 << 10
	// maxStreams bounds the calls that one connection has under way.
	maxStreams = 256
	// defaultMessageTime is how long a message may take to arrive.
	defaultMessageTime = 30 * time.Second
)

// Options of the service. All but MessageTime and Log are needed.
type Options struct {
	// API answers the protocol's HTTP paths.
	API http.Handler
	// Owner is whose a request is; its messages count for that owner in Room.
	Owner func(*http.Request) string
	// Room bounds the bytes of the messages that are in memory.
	Room Room
	// MaxMessage is the most bytes of a message, and of what one unpacks to.
	MaxMessage func() int
	// MessageTime bounds how long a message may take to arrive; 0 means half a minute.
	MessageTime time.Duration
	Log         *slog.Logger // defaults to slog.Default
}

// Room counts the bytes of messages by owner.
type Room interface {
	Enter(owner string, bytes int64) bool // false when there is no room
	Leave(owner string, bytes int64)
}

// NewServer returns the service as a server of HTTP/2 without TLS, for loopback. Give
// it a listener that bounds its connections to MaxConnections.
func NewServer(o Options) *http.Server {
	o.MessageTime, o.Log = cmp.Or(o.MessageTime, defaultMessageTime), cmp.Or(o.Log, slog.Default())
	calls := grpc.NewServer(grpc.UnaryInterceptor(intercept(o.Log)),
		grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32)) // gate has the bound
	oip.RegisterGRPCInferenceServiceServer(calls, &service{api: o.API})
	var alone http.Protocols
	alone.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: &gate{Options: o, calls: calls}, Protocols: &alone,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: connectionBuffer, MaxReceiveBufferPerStream: connectionBuffer,
		},
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
}

// refusalKey is where gate leaves the refusal of a call.
type refusalKey struct{}

// intercept refuses what gate refused, and keeps a call that panics from ending the
// process, as net/http does.
func intercept(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
		if refusal, ok := ctx.Value(refusalKey{}).(error); ok {
			return nil, refusal
		}
		defer func() {
			if p := recover(); p != nil {
				out, err = nil, afterPanic(p, log)
			}
		}()
		return next(ctx, in)
	}
}

// afterPanic is what a call ends with that panicked: http.ErrAbortHandler is how a
// handler says that its answer broke off.
func afterPanic(p any, log *slog.Logger) error {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return status.Error(codes.Unavailable, "the answer is incomplete: send the request again")
	}
	log.Error("a call panicked", "panic", p, "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "the server's log has the cause")
}
