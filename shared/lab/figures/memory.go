package figures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// figure7Models are the five models whose own times on functions of several
// sizes are published: the findings are about them.
var figure7Models = []string{"SqueezeNet", "CaffeNet", "Inception-BN", "InceptionV4", "ResNet200"}

// figure7StandIns are models of the paper's figure that nobody published: another
// model's times stand for theirs (profiles/gen has the rule), as points that no
// finding rests on.
var figure7StandIns = []string{"ResNeXt50"}

// memory is figure 7: the memory of a function against compute time and the
// cost of a million queries.
func memory(in Inputs) (Figure, error) {
	ms, err := models(in.Catalogue, slices.Concat(figure7Models, figure7StandIns))
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
		own := slices.Contains(figure7Models, m.Name)
		c := overMemory(in, m, own)
		f.Rows = append(f.Rows, c.rows...)
		time.Series, cost.Series = append(time.Series, c.time), append(cost.Series, c.usd)
		if own {
			today, then, falling = append(today, shapeOf(c.usd)), append(then, shapeOf(c.usdThen)), append(falling, shapeOf(c.time))
		}
	}
	f.Panels = []Panel{time, cost}
	f.Findings = memoryFindings(today, then, falling)
	return f, nil
}

// curves are a model's compute time and the cost of a million queries over the
// memory, at today's prices and at those of 2020.
type curves struct {
	time, usd, usdThen Series
	rows               [][]string
}

func overMemory(in Inputs, m *profile.Model, own bool) curves {
	s := Series{Name: m.Name, Joined: own}
	if !own {
		s.Name += " (stand-in)"
	}
	c := curves{time: s, usd: s, usdThen: s}
	for _, l := range onFunctions(m) {
		usd := 1e6 * pricing.FunctionQueryUSD(in.Catalogue.Prices, "x86_64", l.MemoryMB, l.MS.P50)
		then := 1e6 * pricing.FunctionQueryUSD(in.Then, "x86_64", l.MemoryMB, l.MS.P50)
		x := float64(l.MemoryMB)
		c.time.Points = append(c.time.Points, Point{X: x, Y: l.MS.P50})
		c.usd.Points = append(c.usd.Points, Point{X: x, Y: usd})
		c.usdThen.Points = append(c.usdThen.Points, Point{X: x, Y: then})
		c.rows = append(c.rows, []string{m.Name, fmt.Sprint(l.MemoryMB), text(l.MS.P50), text(usd), text(then)})
	}
	return c
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
