package httpapi

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake/grpcapi"
	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

// overGRPC serves a stage's API over gRPC and returns a client of it.
func (s *stage) overGRPC(t testing.TB) oip.GRPCInferenceServiceClient {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	server := grpcapi.NewServer(grpcapi.Options{API: s.handler, Owner: LocalOwner, Room: NewRoom(0), MaxMessage: func() int { return 1 << 20 }})
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) })
	conn, err := grpc.NewClient("passthrough:///localhost", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = conn.Close(), server.Close(), l.Close(); served.Wait() })
	return oip.NewGRPCInferenceServiceClient(conn)
}

// numbers is an input of the test models, of the given number of items, with its contents in place.
func numbers(items int64) *oip.ModelInferRequest_InferInputTensor {
	values := make([]float32, items*side*side)
	for i := range values {
		values[i] = 0.5
	}
	return &oip.ModelInferRequest_InferInputTensor{Name: "input", Datatype: "FP32", Shape: []int64{items, 1, side, side}, Contents: &oip.InferTensorContents{Fp32Contents: values}}
}

// raw is the same request with its contents as bytes.
func raw(in *oip.ModelInferRequest) *oip.ModelInferRequest {
	out := &oip.ModelInferRequest{ModelName: in.GetModelName()}
	for _, t := range in.GetInputs() {
		out.Inputs = append(out.Inputs, &oip.ModelInferRequest_InferInputTensor{Name: t.GetName(), Datatype: t.GetDatatype(), Shape: t.GetShape()})
		out.RawInputContents = append(out.RawInputContents, floats(t.GetContents().GetFp32Contents()...))
	}
	return out
}

func textParameter(s string) *oip.InferParameter {
	return &oip.InferParameter{ParameterChoice: &oip.InferParameter_StringParam{StringParam: s}}
}

func wholeParameter(n int64) *oip.InferParameter {
	return &oip.InferParameter{ParameterChoice: &oip.InferParameter_Int64Param{Int64Param: n}}
}

func TestGRPCSaysWhatIsThere(t *testing.T) {
	s := newStage(t)
	c := s.overGRPC(t)
	if got, err := c.ServerLive(t.Context(), &oip.ServerLiveRequest{}); err != nil || !got.GetLive() {
		t.Errorf("live: %v, %v", got, err)
	}
	if got, err := c.ServerReady(t.Context(), &oip.ServerReadyRequest{}); err != nil || !got.GetReady() {
		t.Errorf("ready: %v, %v", got, err)
	}
	if got, err := c.ServerMetadata(t.Context(), &oip.ServerMetadataRequest{}); err != nil || got.GetName() != "paragon" || got.GetVersion() != "test" || len(got.GetExtensions()) != 2 {
		t.Errorf("the server is %v, %v", got, err)
	}
	for version, want := range map[string]codes.Code{"": codes.OK, "1": codes.OK, "2": codes.NotFound} {
		ready, err := c.ModelReady(t.Context(), &oip.ModelReadyRequest{Name: "good", Version: version})
		if status.Code(err) != want || err == nil && !ready.GetReady() {
			t.Errorf("version %q is ready: %v, %v", version, ready, err)
		}
		got, err := c.ModelMetadata(t.Context(), &oip.ModelMetadataRequest{Name: "fashion", Version: version})
		if status.Code(err) != want {
			t.Errorf("version %q: %v", version, err)
		}
		if in := got.GetInputs(); err == nil && (len(in) != 1 || in[0].GetName() != "input" || in[0].GetDatatype() != "FP32" || len(in[0].GetShape()) != 4 || len(got.GetOutputs()) != 3 || got.GetVersions()[0] != "1") {
			t.Errorf("version %q is %v", version, got)
		}
	}
	if _, err := c.ModelReady(t.Context(), &oip.ModelReadyRequest{Name: "gpt"}); status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "gpt") {
		t.Errorf("a model that there is not: %v", err)
	}
}

func TestGRPCIsNotReadyWithoutWorkersAndFunctions(t *testing.T) {
	s := newStage(t)
	s.publish(t, 0)
	s.tune(func(set *settings.Settings) { set.MaxOverflowConcurrency = 0 })
	if got, err := s.overGRPC(t).ServerReady(t.Context(), &oip.ServerReadyRequest{}); err != nil || got.GetReady() {
		t.Errorf("the server is %v, %v", got, err)
	}
}

// One item or a batch, by contents or raw, is answered alike.
func TestGRPCInfers(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	c := s.overGRPC(t)
	for _, items := range []int64{1, 3} {
		in := &oip.ModelInferRequest{ModelName: "fashion", Id: "mine", Inputs: []*oip.ModelInferRequest_InferInputTensor{numbers(items)},
			Parameters: map[string]*oip.InferParameter{"latency_ms": wholeParameter(60000), "class": textParameter("strict"), "mispelt": textParameter("x"), "priority": wholeParameter(1)}}
		got, err := c.ModelInfer(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		scores, labels, indexes := got.GetOutputs()[0], got.GetOutputs()[1], got.GetOutputs()[2]
		if diff := cmp.Diff([]int64{items, 3}, scores.GetShape()); diff != "" || len(scores.GetContents().GetFp32Contents()) != int(items)*3 {
			t.Errorf("%d items: scores %v", items, scores)
		}
		if string(labels.GetContents().GetBytesContents()[items-1]) != "Bag" || indexes.GetContents().GetInt64Contents()[items-1] != 1 || got.GetRawOutputContents() != nil {
			t.Errorf("%d items: %v", items, got)
		}
		if p := got.GetParameters(); got.GetId() != "mine" || p["class"].GetStringParam() != "strict" || p["ignored"].GetStringParam() != "mispelt" || p["compute_ms"].GetDoubleParam() != 1.5 || !p["met_slo"].GetBoolParam() {
			t.Errorf("%d items: parameters %v", items, p)
		}
		same, err := c.ModelInfer(t.Context(), raw(in))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(floats(scores.GetContents().GetFp32Contents()...), same.GetRawOutputContents()[0]); diff != "" || same.GetOutputs()[0].GetContents() != nil {
			t.Errorf("%d items, raw: %v", items, same)
		}
		if !strings.HasSuffix(string(same.GetRawOutputContents()[1]), "\x03\x00\x00\x00Bag") {
			t.Errorf("%d items, raw labels %q", items, same.GetRawOutputContents()[1])
		}
	}
}

func TestGRPCTakesPicturesAndGivesClasses(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	c := s.overGRPC(t)
	in := &oip.ModelInferRequest{ModelName: "good", ModelVersion: "1", Inputs: []*oip.ModelInferRequest_InferInputTensor{
		{Name: "input", Datatype: "BYTES", Shape: []int64{2, 1}, Contents: &oip.InferTensorContents{BytesContents: [][]byte{picture(t, 5), picture(t, 6)}}}},
		Outputs: []*oip.ModelInferRequest_InferRequestedOutputTensor{{Name: "scores", Parameters: map[string]*oip.InferParameter{"classification": wholeParameter(1)}}}}
	for _, how := range []string{"contents", "raw"} {
		got, err := c.ModelInfer(t.Context(), in)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		best := got.GetOutputs()[0].GetContents().GetBytesContents()
		if how == "raw" {
			best, _ = tensors.Tensor{Datatype: tensors.Bytes, Shape: []int64{2, 1}, Data: got.GetRawOutputContents()[0]}.Strings()
		}
		if len(got.GetOutputs()) != 1 || len(best) != 2 || !strings.EqualFold(string(best[1]), "0.700000:1:bag") {
			t.Errorf("%s: %v", how, got)
		}
		data := tensors.AppendString(tensors.AppendString(nil, picture(t, 5)), picture(t, 6))
		in.Inputs[0].Contents, in.RawInputContents = nil, [][]byte{data}
	}
}

// What HTTP refuses is refused over gRPC, in the same words.
func TestGRPCRefusesAsHTTPDoes(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	c := s.overGRPC(t)
	for name, tc := range map[string]struct {
		change func(*oip.ModelInferRequest)
		want   codes.Code
		says   string
	}{
		"an unknown model":   {func(r *oip.ModelInferRequest) { r.ModelName = "gpt" }, codes.NotFound, "gpt"},
		"an unknown version": {func(r *oip.ModelInferRequest) { r.ModelVersion = "2" }, codes.NotFound, "version"},
		"no inputs":          {func(r *oip.ModelInferRequest) { r.Inputs = nil }, codes.InvalidArgument, "inputs"},
		"another datatype": {func(r *oip.ModelInferRequest) {
			r.Inputs[0].Datatype, r.Inputs[0].Contents = "UINT8", &oip.InferTensorContents{UintContents: make([]uint32, 16)}
		}, codes.InvalidArgument, "data types are not converted"},
		"no datatype":   {func(r *oip.ModelInferRequest) { r.Inputs[0].Datatype = "FLOAT" }, codes.InvalidArgument, "FLOAT"},
		"another shape": {func(r *oip.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 4, 4} }, codes.InvalidArgument, "shape"},
		"too few":       {func(r *oip.ModelInferRequest) { r.Inputs[0].Contents.Fp32Contents = []float32{1} }, codes.InvalidArgument, "needs 64"},
		"no contents":   {func(r *oip.ModelInferRequest) { r.Inputs[0].Contents = nil }, codes.InvalidArgument, "needs 64"},
		"no output": {func(r *oip.ModelInferRequest) {
			r.Outputs = []*oip.ModelInferRequest_InferRequestedOutputTensor{{Name: "y"}}
		}, codes.InvalidArgument, `"y"`},
		"a bound": {func(r *oip.ModelInferRequest) {
			r.Parameters = map[string]*oip.InferParameter{"accuracy": textParameter("high")}
		}, codes.InvalidArgument, "parameters.accuracy"},
		"too large": {func(r *oip.ModelInferRequest) { r.Inputs[0] = numbers(int64(inlineBytes / 16)) }, codes.ResourceExhausted, "bytes"},
	} {
		in := &oip.ModelInferRequest{ModelName: "good", Inputs: []*oip.ModelInferRequest_InferInputTensor{numbers(1)}}
		tc.change(in)
		if _, err := c.ModelInfer(t.Context(), in); status.Code(err) != tc.want || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A call has the owner and the key that its metadata name, and a page of another
// origin has none.
func TestGRPCCallersAreTheirOwn(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	c := s.overGRPC(t)
	in := &oip.ModelInferRequest{ModelName: "good", Inputs: []*oip.ModelInferRequest_InferInputTensor{numbers(1)}}
	as := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token, "idempotency-key", "one")
	}
	ids := map[string]string{}
	for _, token := range []string{"a", "b", "a"} {
		got, err := c.ModelInfer(as(token), in)
		if err != nil {
			t.Fatal(err)
		}
		id := got.GetParameters()["query_id"].GetStringParam()
		if first, ok := ids[token]; ok && first != id {
			t.Errorf("the key of %s stands for %s and %s", token, first, id)
		}
		ids[token] = id
	}
	if ids["a"] == ids["b"] {
		t.Error("two callers have one query")
	}
	for token, want := range map[string]int{"a": http.StatusOK, "b": http.StatusNotFound} {
		if got := s.do(t, "GET", "/v1/queries/"+ids["a"], nil, "Authorization", "Bearer "+token); got.StatusCode != want {
			t.Errorf("for %s the query answers %d", token, got.StatusCode)
		}
	}
	foreign := metadata.AppendToOutgoingContext(t.Context(), "origin", "http://evil.example")
	if _, err := c.ModelInfer(foreign, in); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a page of another origin: %v", err)
	}
}

// An inference that nothing answers in time says where its answer will be.
func TestGRPCWaitsAsLongAsHTTP(t *testing.T) {
	s := newStage(t)
	s.tune(func(set *settings.Settings) { set.MaxWaitSeconds = 0 })
	in := &oip.ModelInferRequest{ModelName: "good", Inputs: []*oip.ModelInferRequest_InferInputTensor{numbers(1)}}
	if _, err := s.overGRPC(t).ModelInfer(t.Context(), in); status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "/v1/queries/") {
		t.Errorf("ended with %v", err)
	}
}
