package grpcapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

// service answers the protocol's calls.
type service struct {
	oip.UnimplementedGRPCInferenceServiceServer
	api http.Handler
}

// get asks the API for what it has at a path.
func (s *service) get(ctx context.Context, path string) (*answer, error) {
	return s.exchange(ctx, http.MethodGet, path, http.Header{}, http.NoBody, 0)
}

// ServerLive is GET /v2/health/live.
func (s *service) ServerLive(ctx context.Context, _ *oip.ServerLiveRequest) (*oip.ServerLiveResponse, error) {
	ok, err := s.holds(ctx, "/v2/health/live")
	if err != nil {
		return nil, err
	}
	return &oip.ServerLiveResponse{Live: ok}, nil
}

// ServerReady is GET /v2/health/ready.
func (s *service) ServerReady(ctx context.Context, _ *oip.ServerReadyRequest) (*oip.ServerReadyResponse, error) {
	ok, err := s.holds(ctx, "/v2/health/ready")
	if err != nil {
		return nil, err
	}
	return &oip.ServerReadyResponse{Ready: ok}, nil
}

// ModelReady is GET /v2/models/{model}/ready.
func (s *service) ModelReady(ctx context.Context, in *oip.ModelReadyRequest) (*oip.ModelReadyResponse, error) {
	path, err := modelPath(in.GetName(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	ok, err := s.holds(ctx, path+"/ready")
	if err != nil {
		return nil, err
	}
	return &oip.ModelReadyResponse{Ready: ok}, nil
}

// holds says whether a path's answer is yes: 503 is no.
func (s *service) holds(ctx context.Context, path string) (bool, error) {
	a, err := s.get(ctx, path)
	switch {
	case err != nil:
		return false, err
	case a.status == http.StatusOK:
		return true, nil
	case a.status == http.StatusServiceUnavailable:
		return false, nil
	}
	return false, a.refusal()
}

// ServerMetadata is GET /v2.
func (s *service) ServerMetadata(ctx context.Context, _ *oip.ServerMetadataRequest) (*oip.ServerMetadataResponse, error) {
	a, err := s.get(ctx, "/v2")
	if err != nil {
		return nil, err
	}
	var got struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}
	if err := a.into(&got); err != nil {
		return nil, err
	}
	return &oip.ServerMetadataResponse{Name: got.Name, Version: got.Version, Extensions: got.Extensions}, nil
}

// ModelMetadata is GET /v2/models/{model}.
func (s *service) ModelMetadata(ctx context.Context, in *oip.ModelMetadataRequest) (*oip.ModelMetadataResponse, error) {
	path, err := modelPath(in.GetName(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	a, err := s.get(ctx, path)
	if err != nil {
		return nil, err
	}
	var got struct {
		Name     string         `json:"name"`
		Versions []string       `json:"versions"`
		Platform string         `json:"platform"`
		Inputs   []tensors.Spec `json:"inputs"`
		Outputs  []tensors.Spec `json:"outputs"`
	}
	if err := a.into(&got); err != nil {
		return nil, err
	}
	return &oip.ModelMetadataResponse{
		Name: got.Name, Versions: got.Versions, Platform: got.Platform, Inputs: specs(got.Inputs), Outputs: specs(got.Outputs),
	}, nil
}

func specs(of []tensors.Spec) []*oip.ModelMetadataResponse_TensorMetadata {
	out := make([]*oip.ModelMetadataResponse_TensorMetadata, len(of))
	for i, s := range of {
		out[i] = &oip.ModelMetadataResponse_TensorMetadata{Name: s.Name, Datatype: string(s.Datatype), Shape: s.Shape}
	}
	return out
}

// headerLength is the header that says where the JSON of an inference ends and its
// binary tensors begin.
const headerLength = "Inference-Header-Content-Length"

// ModelInfer is POST /v2/models/{model}/infer.
func (s *service) ModelInfer(ctx context.Context, in *oip.ModelInferRequest) (*oip.ModelInferResponse, error) {
	path, err := modelPath(in.GetModelName(), in.GetModelVersion())
	if err != nil {
		return nil, err
	}
	head, binary, err := encode(in)
	if err != nil {
		return nil, err
	}
	a, err := s.post(ctx, path+"/infer", head, binary)
	if err != nil {
		return nil, err
	}
	return decode(a, len(in.GetRawInputContents()) > 0)
}

// post sends an inference: its JSON, and the binary tensors behind it.
func (s *service) post(ctx context.Context, path string, head any, binary [][]byte) (*answer, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "the request cannot be encoded: %v", err)
	}
	parts, length := []io.Reader{bytes.NewReader(text)}, len(text)
	for _, data := range binary {
		parts, length = append(parts, bytes.NewReader(data)), length+len(data)
	}
	header := http.Header{"Content-Type": {"application/octet-stream"}, headerLength: {strconv.Itoa(len(text))}}
	return s.exchange(ctx, http.MethodPost, path, header, io.MultiReader(parts...), length)
}
