package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/intake"
)

const (
	// headerLength is the header that says where the JSON ends and the binary
	// tensors begin.
	headerLength = "Inference-Header-Content-Length"
	// inferDepth is how deeply an inference request may nest: a tensor of eight
	// dimensions lies three levels down.
	inferDepth = 12
	// maxTensors bounds the inputs and the outputs of a request.
	maxTensors = 256
	// jsonGrowth is how much longer than its bytes a float32 is as JSON.
	jsonGrowth = 6
)

// inferBody reads an inference request: JSON, and behind it binary tensors
// when the header says so. The content type does not matter: clients of the
// protocol send none, or the default of their HTTP library.
func (a *server) inferBody(w http.ResponseWriter, r *http.Request) (head, binary []byte, err error) {
	length := r.Header.Get(headerLength)
	body, err := readBodyAligned(w, r, bodyLimit(r, a.svc), NumbersAt(r))
	if err != nil {
		return nil, nil, err
	}
	return splitBody(body, length)
}

// NumbersAt is where the numbers begin in a request's body, which are used in
// place if they are aligned there; 0 for a body without.
func NumbersAt(r *http.Request) int {
	n, err := strconv.Atoi(r.Header.Get(headerLength))
	if err != nil {
		return 0
	}
	return max(0, n)
}

// splitBody parts the JSON from the binary tensors behind it.
func splitBody(body []byte, length string) (head, binary []byte, err error) {
	if length == "" {
		return body, nil, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > len(body) {
		return nil, nil, refuse(badField, headerLength, "%q is not a length within the body of %d bytes", clip(length), len(body))
	}
	return body[:n], body[n:], nil
}

// decodeCall reads all but the inputs, which it returns as they are.
func (c *inferCall) decodeCall(head []byte, outputs []string) (inputs []json.RawMessage, err error) {
	if err := checkDepth(head, inferDepth); err != nil {
		return nil, err
	}
	return inputs, decodeOpen(head, "", fields{
		"id":         text("id", &c.id),
		"parameters": c.takeParameters,
		"inputs":     array("inputs", &inputs),
		"outputs":    func(raw json.RawMessage) error { return c.takeOutputs(raw, outputs) },
	})
}

// decodeInfer reads a request for models that take pictures or text. outputs are the names
// that can be asked for.
func decodeInfer(head, binary []byte, names tensorNames, takes profile.InputKind, outputs []string) (inferCall, error) {
	var c inferCall
	inputs, err := c.decodeCall(head, outputs)
	if err != nil {
		return c, err
	}
	if len(inputs) != 1 {
		return c, refuse(intake.BadInput, "inputs", "has %d tensors: the model takes one, %q", len(inputs), names.input)
	}
	c.input.called, c.input.text = names.input, takes == profile.TextIn
	rest, err := c.input.decode(inputs[0], binary)
	if err == nil && len(rest) > 0 {
		err = refuse(intake.BadInput, "inputs", "%d bytes follow the last binary tensor", len(rest))
	}
	return c, err
}

// takeParameters reads what the protocol leaves to the server: the constraints.
// The answer names those that are not known here, so that a misspelt constraint
// does not go unnoticed.
func (c *inferCall) takeParameters(raw json.RawMessage) error {
	const at = "parameters."
	known := boundFields(at, &c.request.Bounds)
	known["optimize"], known["class"] = text(at+"optimize", &c.request.Optimize), text(at+"class", &c.request.Class)
	known["binary_data_output"] = flag(at+"binary_data_output", &c.binaryDefault)
	return decodeMembers(raw, "parameters", known, func(name string) error {
		c.ignore(name)
		return nil
	})
}

// ignore notes a parameter that is not known here, for the answer to name it.
func (c *inferCall) ignore(name string) {
	if len(c.ignored) < maxTensors && !ignored(name) {
		c.ignored = append(c.ignored, clip(name))
	}
}

func (c *inferCall) takeOutputs(raw json.RawMessage, known []string) error {
	var outputs []json.RawMessage
	if err := array("outputs", &outputs)(raw); err != nil {
		return err
	}
	for _, o := range outputs {
		want, err := decodeWanted(o, known)
		if err != nil {
			return err
		}
		c.outputs = append(c.outputs, want)
	}
	return nil
}

func decodeWanted(raw json.RawMessage, known []string) (oipWanted, error) {
	var want oipWanted
	err := decodeOpen(raw, "outputs", fields{
		"name":       text("outputs.name", &want.name),
		"parameters": want.takeParameters,
	})
	if err != nil {
		return want, err
	}
	if want.name == "" {
		return want, refuse(intake.BadInput, "outputs.name", "is missing")
	}
	if slices.Contains(known, want.name) {
		return want, nil
	}
	return want, refuse(intake.BadInput, "outputs", "there is no output %q, only: %s", clip(want.name), strings.Join(slices.Compact(slices.Sorted(slices.Values(known))), ", "))
}

// takeParameters reads how an output is wanted.
func (w *oipWanted) takeParameters(raw json.RawMessage) error {
	const at = "outputs.parameters."
	return decodeOpen(raw, "outputs.parameters", fields{
		"binary_data": func(raw json.RawMessage) error {
			w.binary = new(bool)
			return flag(at+"binary_data", w.binary)(raw)
		},
		"classification": func(raw json.RawMessage) error {
			if err := json.Unmarshal(raw, &w.top); err != nil || w.top < 0 {
				return refuse(badField, at+"classification", "is not a whole number of classes, 0 or more")
			}
			return nil
		},
	})
}

// array takes a list of a few values.
func array(path string, to *[]json.RawMessage) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if err := json.Unmarshal(raw, to); err != nil || *to == nil {
			return refuse(badField, path, "is not a list")
		}
		if len(*to) > maxTensors {
			return refuse(badField, path, "has %d entries, above %d", len(*to), maxTensors)
		}
		return nil
	}
}

// flag takes true or false.
func flag(path string, to *bool) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if err := json.Unmarshal(raw, to); err != nil {
			return refuse(badField, path, "is not true or false")
		}
		return nil
	}
}
