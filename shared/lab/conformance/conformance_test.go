package conformance

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// divide divides whole numbers, which on zeros takes down the process.
func divide() []byte {
	port := func(name string) enginetest.Value {
		return enginetest.Value{Name: name, Type: enginetest.Int64, Shape: []int64{2}}
	}
	return enginetest.Graph{
		Inputs: []enginetest.Value{port("a"), port("b")}, Outputs: []enginetest.Value{port("c")},
		Nodes: []enginetest.Node{{Op: "Div", Inputs: []string{"a", "b"}, Outputs: []string{"c"}}},
	}.Bytes()
}

func whole(name string, values ...byte) Value {
	v := Value{Name: name, Datatype: tensors.Int64, Shape: []int64{int64(len(values))}}
	for _, b := range values {
		v.Data = append(v.Data, b, 0, 0, 0, 0, 0, 0, 0)
	}
	return v
}

// Cases pass and fail as their expected outputs say, on the inputs that come with them
// alone.
func TestCasesRun(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(model, divide(), 0o600); err != nil {
		t.Fatal(err)
	}
	set := func(out Value, in ...Value) []Set { return []Set{{in, []Value{out}}} }
	a, b := whole("a", 6, 9), whole("b", 2, 3)
	want := []struct {
		c    Case
		says string // empty of one that passes
	}{
		{Case{Sets: set(whole("c", 3, 3), a, b)}, ""},
		{Case{Sets: set(whole("c", 3, 4), a, b)}, "element 1 is 3, expected 4"},
		{Case{Sets: set(whole("d", 3, 3), a, b)}, `no output "d"`},
		{Case{Sets: set(whole("c", 3, 3), a)}, "is missing"},
		{Case{Sets: set(whole("c", 3, 3), a, Value{Name: "b", Other: "list"})}, "of the kind \"list\""},
		{Case{Sets: set(Value{Name: "c", Other: "list"}, a, b)}, "is to be a list"},
	}
	var lines strings.Builder
	for _, w := range want {
		w.c.Model, w.c.RTol = model, 1e-3
		if err := json.NewEncoder(&lines).Encode(w.c); err != nil {
			t.Fatal(err)
		}
	}
	cases, err := Read(strings.NewReader(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	got, err := Run(t.Context(), cases, func(string) { steps++ })
	if err != nil || steps != len(want) {
		t.Fatalf("%d steps, error %v", steps, err)
	}
	for i, w := range want {
		if (got[i].Why == "") != (w.says == "") || !strings.Contains(got[i].Why, w.says) {
			t.Errorf("case %d: %q, want %q", i, got[i].Why, w.says)
		}
	}
}

func TestNumbersAreComparedWithinTheirTolerance(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tc := range []struct {
		got, want float64
		same      bool
	}{{1, 1.0009, true}, {1, 1.01, false}, {0, 9e-8, true}, {nan, nan, true}, {nan, 1, false}, {inf, inf, true}, {-inf, inf, false}, {1, inf, false}} {
		if near(tc.got, tc.want, 1e-3, 1e-7) != tc.same {
			t.Errorf("%v and %v", tc.got, tc.want)
		}
	}
	for d, one := range map[tensors.Datatype][]byte{
		tensors.Int8: {0xff}, tensors.Int16: {0xff, 0xff}, tensors.Int32: {0xff, 0xff, 0xff, 0xff}, tensors.FP32: {0, 0, 0x80, 0xbf},
		tensors.FP64: {0, 0, 0, 0, 0, 0, 0xf0, 0xbf}, tensors.FP16: {0, 0xbc}, tensors.BF16: {0x80, 0xbf},
	} {
		if got := numbers(d, one); len(got) != 1 || got[0] != -1 {
			t.Errorf("%s: %v", d, got)
		}
	}
}

func TestThePageCountsByKind(t *testing.T) {
	outcomes := []Outcome{
		{Case: &Case{Kind: "node"}, Name: "good"},
		{Case: &Case{Kind: "node"}, Name: "bad", Why: "a | b"},
		{Case: &Case{Kind: "simple", Python: "no"}, Name: "more"},
		{Case: &Case{Kind: "simple", Python: "no"}, Name: "neither", Why: "no"},
	}
	s := Summarize(outcomes, "")
	if s.Cases != 4 || s.Reference != 2 || s.Passed != 1 || s.More != 1 || len(s.Failed) != 1 || s.Percent() != 50 {
		t.Errorf("%+v", s)
	}
	var page strings.Builder
	if err := Write(&page, outcomes, "1", "2", time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| node | 2 | 2 | 1 | 0 |", "| simple | 2 | 0 | 0 | 1 |", `| bad | a \| b |`} {
		if !strings.Contains(page.String(), row) {
			t.Errorf("the page has no row %s:\n%s", row, page.String())
		}
	}
}
