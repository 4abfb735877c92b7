package figures

import (
	"fmt"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// The paper's bounds.
const (
	isoLatencyMS = 500
	isoAccuracy  = 80
)

// figure1Models are the twelve models of the paper's first figure.
var figure1Models = []string{
	"MobileNet", "MobileNetV2", "InceptionV3", "NASNetMobile", "ResNet50V2", "ResNet50", "DenseNet121",
	"Xception", "InceptionResNetV2", "DenseNet201", "VGG16", "NASNetLarge",
}

func models(c *profile.Catalogue, names []string) ([]*profile.Model, error) {
	out := make([]*profile.Model, len(names))
	for i, name := range names {
		m, ok := c.Model(name)
		if !ok {
			return nil, fmt.Errorf("catalogue %s has no model %s", c.Name, name)
		}
		out[i] = m
	}
	return out, nil
}

// latencyAndAccuracy is figure 1: every model by latency and accuracy, and the
// sets that a bound leaves.
func latencyAndAccuracy(in Inputs) (Figure, error) {
	ms, err := models(in.Catalogue, figure1Models)
	if err != nil {
		return Figure{}, err
	}
	f := Figure{
		Name: "figure-1", Title: "Latency and accuracy of the models",
		Columns: []string{"model", "latency_ms", "top1_percent", "within_500_ms", "at_least_80_percent"},
	}
	p := Panel{Title: f.Title, X: "latency (ms)", Y: "top-1 accuracy (%)", Lines: []Line{
		{At: isoLatencyMS, Vertical: true, Label: "500 ms"}, {At: isoAccuracy, Label: "80 %"},
	}}
	var points Series
	var fast, accurate []string
	for _, m := range ms {
		ms, top1 := m.Latency[0].MS.P99, m.Accuracy.Top1Percent
		points.Points = append(points.Points, Point{X: ms, Y: top1, Label: m.Name})
		f.Rows = append(f.Rows, []string{m.Name, text(ms), text(top1), fmt.Sprint(ms <= isoLatencyMS), fmt.Sprint(top1 >= isoAccuracy)})
		if ms <= isoLatencyMS {
			fast = append(fast, m.Name)
		}
		if top1 >= isoAccuracy {
			accurate = append(accurate, m.Name)
		}
	}
	p.Series = []Series{points}
	f.Panels = []Panel{p}
	f.Findings = []Finding{
		{"within 500 ms a caller can choose among many accuracies", len(fast) == len(ms), "within 500 ms: " + strings.Join(fast, ", ")},
		{"80 % leaves few models, and they are slow", len(accurate) == 2, "at least 80 %: " + strings.Join(accurate, ", ")},
	}
	return f, nil
}

// figure2Resources are where the sets of figure 2 are priced.
var figure2Resources = []string{"m4.large", "c4.large", "m5.large", "c5.large", "m7g.large", "c7g.large"}

// isoSets is figure 2: the sets of figure 1 on VMs and functions, with the
// cost of a million queries.
func isoSets(in Inputs) (Figure, error) {
	ms, err := models(in.Catalogue, figure1Models)
	if err != nil {
		return Figure{}, err
	}
	f := Figure{
		Name: "figure-2", Title: "Models within 500 ms, and of at least 80 %, by resource",
		Columns: []string{"set", "model", "resource", "memory_mb", "latency_ms", "top1_percent", "usd_per_million"},
	}
	latency := Panel{Title: "within 500 ms", X: "cost ($ a million)", Y: "top-1 accuracy (%)", LogX: true}
	accuracy := Panel{Title: "at least 80 %", X: "cost ($ a million)", Y: "latency (ms)", LogX: true}
	for _, r := range append(slices.Clone(figure2Resources), "lambda-x86_64") {
		a, b := Series{Name: r}, Series{Name: r}
		for _, m := range ms {
			x, ok := priceOn(in.Catalogue, m, r)
			if !ok {
				continue
			}
			row := []string{m.Name, r, fmt.Sprint(x.memoryMB), text(x.ms), text(m.Accuracy.Top1Percent), text(x.usd * 1e6)}
			if x.ms <= isoLatencyMS {
				a.Points = append(a.Points, Point{X: x.usd * 1e6, Y: m.Accuracy.Top1Percent})
				f.Rows = append(f.Rows, append([]string{"iso_latency"}, row...))
			}
			if m.Accuracy.Top1Percent >= isoAccuracy {
				b.Points = append(b.Points, Point{X: x.usd * 1e6, Y: x.ms})
				f.Rows = append(f.Rows, append([]string{"iso_accuracy"}, row...))
			}
		}
		latency.Series, accuracy.Series = append(latency.Series, a), append(accuracy.Series, b)
	}
	f.Panels = []Panel{latency, accuracy}
	f.Findings = []Finding{costDiffers(f.Rows, "iso_latency"), costDiffers(f.Rows, "iso_accuracy")}
	return f, nil
}

// costDiffers says by how much the cost differs within a set.
func costDiffers(rows [][]string, set string) Finding {
	var low, high float64
	for _, row := range rows {
		var usd float64
		if row[0] != set {
			continue
		}
		fmt.Sscan(row[6], &usd)
		if low == 0 || usd < low {
			low = usd
		}
		high = max(high, usd)
	}
	return Finding{
		Claim: "within " + set + " the cost differs widely, so that the model must be chosen for it", Holds: high > 2*low,
		Detail: fmt.Sprintf("$%.2f to $%.2f a million, a factor of %.1f", low, high, high/low),
	}
}

type priced struct {
	ms, usd  float64
	memoryMB int
}

// priceOn is the latency and cost of a query on an instance type, or on the
// function size that is right for 500 ms.
func priceOn(c *profile.Catalogue, m *profile.Model, resource string) (priced, bool) {
	if arch, ok := strings.CutPrefix(resource, "lambda-"); ok {
		sizes := sizing.RankFunctions(c, m, arch, sizing.Wants{BoundMS: isoLatencyMS}, sizing.Warm)
		if len(sizes) == 0 {
			return priced{}, false
		}
		return priced{ms: sizes[0].P95MS, usd: sizes[0].QueryUSD, memoryMB: sizes[0].MemoryMB}, true
	}
	st, ok := c.OnVM(m, resource)
	vm, known := c.Instance(resource)
	return priced{ms: st.MS.P99, usd: pricing.WorkerQueryUSD(vm, st.MS.P50)}, ok && known
}
