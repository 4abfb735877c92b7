package measure

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Report is a measurement file: what was measured, on what and when. The
// catalogues are made from such files.
type Report struct {
	Date        string  `json:"date"`
	Hardware    string  `json:"hardware"`
	LoadAverage float64 `json:"load_average"` // of the machine, when it began
	Clock       string  `json:"clock"`        // "wall" or "thread"
	Library     string  `json:"library"`
	Go          string  `json:"go"`
	Models      []Model `json:"models"`
}

// Model holds the figures of one model.
type Model struct {
	Name     string            `json:"name"`
	MemoryMB int               `json:"memory_mb"`
	Latency  []profile.Latency `json:"latency"`
}

// ReadReport reads a measurement file.
func ReadReport(file string) (Report, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Report{}, err
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return Report{}, fmt.Errorf("measurement file %s: %w", file, err)
	}
	return r, nil
}

// Resource is what the figures of the file stand for: an instance type, an
// architecture of functions or the reference machine. Empty when there is none.
func (r Report) Resource() string {
	for _, m := range r.Models {
		for _, l := range m.Latency {
			return l.Resource
		}
	}
	return ""
}

// Merge puts the models of newer in the place of those of the same name.
func (r Report) Merge(newer Report) Report {
	out := newer
	out.Models = nil
	fresh := map[string]Model{}
	for _, m := range newer.Models {
		fresh[m.Name] = m
	}
	for _, m := range r.Models {
		if f, ok := fresh[m.Name]; ok {
			m = f
			delete(fresh, m.Name)
		}
		out.Models = append(out.Models, m)
	}
	for _, m := range newer.Models {
		if _, ok := fresh[m.Name]; ok {
			out.Models = append(out.Models, m)
		}
	}
	return out
}

// Hardware describes this machine: "2 vCPU AMD EPYC (family 26, model 2), linux/amd64".
func Hardware() string {
	facts := map[string]string{}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for sc := bufio.NewScanner(f); sc.Scan() && sc.Text() != ""; {
			if k, v, ok := strings.Cut(sc.Text(), ":"); ok {
				facts[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
	}
	name := facts["model name"]
	if name == "" {
		name = "CPU"
	}
	if facts["cpu family"] != "" {
		name += fmt.Sprintf(" (family %s, model %s)", facts["cpu family"], facts["model"])
	}
	return fmt.Sprintf("%d vCPU %s, %s/%s", runtime.NumCPU(), name, runtime.GOOS, runtime.GOARCH)
}

// loadAverage is the machine's load of the last minute; 0 where it is not known.
func loadAverage() float64 {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(raw), " ")
	x, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return x
}

// Drift is a figure that moved.
type Drift struct {
	Model   string  `json:"model"`
	Setting string  `json:"setting"`
	Was     float64 `json:"was_ms"`
	Is      float64 `json:"is_ms"`
	Percent float64 `json:"percent"`
	// Sure says that the confidence intervals do not meet, and the figures
	// differ by more than a tenth.
	Sure bool `json:"sure"`
}

// Compare returns how the p50 of every setting that both know has moved.
func Compare(was, is Report) []Drift {
	known := map[string]profile.Latency{}
	for _, m := range was.Models {
		for _, l := range m.Latency {
			known[m.Name+" "+settingOf(l)] = l
		}
	}
	var out []Drift
	for _, m := range is.Models {
		for _, l := range m.Latency {
			old, ok := known[m.Name+" "+settingOf(l)]
			if !ok {
				continue
			}
			percent := 100 * (l.MS.P50/old.MS.P50 - 1)
			out = append(out, Drift{
				Model: m.Name, Setting: settingOf(l), Was: old.MS.P50, Is: l.MS.P50, Percent: percent,
				Sure: math.Abs(percent) > 10 && apart(old, l),
			})
		}
	}
	return out
}

func apart(a, b profile.Latency) bool {
	if a.Confidence == nil || b.Confidence == nil {
		return true
	}
	return a.Confidence.P50[1] < b.Confidence.P50[0] || b.Confidence.P50[1] < a.Confidence.P50[0]
}

func settingOf(l profile.Latency) string {
	if l.MemoryMB > 0 {
		return fmt.Sprintf("resource=%s,memory_mb=%d", l.Resource, l.MemoryMB)
	}
	setting := fmt.Sprintf("threads=%d,batch=%d,concurrency=%d", l.Threads, l.Batch, max(l.Concurrency, 1))
	if l.Resource != "" && l.Resource != reference {
		return "resource=" + l.Resource + "," + setting
	}
	return setting
}
