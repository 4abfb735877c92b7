package profiles

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Every figure names a file, a row and a column; this reads the value back
// from there, by another way than the generator's, and fails where they differ.
func TestEveryFigureIsWhatItsSourceSays(t *testing.T) {
	r := reader{t: t, tables: map[string][]map[string]string{}}
	s := embeddedSet(t)
	for _, name := range []string{"fashion", "imagenet"} {
		var f profile.File
		if err := s.read(name+"/catalogue.json", &f); err != nil {
			t.Fatal(err)
		}
		for i := range f.Models {
			r.model(&f.Models[i])
		}
	}
	res, err := s.resources()
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range res.Instances {
		r.instance(in)
	}
	for _, fs := range res.Functions {
		what := "functions of " + fs.Arch
		r.same(what+" mb_per_vcpu", float64(fs.MBPerVCPU), fs.Source)
		r.same(what+" speed", fs.Speed, column(fs.Source, "speed"))
		r.same(what+" fetch", fs.Fetch.MBPerSecond, fs.Fetch.Source)
		r.same(what+" first byte p50", fs.Fetch.FirstByteMS.P50, column(fs.Fetch.Source, "s3_first_byte_ms.p50"))
		r.same(what+" first byte p95", fs.Fetch.FirstByteMS.P95, column(fs.Fetch.Source, "s3_first_byte_ms.p95"))
		r.same(what+" first byte p99", fs.Fetch.FirstByteMS.P99, column(fs.Fetch.Source, "s3_first_byte_ms.p99"))
	}
	for _, p := range res.Prices {
		r.prices(p)
	}
	if r.checked < 400 {
		t.Errorf("only %d figures were read back", r.checked)
	}
}

type reader struct {
	t       *testing.T
	tables  map[string][]map[string]string
	checked int
}

func column(s profile.Source, name string) profile.Source {
	s.Column, s.Factor = name, 0
	return s
}

func (r *reader) model(m *profile.Model) {
	a := m.Accuracy
	if a.Total > 0 {
		r.same(m.Name+" correct", float64(a.Correct), column(a.Source, a.Source.Column+".correct"))
		r.same(m.Name+" total", float64(a.Total), column(a.Source, a.Source.Column+".total"))
	} else {
		r.same(m.Name+" top-1", a.Top1Percent, a.Source)
	}
	if !strings.Contains(m.MemorySource.Note, "three times the file") { // a rule over another figure, not one of its own
		r.same(m.Name+" memory", float64(m.MemoryMB), m.MemorySource)
	}
	for _, l := range m.Latency {
		what := fmt.Sprintf("%s on %s %d MB", m.Name, l.Resource, l.MemoryMB)
		if strings.HasSuffix(l.Source.File, ".json") {
			r.same(what+" p50", l.MS.P50, column(l.Source, l.Source.Column+".p50"))
			r.same(what+" p95", l.MS.P95, column(l.Source, l.Source.Column+".p95"))
			r.same(what+" p99", l.MS.P99, column(l.Source, l.Source.Column+".p99"))
		} else {
			r.same(what, l.MS.P50, l.Source)
			r.same(what, l.MS.P99, l.Source)
		}
		if l.ColdMS != nil && l.ColdSource != nil {
			r.same(what+" cold", l.ColdMS.P95, *l.ColdSource)
		} else if l.ColdMS != nil {
			r.same(what+" cold", l.ColdMS.P95, column(l.Source, "cold_ms.p95"))
		}
	}
}

func (r *reader) instance(in profile.Instance) {
	r.same(in.Type+" speed", in.Speed, in.Source)
	r.same(in.Type+" vcpus", float64(in.VCPUs), column(in.Source, "vcpus"))
	r.same(in.Type+" memory", float64(in.MemoryMB), column(in.Source, "memory_mb"))
	r.same(in.Type+" price", in.USDPerHour, in.PriceSource)
}

func (r *reader) prices(p profile.Prices) {
	raw, err := json.Marshal(p)
	if err != nil {
		r.t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		r.t.Fatal(err)
	}
	for field, v := range fields {
		if usd, ok := v.(float64); ok {
			r.same(p.Name+" "+field, usd, column(p.Source, field))
		}
	}
}

// same compares a figure with its source's cell times its factor.
func (r *reader) same(what string, figure float64, s profile.Source) {
	r.t.Helper()
	r.checked++
	cell, err := r.cell(s)
	if err != nil {
		r.t.Errorf("%s: %v", what, err)
		return
	}
	if s.Factor != 0 {
		cell *= s.Factor
	}
	// Whole numbers are cut off, such as twice 4.8 MB.
	if math.Abs(figure-cell) > 1e-9*math.Abs(cell) && (figure != math.Trunc(figure) || math.Trunc(cell) != figure) {
		r.t.Errorf("%s is %v, and %s row %s column %s says %v", what, figure, s.File, s.Row, s.Column, cell)
	}
}

func (r *reader) cell(s profile.Source) (float64, error) {
	if from, less, ok := strings.Cut(s.Column, " - "); ok {
		a, errA := r.cell(column(s, from))
		b, errB := r.cell(column(s, less))
		return a - b, errors.Join(errA, errB)
	}
	if strings.HasSuffix(s.File, ".json") {
		return cellOfJSON(s)
	}
	var found []string
	for _, row := range r.table(s.File) {
		if all(s.Row, func(column, value string) bool { return row[column] == value }) {
			found = append(found, row[s.Column])
		}
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%d rows of %s are %s", len(found), s.File, s.Row)
	}
	return strconv.ParseFloat(found[0], 64)
}

func all(row string, is func(column, value string) bool) bool {
	for _, pair := range strings.Split(row, ",") {
		column, value, _ := strings.Cut(pair, "=")
		if !is(column, value) {
			return false
		}
	}
	return true
}

func (r *reader) table(file string) []map[string]string {
	if t, ok := r.tables[file]; ok {
		return t
	}
	f, err := os.Open(filepath.FromSlash(file))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range line {
			row[lines[0][i]] = cell
		}
		r.tables[file] = append(r.tables[file], row)
	}
	return r.tables[file]
}

// cellOfJSON looks in a flat object of prices, or in a list of models and
// there, where the row says more than a name, in the list of latencies.
func cellOfJSON(s profile.Source) (float64, error) {
	raw, err := os.ReadFile(filepath.FromSlash(s.File))
	if err != nil {
		return 0, err
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return 0, err
	}
	models, ok := doc["models"].([]any)
	if !ok {
		return number(doc[s.Row])
	}
	name, rest, deeper := strings.Cut(s.Row, ",")
	at := pick(models, name)
	if list, ok := at["latency"].([]any); deeper && ok {
		at = pick(list, rest)
	}
	var v any = at
	for _, key := range strings.Split(s.Column, ".") {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return number(v)
}

func pick(list []any, row string) map[string]any {
	i := slices.IndexFunc(list, func(v any) bool {
		object, _ := v.(map[string]any)
		return all(row, func(column, value string) bool { return fmt.Sprint(object[column]) == value })
	})
	if i < 0 {
		return nil
	}
	return list[i].(map[string]any)
}

func number(v any) (float64, error) {
	x, ok := v.(float64)
	if !ok {
		return 0, fmt.Errorf("there is no number, but %v", v)
	}
	return x, nil
}
