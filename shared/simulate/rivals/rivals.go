// Package rivals holds what one would run instead of Paragon's procurement, as
// schemes of the one interface: a plain quantile rule and SpotHedge's mix of spot instances
// and workers on demand on Paragon's own platform, EC2 Auto Scaling's target tracking,
// Knative's autoscaler, a function for every query, and Lambda Managed Instances. The
// simulator plays them in the same way as the schemes; no stage runs them.
package rivals

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/procurement"
)

// All returns every rival, without spothedge, which without spot instances is quantile.
func All() []procurement.Scheme {
	return []procurement.Scheme{quantile{}, targetTracking{}, kpa{}, allFunctions{}, managedInstances{}}
}

// Origin says in words what a rival is, and is empty for what is none.
func Origin(name string) string {
	return map[string]string{
		"quantile": "the plain newsvendor rule", "target_tracking": "EC2 Auto Scaling's target tracking", "kpa": "Knative's autoscaler",
		"all_functions": "a function for every query", "managed_instances": "Lambda Managed Instances",
		"spothedge": "SkyServe's mix of spot and on-demand instances",
	}[name]
}

// Schemes returns what can be played: the procurement schemes and the rivals.
func Schemes() []procurement.Scheme { return append(procurement.All(), All()...) }

// Names lists what can be played.
func Names() []string {
	var out []string
	for _, s := range Schemes() {
		out = append(out, s.Name())
	}
	return out
}

// Get returns a procurement scheme or a rival by name, spothedge among them.
func Get(name string) (procurement.Scheme, error) {
	all := append(Schemes(), spotHedge{})
	i := slices.IndexFunc(all, func(s procurement.Scheme) bool { return s.Name() == name })
	if i < 0 {
		return nil, fmt.Errorf("scheme %q is none of %v, spothedge", name, Names())
	}
	return all[i], nil
}

// recall reads what a rival remembers, as it wrote it in its last decision.
func recall[T any](st procurement.State) (memory T) {
	if len(st.Memory) == 0 {
		return memory
	}
	if err := json.Unmarshal(st.Memory, &memory); err != nil {
		panic(fmt.Sprintf("rivals: the memory %s is another scheme's: %v", st.Memory, err))
	}
	return memory
}

// remember keeps what a rival needs at its next decision.
func remember(st procurement.State, memory any) procurement.State {
	raw, err := json.Marshal(memory)
	if err != nil { // it holds numbers and times alone
		panic(fmt.Sprintf("rivals: %v", err))
	}
	st.Memory = raw
	return st
}

// keepLast appends a reading and keeps the last n.
func keepLast(readings []float64, v float64, n int) []float64 {
	return last(append(readings, v), n)
}

// last are the last n values, or all where there are fewer.
func last(of []float64, n int) []float64 { return of[max(0, len(of)-n):] }

func mean(of []float64) float64 {
	sum := 0.0
	for _, v := range of {
		sum += v
	}
	return sum / float64(max(1, len(of)))
}
