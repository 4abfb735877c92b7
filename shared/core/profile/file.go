package profile

import (
	"fmt"
	"slices"
)

// File is a catalogue as its file holds it: models and what they scale from,
// with the resources and prices named, as those are shared by all catalogues.
type File struct {
	Schema    string    `json:"$schema,omitempty"`
	Name      string    `json:"name"`
	Reference Reference `json:"reference"`
	Prices    string    `json:"prices"` // name of a price set
	// Instances are the types on offer; empty means every type.
	Instances []string `json:"instances,omitempty"`
	// FunctionMemoryMB are the sizes on offer; empty means every size.
	FunctionMemoryMB []int   `json:"function_memory_mb,omitempty"`
	Tasks            []Task  `json:"tasks"`
	Models           []Model `json:"models"`
}

// Resources are what all catalogues share. Speeds are in units of a c5's vCPU.
type Resources struct {
	Instances []Instance
	Functions []FunctionSizes
	Prices    []Prices
}

// Assemble puts a catalogue together and validates it. Speeds become relative
// to the catalogue's reference machine.
func Assemble(f File, r Resources) (*Catalogue, error) {
	c := &Catalogue{Name: f.Name, Reference: f.Reference, Tasks: f.Tasks, Models: f.Models}
	for _, in := range r.Instances {
		if len(f.Instances) > 0 && !slices.Contains(f.Instances, in.Type) {
			continue
		}
		in.Speed /= f.Reference.Speed
		c.Instances = append(c.Instances, in)
	}
	for _, typ := range f.Instances {
		if _, ok := c.Instance(typ); !ok {
			return nil, fmt.Errorf("catalogue %s: instances: type %q is not in instances.json", f.Name, typ)
		}
	}
	for _, fs := range r.Functions {
		fs.Speed /= f.Reference.Speed
		if len(f.FunctionMemoryMB) > 0 {
			fs.MemoryMB = f.FunctionMemoryMB
		}
		c.Functions = append(c.Functions, fs)
	}
	i := slices.IndexFunc(r.Prices, func(p Prices) bool { return p.Name == f.Prices })
	if i < 0 {
		return nil, fmt.Errorf("catalogue %s: prices: set %q is not in prices.json", f.Name, f.Prices)
	}
	c.Prices = r.Prices[i]
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", f.Name, err)
	}
	return c, nil
}
