package grpcapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake/grpcapi/oip"
)

// Parameters by which the HTTP encoding says where data is binary. They are set here
// as the call's message is, whatever its caller set.
const (
	binarySize   = "binary_data_size"
	binaryOutput = "binary_data_output"
	binaryData   = "binary_data"
)

// inferHead is the JSON of an inference request.
type inferHead struct {
	ID         string         `json:"id,omitempty"`
	Parameters map[string]any `json:"parameters"`
	Inputs     []inputHead    `json:"inputs"`
	Outputs    []outputHead   `json:"outputs,omitempty"`
}

type inputHead struct {
	Name       string           `json:"name"`
	Datatype   tensors.Datatype `json:"datatype"`
	Shape      []int64          `json:"shape"`
	Parameters map[string]any   `json:"parameters"`
}

type outputHead struct {
	Name       string         `json:"name"`
	Parameters map[string]any `json:"parameters,omitempty"`
}

// encode makes an inference request of HTTP of a call's message: JSON, and the data
// of its inputs in their order.
func encode(in *oip.ModelInferRequest) (head inferHead, binary [][]byte, err error) {
	raw := in.GetRawInputContents()
	if n := len(in.GetInputs()); len(raw) > 0 && len(raw) != n {
		return head, nil, wrong("raw_input_contents", "has %d entries for %d inputs: send one entry for each input, or no entry", len(raw), n)
	}
	head.ID, head.Inputs = in.GetId(), []inputHead{}
	if head.Parameters, err = toJSON("parameters", in.GetParameters()); err != nil {
		return head, nil, err
	}
	head.Parameters[binaryOutput] = true
	for i, t := range in.GetInputs() {
		at := fmt.Sprintf("inputs[%d]", i)
		data, err := dataOf(at, t, raw, i)
		if err != nil {
			return head, nil, err
		}
		input := inputHead{Name: t.GetName(), Datatype: tensors.Datatype(t.GetDatatype()), Shape: append([]int64{}, t.GetShape()...)}
		if input.Parameters, err = toJSON(at+".parameters", t.GetParameters()); err != nil {
			return head, nil, err
		}
		input.Parameters[binarySize] = len(data)
		head.Inputs, binary = append(head.Inputs, input), append(binary, data)
	}
	for i, o := range in.GetOutputs() {
		output := outputHead{Name: o.GetName()}
		if output.Parameters, err = toJSON(fmt.Sprintf("outputs[%d].parameters", i), o.GetParameters()); err != nil {
			return head, nil, err
		}
		delete(output.Parameters, binaryData)
		head.Outputs = append(head.Outputs, output)
	}
	return head, binary, nil
}

// dataOf is the bytes of the nth input, raw or from its contents.
func dataOf(at string, t *oip.ModelInferRequest_InferInputTensor, raw [][]byte, n int) ([]byte, error) {
	if len(raw) == 0 {
		return pack(at+".contents", tensors.Datatype(t.GetDatatype()), t.GetContents())
	}
	if t.GetContents() != nil {
		return nil, wrong(at+".contents", "is set, and raw_input_contents is set too: send only one of them")
	}
	return raw[n], nil
}

// wrong refuses a field of a call's message.
func wrong(field, format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, "%s: %s", field, fmt.Sprintf(format, args...))
}

// toJSON are parameters as JSON has them; one without a value is null, which is none.
func toJSON(at string, given map[string]*oip.InferParameter) (map[string]any, error) {
	out := make(map[string]any, len(given)+1)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch p := given[name].GetParameterChoice().(type) {
		case *oip.InferParameter_BoolParam:
			out[name] = p.BoolParam
		case *oip.InferParameter_Int64Param:
			out[name] = p.Int64Param
		case *oip.InferParameter_StringParam:
			out[name] = p.StringParam
		case *oip.InferParameter_Uint64Param:
			out[name] = p.Uint64Param
		case *oip.InferParameter_DoubleParam:
			if math.IsNaN(p.DoubleParam) || math.IsInf(p.DoubleParam, 0) {
				return nil, wrong(fmt.Sprintf("%s.%.64s", at, name), "is %v, but must be a finite number", p.DoubleParam)
			}
			out[name] = p.DoubleParam
		default:
			out[name] = nil
		}
	}
	return out, nil
}

// fromJSON are parameters as gRPC has them: JSON's numbers are doubles.
func fromJSON(given map[string]any) map[string]*oip.InferParameter {
	out := make(map[string]*oip.InferParameter, len(given))
	for name, value := range given {
		switch v := value.(type) {
		case bool:
			out[name] = &oip.InferParameter{ParameterChoice: &oip.InferParameter_BoolParam{BoolParam: v}}
		case string:
			out[name] = &oip.InferParameter{ParameterChoice: &oip.InferParameter_StringParam{StringParam: v}}
		case float64:
			out[name] = &oip.InferParameter{ParameterChoice: &oip.InferParameter_DoubleParam{DoubleParam: v}}
		}
	}
	return out
}

// inferAnswer is the JSON of an inference's answer, whose outputs are all binary.
type inferAnswer struct {
	ModelName    string         `json:"model_name"`
	ModelVersion string         `json:"model_version"`
	ID           string         `json:"id"`
	Parameters   map[string]any `json:"parameters"`
	Outputs      []struct {
		Name       string           `json:"name"`
		Datatype   tensors.Datatype `json:"datatype"`
		Shape      []int64          `json:"shape"`
		Parameters struct {
			Size int `json:"binary_data_size"`
		} `json:"parameters"`
	} `json:"outputs"`
}

// split reads an answer: its JSON, and the data of its outputs in their order.
func (a *answer) split() (got inferAnswer, data [][]byte, err error) {
	if a.status != http.StatusOK {
		return got, nil, a.refusal()
	}
	head, binary := a.body.Bytes(), []byte(nil)
	if n, err := strconv.Atoi(a.header.Get(headerLength)); err == nil && n >= 0 && n <= len(head) {
		head, binary = head[:n], head[n:]
	}
	if err := json.Unmarshal(head, &got); err != nil {
		return got, nil, status.Errorf(codes.Internal, "the answer cannot be read: %v", err)
	}
	for _, o := range got.Outputs {
		n := o.Parameters.Size
		if n < 0 || n > len(binary) {
			return got, nil, status.Errorf(codes.Internal, "output %q should have %d bytes, but only %d bytes of the answer are left", o.Name, n, len(binary))
		}
		data, binary = append(data, binary[:n:n]), binary[n:]
	}
	return got, data, nil
}

// decode makes a call's answer of an inference's. Its outputs are raw where the
// inputs were, or where one of them has no contents of its datatype.
func decode(a *answer, raw bool) (*oip.ModelInferResponse, error) {
	got, data, err := a.split()
	if err != nil {
		return nil, err
	}
	out := &oip.ModelInferResponse{ModelName: got.ModelName, ModelVersion: got.ModelVersion, Id: got.ID, Parameters: fromJSON(got.Parameters)}
	for _, o := range got.Outputs {
		raw = raw || contentsOf[o.Datatype] == ""
		out.Outputs = append(out.Outputs, &oip.ModelInferResponse_InferOutputTensor{Name: o.Name, Datatype: string(o.Datatype), Shape: o.Shape})
	}
	if raw {
		out.RawOutputContents = data
		return out, nil
	}
	for i, o := range out.Outputs {
		t := tensors.Tensor{Name: o.GetName(), Datatype: tensors.Datatype(o.GetDatatype()), Shape: o.GetShape(), Data: data[i]}
		if o.Contents, err = unpackTensor(t); err != nil {
			return nil, status.Errorf(codes.Internal, "output %q: %v", t.Name, err)
		}
	}
	return out, nil
}
