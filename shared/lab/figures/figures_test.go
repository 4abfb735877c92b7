package figures

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
)

func inputs(t testing.TB) Inputs {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, then, _, err := set.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	return Inputs{Catalogue: c, Then: then}
}

// What the paper finds and what holds here, as docs/lab/figures.md says it: when a
// figure of the catalogue changes a finding, the page has to change too.
func TestFindings(t *testing.T) {
	want := map[string][]bool{
		"1": {true, true}, "2": {true, true}, "3": {true, true, true, false}, "7": {true, true, false}, "workload2": {true},
	}
	for number, holds := range want {
		f, err := Make(number, inputs(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Findings) != len(holds) {
			t.Fatalf("figure %s has %d findings", number, len(f.Findings))
		}
		for i, finding := range f.Findings {
			t.Logf("figure %s: %s: %v: %s", number, finding.Claim, finding.Holds, finding.Detail)
			if finding.Holds != holds[i] {
				t.Errorf("figure %s: %q holds: %v: %s", number, finding.Claim, finding.Holds, finding.Detail)
			}
		}
	}
}

func TestEveryC5AndM5SizeIsInFigure3(t *testing.T) {
	in := inputs(t)
	f, err := Make("3", in)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, row := range f.Rows {
		have[row[2]] = true
	}
	for _, vm := range in.Catalogue.Instances {
		if (strings.HasPrefix(vm.Type, "c5.") || strings.HasPrefix(vm.Type, "m5.")) && !have[vm.Type] {
			t.Errorf("figure 3 lacks %s", vm.Type)
		}
	}
}

func TestEveryFigureIsWritten(t *testing.T) {
	for _, number := range Names() {
		f, err := Make(number, inputs(t))
		if err != nil {
			t.Fatal(err)
		}
		var table, picture, vector bytes.Buffer
		if err := errors.Join(f.CSV(&table), f.PNG(&picture), f.SVG(&vector)); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(table.String(), "\n"); lines != len(f.Rows)+1 {
			t.Errorf("figure %s: %d lines of CSV for %d rows", number, lines, len(f.Rows))
		}
		if _, err := png.Decode(&picture); err != nil {
			t.Errorf("figure %s: %v", number, err)
		}
		for d := xml.NewDecoder(&vector); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("figure %s: %v", number, err)
			}
		}
	}
}

func TestAFigureThatIsNotHere(t *testing.T) {
	if _, err := Make("4", inputs(t)); err == nil {
		t.Error("figure 4 was made")
	}
}

// The pages show the figures as they are now: after a change, run
// paragon-lab figures --out docs/lab/figures and read docs/lab/figures.md again.
func TestThePagesShowTheseFigures(t *testing.T) {
	for _, name := range Names() {
		f, err := Make(name, inputs(t))
		if err != nil {
			t.Fatal(err)
		}
		var now bytes.Buffer
		if err := f.CSV(&now); err != nil {
			t.Fatal(err)
		}
		shown, err := os.ReadFile("../../../docs/lab/figures/" + f.Name + ".csv")
		if err != nil {
			t.Fatal(err)
		}
		if now.String() != string(shown) {
			t.Errorf("docs/lab/figures/%s.csv is not what the catalogue gives", f.Name)
		}
	}
}
