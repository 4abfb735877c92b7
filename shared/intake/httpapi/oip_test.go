package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// infer posts an inference request; tail, when given, is its binary part.
func (s *stage) infer(t testing.TB, model, head string, tail []byte) reply {
	t.Helper()
	header := []string{"Content-Type", "application/json"}
	if tail != nil {
		header = []string{"Content-Type", "application/octet-stream", headerLength, strconv.Itoa(len(head))}
	}
	return s.do(t, "POST", "/v2/models/"+model+"/infer", append([]byte(head), tail...), header...)
}

type inferReply struct {
	ModelName  string `json:"model_name"`
	ID         string
	Parameters inferParameters
	Outputs    []struct {
		Name, Datatype string
		Shape          []int64
		Parameters     struct {
			Size int `json:"binary_data_size"`
		}
		Data json.RawMessage
	}
}

// sixteen is a tensor of the test models' size as flat JSON.
func sixteen() string {
	return "[" + strings.TrimSuffix(strings.Repeat("0.5,", side*side), ",") + "]"
}

const shape = `"shape":[1,1,4,4]`

func TestInferByJSON(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	nested := "[[" + strings.TrimSuffix(strings.Repeat("[1,2,3,4],", side), ",") + "]]"
	nested = "[" + nested + "]"
	for name, data := range map[string]string{"flat": sixteen(), "nested": nested} {
		head := `{"id":"7","parameters":{"latency_ms":60000,"class":"strict","accuracy":90,"timeout":5,"sequence_id":1},
			"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"data":` + data + `}]}`
		got := s.infer(t, "fashion", head, nil)
		var r inferReply
		got.into(t, &r)
		if got.StatusCode != 200 || r.ModelName != "fashion" || r.ID != "7" || len(r.Outputs) != 3 {
			t.Fatalf("%s answered %d: %s", name, got.StatusCode, got.body)
		}
		if p := r.Parameters; p.Model != "good" || p.ServedBy != "w-1" || p.Class != "strict" || !p.MetSLO || p.CostUSD != 1e-7 || p.ComputeMS != 1.5 {
			t.Errorf("%s: parameters %+v", name, p)
		}
		if string(r.Outputs[1].Data) != `["Bag"]` || string(r.Outputs[2].Data) != "[1]" {
			t.Errorf("%s: outputs %s", name, got.body)
		}
	}
}

func TestInferSendsTheVeryNumbers(t *testing.T) {
	s := newStage(t)
	values := make([]float32, side*side)
	for i := range values {
		values[i] = float32(i) / 3
	}
	asJSON, _ := json.Marshal(values) // finite numbers
	s.tune(func(set *settings.Settings) { set.MaxWaitSeconds = 0 })
	s.infer(t, "good", `{"inputs":[{"name":"input","datatype":"FP32",`+shape+`,"data":`+string(asJSON)+`}]}`, nil)
	s.infer(t, "good", `{"inputs":[{"name":"input","datatype":"FP32",`+shape+`,"parameters":{"binary_data_size":64}}]}`, floats(values...))
	ds, err := s.cloud.Queues.Receive(t.Context(), "work-relaxed-general", 10, 1e9, 0)
	if err != nil || len(ds) != 2 {
		t.Fatalf("%d messages, %v", len(ds), err)
	}
	for _, d := range ds {
		if d.Message.Model != "good" || !bytes.Equal(d.Message.Input.Data, floats(values...)) {
			t.Errorf("message %+v", d.Message)
		}
	}
}

func TestInferByBinaryBothWays(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	head := `{"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"parameters":{"binary_data_size":64}}],
		"outputs":[{"name":"scores","parameters":{"binary_data":true}},{"name":"index"},{"name":"label","parameters":{"binary_data":true}}]}`
	got := s.infer(t, "good", head, make([]byte, 64))
	n, err := strconv.Atoi(got.Header.Get(headerLength))
	if err != nil || got.StatusCode != 200 || got.Header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("status %d, header %v: %s", got.StatusCode, got.Header, got.body)
	}
	var r inferReply
	reply{body: got.body[:n]}.into(t, &r)
	tail := got.body[n:]
	if len(r.Outputs) != 3 || r.Outputs[0].Parameters.Size != 12 || r.Outputs[1].Data == nil || r.Outputs[2].Parameters.Size != 7 || len(tail) != 19 {
		t.Fatalf("outputs %+v and %d bytes", r.Outputs, len(tail))
	}
	if !bytes.Equal(tail[:12], floats(0.1, 0.7, 1e-30)) || string(tail[12:]) != "\x03\x00\x00\x00Bag" {
		t.Errorf("binary %x", tail)
	}
}

func TestInferByPicture(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	png := picture(t, 5)
	text := `{"inputs":[{"name":"input","datatype":"BYTES","shape":[1],"data":["` + base64.StdEncoding.EncodeToString(png) + `"]}]}`
	if got := s.infer(t, "fashion", text, nil); got.StatusCode != 200 {
		t.Errorf("base64 answered %d: %s", got.StatusCode, got.body)
	}
	tail := append(binary.LittleEndian.AppendUint32(nil, uint32(len(png))), png...)
	head := fmt.Sprintf(`{"parameters":{"binary_data_output":true},"inputs":[{"name":"input","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":%d}}]}`, len(tail))
	if got := s.infer(t, "fashion", head, tail); got.StatusCode != 200 || got.Header.Get(headerLength) == "" {
		t.Errorf("binary answered %d: %s", got.StatusCode, got.body)
	}
}

func TestInferRefusesInTheProtocolsWords(t *testing.T) {
	s := newStage(t)
	in := func(rest string) string { return `{"inputs":[{"name":"input",` + rest + `}]}` }
	for name, c := range map[string]struct {
		model, head string
		tail        []byte
		status      int
		says        string
	}{
		"unknown model":     {"gpt", in(`"datatype":"FP32"`), nil, 404, "gpt"},
		"no body":           {"good", "", nil, 400, "send"},
		"no inputs":         {"good", `{"id":"1"}`, nil, 422, "inputs"},
		"two inputs":        {"good", `{"inputs":[{},{}]}`, nil, 422, "2 tensors"},
		"many inputs":       {"good", `{"inputs":[` + strings.Repeat("{},", 256) + `{}]}`, nil, 400, "above 256"},
		"other name":        {"good", `{"input":[]}`, nil, 422, "inputs"},
		"twice":             {"good", `{"id":"1","id":"2"}`, nil, 400, "twice"},
		"classes of labels": {"good", `{"outputs":[{"name":"label","parameters":{"classification":2}}],` + plain()[1:], nil, 422, "classification"},
		"negative classes":  {"good", `{"outputs":[{"name":"scores","parameters":{"classification":-1}}]}`, nil, 400, "classification"},
		"ragged pictures":   {"good", in(`"datatype":"BYTES","shape":[2,1],"data":[["aGVsbG8=","aGVsbG8="],[]]`), nil, 422, "nested"},
		"picture null":      {"good", in(`"datatype":"BYTES","shape":[1],"data":[null]`), nil, 422, "strings"},
		"parameters a list": {"good", `{"parameters":[]}`, nil, 400, "parameters"},
		"NaN bound":         {"good", `{"parameters":{"latency_ms":"NaN"}}`, nil, 422, "parameters.latency_ms"},
		"unknown input":     {"good", `{"inputs":[{"name":"x","datatype":"FP32",` + shape + `,"data":[]}]}`, nil, 422, "inputs[0].name"},
		"unknown datatype":  {"good", in(`"datatype":"FP8",` + shape + `,"data":[]`), nil, 422, "FP8"},
		"no shape":          {"good", in(`"datatype":"FP32","data":[]`), nil, 422, "shape"},
		"negative shape":    {"good", in(`"datatype":"FP32","shape":[1,-1,4,4],"data":[]`), nil, 422, "below 1"},
		"huge shape":        {"good", in(`"datatype":"FP32","shape":[99999,99999,99999],"data":[]`), nil, 422, "shape"},
		"other shape":       {"good", in(`"datatype":"FP32","shape":[1,16],"data":` + sixteen()), nil, 422, "dimensions"},
		"too many items":    {"good", in(`"datatype":"BYTES","shape":[101],"data":[]`), nil, 422, "at most 100"},
		"many tensors":      {"good", in(`"datatype":"FP32","shape":[101,1,4,4],"parameters":{"binary_data_size":6464}`), make([]byte, 6464), 422, "at most 100"},
		"name null":         {"good", `{"inputs":[{"name":null,"datatype":"FP32",` + shape + `,"data":[]}]}`, nil, 422, "inputs[0].name"},
		"inputs null":       {"good", `{"inputs":null}`, nil, 422, "inputs"},
		"shape of text":     {"good", in(`"datatype":"FP32","shape":"4","data":[]`), nil, 400, "shape"},
		"too few":           {"good", in(`"datatype":"FP32",` + shape + `,"data":[1,2]`), nil, 422, "has 2 elements"},
		"too many":          {"good", in(`"datatype":"FP32",` + shape + `,"data":[` + strings.Repeat("1,", 16) + `1]`), nil, 422, "one element more"},
		"ragged":            {"good", in(`"datatype":"FP32",` + shape + `,"data":[[[[1,2,3],[1,2,3,4,5],[1,2,3,4],[1,2,3,4]]]]`), nil, 422, "nested"},
		"nested deeper":     {"good", in(`"datatype":"FP32",` + shape + `,"data":[[[[[1]]]]]`), nil, 422, "deeper"},
		"strings":           {"good", in(`"datatype":"FP32",` + shape + `,"data":["a,b"]`), nil, 422, "element 0"},
		"another datatype":  {"good", in(`"datatype":"INT32",` + shape + `,"data":[1.5]`), nil, 422, "INT32"},
		"data twice":        {"good", in(`"datatype":"FP32",` + shape + `,"data":[],"parameters":{"binary_data_size":64}`), make([]byte, 64), 422, "either data or binary_data_size"},
		"no data":           {"good", in(`"datatype":"FP32",` + shape), nil, 422, "either data or binary_data_size"},
		"size beyond":       {"good", in(`"datatype":"FP32",` + shape + `,"parameters":{"binary_data_size":65}`), make([]byte, 64), 422, "64 bytes follow"},
		"negative size":     {"good", in(`"datatype":"FP32",` + shape + `,"parameters":{"binary_data_size":-1}`), make([]byte, 64), 400, "binary_data_size"},
		"left over":         {"good", in(`"datatype":"FP32",` + shape + `,"parameters":{"binary_data_size":64}`), make([]byte, 65), 422, "1 bytes follow"},
		"binary of another": {"good", in(`"datatype":"FP64",` + shape + `,"parameters":{"binary_data_size":64}`), make([]byte, 64), 422, "takes FP32"},
		"no picture":        {"good", in(`"datatype":"BYTES","shape":[1],"data":["aGVsbG8="]`), nil, 422, "neither a PNG"},
		"broken base64":     {"good", in(`"datatype":"BYTES","shape":[1],"data":["%"]`), nil, 400, "base64"},
		"broken length":     {"good", in(`"datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}`), []byte("\xff\xff\xff\xffx"), 422, "four bytes"},
		"unknown output":    {"good", `{"outputs":[{"name":"x"}]}`, nil, 422, "output"},
		"unsatisfiable":     {"good", `{"parameters":{"latency_ms":5},"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"data":` + sixteen() + `}]}`, nil, 422, "latency_ms"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.infer(t, c.model, c.head, c.tail)
			var e oipError
			got.into(t, &e)
			if got.StatusCode != c.status || !strings.Contains(e.Error, c.says) {
				t.Errorf("answered %d: %s", got.StatusCode, got.body)
			}
		})
	}
	nothingStored(t, s)
}

func TestInferHeadersAreChecked(t *testing.T) {
	s := newStage(t)
	for _, length := range []string{"-1", "3", "x", "1e9"} {
		got := s.do(t, "POST", "/v2/models/good/infer", []byte("{}"), "Content-Type", "application/octet-stream", headerLength, length)
		if got.StatusCode != 400 {
			t.Errorf("length %s answered %d: %s", length, got.StatusCode, got.body)
		}
	}
	if got := s.do(t, "GET", "/v2/models/good/infer", nil); got.StatusCode != 405 || got.Header.Get("Allow") != "POST" {
		t.Errorf("GET answered %d, allow %q", got.StatusCode, got.Header.Get("Allow"))
	}
}

func TestABodyThatIsNoJSONIsSaidToBeNone(t *testing.T) {
	s := newStage(t)
	if got := s.infer(t, "good", "hello", nil); got.StatusCode != 400 || !strings.Contains(string(got.body), "is not JSON") {
		t.Errorf("answered %d: %s", got.StatusCode, got.body)
	}
}

func TestAnInferenceWithoutAnAnswerSaysWhy(t *testing.T) {
	head := `{"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"data":` + sixteen() + `}]}`
	for code, want := range map[query.FailureCode]int{
		query.BadInput: 422, query.InputIsGone: 400, query.TimedOut: 504, query.CallerGone: 409, query.NoCapacity: 503,
		query.ModelFault: 500, query.TooOften: 500,
	} {
		s := newStage(t)
		s.answer(t, query.Outcome{State: query.Failed, Failure: &query.Failure{Code: code, Detail: "why"}})
		if got := s.infer(t, "good", head, nil); got.StatusCode != want || !strings.Contains(string(got.body), "why") {
			t.Errorf("%s answered %d: %s", code, got.StatusCode, got.body)
		}
	}
	s := newStage(t)
	s.svc.MostWaiters = -1
	if got := s.infer(t, "good", head, nil); got.StatusCode != 503 || !strings.Contains(string(got.body), "/v1/queries/") {
		t.Errorf("without a place to wait: %d: %s", got.StatusCode, got.body)
	}
	s.tune(func(set *settings.Settings) { set.MaxWaitSeconds = 0 })
	if got := s.infer(t, "good", head, nil); got.StatusCode != 504 {
		t.Errorf("without an answer in time: %d: %s", got.StatusCode, got.body)
	}
}

func TestProtocolMetadataAndHealth(t *testing.T) {
	s := newStage(t)
	for path, want := range map[string]string{
		"/v2":                      `{"name":"paragon","version":"test","extensions":["binary_tensor_data","classification"]}`,
		"/v2/health/live":          `{"live":true}`,
		"/v2/health/ready":         `{"ready":true}`,
		"/v2/models/fashion/ready": `{"name":"fashion","ready":true}`,
		"/healthz":                 `{"status":"ok"}`,
	} {
		if got := s.do(t, "GET", path, nil); got.StatusCode != http.StatusOK || strings.TrimSpace(string(got.body)) != want {
			t.Errorf("%s answered %d: %s", path, got.StatusCode, got.body)
		}
	}
	var m oipMetadata
	s.do(t, "GET", "/v2/models/good", nil).into(t, &m)
	if m.Name != "good" || len(m.Inputs) != 1 || fmt.Sprint(m.Inputs[0].Shape) != "[1 1 4 4]" || len(m.Outputs) != 3 || fmt.Sprint(m.Versions) != "[1]" {
		t.Errorf("metadata %+v", m)
	}
	for _, path := range []string{"/v2/models/gpt", "/v2/models/gpt/ready", "/v2/models/unserved"} {
		if got := s.do(t, "GET", path, nil); got.StatusCode != 404 {
			t.Errorf("%s answered %d: %s", path, got.StatusCode, got.body)
		}
	}
}

func TestNotReadyWithoutWorkersAndFunctions(t *testing.T) {
	s := newStage(t)
	s.publish(t, 0)
	if got := s.do(t, "GET", "/v2/health/ready", nil); got.StatusCode != 200 {
		t.Errorf("with functions alone: %d", got.StatusCode)
	}
	s.tune(func(set *settings.Settings) { set.MaxOverflowConcurrency = 0 })
	for _, path := range []string{"/v2/health/ready", "/v2/models/good/ready"} {
		if got := s.do(t, "GET", path, nil); got.StatusCode != 503 || !strings.Contains(string(got.body), `"ready":false`) {
			t.Errorf("%s answered %d: %s", path, got.StatusCode, got.body)
		}
	}
}
