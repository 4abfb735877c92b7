package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// SlowProfiles writes the profiles of a folder, or the shipped ones where from is empty,
// into a folder that does not exist yet, with every model of a catalogue slowed down by
// the factor that makes one of them take serviceMS on a runner of an instance type. Small
// networks stand for large ones in this way: they really infer, and runners are then
// paced to the time.
func SlowProfiles(dir, from, catalogue, model, instanceType string, serviceMS float64) (*profile.Catalogue, error) {
	files := profiles.Embedded()
	if from != "" {
		files = os.DirFS(from)
	}
	if err := os.CopyFS(dir, files); err != nil {
		return nil, fmt.Errorf("write the profiles: %w", err)
	}
	set, err := profiles.Load(dir)
	if err != nil {
		return nil, err
	}
	c, err := set.Catalogue(catalogue)
	if err != nil {
		return nil, err
	}
	m, ok := c.Model(model)
	if !ok {
		return nil, fmt.Errorf("catalogue %s has no model %q", catalogue, model)
	}
	st, ok := c.OnVM(m, instanceType)
	if !ok {
		return nil, fmt.Errorf("the catalogue has no service time of model %s on %s", model, instanceType)
	}
	if err := slowDown(filepath.Join(dir, catalogue, "catalogue.json"), serviceMS/st.MS.P50); err != nil {
		return nil, err
	}
	slow, err := profiles.Load(dir)
	if err != nil {
		return nil, err
	}
	return slow.Catalogue(catalogue)
}

// slowDown multiplies the service times of a catalogue's file. Cold starts stay.
func slowDown(file string, factor float64) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	var f profile.File
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	for i := range f.Models {
		f.Models[i].Latency = slower(f.Models[i].Latency, factor)
	}
	if raw, err = json.Marshal(f); err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return os.WriteFile(file, raw, 0o600)
}

// slower leaves batches out: what they save of a millisecond says nothing of
// what they would save of a slow network. A paced runner takes the median every
// time, so that there is nothing beyond it.
func slower(all []profile.Latency, factor float64) []profile.Latency {
	var out []profile.Latency
	for _, l := range all {
		if l.Batch != 1 || l.Threads != 1 || l.Concurrency > 1 {
			continue
		}
		median := l.MS.P50 * factor
		l.MS, l.Confidence, l.PerSecond = profile.Percentiles{P50: median, P95: median, P99: median}, nil, 0
		out = append(out, l)
	}
	return out
}
