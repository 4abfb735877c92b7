package grpcapi

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

// testRoom has room for the given number of bytes.
type testRoom struct {
	mu          sync.Mutex
	most, taken int64
	owners      []string
}

func (r *testRoom) Enter(owner string, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owners = append(r.owners, owner)
	if r.taken+n > r.most {
		return false
	}
	r.taken += n
	return true
}

func (r *testRoom) Leave(_ string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= n
}

// testLimit is the most bytes of a message in tests.
const testLimit = 64 << 10

// serve serves an API, and returns how to reach it.
func serve(t *testing.T, api http.HandlerFunc, change func(*Options)) *bufconn.Listener {
	t.Helper()
	o := Options{
		API: api, Owner: func(r *http.Request) string { return r.Header.Get("Authorization") }, Room: &testRoom{most: 1 << 20},
		MaxMessage: func() int { return testLimit }, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	l, server := bufconn.Listen(1<<20), NewServer(o)
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { _ = server.Close(); served.Wait() })
	return l
}

// dial returns a client of a listener.
func dial(t *testing.T, l *bufconn.Listener) oip.GRPCInferenceServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///localhost", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return oip.NewGRPCInferenceServiceClient(conn)
}

// inferring is a request with n bytes of input.
func inferring(n int) *oip.ModelInferRequest {
	return &oip.ModelInferRequest{
		ModelName: "m", Inputs: []*oip.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "UINT8", Shape: []int64{int64(n)}}},
		RawInputContents: [][]byte{make([]byte, n)},
	}
}

// echo answers an inference whose body is as long as it says.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if int64(len(body)) != r.ContentLength {
		http.Error(w, "another length than it says", http.StatusBadRequest)
		return
	}
	_, _ = w.Write([]byte(`{"model_name":"m"}`))
}

// call sends bytes as the body of a call and returns its status.
func call(t *testing.T, l *bufconn.Listener, body io.Reader, header ...string) (codes.Code, string) {
	t.Helper()
	var alone http.Protocols
	alone.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &alone, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.DialContext(ctx) }}
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/inference.GRPCInferenceService/ModelInfer", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	_, _ = io.Copy(io.Discard, got.Body) // trailers come behind it
	values := got.Trailer
	if got.Header.Get("Grpc-Status") != "" {
		values = got.Header
	}
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(values.Get("Grpc-Status"))); err != nil {
		t.Fatalf("status %d, header %v, trailer %v: %v", got.StatusCode, got.Header, got.Trailer, err)
	}
	return code, values.Get("Grpc-Message")
}

// framed is a message as gRPC sends it; its length may be another than it says.
func framed(packed byte, says int, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{packed}, uint32(says)), message...)
}

func packedBy(t *testing.T, with func(io.Writer) io.WriteCloser, message []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := with(&b)
	if _, err := w.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What a message may have is bounded before any of it is parsed, or read at all.
func TestMessagesAreBoundedBeforeTheyAreParsed(t *testing.T) {
	byGzip := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	byZlib := func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
	good, err := proto.Marshal(inferring(1000))
	if err != nil {
		t.Fatal(err)
	}
	zipped, deflated := packedBy(t, byGzip, good), packedBy(t, byZlib, good)
	huge := packedBy(t, byGzip, make([]byte, testLimit+1))
	l := serve(t, echo, nil)
	for name, c := range map[string]struct {
		body   []byte
		coding string
		want   codes.Code
		says   string
	}{
		"as it is":         {framed(0, len(good), good), "", codes.OK, ""},
		"gzip":             {framed(1, len(zipped), zipped), "gzip", codes.OK, ""},
		"deflate":          {framed(1, len(deflated), deflated), "deflate", codes.OK, ""},
		"too large":        {framed(0, testLimit+1, nil), "", codes.ResourceExhausted, "65536"},
		"unpacks too far":  {framed(1, len(huge), huge), "gzip", codes.ResourceExhausted, "65536"},
		"another coding":   {framed(1, len(zipped), zipped), "snappy", codes.Unimplemented, "snappy"},
		"not packed":       {framed(1, len(good), good), "gzip", codes.InvalidArgument, "gzip"},
		"cut":              {framed(0, len(good), good[:99]), "", codes.InvalidArgument, "early"},
		"half a prefix":    {[]byte{0, 0}, "", codes.InvalidArgument, "early"},
		"too many inputs":  {framed(0, 2*(maxRepeats+1), bytes.Repeat([]byte{5<<3 | 2, 0}, maxRepeats+1)), "", codes.InvalidArgument, "inputs: has more than 256"},
		"too many unknown": {framed(0, 2*(maxRepeats+1), bytes.Repeat([]byte{15 << 3, 0}, maxRepeats+1)), "", codes.InvalidArgument, "more than 256"},
		"no message":       {framed(0, 3, []byte("\xff\xff\xff")), "", codes.Internal, "unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, text := call(t, l, bytes.NewReader(c.body), "Grpc-Encoding", c.coding); code != c.want || !strings.Contains(text, c.says) {
				t.Errorf("ended with %v: %s", code, text)
			}
		})
	}
}

// A message that never ends is given up.
func TestSlowMessagesAreCutOff(t *testing.T) {
	l := serve(t, echo, func(o *Options) { o.MessageTime = time.Nanosecond })
	body, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write(framed(0, 100, []byte("a part"))) }()
	if code, text := call(t, l, body); code != codes.DeadlineExceeded || !strings.Contains(text, "slowly") {
		t.Errorf("ended with %v: %s", code, text)
	}
}

// Messages take room while they are answered, and give it back.
func TestMessagesTakeRoom(t *testing.T) {
	room := &testRoom{most: testLimit}
	began, end := make(chan struct{}), make(chan struct{})
	l := serve(t, func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-end
		echo(w, r)
	}, func(o *Options) { o.Room = room })
	c := dial(t, l)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer a")
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := c.ModelInfer(ctx, inferring(40<<10)); err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-began
	_, err := c.ModelInfer(ctx, inferring(40<<10))
	if status.Code(err) != codes.Unavailable || delayOf(err) <= 0 {
		t.Errorf("the second: %v", err)
	}
	close(end)
	first.Wait()
	go func() { <-began }()
	if _, err := c.ModelInfer(ctx, inferring(40<<10)); err != nil {
		t.Errorf("the third: %v", err)
	}
	if room.owners[0] != "Bearer a" || len(room.owners) != 3 {
		t.Errorf("room was taken by %q", room.owners)
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	if room.taken != 0 {
		t.Errorf("%d bytes are still taken", room.taken)
	}
}

// delayOf is how long an error says to wait before the next try; 0 without.
func delayOf(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// What is no call of gRPC is refused.
func TestOnlyCallsAreTaken(t *testing.T) {
	g := &gate{}
	for _, r := range []*http.Request{
		{Method: http.MethodGet, Header: http.Header{"Content-Type": {"application/grpc"}}},
		{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}},
	} {
		a := &answer{header: http.Header{}}
		g.ServeHTTP(a, r)
		if a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s with %v answered %d", r.Method, r.Header, a.status)
		}
	}
}
