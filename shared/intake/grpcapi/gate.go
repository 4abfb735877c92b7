package grpcapi

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

const (
	// prefixBytes come before a message: whether it is compressed, and its length.
	prefixBytes = 5
	// uncounted is below how many bytes a message takes no room: smaller ones are
	// bounded by the number of calls.
	uncounted = 16 << 10
	// maxRepeats bounds how often a field may come in a message. An empty tensor is
	// two bytes of the message and a hundred once it is parsed.
	maxRepeats = 256
)

// gate reads the message of each call, within its bounds, before gRPC parses it.
type gate struct {
	Options
	calls http.Handler
}

// ServeHTTP answers one call.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		http.Error(w, "this is the Open Inference Protocol's gRPC service", http.StatusUnsupportedMediaType)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(g.MessageTime)) // fails where there is no connection
	message, release, err := g.message(r)
	defer release()
	if err != nil {
		r = r.WithContext(context.WithValue(r.Context(), refusalKey{}, err))
		message = nil
	}
	r.Header.Del("Grpc-Encoding") // it is unpacked
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(prefix), bytes.NewReader(message)))
	g.calls.ServeHTTP(w, r)
}

// message returns the one message of a call, unpacked. release gives its room back.
func (g *gate) message(r *http.Request) (message []byte, release func(), err error) {
	release = func() {}
	var prefix [prefixBytes]byte
	if _, err := io.ReadFull(r.Body, prefix[:]); err != nil {
		return nil, release, brokenOff(err)
	}
	limit := int64(g.MaxMessage())
	size, packed := int64(binary.BigEndian.Uint32(prefix[1:])), prefix[0] != 0
	if size > limit {
		return nil, release, tooLarge(limit)
	}
	takes := size
	if packed {
		takes = limit
	}
	if takes >= uncounted {
		owner := g.Owner(r)
		if !g.Room.Enter(owner, takes) {
			return nil, release, retryable(codes.Unavailable, "the requests in progress have too many bytes: try again in a moment", time.Second)
		}
		release = func() { g.Room.Leave(owner, takes) }
	}
	if packed {
		message, err = unpack(r.Header.Get("Grpc-Encoding"), io.LimitReader(r.Body, size), limit)
	} else {
		message = make([]byte, size)
		_, err = io.ReadFull(r.Body, message)
	}
	switch _, refused := status.FromError(err); {
	case err == nil:
		err = checkRepeats(message)
	case !refused:
		err = brokenOff(err)
	}
	return message, release, err
}

// unpack undoes a message's compression. Of what unpacks to more than limit bytes no
// more than that is unpacked.
func unpack(coding string, from io.Reader, limit int64) ([]byte, error) {
	var unpacked io.Reader
	var err error
	switch coding {
	case "gzip":
		unpacked, err = gzip.NewReader(from)
	case "deflate":
		unpacked, err = zlib.NewReader(from)
	default:
		return nil, status.Errorf(codes.Unimplemented, "grpc-encoding %.32q is not accepted, only gzip and deflate", coding)
	}
	if err != nil {
		return nil, notPacked(coding, err)
	}
	message, err := io.ReadAll(io.LimitReader(unpacked, limit+1))
	switch {
	case err != nil:
		return nil, notPacked(coding, err)
	case int64(len(message)) > limit:
		return nil, tooLarge(limit)
	}
	return message, nil
}

// notPacked refuses a message that is not compressed as it says, unless it did not
// arrive.
func notPacked(coding string, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return status.Errorf(codes.InvalidArgument, "the message is not compressed with %s: %v", coding, err)
}

func tooLarge(limit int64) error {
	return status.Errorf(codes.ResourceExhausted, "the message is above %d bytes; send a large input by POST /v1/uploads of the HTTP API", limit)
}

// brokenOff says why a message could not be read to its end.
func brokenOff(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return status.Error(codes.DeadlineExceeded, "the message was sent too slowly")
	}
	return status.Error(codes.InvalidArgument, "the message ends too early")
}

// checkRepeats refuses a message with more of a field than a request may have, before
// any of it takes memory. What is no message is the parser's to refuse.
func checkRepeats(message []byte) error {
	counts := map[protowire.Number]int{}
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		size := protowire.ConsumeFieldValue(number, kind, message[n:])
		if size < 0 {
			return nil
		}
		message = message[n+size:]
		if counts[number]++; counts[number] > maxRepeats {
			return status.Errorf(codes.InvalidArgument, "%s: has more than %d entries", fieldName(number), maxRepeats)
		}
	}
	return nil
}

// fieldName is what the protocol calls a field of an inference request.
func fieldName(number protowire.Number) string {
	if f := (&oip.ModelInferRequest{}).ProtoReflect().Descriptor().Fields().ByNumber(number); f != nil {
		return string(f.Name())
	}
	return "a field that is not known"
}
