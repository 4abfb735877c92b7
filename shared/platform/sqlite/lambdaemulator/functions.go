package lambdaemulator

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
)

// SetFunctions says which functions there are from now on. One that is as it was
// keeps its environments and its counts; those of others end with the event that
// they have. An error names the function that cannot be, and nothing changes.
func (in *Invoker) SetFunctions(fs []Function) error {
	known := map[string]bool{}
	for i, f := range fs {
		if f.Name == "" || f.MemoryMB <= 0 || f.Timeout <= 0 {
			return fmt.Errorf("function %q needs a name, and memory and a timeout above 0", f.Name)
		}
		if known[f.Name] {
			return fmt.Errorf("function %q is listed twice", f.Name)
		}
		known[f.Name] = true
		path, err := filepath.Abs(f.Bootstrap)
		if err != nil {
			return fmt.Errorf("find bootstrap of function %q: %w", f.Name, err)
		}
		if i == 0 {
			fs = slices.Clone(fs) // the caller's own stays as it is
		}
		fs[i].Bootstrap = path
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	before := in.functions
	in.functions, in.order = make(map[string]*function, len(fs)), nil
	for _, f := range fs {
		kept := before[f.Name]
		if kept == nil || !reflect.DeepEqual(kept.Function, f) {
			kept = &function{Function: f}
		}
		in.functions[f.Name] = kept
		in.order = append(in.order, kept)
	}
	for name, f := range before {
		if in.functions[name] == f {
			continue
		}
		f.gone = true
		for len(f.warm) > 0 {
			in.discard(f.warm[0])
		}
	}
	return nil
}

// function returns a function by name, nil when there is none.
func (in *Invoker) function(name string) *function {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.functions[name]
}
