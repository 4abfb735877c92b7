package httpapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake"
)

// mail is a task whose models take text.
func mail() []api.Model {
	return []api.Model{{Task: "mail", Kind: profile.Classify, Takes: profile.TextIn, Labels: []string{"ham", "spam"}, Signature: &profile.Signature{
		Inputs: []tensors.Spec{profile.TextSpec()}, Outputs: []tensors.Spec{{Name: "p", Datatype: tensors.FP32, Shape: []int64{-1, 2}}}, Answer: "p"}}}
}

// Texts come as strings in JSON or as bytes behind it, each a query of its own.
func TestTextsAreTaken(t *testing.T) {
	binary := append(tensors.AppendString(nil, "Hëllo"), tensors.AppendString(nil, "spam")...)
	for name, tc := range map[string]struct {
		head string
		tail []byte
	}{
		"JSON":   {`{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["Hëllo","spam"]}]}`, nil},
		"nested": {`{"inputs":[{"name":"text","datatype":"BYTES","shape":[2,1],"data":[["Hëllo"],["spam"]]}]}`, nil},
		"binary": {`{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":18}}]}`, binary},
	} {
		_, inputs, err := callFor(mail(), []byte(tc.head), tc.tail)
		if err != nil || len(inputs) != 2 || string(inputs[0].Data) != "Hëllo" || string(inputs[1].Data) != "spam" || inputs[0].ContentType != query.TextType {
			t.Errorf("%s: %+v, error %v", name, inputs, err)
		}
	}
	r, err := decodeRequest([]byte(`{"task":"mail","input":{"text":"H\u00ebllo"}}`))
	if err != nil || string(r.Input.Data) != "Hëllo" || r.Input.ContentType != query.TextType {
		t.Errorf("a query's text: %+v, error %v", r.Input, err)
	}
}

// What is no text is refused by its field.
func TestWhatIsNoText(t *testing.T) {
	for name, tc := range map[string]struct{ head, field string }{
		"numbers":      {`{"inputs":[{"name":"text","datatype":"FP32","shape":[1],"data":[1]}]}`, "inputs[0].datatype"},
		"another name": {`{"inputs":[{"name":"pixels","datatype":"BYTES","shape":[1],"data":["a"]}]}`, "inputs[0].name"},
		"too few":      {`{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["a"]}]}`, "inputs[0].data"},
		"no strings":   {`{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":[1]}]}`, "inputs[0].data"},
	} {
		_, _, err := callFor(mail(), []byte(tc.head), nil)
		if ref, ok := errors.AsType[*intake.Refusal](err); !ok || ref.Field != tc.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, body := range []string{`{"input":{"text":"a","data":"AA=="}}`, `{"input":{"text":"a","tensors":[]}}`, `{"input":{"text":7}}`} {
		if _, err := decodeRequest([]byte(body)); err == nil || !strings.Contains(err.Error(), "input") {
			t.Errorf("%s: %v", body, err)
		}
	}
}
