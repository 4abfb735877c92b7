// Package staleness reports which profiles are not trusted any more: those
// that were measured long ago, and those that live answers contradict. It is
// the paper's live check (its section 3.2.4): providers change what a resource
// does without saying so. It is pure: the caller hands in how long runs took.
package staleness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// The live check compares medians: of fewer answers there is none to speak of,
// and times as short as the slack are the clock's and the scheduler's.
const (
	liveFactor   = 1.5 // how far apart they may be, either way
	liveSlackMS  = 0.5 // and by how much, at least, they must differ
	leastAnswers = 20
)

// Kind says what is wrong with a profile.
type Kind string

// The kinds of warning.
const (
	Old  Kind = "old"
	Live Kind = "live"
)

// Warning is a profile that is not to be trusted.
type Warning struct {
	Kind  Kind   `json:"kind"`
	Task  string `json:"task"`
	Model string `json:"model"`
	// Resources are those whose service time comes from the figure: instance
	// types, and functions as "lambda-x86_64" or with a size "lambda-x86_64 1024 MB".
	Resources []string `json:"resources"`
	// Figure is where it stands: file and row below the profiles folder.
	Figure    string  `json:"figure"`
	ProfileMS float64 `json:"profile_p50_ms"`
	// AgeDays is how old the figure is; absent when it has no date.
	AgeDays *float64 `json:"age_days,omitempty"`
	// LiveMS is the median of the last hour's Answers of its kind; 0 of an old one.
	LiveMS  float64 `json:"live_p50_ms,omitempty"`
	Answers int64   `json:"answers,omitempty"`
	// Text is all of it in words.
	Text string `json:"text"`
}

// Use is one resource that the models may run on here.
type Use struct {
	Instance string // an instance type; else a function:
	Arch     string
	MemoryMB int
}

func (u Use) name() string {
	if u.Instance != "" {
		return u.Instance
	}
	return fmt.Sprintf("lambda-%s %d MB", u.Arch, u.MemoryMB)
}

func (u Use) time(c *profile.Catalogue, m *profile.Model) (profile.ServiceTime, bool) {
	if u.Instance != "" {
		return c.OnVM(m, u.Instance)
	}
	return c.OnFunction(m, u.Arch, u.MemoryMB)
}

// Uses are instance types and every function size of an architecture that the
// catalogue has; empty means no functions.
func Uses(c *profile.Catalogue, instances []string, arch string) []Use {
	var out []Use
	for _, in := range instances {
		out = append(out, Use{Instance: in})
	}
	sizes, _ := c.FunctionSizes(arch)
	for _, mb := range sizes.MemoryMB {
		out = append(out, Use{Arch: arch, MemoryMB: mb})
	}
	return out
}

// Aged lists the figures in use that are older than maxAgeDays, or have no
// date, each once however many resources use it. 0 days warns of none.
func Aged(c *profile.Catalogue, uses []Use, maxAgeDays float64, now time.Time) []Warning {
	if maxAgeDays <= 0 {
		return nil
	}
	var out []Warning
	for i := range c.Models {
		byFigure := map[string]int{}
		for _, u := range uses {
			w, ok := figure(c, &c.Models[i], u, now)
			if !ok || w.AgeDays != nil && *w.AgeDays <= maxAgeDays {
				continue
			}
			at, known := byFigure[w.Figure]
			if !known {
				at = len(out)
				byFigure[w.Figure] = at
				out = append(out, w)
			}
			out[at].Resources = append(out[at].Resources, u.name())
		}
	}
	for i := range out {
		out[i].Kind = Old
		out[i].Text = fmt.Sprintf("the profile of %s on %s (%s) is %s; at most %g days are allowed: measure the model again",
			out[i].Model, several(out[i].Resources), out[i].Figure, age(out[i].AgeDays), maxAgeDays)
	}
	return out
}

// figure is a warning with what is known of a model's figure for a resource;
// false when there is none.
func figure(c *profile.Catalogue, m *profile.Model, u Use, now time.Time) (Warning, bool) {
	t, ok := u.time(c, m)
	if !ok {
		return Warning{}, false
	}
	w := Warning{Task: m.Task, Model: m.Name, Figure: t.Source.File + " " + t.Source.Row, ProfileMS: t.MS.P50}
	if old, dated := t.Source.Age(now); dated {
		days := float64(old) / float64(24*time.Hour)
		w.AgeDays = &days
	}
	return w, true
}

func age(days *float64) string {
	if days == nil {
		return "of unknown date"
	}
	return fmt.Sprintf("%.3g days old", *days)
}

// several names a few resources, and counts the rest.
func several(names []string) string {
	const few = 2
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n <= few:
		return names[0] + " and " + names[1]
	default:
		return fmt.Sprintf("%s, %s and %d more", names[0], names[1], n-few)
	}
}

// Runs are how long a model took on a resource lately, of queries that were
// computed warm, alone in their batch and not paced by a profile's time.
type Runs struct {
	Model string
	Use   Use
	P50MS float64 // the median, within the bucket error of package tally
	Count int64
}

// Contradicted lists the profiles that live runs are far from.
func Contradicted(c *profile.Catalogue, live []Runs, now time.Time) []Warning {
	var out []Warning
	for _, r := range live {
		m, known := c.Model(r.Model)
		if !known || r.Count < leastAnswers {
			continue
		}
		w, ok := figure(c, m, r.Use, now)
		w.LiveMS, w.Answers = r.P50MS, r.Count
		if !ok || !far(w.ProfileMS, w.LiveMS) {
			continue
		}
		w.Kind, w.Resources = Live, []string{r.Use.name()}
		w.Text = fmt.Sprintf("%s on %s takes %.2f ms (p50 of %d answers), but %.2f ms according to its profile (%s, %s): measure the model again",
			w.Model, r.Use.name(), w.LiveMS, w.Answers, w.ProfileMS, w.Figure, age(w.AgeDays))
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Resources[0], b.Resources[0]))
	})
	return out
}

func far(profile, live float64) bool {
	low, high := min(profile, live), max(profile, live)
	return high > liveFactor*low && high-low > liveSlackMS
}
