package infra

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// synthesized is a synthesized template.
type synthesized struct {
	Resources  map[string]*resource
	Parameters map[string]map[string]any
	Mappings   map[string]any
}

type resource struct {
	Type         string
	Properties   map[string]any
	Metadata     map[string]any
	DependsOn    any
	UpdatePolicy map[string]any

	DeletionPolicy, UpdateReplacePolicy string
}

// of returns the ids of the resources of a type, such as SQS::Queue, in order.
func (t synthesized) of(kind string) []string {
	var ids []string
	for id, r := range t.Resources {
		if r.Type == "AWS::"+kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// one returns the only resource whose property has a value, nil if there is none.
func (t synthesized) named(kind, property, value string) *resource {
	for _, id := range t.of(kind) {
		if t.Resources[id].Properties[property] == value {
			return t.Resources[id]
		}
	}
	return nil
}

// at follows a path of keys and indexes into a value; nil when it ends early.
func at(v any, path ...any) any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[key]
		case int:
			list, _ := v.([]any)
			if key >= len(list) {
				return nil
			}
			v = list[key]
		}
	}
	return v
}

// prop follows a path into a resource's properties.
func (r *resource) prop(path ...any) any {
	if r == nil {
		return nil
	}
	return at(r.Properties, path...)
}

// refers reports which resource a Ref or GetAtt names; empty for anything else.
func refers(v any) string {
	if id, ok := at(v, "Ref").(string); ok {
		return id
	}
	id, _ := at(v, "Fn::GetAtt", 0).(string)
	return id
}

// list makes a list of what may be one value.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// words are the strings of a list.
func words(v any) (out []string) {
	for _, e := range list(v) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// flat is a value as text, with ${Id} for references, so that it can be searched.
func flat(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if id := refers(v); id != "" {
			return "${" + id + "}"
		}
		if parts := list(at(v, "Fn::Join", 1)); parts != nil {
			var b strings.Builder
			for _, p := range parts {
				b.WriteString(flat(p))
			}
			return b.String()
		}
		if s, ok := v["Fn::Base64"]; ok {
			return flat(s)
		}
	}
	raw, _ := json.Marshal(v) // it came from JSON
	return string(raw)
}

// number reads a number that the template may give as text.
func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		var n float64
		if _, err := fmt.Sscanf(v, "%g", &n); err == nil {
			return n
		}
	}
	return -1
}

// statements are what a role may do.
func (t synthesized) statements(role string) (out []map[string]any) {
	own := map[string]any{"PolicyDocument": t.Resources[role].prop("PolicyDocument")} // of a policy that stands alone
	for _, p := range append(list(t.Resources[role].prop("Policies")), own) {
		for _, s := range list(at(p, "PolicyDocument", "Statement")) {
			out = append(out, s.(map[string]any))
		}
	}
	return out
}

// variables are the environment variables of a function.
func variables(r *resource) map[string]any {
	env, _ := r.prop("Environment", "Variables").(map[string]any)
	return env
}

// keys lists a map's keys in order.
func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
