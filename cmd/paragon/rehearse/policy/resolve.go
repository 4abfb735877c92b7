package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Names reports what a resource of a template is called where it was made: by its
// logical id and an attribute, empty for a Ref.
type Names func(id, attribute string) (string, error)

var hole = regexp.MustCompile(`\$\{([^}]+)\}`)

// Resolve replaces the functions of a template's value by texts. It fails on a
// function that it does not know.
func Resolve(v any, names Names) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = Resolve(v[i], names); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if len(v) == 1 {
			for name, of := range v {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return call(name, of, names)
				}
			}
		}
		out := map[string]any{}
		for key := range v {
			var err error
			if out[key], err = Resolve(v[key], names); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// call is the value of one function.
func call(name string, of any, names Names) (any, error) {
	list, _ := of.([]any)
	text, isText := of.(string)
	switch {
	case name == "Ref" && isText:
		return names(text, "")
	case name == "Fn::GetAtt" && len(list) == 2:
		return names(fmt.Sprint(list[0]), fmt.Sprint(list[1]))
	case name == "Fn::Join" && len(list) == 2:
		parts, err := Resolve(list[1], names)
		if err != nil {
			return nil, err
		}
		var words []string
		for _, p := range parts.([]any) {
			words = append(words, fmt.Sprint(p))
		}
		return strings.Join(words, fmt.Sprint(list[0])), nil
	case name == "Fn::Split" && len(list) == 2:
		whole, err := Resolve(list[1], names)
		if err != nil {
			return nil, err
		}
		var parts []any
		for _, part := range strings.Split(fmt.Sprint(whole), fmt.Sprint(list[0])) {
			parts = append(parts, part)
		}
		return parts, nil
	case name == "Fn::Select" && len(list) == 2:
		return chosen(list, names)
	case name == "Fn::Sub" && isText:
		var fault error
		out := hole.ReplaceAllStringFunc(text, func(h string) string {
			value, err := names(h[2:len(h)-1], "")
			if err != nil {
				fault = err
			}
			return value
		})
		return out, fault
	}
	return nil, fmt.Errorf("the function %s of %v is not understood", name, of)
}

// chosen is the part of a list that Fn::Select names.
func chosen(of []any, names Names) (any, error) {
	parts, err := Resolve(of[1], names)
	if err != nil {
		return nil, err
	}
	list, _ := parts.([]any)
	at, err := strconv.Atoi(fmt.Sprint(of[0]))
	if err != nil || at < 0 || at >= len(list) {
		return nil, fmt.Errorf("there is no part %v of %v", of[0], parts)
	}
	return list[at], nil
}
