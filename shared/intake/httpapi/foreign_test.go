package httpapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
)

// plain is an inference request as the protocol's document shows it.
func plain() string {
	return `{"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"data":` + sixteen() + `}]}`
}

// What clients of other servers send is taken.
func TestForeignRequestsAreTaken(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	binaryHead := `{"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"parameters":{"binary_data_size":64}}]}`
	binary := append([]byte(binaryHead), make([]byte, 64)...)
	length := strconv.Itoa(len(binaryHead))
	for name, c := range map[string]struct {
		body   []byte
		header []string
	}{
		"no content type":       {[]byte(plain()), nil},
		"octets without length": {[]byte(plain()), []string{"Content-Type", "application/octet-stream"}},
		"a form's type":         {[]byte(plain()), []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"a type that is none":   {[]byte(plain()), []string{"Content-Type", ";;"}},
		"binary without a type": {binary, []string{headerLength, length}},
		"binary as JSON":        {binary, []string{headerLength, length, "Content-Type", "application/json"}},
		"all of it is JSON":     {[]byte(plain()), []string{headerLength, strconv.Itoa(len(plain()))}},
		"nulls": {[]byte(`{"id":null,"parameters":null,"outputs":null,"model_version":null,"inputs":[{"name":"input","datatype":"FP32",` + shape +
			`,"parameters":null,"content_type":null,"data":` + sixteen() + `}]}`), nil},
		"null parameters": {[]byte(`{"parameters":{"latency_ms":null,"class":null,"x":null},"outputs":[{"name":"scores","parameters":{"binary_data":null,"classification":null}}],"inputs":[{"name":"input","datatype":"FP32",` + shape +
			`,"parameters":{"binary_data_size":null},"data":` + sixteen() + `}]}`), nil},
		"unknown members": {[]byte(`{"model_name":"good","raw_input_contents":[],"outputs":[{"name":"scores","datatype":"FP32","shape":[1,3],"data":[]}],
			"inputs":[{"name":"input","datatype":"FP32","contents":{},` + shape + `,"data":` + sixteen() + `}]}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.foreign(t, "POST", "/v2/models/good/infer", c.body, c.header...); got.StatusCode != http.StatusOK {
				t.Errorf("answered %d: %s", got.StatusCode, got.body)
			}
		})
	}
}

func TestUnknownParametersAreNamedInTheAnswer(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	head := `{"parameters":{"latency":5,"timeout":1,"traceid":{"a":[1]}},` + plain()[1:]
	got := s.infer(t, "good", head, nil)
	var r inferReply
	got.into(t, &r)
	if got.StatusCode != http.StatusOK || r.Parameters.Ignored != "latency,traceid" {
		t.Errorf("answered %d: %s", got.StatusCode, got.body)
	}
}

// The URL's parameters complete those of the body, and what is unknown is named in the answer.
func TestConstraintsOfAnInferenceInTheURL(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	for name, c := range map[string]struct {
		url, parameters, refused, ignored string
	}{
		"kept":                  {"accuracy=10&class=strict&optimize=cost", "", "", ""},
		"not to be kept":        {"accuracy=101", "", "constraints.accuracy", ""},
		"the body counts":       {"accuracy=101", `"accuracy":10`, "", ""},
		"the body is completed": {"accuracy=101", `"latency_ms":5000`, "constraints.accuracy", ""},
		"no number":             {"latency_ms=soon", "", "constraints.latency_ms", ""},
		"given twice":           {"accuracy=1&accuracy=2", "", "accuracy", ""},
		"not of the protocol":   {"model=other&trace=1&timeout=3", `"latency":5`, "", "latency,model,trace"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.foreign(t, "POST", "/v2/models/good/infer?"+c.url, []byte(`{"parameters":{`+c.parameters+`},`+plain()[1:]))
			var r inferReply
			got.into(t, &r)
			if refused := got.StatusCode/100 == 4 && strings.Contains(string(got.body), c.refused); refused != (c.refused != "") || r.Parameters.Ignored != c.ignored {
				t.Errorf("answered %d: %s", got.StatusCode, got.body)
			}
		})
	}
}

func TestNullIsLeftOutOfQueriesToo(t *testing.T) {
	s := newStage(t)
	for _, body := range []string{
		asking(t, `,"class":null`), asking(t, `,"constraints":{"latency_ms":null,"accuracy":null}`), asking(t, `,"constraints":null,"optimize":null`),
		asking(t, `,"optimize":{"cost":1,"latency":null}`), asking(t, `,"metadata":null`),
		strings.Replace(asking(t, ""), `"data"`, `"uri":null,"data"`, 1), "[" + asking(t, `,"model":null`) + "]",
	} {
		if got := s.foreign(t, "POST", "/v1/queries", []byte(body), "Content-Type", "application/json"); got.StatusCode/100 != 2 || strings.Contains(string(got.body), "problem") {
			t.Errorf("%.200s answered %d: %s", body, got.StatusCode, got.body)
		}
	}
}

func TestModelsHaveOneVersion(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	for _, model := range []string{"good", "fashion"} {
		for version, want := range map[string]int{"1": 200, "2": 404, "latest": 404} {
			at := "/v2/models/" + model + "/versions/" + version
			for _, got := range []reply{
				s.do(t, "GET", at, nil), s.do(t, "GET", at+"/ready", nil), s.foreign(t, "POST", at+"/infer", []byte(plain())),
			} {
				if got.StatusCode != want || want == 404 && !strings.Contains(string(got.body), "the version that answers is 1") {
					t.Errorf("%s answered %d: %s", at, got.StatusCode, got.body)
				}
			}
		}
	}
	plainly, versioned := s.do(t, "GET", "/v2/models/good", nil), s.do(t, "GET", "/v2/models/good/versions/1", nil)
	if !bytes.Equal(plainly.body, versioned.body) {
		t.Errorf("metadata %s and of version 1 %s", plainly.body, versioned.body)
	}
}

// packed packs a body.
func packed(t testing.TB, with func(io.Writer) io.WriteCloser, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := with(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func byGzip(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
func byZlib(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
func byFlate(w io.Writer) io.WriteCloser {
	f, _ := flate.NewWriter(w, flate.BestCompression) // a level that there is
	return f
}

func TestPackedBodies(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	head := `{"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"parameters":{"binary_data_size":64}}]}`
	binary := append([]byte(head), make([]byte, 64)...)
	huge := []byte(`{"id":"` + strings.Repeat("x", 8*inlineBytes) + `"}`)
	whole := packed(t, byGzip, binary)
	for name, c := range map[string]struct {
		coding string
		body   []byte
		status int
	}{
		"gzip":            {"gzip", whole, 200},
		"x-gzip":          {"X-GZip", whole, 200},
		"deflate":         {"deflate", packed(t, byZlib, binary), 200},
		"bare deflate":    {"deflate", packed(t, byFlate, binary), 200},
		"identity":        {"identity", binary, 200},
		"one on another":  {"gzip, deflate", packed(t, byZlib, whole), 200},
		"not gzip":        {"gzip", binary, 400},
		"cut":             {"gzip", whole[:len(whole)-9], 400},
		"damaged":         {"gzip", append(bytes.Clone(whole[:len(whole)-8]), make([]byte, 8)...), 400},
		"nothing":         {"gzip", packed(t, byGzip, nil), 400},
		"unpacks too far": {"gzip", packed(t, byGzip, huge), 413},
		"deflates so":     {"deflate", packed(t, byZlib, huge), 413},
		"brotli":          {"br", binary, 415},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.foreign(t, "POST", "/v2/models/good/infer", c.body, "Content-Encoding", c.coding, headerLength, strconv.Itoa(len(head)))
			if got.StatusCode != c.status || c.status == 415 && got.Header.Get("Accept-Encoding") != "gzip, deflate" {
				t.Errorf("answered %d with %v: %s", got.StatusCode, got.Header, got.body)
			}
		})
	}
}

func TestPackedQueriesAndUploads(t *testing.T) {
	s := newStage(t)
	got := s.foreign(t, "POST", "/v1/queries", packed(t, byGzip, []byte(asking(t, ""))), "Content-Type", "application/json", "Content-Encoding", "gzip")
	if got.StatusCode != http.StatusAccepted {
		t.Errorf("a query answered %d: %s", got.StatusCode, got.body)
	}
	var up api.Upload
	s.do(t, "POST", "/v1/uploads", []byte(`{"content_type":"image/png","bytes":null}`), "Content-Type", "application/json").into(t, &up)
	if got := s.foreign(t, "PUT", up.URL, []byte("no gzip at all"), "Content-Encoding", "gzip", "Content-Type", "image/png"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken upload answered %d: %s", got.StatusCode, got.body)
	}
	if got := s.foreign(t, "PUT", up.URL, packed(t, byZlib, picture(t, 1)), "Content-Encoding", "deflate", "Content-Type", "image/png"); got.StatusCode != http.StatusNoContent {
		t.Errorf("an upload answered %d: %s", got.StatusCode, got.body)
	}
	body := `{"task":"fashion","input":{"content_type":"image/png","uri":"` + up.URI + `"}}`
	if got := s.submit(t, body); got.StatusCode != http.StatusAccepted {
		t.Errorf("the uploaded picture answered %d: %s", got.StatusCode, got.body)
	}
}

func TestPicturesNestAsTheirShapeSays(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	p := `"` + base64.StdEncoding.EncodeToString(picture(t, 5)) + `"`
	for shape, data := range map[string]string{"[2]": "%s,%s", "[2,1]": "[%s],[%s]", "[1,2]": "[%s,%s]", "[2,1,1]": "%s,%s"} {
		head := fmt.Sprintf(`{"inputs":[{"name":"input","datatype":"BYTES","shape":%s,"data":[`+data+`]}]}`, shape, p, p)
		got := s.infer(t, "good", head, nil)
		var r inferReply
		got.into(t, &r)
		if got.StatusCode != http.StatusOK || string(r.Outputs[1].Data) != `["Bag","Bag"]` {
			t.Errorf("shape %s answered %d: %s", shape, got.StatusCode, got.body)
		}
	}
}

func TestClassification(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	classes := func(n int, more string) string {
		return fmt.Sprintf(`{"outputs":[{"name":"scores","parameters":{"classification":%d%s}}],`, n, more) + plain()[1:]
	}
	for n, want := range map[int]string{
		0: "[0.1,0.7,1e-30]",
		1: `["0.700000:1:bag"]`,
		2: `["0.700000:1:bag","0.100000:0:shirt"]`,
		9: `["0.700000:1:bag","0.100000:0:shirt","0.000000:2:boot"]`,
	} {
		got := s.infer(t, "good", classes(n, ""), nil)
		var r inferReply
		got.into(t, &r)
		var texts any
		if err := json.Unmarshal(r.Outputs[0].Data, &texts); err != nil || got.StatusCode != http.StatusOK || !strings.EqualFold(string(r.Outputs[0].Data), want) {
			t.Errorf("%d classes answered %d: %s", n, got.StatusCode, got.body)
		}
	}
	got := s.infer(t, "good", classes(1, `,"binary_data":true`), nil)
	if got.StatusCode != http.StatusOK || !strings.EqualFold(string(got.body[len(got.body)-18:]), "\x0e\x00\x00\x000.700000:1:bag") {
		t.Errorf("binary answered %d: %q", got.StatusCode, got.body)
	}
}

// A page of another origin cannot have inferences run, though any content type
// is taken.
func TestOtherOriginsAreRefused(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	for name, c := range map[string]struct {
		header, value string
		want          int
	}{
		"another site":       {"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		"another origin":     {"Origin", "http://evil.example", http.StatusForbidden},
		"a page served here": {"Sec-Fetch-Site", "same-origin", http.StatusOK},
		"no browser":         {"X-Nothing", "", http.StatusOK},
	} {
		req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/v2/models/good/infer", strings.NewReader(plain()))
		req.Header.Set(c.header, c.value)
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		if rec.Code != c.want {
			t.Errorf("%s answered %d: %s", name, rec.Code, rec.Body)
		}
	}
}
