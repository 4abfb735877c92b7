// Package policy reports whether the statements of an IAM role allow a call: by
// action, by resource with its wildcards, and by condition. It knows as much of
// IAM as a role's own statements need, and fails on anything else: no
// principals, no boundaries, no NotAction.
package policy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// List is one text or several.
type List []string

// UnmarshalJSON reads either form.
func (l *List) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = List{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// Statement lets actions be done to resources.
type Statement struct {
	Effect    string
	Action    List
	Resource  List
	Condition map[string]map[string]List // operator, key, values
}

// Call is one that was made.
type Call struct {
	Action   string            // such as sqs:SendMessage
	Resource string            // its ARN, or * for an action that knows none
	Keys     map[string]string // of conditions, such as s3:prefix
}

// Grant is one action on one resource that a statement allows.
type Grant struct{ Action, Resource string }

// Grants are what a statement allows, one by one.
func (s Statement) Grants() (out []Grant) {
	for _, a := range s.Action {
		for _, r := range s.Resource {
			out = append(out, Grant{a, r})
		}
	}
	return out
}

// Matching returns the grants by which statements allow a call; none means that
// they do not. A statement that denies, or has a condition of an unknown
// operator, is an error.
func Matching(statements []Statement, c Call) (out []Grant, err error) {
	for _, s := range statements {
		if s.Effect != "Allow" {
			return nil, fmt.Errorf("a statement of effect %q is not understood", s.Effect)
		}
		holds, err := s.holds(c)
		if err != nil {
			return nil, err
		}
		for _, g := range s.Grants() {
			if holds && Like(g.Action, c.Action) && Like(g.Resource, c.Resource) {
				out = append(out, g)
			}
		}
	}
	return out, nil
}

// holds reports whether every condition does. A key that the call lacks fails it.
func (s Statement) holds(c Call) (bool, error) {
	for operator, keys := range s.Condition {
		match, ok := operators[operator]
		if !ok {
			return false, fmt.Errorf("the condition %s is not understood", operator)
		}
		for key, values := range keys {
			has, ok := c.Keys[key]
			any := false
			for _, v := range values {
				any = any || ok && match(v, has)
			}
			if !any {
				return false, nil
			}
		}
	}
	return true, nil
}

var operators = map[string]func(pattern, value string) bool{
	"StringEquals": func(pattern, value string) bool { return pattern == value },
	"StringLike":   Like,
}

// Like matches a text with IAM's wildcards: * is any text, ? one character.
func Like(pattern, text string) bool {
	p := regexp.QuoteMeta(pattern)
	p = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(p)
	return regexp.MustCompile(`^(?s:` + p + `)$`).MatchString(text)
}
