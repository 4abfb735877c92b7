package grpcapi

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

// The HTTP request of a call has what says whose it is, and its error is the call's.
func TestCallsAreRequests(t *testing.T) {
	var received *http.Request
	said := http.StatusTeapot
	c := dial(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		received = r
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(said)
		_, _ = io.WriteString(w, `{"error":"in these words"}`)
	}, nil))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer a", "idempotency-key", "k", "traceparent", "00-1", "origin", "http://evil.example", "x-other", "1")
	for _, want := range []struct {
		status int
		code   codes.Code
	}{
		{400, codes.InvalidArgument}, {415, codes.InvalidArgument}, {422, codes.InvalidArgument}, {401, codes.Unauthenticated}, {403, codes.PermissionDenied},
		{404, codes.NotFound}, {410, codes.NotFound}, {409, codes.Aborted}, {413, codes.ResourceExhausted}, {429, codes.ResourceExhausted},
		{500, codes.Internal}, {302, codes.Internal}, {502, codes.Unavailable}, {503, codes.Unavailable}, {504, codes.DeadlineExceeded},
	} {
		said = want.status
		_, err := c.ModelInfer(ctx, &oip.ModelInferRequest{ModelName: "a model/of mine", ModelVersion: "1"})
		if status.Code(err) != want.code || !strings.Contains(err.Error(), "in these words") || delayOf(err) != 7*time.Second {
			t.Errorf("%d is %v with a delay of %v", want.status, err, delayOf(err))
		}
	}
	if received.Method != http.MethodPost || received.RequestURI != "/v2/models/a%20model%2Fof%20mine/versions/1/infer" || received.Host != "localhost" {
		t.Errorf("asked %s %s of %s", received.Method, received.RequestURI, received.Host)
	}
	for name, want := range map[string]string{"Authorization": "Bearer a", "Idempotency-Key": "k", "Traceparent": "00-1", "Origin": "http://evil.example", "X-Other": ""} {
		if got := received.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A name that is no part of a path does not lead to another path.
func TestNamesAreParts(t *testing.T) {
	c := dial(t, serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was made") }, nil))
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.ModelReady(t.Context(), &oip.ModelReadyRequest{Name: name}); status.Code(err) != codes.NotFound {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := c.ModelMetadata(t.Context(), &oip.ModelMetadataRequest{Name: name}); status.Code(err) != codes.NotFound {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := c.ModelInfer(t.Context(), &oip.ModelInferRequest{ModelName: name}); status.Code(err) != codes.NotFound {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := c.ModelReady(t.Context(), &oip.ModelReadyRequest{Name: "m", Version: ".."}); status.Code(err) != codes.NotFound {
		t.Errorf("version ..: %v", err)
	}
}

// A caller's deadline ends its request. In the bubble it comes once the request has.
func TestDeadlinesEndRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		c := dial(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(ended)
		}, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := c.ServerLive(ctx, &oip.ServerLiveRequest{}); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("ended with %v", err)
		}
		<-ended
	})
}

// A call that panics ends itself and nothing else.
func TestPanicsEndTheirCallAlone(t *testing.T) {
	var with any
	c := dial(t, serve(t, func(http.ResponseWriter, *http.Request) { panic(with) }, nil))
	for _, want := range []struct {
		with any
		code codes.Code
	}{{http.ErrAbortHandler, codes.Unavailable}, {"a secret", codes.Internal}} {
		with = want.with
		if _, err := c.ServerLive(t.Context(), &oip.ServerLiveRequest{}); status.Code(err) != want.code || strings.Contains(err.Error(), "secret") {
			t.Errorf("a panic with %v ended with %v", want.with, err)
		}
	}
}

// Parameters and outputs that are not asked for are as HTTP has them; where data is
// binary is said here alone.
func TestTheHeadOfAnInference(t *testing.T) {
	of := func(choice any) *oip.InferParameter {
		p := &oip.InferParameter{}
		switch v := choice.(type) {
		case bool:
			p.ParameterChoice = &oip.InferParameter_BoolParam{BoolParam: v}
		case int64:
			p.ParameterChoice = &oip.InferParameter_Int64Param{Int64Param: v}
		case uint64:
			p.ParameterChoice = &oip.InferParameter_Uint64Param{Uint64Param: v}
		case float64:
			p.ParameterChoice = &oip.InferParameter_DoubleParam{DoubleParam: v}
		case string:
			p.ParameterChoice = &oip.InferParameter_StringParam{StringParam: v}
		}
		return p
	}
	in := inferring(2)
	in.Id = "mine"
	in.Parameters = map[string]*oip.InferParameter{"a": of(true), "b": of(int64(-7)), "c": of(uint64(math.MaxUint64)), "d": of(0.5), "e": of("x"), "f": of(nil), binaryOutput: of(false)}
	in.Inputs[0].Parameters = map[string]*oip.InferParameter{binarySize: of(int64(99))}
	in.Outputs = []*oip.ModelInferRequest_InferRequestedOutputTensor{{Name: "y", Parameters: map[string]*oip.InferParameter{"classification": of(int64(3)), binaryData: of(false)}}}
	head, binary, err := encode(in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"mine","parameters":{"a":true,"b":-7,"binary_data_output":true,"c":18446744073709551615,"d":0.5,"e":"x","f":null},` +
		`"inputs":[{"name":"x","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}}],"outputs":[{"name":"y","parameters":{"classification":3}}]}`
	if string(got) != want || len(binary) != 1 || len(binary[0]) != 2 {
		t.Errorf("encoded as %s and %v", got, binary)
	}
	in.Parameters["d"] = of(math.Inf(1))
	if _, _, err := encode(in); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "parameters.d") {
		t.Errorf("an infinite parameter: %v", err)
	}
}

// Contents are in the field of their datatype, fit it, and are not sent together with raw ones.
func TestContentsThatDoNotFit(t *testing.T) {
	floats := &oip.InferTensorContents{Fp32Contents: []float32{1}}
	for name, c := range map[string]struct {
		datatype string
		contents *oip.InferTensorContents
		raw      [][]byte
		says     string
	}{
		"of another field":  {"INT32", floats, nil, "inputs[0].contents.fp32_contents"},
		"of no field":       {"FP16", floats, nil, "raw_input_contents"},
		"too large":         {"INT8", &oip.InferTensorContents{IntContents: []int32{128}}, nil, "inputs[0].contents.int_contents"},
		"too small":         {"INT16", &oip.InferTensorContents{IntContents: []int32{-40000}}, nil, "INT16"},
		"too large a byte":  {"UINT8", &oip.InferTensorContents{UintContents: []uint32{256}}, nil, "UINT8"},
		"too large a short": {"UINT16", &oip.InferTensorContents{UintContents: []uint32{1 << 16}}, nil, "UINT16"},
		"both":              {"FP32", floats, [][]byte{{0, 0, 0, 0}}, "inputs[0].contents"},
		"too many":          {"FP32", nil, [][]byte{nil, nil}, "raw_input_contents"},
	} {
		in := &oip.ModelInferRequest{Inputs: []*oip.ModelInferRequest_InferInputTensor{{Datatype: c.datatype, Contents: c.contents}}, RawInputContents: c.raw}
		if _, _, err := encode(in); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a tensor holds, its contents are the same bytes again.
func TestContentsComeBackAsTheyWent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(tensors.Datatypes()).Draw(t, "datatype")
		n := rapid.IntRange(0, 5).Draw(t, "elements")
		given := tensors.Tensor{Name: "x", Datatype: d, Shape: []int64{int64(n)}}
		for range n {
			switch {
			case d == tensors.Bytes:
				given.Data = tensors.AppendString(given.Data, rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "string"))
			case d == tensors.Bool:
				given.Data = append(given.Data, rapid.ByteRange(0, 1).Draw(t, "truth"))
			default:
				given.Data = append(given.Data, rapid.SliceOfN(rapid.Byte(), d.Size(), d.Size()).Draw(t, "number")...)
			}
		}
		if contentsOf[d] == "" {
			return
		}
		c, err := unpackTensor(given)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pack("x", d, c)
		if err != nil || string(got) != string(given.Data) {
			t.Fatalf("%s %x came back as %x, %v", d, given.Data, got, err)
		}
	})
}

// Outputs are raw where inputs were, and where one of them can only be sent so.
func TestAnswersAreAsTheirRequest(t *testing.T) {
	const head = `{"model_name":"m","model_version":"1","id":"7","parameters":{"n":1.5,"s":"x","b":true},"outputs":[` +
		`{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}},{"name":"z","datatype":"TYPE","shape":[1],"parameters":{"binary_data_size":2}}]}`
	answered := func(datatype, tail string) *answer {
		a := &answer{header: http.Header{}, status: http.StatusOK}
		text := strings.Replace(head, "TYPE", datatype, 1)
		a.header.Set(headerLength, strings.TrimSpace(jsonOf(t, len(text))))
		a.body.WriteString(text + tail)
		return a
	}
	const tail = "\x00\x00\x80\x3f\x01\x02"
	raw := [][]byte{[]byte(tail[:4]), []byte(tail[4:])}
	for name, c := range map[string]struct {
		datatype string
		raw      bool
		want     [][]byte
	}{"raw": {"INT16", true, raw}, "contents": {"INT16", false, nil}, "only raw": {"FP16", false, raw}} {
		out, err := decode(answered(c.datatype, tail), c.raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, out.GetRawOutputContents()); diff != "" {
			t.Errorf("%s: raw contents: %s", name, diff)
		}
		var want []*oip.InferTensorContents
		if c.want == nil {
			want = []*oip.InferTensorContents{{Fp32Contents: []float32{1}}, {IntContents: []int32{0x0201}}}
		}
		for i := range want {
			if diff := cmp.Diff(want[i], out.GetOutputs()[i].GetContents(), protocmp.Transform()); diff != "" {
				t.Errorf("%s: output %d: %s", name, i, diff)
			}
		}
		if p := out.GetParameters(); p["n"].GetDoubleParam() != 1.5 || p["s"].GetStringParam() != "x" || !p["b"].GetBoolParam() || out.GetId() != "7" {
			t.Errorf("%s: %v", name, out)
		}
	}
	if _, err := decode(answered("INT16", tail[:5]), true); status.Code(err) != codes.Internal {
		t.Errorf("an answer that is cut: %v", err)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
