package infra

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"

	coreinference "github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// plan is a config looked up in the profiles.
type plan struct {
	Config
	models []*profile.Model // that get functions
	added  []*profile.Model // to the stage, that get functions too
	sizes  []int            // of each
	pools  []poolPlan       // in order of name
	// settings are the values of settings that differ from the binaries' defaults.
	settings map[string]string
}

// poolPlan is a pool whose instance types are known.
type poolPlan struct {
	Pool
	name string
	arch string // of its machines
}

// newAccountMB is the most memory of a function in an account that is new: Lambda refuses
// more with "Member must have value less than or equal to 3008" until the quota is raised.
// Larger sizes have to be named.
const newAccountMB = 3008

// resolve finds what the config names, so that a typo ends here and not in an account.
func resolve(c Config) (plan, error) {
	p := plan{Config: c, settings: map[string]string{inlineLimit: strconv.Itoa(names.InlineKB)}}
	maps.Copy(p.settings, c.Settings)
	if err := c.checkInline(); err != nil {
		return p, err
	}
	set, err := c.load()
	if err != nil {
		return p, err
	}
	catalogue, err := set.Catalogue(c.Catalogue)
	if err != nil {
		return p, fmt.Errorf("context \"catalogue\": %w", err)
	}
	if p.models, err = c.modelsOf(catalogue); err != nil {
		return p, err
	}
	if p.sizes, err = c.sizesOf(catalogue, "function_memory_mb", c.FunctionMemoryMB); err != nil {
		return p, err
	}
	if len(p.sizes) == 0 {
		have, _ := catalogue.FunctionSizes(c.FunctionArch)
		p.sizes = slices.DeleteFunc(slices.Clone(have.MemoryMB), func(mb int) bool { return mb > newAccountMB })
	}
	if p.GenericSizes, err = c.sizesOf(catalogue, "generic_sizes", c.GenericSizes); err != nil {
		return p, err
	}
	if p.added, err = c.readOwnModels(p.sizes); err != nil {
		return p, fmt.Errorf("context \"own_models\": %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Pools)) {
		pool, err := c.poolOf(catalogue, name)
		if err != nil {
			return p, fmt.Errorf("context \"pools\": pool %q: %w", name, err)
		}
		p.pools = append(p.pools, pool)
	}
	return p, nil
}

// inlineLimit is the setting whose default an account cannot hold.
const inlineLimit = "inline_limit_kb"

// checkInline refuses first values that the load balancer does not hand on.
func (c Config) checkInline() error {
	if kb, err := strconv.Atoi(c.Settings[inlineLimit]); err == nil && kb > names.InlineKB {
		return fmt.Errorf("context \"settings\": %s: %d KB is more than %d KB, the maximum on AWS", inlineLimit, kb, names.InlineKB)
	}
	return nil
}

// modelsOf returns the models that come with a network and do one of the tasks.
func (c Config) modelsOf(catalogue *profile.Catalogue) ([]*profile.Model, error) {
	for _, task := range c.Tasks {
		if _, ok := catalogue.Task(task); !ok {
			return nil, fmt.Errorf("context \"tasks\": catalogue %s has no task %q", c.Catalogue, task)
		}
	}
	var out []*profile.Model
	for i := range catalogue.Models {
		m := &catalogue.Models[i]
		if m.File != "" && (len(c.Tasks) == 0 || slices.Contains(c.Tasks, m.Task)) {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("context \"tasks\": catalogue %s has no model with an .onnx file for the tasks %v (an empty list means all tasks)", c.Catalogue, c.Tasks)
	}
	return out, nil
}

// sizesOf returns the memory sizes of a key, rising.
func (c Config) sizesOf(catalogue *profile.Catalogue, key string, list []int) ([]int, error) {
	have, ok := catalogue.FunctionSizes(c.FunctionArch)
	if !ok {
		return nil, fmt.Errorf("context \"function_arch\": catalogue %s has no functions for %s", c.Catalogue, c.FunctionArch)
	}
	for _, mb := range list {
		if !slices.Contains(have.MemoryMB, mb) {
			return nil, fmt.Errorf("context %q: %d MB is not one of the sizes of the catalogue, %v", key, mb, have.MemoryMB)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(list))), nil
}

const (
	// mostOwnModels are as many as an environment has room to name.
	mostOwnModels = 20
	// mostFunctionName is the longest name that Lambda takes.
	mostFunctionName = 64
)

var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// readOwnModels returns the added models that get functions. One whose functions could
// not have its name, or that no size holds, stays with the generic functions.
func (c Config) readOwnModels(sizes []int) (out []*profile.Model, err error) {
	if c.OwnModels == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(c.OwnModels)
	if err != nil {
		return nil, err
	}
	var list []profile.Model
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s is not the output of `paragon model list --json`: %w", c.OwnModels, err)
	}
	for i := range list {
		m := &list[i]
		name := names.Function(c.Stage, coreinference.FunctionName(m.Name, slices.Max(sizes)))
		if m.RetiredAt != "" || !functionName.MatchString(m.Name) || len(name) > mostFunctionName {
			continue
		}
		if len(m.SHA256) != sha256.Size*2 || m.File == "" {
			return nil, fmt.Errorf("%s: model %s lacks a file or its SHA-256; write the list again with `paragon model list --json`", c.OwnModels, m.Name)
		}
		out = append(out, m)
	}
	if len(out) > mostOwnModels {
		return nil, fmt.Errorf("%s has %d models, and at most %d can have functions of their own", c.OwnModels, len(out), mostOwnModels)
	}
	return out, nil
}

// poolOf holds a pool to one number of vCPUs and one architecture: the
// controller counts workers, so one must be worth as much as another.
func (c Config) poolOf(catalogue *profile.Catalogue, name string) (poolPlan, error) {
	p := poolPlan{Pool: c.Pools[name], name: name}
	if !poolName.MatchString(name) {
		return p, fmt.Errorf("the name of a pool must match %s", poolName)
	}
	if len(p.InstanceTypes) == 0 {
		return p, errors.New("instance_types must list one or more types")
	}
	if p.Min < 0 || p.Max < 1 || p.Min > p.Max || p.OnDemandBase < 0 || p.SpotPercent < 0 || p.SpotPercent > 100 {
		return p, fmt.Errorf("min %d, max %d, on_demand_base %d, spot_percent %d: they must keep 0 <= min <= max, max >= 1, on_demand_base >= 0 and 0 <= spot_percent <= 100",
			p.Min, p.Max, p.OnDemandBase, p.SpotPercent)
	}
	if err := p.checkWarm(); err != nil {
		return p, err
	}
	vcpus := 0
	for _, typ := range p.InstanceTypes {
		in, ok := catalogue.Instance(typ)
		if !ok {
			return p, fmt.Errorf("instance_types: profiles/instances.json has no type %q", typ)
		}
		if vcpus != 0 && (in.VCPUs != vcpus || in.Arch != p.arch) {
			return p, fmt.Errorf("instance_types: %s has %d vCPUs (%s), and the types before it have %d (%s): all types of a pool need the same number and architecture", typ, in.VCPUs, in.Arch, vcpus, p.arch)
		}
		vcpus, p.arch = in.VCPUs, in.Arch
	}
	return p, nil
}
