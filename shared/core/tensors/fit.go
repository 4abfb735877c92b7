package tensors

import (
	"fmt"
	"slices"
	"strings"
)

// Misfit says which input of a model cannot be used, what was given and what is
// wanted.
type Misfit struct {
	Index  int    // of the tensor that was given; -1 when it is missing
	Name   string // of the input
	Part   string // "name", "datatype", "shape" or "data"
	Reason string // written for the caller
}

func (m *Misfit) Error() string { return fmt.Sprintf("input %q: %s: %s", m.Name, m.Part, m.Reason) }

// Fit finds out whether tensors are what a model takes: each input once, of its
// very datatype and of a shape that it allows. Nothing is converted. The error
// is a *Misfit.
func Fit(given []Tensor, want []Spec) error {
	for i, t := range given {
		at := slices.IndexFunc(want, func(s Spec) bool { return s.Name == t.Name })
		if at < 0 {
			return &Misfit{i, clip(t.Name), "name", fmt.Sprintf("there is no such input, only: %s", List(want))}
		}
		if slices.IndexFunc(given, func(o Tensor) bool { return o.Name == t.Name }) != i {
			return &Misfit{i, t.Name, "name", "is given twice"}
		}
		if m := want[at].fit(t); m != nil {
			m.Index = i
			return m
		}
	}
	for _, s := range want {
		if _, ok := Find(given, s.Name); !ok {
			return &Misfit{-1, s.Name, "name", fmt.Sprintf("is missing; the model takes: %s", List(want))}
		}
	}
	return nil
}

// fit holds one tensor to what is wanted of it.
func (s Spec) fit(t Tensor) *Misfit {
	if t.Datatype != s.Datatype {
		return &Misfit{Name: s.Name, Part: "datatype",
			Reason: fmt.Sprintf("is %.32q, but the model takes %s: data types are not converted", t.Datatype, s.Datatype)}
	}
	if !s.allows(t.Shape) {
		return &Misfit{Name: s.Name, Part: "shape", Reason: fmt.Sprintf("is %s, but the model takes %s", shapeText(t.Shape), shapeText(s.Shape))}
	}
	if err := t.Check(); err != nil {
		return &Misfit{Name: s.Name, Part: "data", Reason: err.Error()}
	}
	return nil
}

// allows says whether a shape fits the spec's, in which -1 is any size.
func (s Spec) allows(shape []int64) bool {
	if len(shape) != len(s.Shape) {
		return false
	}
	for i, d := range shape {
		if s.Shape[i] >= 0 && s.Shape[i] != d {
			return false
		}
	}
	return true
}

// String is a spec for people: "X FP32 [any, 4]".
func (s Spec) String() string { return s.Name + " " + string(s.Datatype) + " " + shapeText(s.Shape) }

func shapeText(shape []int64) string {
	words := make([]string, len(shape))
	for i, d := range shape {
		words[i] = "any"
		if d >= 0 {
			words[i] = fmt.Sprint(d)
		}
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// List names tensors, their datatypes and shapes.
func List(specs []Spec) string {
	words := make([]string, len(specs))
	for i, s := range specs {
		words[i] = s.String()
	}
	return strings.Join(words, "; ")
}

// Common is what several models take or give together: -1 where their sizes
// differ. It fails, naming the tensor, when no request could fit all of them.
func Common(a, b []Spec) ([]Spec, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("the models have different numbers of tensors: %d (%s) and %d (%s)", len(a), List(a), len(b), List(b))
	}
	out := make([]Spec, len(a))
	for i, s := range a {
		at := slices.IndexFunc(b, func(o Spec) bool { return o.Name == s.Name })
		if at < 0 {
			return nil, fmt.Errorf("only one of the models has %q", s.Name)
		}
		o := b[at]
		if o.Datatype != s.Datatype || len(o.Shape) != len(s.Shape) {
			return nil, fmt.Errorf("%q is %s in one model and %s in the other", s.Name, s, o)
		}
		out[i] = Spec{s.Name, s.Datatype, slices.Clone(s.Shape)}
		for k, d := range o.Shape {
			if out[i].Shape[k] != d {
				if d >= 0 && s.Shape[k] >= 0 {
					return nil, fmt.Errorf("%q is %s in one model and %s in the other", s.Name, s, o)
				}
				out[i].Shape[k] = -1
			}
		}
	}
	return out, nil
}

// clip bounds what is echoed of a caller's own words.
func clip(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
