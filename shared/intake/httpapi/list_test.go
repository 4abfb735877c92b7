package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// list posts a list of queries.
func (s *stage) list(t testing.TB, items []string, header ...string) reply {
	t.Helper()
	return s.submit(t, "["+strings.Join(items, ",")+"]", header...)
}

func itemsOf(t testing.TB, got reply) []api.Item {
	t.Helper()
	var out api.Items
	got.into(t, &out)
	return out.Items
}

// Each query of a list is answered as it would be alone.
func TestEveryItemHasItsOwnAnswer(t *testing.T) {
	s, _ := newFront(t, 0)
	got := s.list(t, []string{
		asking(t, `,"all_scores":true`),
		strings.Replace(asking(t, ""), "fashion", "poetry", 1),
		asking(t, `,"constraints":{"accuracy":95}`),
		`{"task":7}`,
		`null`,
		`[]`,
		asking(t, `,"class":"strict","explain":true`),
	}, "Prefer", "wait=5")
	items := itemsOf(t, got)
	if got.StatusCode != 200 || len(items) != 7 || got.Header.Get("Location") != "" || got.Header.Get("Preference-Applied") != "wait=5" {
		t.Fatalf("%d %v %s", got.StatusCode, got.Header, got.body)
	}
	for i, want := range []struct {
		status int
		kind   string
	}{{200, ""}, {422, "unknown-task"}, {422, "unsatisfiable"}, {400, "bad-field"}, {400, "bad-field"}, {400, "bad-field"}, {200, ""}} {
		item := items[i]
		if item.Status != want.status || (item.Query != nil) != (want.kind == "") || (item.Problem != nil) != (want.kind != "") ||
			item.Problem != nil && (item.Problem.Type != problemBase+want.kind || item.Problem.Status != want.status) {
			t.Errorf("item %d: %+v %+v", i, item, item.Problem)
		}
	}
	if first, last := items[0].Query, items[6].Query; len(first.Result.Scores) != 3 || first.Receipt == "" || len(last.Result.Scores) != 0 || len(last.Candidates) != 4 || last.Class != query.Strict {
		t.Errorf("%+v and %+v", first, last)
	}
	nothingStored(t, s)
}

func TestItemsThatAreNotAnsweredInTimeAreAccepted(t *testing.T) {
	s, w := newFront(t, 0)
	w.none = true
	s.svc.MostWaiters = -1
	for _, item := range itemsOf(t, s.list(t, []string{asking(t, ""), asking(t, "")}, "Prefer", "wait=5")) {
		if item.Status != 202 || item.Query.State != query.Accepted {
			t.Errorf("%+v", item)
		}
	}
	if ids := s.sentIDs(t); len(ids) != 2 {
		t.Errorf("sent %v", ids)
	}
}

func TestListsAreBounded(t *testing.T) {
	s := newStage(t)
	most := make([]string, maxItems+1)
	for i := range most {
		most[i] = asking(t, "")
	}
	checkProblem(t, s.list(t, nil), "bad-field", 400, "")
	checkProblem(t, s.list(t, most), "bad-field", 400, "")
	checkProblem(t, s.submit(t, "["+asking(t, "")+","), "bad-json", 400, "")
	checkProblem(t, s.submit(t, "["+asking(t, "")+"]x"), "bad-json", 400, "")
	checkProblem(t, s.list(t, []string{strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)}), "json-too-deep", 400, "")
	nothingStored(t, s)
	if got := itemsOf(t, s.list(t, most[1:])); len(got) != maxItems {
		t.Errorf("%d items", len(got))
	}
	if ids := s.sentIDs(t); len(ids) != maxItems {
		t.Errorf("%d sent", len(ids))
	}
}

// A key stands for a list: a repeat is answered item by item.
func TestAListUnderAKey(t *testing.T) {
	s := newStage(t)
	a, b := asking(t, ""), asking(t, `,"class":"strict"`)
	ids := func(got reply) (out []string) {
		for _, item := range itemsOf(t, got) {
			if item.Query == nil {
				out = append(out, item.Problem.Type)
				continue
			}
			out = append(out, item.Query.ID)
		}
		return out
	}
	first := ids(s.list(t, []string{a, b, a}, "Idempotency-Key", "k"))
	if first[0] == first[2] {
		t.Errorf("two items are one query: %v", first)
	}
	if again := ids(s.list(t, []string{a, b, a}, "Idempotency-Key", "k")); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("first %v, repeat %v", first, again)
	}
	if other := ids(s.list(t, []string{b, b}, "Idempotency-Key", "k")); other[0] != problemBase+"idempotency-key-reused" || other[1] != first[1] {
		t.Errorf("another list: %v", other)
	}
	if alone := s.submit(t, a, "Idempotency-Key", "k").query(t); alone.ID == first[0] {
		t.Error("a query alone found an item's key")
	}
	for _, item := range itemsOf(t, s.list(t, []string{a, b}, "Idempotency-Key", strings.Repeat("k", 256))) {
		if item.Status != 400 || item.Problem.Type != problemBase+"bad-idempotency-key" {
			t.Errorf("%+v", item)
		}
	}
}

// Every item of a batch is a query, and the outputs have an item each.
func TestABatch(t *testing.T) {
	s, w := newFront(t, 0)
	values := make([]float32, 3*side*side)
	rows := []string{}
	for i := range 3 {
		row := strings.TrimSuffix(strings.Repeat(fmt.Sprint(i)+",", side), ",")
		rows = append(rows, "[["+strings.TrimSuffix(strings.Repeat("["+row+"],", side), ",")+"]]")
		for j := range side * side {
			values[i*side*side+j] = float32(i)
		}
	}
	pngs := [][]byte{picture(t, 1), picture(t, 2), picture(t, 3)}
	var texts []string
	var strung []byte
	for _, png := range pngs {
		texts = append(texts, `"`+base64.StdEncoding.EncodeToString(png)+`"`)
		strung = append(binary.LittleEndian.AppendUint32(strung, uint32(len(png))), png...)
	}
	in := func(rest string) string { return `{"inputs":[{"name":"input",` + rest + `}]}` }
	for name, c := range map[string]struct {
		head string
		tail []byte
		want [][]byte
	}{
		"JSON":            {in(`"datatype":"FP32","shape":[3,1,4,4],"data":[` + strings.Join(rows, ",") + `]`), nil, nil},
		"binary":          {in(`"datatype":"FP32","shape":[3,1,4,4],"parameters":{"binary_data_size":192}`), floats(values...), nil},
		"pictures":        {in(`"datatype":"BYTES","shape":[3],"data":[` + strings.Join(texts, ",") + `]`), nil, pngs},
		"binary pictures": {in(fmt.Sprintf(`"datatype":"BYTES","shape":[3,1],"parameters":{"binary_data_size":%d}`, len(strung))), strung, pngs},
	} {
		t.Run(name, func(t *testing.T) {
			w.asked = nil
			got := s.infer(t, "good", c.head, c.tail)
			var r inferReply
			got.into(t, &r)
			if got.StatusCode != 200 || len(r.Outputs) != 3 || fmt.Sprint(r.Outputs[0].Shape) != "[3 3]" || fmt.Sprint(r.Outputs[1].Shape) != "[3]" || fmt.Sprint(r.Outputs[2].Shape) != "[3]" {
				t.Fatalf("%d %s", got.StatusCode, got.body)
			}
			if ids := strings.Split(r.Parameters.QueryIDs, ","); len(ids) != 3 || !strings.Contains(r.Parameters.QueryIDs, r.Parameters.QueryID) || r.Parameters.CostUSD != 3*succeeded.CostUSD || r.ID != ids[0] {
				t.Errorf("parameters %+v, id %s", r.Parameters, r.ID)
			}
			seen := map[string]int{}
			for _, m := range w.asked {
				seen[string(m.Input.Data)]++
			}
			for i := range 3 {
				want := floats(values[i*side*side : (i+1)*side*side]...)
				if c.want != nil {
					want = c.want[i]
				}
				if seen[string(want)] != 1 {
					t.Errorf("item %d was asked %d times", i, seen[string(want)])
				}
			}
		})
	}
	nothingStored(t, s)
}

// The outputs of a batch lie in the order of its items.
func TestABatchKeepsItsOrder(t *testing.T) {
	s, _ := newFront(t, 0)
	got := s.infer(t, "good", `{"inputs":[{"name":"input","datatype":"FP32","shape":[100,1,4,4],"parameters":{"binary_data_size":6400}}],"outputs":[{"name":"scores"}]}`, pixels(100))
	var r inferReply
	got.into(t, &r)
	var scores []float32
	reply{body: r.Outputs[0].Data}.into(t, &scores)
	if got.StatusCode != 200 || len(scores) != 300 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	for i := range 100 {
		if want := mark(floats(slices.Repeat([]float32{float32(i)}, side*side)...)); scores[3*i+2] != want {
			t.Errorf("item %d has score %v, want %v", i, scores[3*i+2], want)
		}
	}
}

// pixels are items of the model's size, each of one gray.
func pixels(items int) []byte {
	var out []byte
	for i := range items {
		out = append(out, floats(slices.Repeat([]float32{float32(i)}, side*side)...)...)
	}
	return out
}

// If an item of a batch is refused, or has no answer, that is the batch's.
func TestABatchWithoutAllAnswers(t *testing.T) {
	s, w := newFront(t, 0)
	good, bad := base64.StdEncoding.EncodeToString(picture(t, 1)), base64.StdEncoding.EncodeToString(bomb(t))
	head := `{"inputs":[{"name":"input","datatype":"BYTES","shape":[2],"data":["` + good + `","` + bad + `"]}]}`
	if got := s.infer(t, "good", head, nil); got.StatusCode != 422 || !strings.Contains(string(got.body), "input.data") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	w.none = true
	s.svc.MostWaiters = -1
	head = strings.Replace(head, bad, good, 1)
	if got := s.infer(t, "good", head, nil); got.StatusCode != 503 || !strings.Contains(string(got.body), "/v1/queries/") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// Each item of a batch has a receipt for feedback of its own.
func TestABatchHasItsReceipts(t *testing.T) {
	s, _ := newFront(t, 0)
	got := s.infer(t, "good", `{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,4,4],"parameters":{"binary_data_size":192}}],"outputs":[{"name":"label"}]}`, pixels(3))
	var r struct{ Parameters inferParameters }
	got.into(t, &r)
	ids, receipts := strings.Split(r.Parameters.QueryIDs, ","), strings.Split(r.Parameters.Receipts, ",")
	if len(ids) != 3 || len(receipts) != 3 || r.Parameters.Receipt != "" {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	vote := func(id, receipt string) int {
		return s.do(t, "POST", "/v1/queries/"+id+"/feedback", []byte(`{"correct":true,"receipt":"`+receipt+`"}`), "Content-Type", "application/json").StatusCode
	}
	for i, id := range ids {
		if status := vote(id, receipts[(i+1)%3]); status != 422 {
			t.Errorf("another item's receipt was answered %d", status)
		}
		if status := vote(id, receipts[i]); status != 204 {
			t.Errorf("item %d's receipt was answered %d", i, status)
		}
	}
}
