package figures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
)

// figure7Models are five models with published times at several function sizes.
var figure7Models = []string{"SqueezeNet", "Inception-BN", "InceptionV4", "ResNeXt50", "ResNet200"}

// memory is figure 7: the memory of a function against compute time and the
// cost of a million queries.
func memory(in Inputs) (Figure, error) {
	ms, err := models(in.Catalogue, figure7Models)
	if err != nil {
		return Figure{}, err
	}
	f := Figure{
		Name: "figure-7", Title: "Memory of a function against compute time and cost",
		Columns: []string{"model", "memory_mb", "compute_ms", "usd_per_million", "usd_per_million_in_steps_of_100_ms"},
	}
	time := Panel{Title: "compute time", X: "memory (MB)", Y: "compute time (ms)", LogY: true}
	cost := Panel{Title: "cost of a million queries", X: "memory (MB)", Y: "cost ($)", LogY: true}
	var today, then, falling []shape
	for _, m := range ms {
		t, c := Series{Name: m.Name, Joined: true}, Series{Name: m.Name, Joined: true}
		old := Series{Name: m.Name}
		for _, l := range onFunctions(m) {
			usd := 1e6 * pricing.FunctionQueryUSD(in.Catalogue.Prices, "x86_64", l.MemoryMB, l.MS.P50)
			was := 1e6 * pricing.FunctionQueryUSD(in.Then, "x86_64", l.MemoryMB, l.MS.P50)
			x := float64(l.MemoryMB)
			t.Points = append(t.Points, Point{X: x, Y: l.MS.P50})
			c.Points = append(c.Points, Point{X: x, Y: usd})
			old.Points = append(old.Points, Point{X: x, Y: was})
			f.Rows = append(f.Rows, []string{m.Name, fmt.Sprint(l.MemoryMB), text(l.MS.P50), text(usd), text(was)})
		}
		time.Series, cost.Series = append(time.Series, t), append(cost.Series, c)
		today, then, falling = append(today, shapeOf(c)), append(then, shapeOf(old)), append(falling, shapeOf(t))
	}
	f.Panels = []Panel{time, cost}
	f.Findings = memoryFindings(today, then, falling)
	return f, nil
}

// onFunctions are a model's published times at batch 1 by function memory.
func onFunctions(m *profile.Model) []profile.Latency {
	var out []profile.Latency
	for _, l := range m.Latency {
		if l.Resource == "lambda-x86_64" && l.Batch == 1 {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b profile.Latency) int { return cmp.Compare(a.MemoryMB, b.MemoryMB) })
	return out
}

// shape is what a curve over the memory does.
type shape struct {
	name   string
	falls  bool    // never rises from one size to the next
	inside bool    // its least value is at neither end, and below both
	at     float64 // memory of the least value
}

func shapeOf(s Series) shape {
	out := shape{name: s.Name, falls: true}
	least := s.Points[0]
	for i, p := range s.Points {
		if i > 0 && p.Y > s.Points[i-1].Y {
			out.falls = false
		}
		if p.Y < least.Y {
			least = p
		}
	}
	first, last := s.Points[0], s.Points[len(s.Points)-1]
	out.at, out.inside = least.X, least.Y < first.Y && least.Y < last.Y
	return out
}

func memoryFindings(today, then, time []shape) []Finding {
	var rises []string
	for _, s := range time {
		if !s.falls {
			rises = append(rises, s.name)
		}
	}
	insideNow, insideThen := insides(today), insides(then)
	return []Finding{
		{"compute time falls with memory", len(rises) == 0, "it does" + except(rises)},
		{
			"the cost has its least value inside the range for three of the five models, and rises to its right", len(insideNow) == 3,
			"at today's prices: " + strings.Join(insideNow, ", ") + "; the others are cheapest at their smallest size",
		},
		{
			"the same in steps of 100 ms, as in 2020", len(insideThen) == 3, "inside the range: " + strings.Join(insideThen, ", "),
		},
	}
}

func insides(shapes []shape) []string {
	var out []string
	for _, s := range shapes {
		if s.inside {
			out = append(out, fmt.Sprintf("%s at %.0f MB", s.name, s.at))
		}
	}
	return out
}
