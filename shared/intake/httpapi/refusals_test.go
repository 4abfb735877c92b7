package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// bomb is a PNG of a few bytes whose header promises a huge picture.
func bomb(t testing.TB) []byte {
	t.Helper()
	data := bytes.Clone(picture(t, 1))
	binary.BigEndian.PutUint32(data[16:], 60_000)
	binary.BigEndian.PutUint32(data[20:], 60_000)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func floats(values ...float32) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// input is a query of the fashion task with that input.
func input(contentType string, data []byte) string {
	return `{"task":"fashion","input":{"content_type":"` + contentType + `","data":"` + base64.StdEncoding.EncodeToString(data) + `"}}`
}

// inlineBytes are the most bytes of an input in a request.
var inlineBytes = settings.Defaults().InlineLimitKB << 10

const rawTensor = "application/vnd.paragon.tensor+float32"

// refusals are bad requests to POST /v1/queries as JSON, each with the kind of
// its problem, its status and the field that it names.
func refusals(t testing.TB) map[string]struct {
	body   string
	kind   string
	status int
	field  string
} {
	bounds := func(b string) string { return asking(t, `,"constraints":`+b) }
	return map[string]struct {
		body   string
		kind   string
		status int
		field  string
	}{
		"no body":              {"", "no-body", 400, ""},
		"above the limit":      {asking(t, `,"model":"`+strings.Repeat("x", 2*inlineBytes)+`"`), "body-too-large", 413, ""},
		"not JSON":             {"{task}", "bad-json", 400, ""},
		"a list":               {"[]", "bad-field", 400, ""},
		"null":                 {"null", "bad-field", 400, ""},
		"cut":                  {`{"task":"fashion"`, "bad-json", 400, ""},
		"something behind":     {asking(t, "") + "{}", "bad-json", 400, ""},
		"too deep":             {strings.Repeat(`{"input":`, 13) + strings.Repeat("}", 13), "json-too-deep", 400, ""},
		"bracket bomb":         {strings.Repeat("[", 100_000), "json-too-deep", 400, ""},
		"unknown field":        {asking(t, `,"tasks":1`), "unknown-field", 400, "tasks"},
		"other letters":        {asking(t, `,"Class":"strict"`), "unknown-field", 400, "Class"},
		"bound outside":        {asking(t, `,"latency_ms":5`), "unknown-field", 400, "latency_ms"},
		"unknown inner field":  {bounds(`{"latency":5}`), "unknown-field", 400, "constraints.latency"},
		"duplicate field":      {asking(t, `,"task":"fashion"`), "duplicate-field", 400, "task"},
		"duplicate bound":      {bounds(`{"accuracy":5,"accuracy":6}`), "duplicate-field", 400, "constraints.accuracy"},
		"task no string":       {`{"task":7}`, "bad-field", 400, "task"},
		"input no object":      {`{"task":"fashion","input":"x"}`, "bad-field", 400, "input"},
		"broken base64":        {`{"task":"fashion","input":{"content_type":"image/png","data":"%%%"}}`, "bad-base64", 400, "input.data"},
		"base64 cut":           {`{"task":"fashion","input":{"content_type":"image/png","data":"iVBORw"}}`, "bad-base64", 400, "input.data"},
		"no task":              {strings.Replace(asking(t, ""), `"task":"fashion",`, "", 1), "unknown-task", 422, "task"},
		"unknown task":         {strings.Replace(asking(t, ""), "fashion", "poetry", 1), "unknown-task", 422, "task"},
		"unknown model":        {asking(t, `,"model":"gpt"`), "unknown-model", 422, "model"},
		"figures only":         {asking(t, `,"model":"paper"`), "unknown-model", 422, "model"},
		"model of other task":  {strings.Replace(asking(t, `,"model":"fast"`), `"fashion"`, `"unserved"`, 1), "unknown-model", 422, "model"},
		"unknown class":        {asking(t, `,"class":"urgent"`), "bad-class", 422, "class"},
		"negative latency":     {bounds(`{"latency_ms":-1}`), "bad-bound", 422, "constraints.latency_ms"},
		"zero latency":         {bounds(`{"latency_ms":0}`), "bad-bound", 422, "constraints.latency_ms"},
		"task null":            {strings.Replace(asking(t, ""), `"fashion"`, "null", 1), "unknown-task", 422, "task"},
		"input null":           {`{"task":"fashion","input":null}`, "unsupported-input", 415, "input.content_type"},
		"null twice":           {asking(t, `,"class":null,"class":null`), "duplicate-field", 400, "class"},
		"NaN as a string":      {bounds(`{"latency_ms":"NaN"}`), "bad-bound", 422, "constraints.latency_ms"},
		"NaN bare":             {bounds(`{"latency_ms":NaN}`), "bad-json", 400, ""},
		"beyond float64":       {bounds(`{"latency_ms":1e999}`), "bad-bound", 422, "constraints.latency_ms"},
		"above an hour":        {bounds(`{"latency_ms":3600001}`), "bad-bound", 422, "constraints.latency_ms"},
		"accuracy above 100":   {bounds(`{"accuracy":100.1}`), "bad-bound", 422, "constraints.accuracy"},
		"accuracy as a share":  {bounds(`{"accuracy":0.9}`), "bad-bound", 422, "constraints.accuracy"},
		"the share of all":     {bounds(`{"accuracy":1}`), "bad-bound", 422, "constraints.accuracy"},
		"negative accuracy":    {bounds(`{"accuracy":-5}`), "bad-bound", 422, "constraints.accuracy"},
		"negative cost":        {bounds(`{"cost_usd_per_million":-1}`), "bad-bound", 422, "constraints.cost_usd_per_million"},
		"absurd cost":          {bounds(`{"cost_usd_per_million":1e10}`), "bad-bound", 422, "constraints.cost_usd_per_million"},
		"below the floor":      {bounds(`{"latency_ms":4}`), "below-floor", 422, "constraints.latency_ms"},
		"too fast for any":     {bounds(`{"latency_ms":16}`), "unsatisfiable", 422, "constraints.latency_ms"},
		"too accurate for any": {bounds(`{"accuracy":95}`), "unsatisfiable", 422, "constraints.accuracy"},
		"too cheap for any":    {bounds(`{"cost_usd_per_million":0.000001}`), "unsatisfiable", 422, "constraints.cost_usd_per_million"},
		"unknown dimension":    {asking(t, `,"optimize":"beauty"`), "bad-objective", 422, "optimize"},
		"optimise with all bounds": {bounds(`{"latency_ms":500,"accuracy":80,"cost_usd_per_million":100},"optimize":"cost"`),
			"bad-objective", 422, "optimize"},
		"negative weight":  {asking(t, `,"optimize":{"cost":-1,"latency":2}`), "bad-objective", 422, "optimize.cost"},
		"weights of zero":  {asking(t, `,"optimize":{"cost":0}`), "bad-objective", 422, "optimize"},
		"weight no number": {asking(t, `,"optimize":{"cost":"much"}`), "bad-objective", 422, "optimize.cost"},
		"unknown weight":   {asking(t, `,"optimize":{"speed":1}`), "unknown-field", 400, "optimize.speed"},
		"callback number":  {asking(t, `,"callback":7`), "bad-field", 400, "callback"},
		"callback to none": {asking(t, `,"callback":"https://a.example.com/"`), "bad-callback", 422, "callback"},
		"no input":         {`{"task":"fashion"}`, "unsupported-input", 415, "input.content_type"},
		"data and uri": {strings.Replace(asking(t, ""), `"data"`, `"uri":"paragon-blob:1","data"`, 1),
			"bad-input", 422, "input"},
		"neither data nor uri": {`{"task":"fashion","input":{"content_type":"image/png"}}`, "bad-input", 422, "input"},
		"unknown upload":       {`{"task":"fashion","input":{"content_type":"image/png","uri":"paragon-blob:1"}}`, "unknown-upload", 422, "input.uri"},
		"a path for a uri":     {`{"task":"fashion","input":{"content_type":"image/png","uri":"../../etc/passwd"}}`, "unknown-upload", 422, "input.uri"},
		"text for pictures":    {input("text/plain", []byte("hello")), "unsupported-input", 415, "input.content_type"},
		"unsupported picture":  {input("image/gif", picture(t, 1)), "unsupported-input", 415, "input.content_type"},
		"no picture":           {input("image/png", []byte("hello")), "bad-input", 422, "input.data"},
		"cut picture":          {input("image/png", picture(t, 1)[:20]), "bad-input", 422, "input.data"},
		"another picture":      {input("image/jpeg", picture(t, 1)), "bad-input", 422, "input.content_type"},
		"bomb":                 {input("image/png", bomb(t)), "bad-input", 422, "input.data"},
		"short tensor":         {input(rawTensor, floats(1, 2, 3)), "bad-input", 422, "input.data"},
		"above inline":         {input("image/png", append(picture(t, 1), make([]byte, inlineBytes)...)), "input-too-large", 413, "input.data"},
	}
}

func TestBadInputIsRefusedAndNothingStored(t *testing.T) {
	s := newStage(t)
	for name, c := range refusals(t) {
		t.Run(name, func(t *testing.T) {
			got := s.submit(t, c.body, "Idempotency-Key", "the same for all")
			checkProblem(t, got, c.kind, c.status, c.field)
		})
	}
	nothingStored(t, s)
}

// An unknown field is refused with those that there are.
func TestAnUnknownFieldIsRefusedWithTheKnown(t *testing.T) {
	s := newStage(t)
	for body, known := range map[string]string{
		asking(t, `,"tasks":1`):                   "callback, class, constraints,",
		asking(t, `,"constraints":{"latency":5}`): "accuracy, cost_usd_per_million, latency_ms",
	} {
		var p api.Problem
		if s.submit(t, body).into(t, &p); !strings.Contains(p.Detail, known) {
			t.Errorf("%s: %q has no %q", body, p.Detail, known)
		}
	}
}

func checkProblem(t *testing.T, got reply, kind string, status int, field string) {
	t.Helper()
	var p api.Problem
	got.into(t, &p)
	if got.StatusCode != status || p.Status != status || p.Type != problemBase+kind || p.Field != field {
		t.Errorf("want %d %s of %q, got %d: %s", status, kind, field, got.StatusCode, got.body)
	}
	if p.Title == "" || p.Detail == "" || got.Header.Get("Content-Type") != "application/problem+json" || len(got.body) > 2000 {
		t.Errorf("problem %s as %s", got.body, got.Header.Get("Content-Type"))
	}
}

func nothingStored(t *testing.T, s *stage) {
	t.Helper()
	rs, err := s.cloud.Records.ListRecords(t.Context(), "local", 10)
	samples, failed := s.cloud.Records.SampleRecords(t.Context(), time.Time{}, 10)
	if err != nil || failed != nil || len(rs)+len(samples) != 0 || s.queued(t) != 0 {
		t.Errorf("stored %v and %v, errors %v and %v, %d queued", rs, samples, err, failed, s.queued(t))
	}
}

func TestARefusalReportsWhatCanBeHad(t *testing.T) {
	s := newStage(t)
	var p api.Problem
	s.submit(t, asking(t, `,"constraints":{"latency_ms":4}`)).into(t, &p)
	if p.Bound == nil || *p.Bound != settings.Defaults().FloorMS {
		t.Errorf("the floor is not told: %+v", p)
	}
	s.submit(t, asking(t, `,"constraints":{"accuracy":95,"latency_ms":500}`)).into(t, &p)
	if p.Nearest == nil || p.Nearest.Model != "good" || p.Possible == nil || p.Possible.Accuracy != 93 || *p.Bound != 93 {
		t.Errorf("the nearest is not told: %+v", p)
	}
	p = api.Problem{}
	s.submit(t, asking(t, `,"constraints":{"accuracy":95}`)).into(t, &p)
	if p.Possible == nil || p.Possible.LatencyMS != 0 {
		t.Errorf("a bound that nobody asked for is told: %+v", p.Possible)
	}
}

func TestWrongContentTypes(t *testing.T) {
	s := newStage(t)
	for _, header := range [][]string{
		{}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "text/html"}, {"Content-Type", ";;"},
		{"Content-Type", "application/json", "Content-Encoding", "br"},
		{"Content-Type", "application/json", "Content-Encoding", "gzip, gzip, gzip"},
	} {
		got := s.do(t, "POST", "/v1/queries", []byte(asking(t, "")), header...)
		field := "Content-Type"
		if len(header) > 2 {
			field = "Content-Encoding"
		}
		checkProblem(t, got, "wrong-content-type", 415, field)
	}
	nothingStored(t, s)
}

func TestBadParametersWithAPicture(t *testing.T) {
	s := newStage(t)
	for path, want := range map[string]struct {
		kind   string
		status int
		field  string
	}{
		"?task=fashion&latency=5":             {"unknown-field", 400, "latency"},
		"?task=fashion&task=fashion":          {"duplicate-field", 400, "task"},
		"?task=fashion&latency_ms=NaN":        {"bad-bound", 422, "constraints.latency_ms"},
		"?task=fashion&latency_ms=inf":        {"bad-bound", 422, "constraints.latency_ms"},
		"?task=fashion&latency_ms=fast":       {"bad-bound", 422, "constraints.latency_ms"},
		"?task=fashion&accuracy=0.9":          {"bad-bound", 422, "constraints.accuracy"},
		"?task=fashion&latency_ms=-5":         {"bad-bound", 422, "constraints.latency_ms"},
		"?task=fashion&latency_ms=%zz":        {"bad-field", 400, ""},
		"?task=poetry":                        {"unknown-task", 422, "task"},
		"?task=fashion&optimize=everything":   {"bad-objective", 422, "optimize"},
		"?task=fashion&class=urgent":          {"bad-class", 422, "class"},
		"?latency_ms=5&model=good&accuracy=2": {"unsatisfiable", 422, "constraints.latency_ms"},
	} {
		checkProblem(t, s.do(t, "POST", "/v1/queries"+path, picture(t, 1), "Content-Type", "image/png"), want.kind, want.status, want.field)
	}
	for path, want := range map[string]struct {
		kind   string
		status int
		field  string
		says   string
	}{
		"?unknown=5":        {"unknown-field", 400, "unknown", "does not exist"},
		"?task=fashion&a=%": {"bad-field", 400, "", "cannot be read"},
		"?latency_ms=soon":  {"bad-bound", 422, "constraints.latency_ms", "not a number"},
	} {
		got := s.do(t, "POST", "/v1/queries"+path, []byte(asking(t, "")), "Content-Type", "application/json")
		checkProblem(t, got, want.kind, want.status, want.field)
		if !strings.Contains(string(got.body), want.says) {
			t.Errorf("%s: %s does not say %q", path, got.body, want.says)
		}
	}
	large := append(picture(t, 1), make([]byte, inlineBytes)...)
	checkProblem(t, s.do(t, "POST", "/v1/queries?task=fashion", large, "Content-Type", "image/png"), "body-too-large", 413, "")
	nothingStored(t, s)
}

func TestBadKeysAndLimits(t *testing.T) {
	s := newStage(t)
	checkProblem(t, s.submit(t, asking(t, ""), "Idempotency-Key", strings.Repeat("k", 256)), "bad-idempotency-key", 400, "Idempotency-Key")
	checkProblem(t, s.submit(t, asking(t, ""), "Idempotency-Key", "a\tb"), "bad-idempotency-key", 400, "Idempotency-Key")
	for _, limit := range []string{"0", "-1", "201", "many", "1.5"} {
		checkProblem(t, s.do(t, "GET", "/v1/queries?limit="+limit, nil), "bad-field", 400, "limit")
	}
	nothingStored(t, s)
}

func TestMethodsAndPaths(t *testing.T) {
	s := newStage(t)
	got := s.do(t, "PATCH", "/v1/queries", nil)
	checkProblem(t, got, "method-not-allowed", 405, "")
	if got.Header.Get("Allow") != "GET, POST" {
		t.Errorf("allow %q", got.Header.Get("Allow"))
	}
	checkProblem(t, s.do(t, "OPTIONS", "/v1/models", nil, "Origin", "http://evil.example"), "method-not-allowed", 405, "")
	checkProblem(t, s.do(t, "GET", "/v1/nothing", nil), "not-found", 404, "")
	checkProblem(t, s.do(t, "GET", "/", nil), "not-found", 404, "")
	if got := s.do(t, "HEAD", "/healthz", nil); got.StatusCode != 200 {
		t.Errorf("HEAD answered %d", got.StatusCode)
	}
}

func TestOnlyLoopbackNamesReachALoopbackService(t *testing.T) {
	s := newStage(t)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost": 200, "LOCALHOST:80": 200, "[::1]:8080": 200, "127.1.2.3": 200,
		"evil.example": 403, "localhost.evil.example": 403, "10.0.0.1": 403, "": 403, "127.0.0.1.nip.io:8080": 403,
	} {
		req := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		req.Host = host
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		if rec.Code != want {
			t.Errorf("host %q answered %d, want %d", host, rec.Code, want)
		}
		if rec.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("host %q: other origins are let in", host)
		}
	}
}
