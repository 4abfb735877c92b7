package httpapi

import (
	"encoding/json"
	"fmt"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake"
)

// tensorNames are what a task that classifies pictures or text calls its tensors.
type tensorNames struct{ input, scores string }

// namesOf are the models' own names where they agree on them.
func namesOf(ms []api.Model) tensorNames {
	if sig, ok := signatureOf(ms); ok && len(sig.Inputs) == 1 && sig.Answer != "" {
		return tensorNames{sig.Inputs[0].Name, sig.Answer}
	}
	if len(ms) > 0 && ms[0].Takes == profile.TextIn {
		return tensorNames{profile.TextSpec().Name, scoresName}
	}
	return tensorNames{inputName, scoresName}
}

// signatureOf is what all of some models take and give: -1 where their sizes
// differ. It is false when one of them has no signature, or they do not agree.
func signatureOf(ms []api.Model) (out profile.Signature, ok bool) {
	for i, m := range ms {
		if m.Signature == nil {
			return out, false
		}
		if i == 0 {
			out = *m.Signature
			continue
		}
		ins, err := tensors.Common(out.Inputs, m.Signature.Inputs)
		if err != nil || out.Answer != m.Signature.Answer {
			return out, false
		}
		outs, err := tensors.Common(out.Outputs, m.Signature.Outputs)
		if err != nil {
			return out, false
		}
		out.Inputs, out.Outputs = ins, outs
	}
	return out, true
}

// answersByClass says whether a task is answered by scores, label and index.
func answersByClass(ms []api.Model) bool {
	return ms[0].Takes != profile.TensorsIn && ms[0].Kind == profile.Classify
}

// callFor reads a request as the models of a task take it, and the inputs of the
// queries that it makes.
func callFor(ms []api.Model, head, binary []byte) (inferCall, []query.Input, error) {
	if ms[0].Takes == profile.TensorsIn {
		return namedCall(ms, head, binary)
	}
	names, own := namesOf(ms), ownOutputs(ms)
	outputs := own
	if own == nil {
		outputs = []string{scoresName, labelName, indexName, names.scores}
	}
	c, err := decodeInfer(head, binary, names, ms[0].Takes, outputs)
	if err != nil {
		return c, nil, err
	}
	c.names, c.own = names, own
	inputs, err := c.input.queries(inputShape(ms))
	if err == nil && own != nil && len(inputs) != 1 {
		err = refuse(intake.BadInput, "inputs[0].shape", "has %d items, but task %s takes one input per request", len(inputs), ms[0].Task)
	}
	c.request.AllScores = c.own != nil || c.wantsScores()
	return c, inputs, err
}

// ownOutputs are the names of the outputs that a task is answered with, nil where
// it is answered by scores, label and index.
func ownOutputs(ms []api.Model) []string {
	if answersByClass(ms) {
		return nil
	}
	sig, _ := signatureOf(ms)
	names := []string{}
	for _, s := range sig.Outputs {
		names = append(names, s.Name)
	}
	return names
}

// namedCall reads a request for models that take tensors by name. It is one query,
// however many rows its inputs have.
func namedCall(ms []api.Model, head, binary []byte) (inferCall, []query.Input, error) {
	c := inferCall{own: ownOutputs(ms)}
	inputs, err := c.decodeCall(head, c.own)
	if err != nil {
		return c, nil, err
	}
	given, rest, err := decodeTensors("inputs", inputs, binary)
	if err == nil && len(rest) > 0 {
		err = refuse(intake.BadInput, "inputs", "%d bytes follow the last binary tensor", len(rest))
	}
	if err != nil {
		return c, nil, err
	}
	sig, _ := signatureOf(ms)
	if err := intake.Misfit("inputs", tensors.Fit(given, sig.Inputs)); err != nil {
		return c, nil, err
	}
	c.request.AllScores = true
	return c, []query.Input{{ContentType: tensors.ContentType, Data: tensors.Pack(given)}}, nil
}

// tensorInput makes tensors in JSON the input of a query.
func tensorInput(given []json.RawMessage, in *query.Input, data string) error {
	if in.ContentType != "" || in.URI != "" || data != "" {
		return refuse(intake.BadInput, "input", "has tensors and another kind of input: send only one of them")
	}
	ts, _, err := decodeTensors("input.tensors", given, nil)
	if err != nil {
		return err
	}
	in.ContentType, in.Data = tensors.ContentType, tensors.Pack(ts)
	return nil
}

// decodeTensors reads tensors from JSON, with their data there or in the binary
// part, of which it returns what is left.
func decodeTensors(path string, given []json.RawMessage, binary []byte) ([]tensors.Tensor, []byte, error) {
	out := make([]tensors.Tensor, len(given))
	for i, raw := range given {
		var err error
		if out[i], binary, err = decodeTensor(fmt.Sprintf("%s[%d]", path, i), raw, binary); err != nil {
			return nil, nil, err
		}
	}
	return out, binary, nil
}

// decodeTensor reads one tensor.
func decodeTensor(path string, raw json.RawMessage, binary []byte) (t tensors.Tensor, rest []byte, err error) {
	var data json.RawMessage
	size := -1
	if err := decodeOpen(raw, path, fields{
		"name":     text(path+".name", &t.Name),
		"datatype": text(path+".datatype", &t.Datatype),
		"shape": func(raw json.RawMessage) error {
			if json.Unmarshal(raw, &t.Shape) != nil {
				return refuse(badField, path+".shape", "is not a list of whole numbers")
			}
			return nil
		},
		"data":       func(raw json.RawMessage) error { data = raw; return nil },
		"parameters": func(raw json.RawMessage) error { return binarySize(raw, &size) },
	}); err != nil {
		return t, nil, err
	}
	wrong := func(part, format string, args ...any) (tensors.Tensor, []byte, error) {
		return t, nil, refuse(intake.BadInput, path+part, "input %q: %s", clip(t.Name), fmt.Sprintf(format, args...))
	}
	switch {
	case t.Name == "":
		return wrong(".name", "is missing")
	case !t.Datatype.Known():
		return wrong(".datatype", "%q is not a datatype of the Open Inference Protocol", clip(string(t.Datatype)))
	case t.Shape == nil:
		return wrong(".shape", "is missing")
	case (data == nil) == (size < 0):
		return wrong("", "needs either data or binary_data_size")
	case size > len(binary):
		return wrong(".parameters.binary_data_size", "is %d, but %d bytes follow the JSON", size, len(binary))
	case size >= 0:
		t.Data, binary = binary[:size:size], binary[size:]
	default:
		if t.Data, err = tensors.ParseData(data, t.Datatype, t.Shape); err != nil {
			return wrong(".data", "%v", err)
		}
	}
	if err := t.Check(); err != nil {
		return wrong(".data", "%v", err)
	}
	return t, binary, nil
}

// wanted are the outputs that the caller gets.
func (c inferCall) wanted() []oipWanted {
	if len(c.outputs) > 0 {
		return c.outputs
	}
	names := c.own
	if names == nil {
		names = []string{c.names.scores, labelName, indexName}
	}
	out := make([]oipWanted, len(names))
	for i, name := range names {
		out[i].name = name
	}
	return out
}

// output is one output of the answers, with its data for JSON and as bytes.
func (c inferCall) output(want oipWanted, results []query.Result) (oipOutput, []byte, error) {
	if c.own == nil {
		name := want.name
		if name == c.names.scores {
			name = scoresName
		}
		o, data := output(name, results)
		o.Name = want.name
		return o, data, nil
	}
	t, ok := tensors.Find(results[0].Outputs, want.name)
	if !ok {
		return oipOutput{}, nil, fmt.Errorf("the answer has no output %q", want.name)
	}
	o := oipOutput{Name: t.Name, Shape: t.Shape, Datatype: string(t.Datatype)}
	if o.Shape == nil {
		o.Shape = []int64{}
	}
	if want.binary == nil && c.binaryDefault || want.binary != nil && *want.binary {
		return o, t.Data, nil
	}
	data, ok := t.AppendData(nil)
	if !ok {
		return o, nil, refuse(intake.BadInput, "outputs", "output %q has a value that JSON cannot represent, such as NaN: request the output as binary data", t.Name)
	}
	o.Data = json.RawMessage(data)
	return o, nil, nil
}
