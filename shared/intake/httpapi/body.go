package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
)

// objectBytes bounds a small JSON body, one without an input.
const objectBytes = 64 << 10

// decoded is one query of a request, or why it cannot be read.
type decoded struct {
	intake.Request
	err error
}

// maxItems bounds the queries of one request.
const maxItems = 100

// requests reads the queries out of an HTTP request: a JSON body, which may be a
// list, or the picture itself with the rest in the URL's parameters.
func (a *server) requests(w http.ResponseWriter, r *http.Request) (reqs []decoded, list bool, err error) {
	kind, err := contentType(r)
	if err != nil {
		return nil, false, err
	}
	if kind != "application/json" {
		req, err := a.pictureItself(w, r, kind)
		return []decoded{{req, err}}, false, nil
	}
	inURL, err := requestFromURL(r.URL.RawQuery)
	if err != nil {
		return nil, false, err
	}
	body, err := readBody(w, r, bodyLimit(r, a.svc))
	if err != nil {
		return nil, false, err
	}
	if list = bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")); list {
		if reqs, err = decodeList(body); err != nil {
			return nil, true, err
		}
	} else {
		req, err := decodeRequest(body)
		reqs = []decoded{{req, err}}
	}
	for i := range reqs {
		reqs[i].Request = completed(reqs[i].Request, inURL)
	}
	return reqs, list, nil
}

// decodeList reads a list of queries. One that cannot be read spoils no other.
func decodeList(body []byte) ([]decoded, error) {
	if out, ok := decodeItems(body); ok {
		return out, nil
	}
	return decodeWhole(body)
}

// decodeWhole is decodeList of any list.
func decodeWhole(body []byte) ([]decoded, error) {
	if err := checkDepth(body, maxDepth); err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, syntax(err)
	}
	if len(items) == 0 || len(items) > maxItems {
		bound := float64(maxItems)
		return nil, &intake.Refusal{Kind: badField, Detail: fmt.Sprintf("the list has %d queries: send 1 to %d", len(items), maxItems), Bound: &bound}
	}
	out := make([]decoded, len(items))
	for i, raw := range items {
		out[i].Request, out[i].err = decodeRequest(raw)
	}
	return out, nil
}

// MaxBody is the most bytes that the body of a request for answers may have, as it is
// sent: who reads bodies before the API refuses at once what that would refuse.
func MaxBody(r *http.Request, svc *intake.Service) int64 { return packedLimit(r, bodyLimit(r, svc)) }

// bodyLimit is the most bytes of such a body once it is unpacked: the inline limit, and
// what its encoding makes of an input of that size.
func bodyLimit(r *http.Request, svc *intake.Service) int {
	inline := svc.InlineLimit(svc.Settings())
	kind, _ := contentType(r)
	switch {
	case strings.HasPrefix(r.URL.Path, "/v2/"):
		return svc.BodyLimit(jsonGrowth * inline)
	case kind == "application/json":
		return svc.BodyLimit(base64.StdEncoding.EncodedLen(inline))
	}
	return inline
}

// pictureItself reads a query whose body is its input.
func (a *server) pictureItself(w http.ResponseWriter, r *http.Request, kind string) (intake.Request, error) {
	if !intake.Supported(kind) {
		return intake.Request{}, refuse(wrongType, "Content-Type",
			"%q is not accepted; send application/json, or the input itself as %s", clip(kind), strings.Join(intake.ContentTypes(), ", "))
	}
	body, err := readBody(w, r, bodyLimit(r, a.svc))
	if err != nil {
		return intake.Request{}, err
	}
	req, err := requestFromURL(r.URL.RawQuery)
	req.Input = query.Input{ContentType: kind, Data: body}
	return req, err
}

// contentType returns the request's media type without parameters.
func contentType(r *http.Request) (string, error) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return "", refuse(wrongType, "Content-Type", "is missing")
	}
	kind, _, err := mime.ParseMediaType(header)
	if err != nil {
		return "", refuse(wrongType, "Content-Type", "%q is not a media type", clip(header))
	}
	return kind, nil
}

// readObject reads a small JSON body, one object, by a table of its fields.
func readObject(w http.ResponseWriter, r *http.Request, f fields) error {
	kind, err := contentType(r)
	if err != nil {
		return err
	}
	if kind != "application/json" {
		return refuse(wrongType, "Content-Type", "%q is not accepted, only application/json", clip(kind))
	}
	body, err := readBody(w, r, objectBytes)
	if err != nil {
		return err
	}
	if err := checkDepth(body, maxDepth); err != nil {
		return err
	}
	return decodeObject(body, "", f)
}

// alignment is that of the numbers behind a head in a body.
const alignment = 16

// readBody reads a body of at most limit bytes unpacked, and not of none.
func readBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	return readBodyAligned(w, r, limit, 0)
}

// readBodyAligned is readBody; what lies behind a head of head bytes is
// aligned for numbers, which then need no copy.
func readBodyAligned(w http.ResponseWriter, r *http.Request, limit, head int) ([]byte, error) {
	if there, ok := r.Body.(whole); ok && len(codingsOf(r.Header)) == 0 {
		return takeWhole(there.Whole(), limit)
	}
	from, packed, err := unpacked(w, r, limit)
	if err != nil {
		return nil, err
	}
	var body []byte
	if n := r.ContentLength; !packed && n > 0 && n <= int64(limit) {
		skip := (alignment - head%alignment) % alignment
		body = make([]byte, skip+int(n))[skip:]
		_, err = io.ReadFull(from, body)
	} else {
		body, err = io.ReadAll(from)
	}
	switch {
	case err != nil:
		return nil, unreadable(err)
	case len(body) == 0:
		return nil, refuse(noBody, "", "send a JSON object")
	}
	arrived(w)
	return body, nil
}

// whole is a body that is in memory already, aligned as NumbersAt says. It is
// only read, and not after its request.
type whole interface{ Whole() []byte }

// takeWhole is readBody of a body that is there.
func takeWhole(body []byte, limit int) ([]byte, error) {
	switch {
	case len(body) > limit:
		return nil, &http.MaxBytesError{Limit: int64(limit)}
	case len(body) == 0:
		return nil, refuse(noBody, "", "send a JSON object")
	}
	return body, nil
}

// decodeRequest reads a query from JSON.
func decodeRequest(body []byte) (intake.Request, error) {
	if r, ok := decodeApart(body); ok {
		return r, nil
	}
	return decodeWith(body, nil)
}

// decodeWith is decodeRequest of a body that has placeholder in the place of the data apart; nil
// where the body has its data.
func decodeWith(body, apart []byte) (intake.Request, error) {
	var r intake.Request
	if err := checkDepth(body, maxDepth); err != nil {
		return r, err
	}
	f := fields{
		"task":        text("task", &r.Task),
		"model":       text("model", &r.Model),
		"class":       text("class", &r.Class),
		"input":       func(raw json.RawMessage) error { return decodeInput(raw, &r.Input, apart) },
		"constraints": func(raw json.RawMessage) error { return decodeBounds(raw, &r.Bounds) },
		"optimize":    func(raw json.RawMessage) error { return decodeObjective(raw, &r) },
		"callback":    text("callback", &r.Callback),
		"explain":     flag("explain", &r.Explain),
		"all_scores":  flag("all_scores", &r.AllScores),
	}
	err := decodeMembers(body, "", f, func(name string) error {
		if boundsByName(&r.Bounds)[name] != nil {
			return refuse(unknownField, name, "does not exist; the field of this bound is constraints.%s", name)
		}
		return noField("", name, f)
	})
	return r, err
}

func decodeInput(raw json.RawMessage, in *query.Input, apart []byte) error {
	var data, written string
	var given []json.RawMessage
	err := decodeObject(raw, "input", fields{
		"text":         text("input.text", &written),
		"tensors":      array("input.tensors", &given),
		"content_type": text("input.content_type", &in.ContentType),
		"uri":          text("input.uri", &in.URI),
		"data":         text("input.data", &data),
	})
	if err != nil {
		return err
	}
	if given != nil {
		return tensorInput(given, in, data+written)
	}
	if written != "" {
		if in.ContentType != "" || in.URI != "" || data != "" {
			return refuse(intake.BadInput, "input", "has text and another kind of input: send only one of them")
		}
		in.ContentType, in.Data = query.TextType, []byte(written)
		return nil
	}
	if apart != nil && data == placeholder {
		in.Data = apart
		return nil
	}
	if in.Data, err = base64.StdEncoding.DecodeString(data); err != nil {
		return refuse(badBase64, "input.data", "is not standard base64 with padding: %v", err)
	}
	return nil
}

func decodeBounds(raw json.RawMessage, b *intake.Bounds) error {
	return decodeObject(raw, "constraints", boundFields("constraints.", b))
}

// boundFields are the bounds as fields of JSON, at a path that errors name.
func boundFields(at string, b *intake.Bounds) fields {
	f := fields{}
	for name, bound := range boundsByName(b) {
		f[name] = number(at+name, intake.BadBound, bound)
	}
	return f
}

// boundsByName are the bounds by their names: fields of JSON, and parameters of a URL.
func boundsByName(b *intake.Bounds) map[string]**float64 {
	return map[string]**float64{"latency_ms": &b.LatencyMS, "accuracy": &b.Accuracy, "cost_usd_per_million": &b.CostUSDPerMillion}
}

// decodeObjective takes the name of a dimension, or weights by dimension.
func decodeObjective(raw json.RawMessage, r *intake.Request) error {
	if len(raw) > 0 && raw[0] == '"' {
		return text("optimize", &r.Optimize)(raw)
	}
	var latency, accuracy, cost *float64
	err := decodeObject(raw, "optimize", fields{
		"latency":  number("optimize.latency", intake.BadObjective, &latency),
		"accuracy": number("optimize.accuracy", intake.BadObjective, &accuracy),
		"cost":     number("optimize.cost", intake.BadObjective, &cost),
	})
	r.Weights = &query.Weights{Latency: orZero(latency), Accuracy: orZero(accuracy), Cost: orZero(cost)}
	return err
}

func orZero(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}
