package dynamo

import (
	"fmt"
	"regexp"
	"strings"
)

// expression is an expression of DynamoDB on its way to be read: of those that
// package aws writes.
type expression struct {
	words  []string
	names  map[string]string         // by placeholder
	values map[string]map[string]any // by placeholder
	in     row
	fault  error
}

var word = regexp.MustCompile(`[(),+]|<>|<=|>=|[=<>]|[#:]?\w+`)

func newExpression(text string, c call, in row) *expression {
	return &expression{words: word.FindAllString(text, -1), names: c.ExpressionAttributeNames, values: c.ExpressionAttributeValues, in: in}
}

// holds says whether an item meets a condition; an empty one is met.
func holds(text string, c call, in row) (bool, error) {
	if text == "" {
		return true, nil
	}
	e := newExpression(text, c, in)
	ok := e.or()
	if len(e.words) > 0 {
		e.fail("%q is left", e.words)
	}
	return ok, e.fault
}

func (e *expression) fail(format string, args ...any) {
	if e.fault == nil {
		e.fault = fmt.Errorf("expression: "+format, args...)
	}
}

func (e *expression) peek() string {
	if len(e.words) == 0 {
		return ""
	}
	return e.words[0]
}

func (e *expression) next() string {
	w := e.peek()
	if w != "" {
		e.words = e.words[1:]
	}
	return w
}

func (e *expression) expect(w string) {
	if got := e.next(); got != w {
		e.fail("%q, want %q", got, w)
	}
}

func (e *expression) or() bool {
	ok := e.and()
	for e.peek() == "OR" {
		e.next()
		ok = e.and() || ok
	}
	return ok
}

func (e *expression) and() bool {
	ok := e.term()
	for e.peek() == "AND" {
		e.next()
		ok = e.term() && ok
	}
	return ok
}

func (e *expression) term() bool {
	switch e.peek() {
	case "(":
		e.next()
		ok := e.or()
		e.expect(")")
		return ok
	case "attribute_not_exists":
		e.next()
		e.expect("(")
		_, there := e.in[e.name()]
		e.expect(")")
		return !there
	}
	a := e.operand()
	op := e.next()
	b := e.operand()
	if op == "BETWEEN" {
		e.expect("AND")
		low, ok := compare(a, b)
		high, also := compare(a, e.operand())
		return ok && also && low >= 0 && high <= 0
	}
	d, ok := compare(a, b)
	switch op {
	case "=":
		return ok && d == 0
	case "<>":
		return !ok || d != 0
	case "<":
		return ok && d < 0
	case "<=":
		return ok && d <= 0
	case ">":
		return ok && d > 0
	case ">=":
		return ok && d >= 0
	}
	e.fail("no operator %q", op)
	return false
}

// name is an attribute's, by its placeholder or as it is.
func (e *expression) name() string {
	w := e.next()
	if strings.HasPrefix(w, "#") {
		return e.names[w]
	}
	return w
}

// operand is a value, or an attribute of the item; nil for one that is not there.
func (e *expression) operand() map[string]any {
	if strings.HasPrefix(e.peek(), ":") {
		w := e.next()
		v, ok := e.values[w]
		if !ok {
			e.fail("no value %s", w)
		}
		return v
	}
	return e.in[e.name()]
}

// updated is an item with an update done.
func updated(text string, c call, in row) (row, error) {
	out := row{}
	for name, v := range in {
		out[name] = v
	}
	e := newExpression(text, c, in)
	for e.peek() != "" && e.fault == nil {
		switch e.next() {
		case "SET":
			e.each(func(name string) {
				e.expect("=")
				out[name] = e.assigned()
			})
		case "ADD":
			e.each(func(name string) {
				out[name] = sum(map[string]any{"N": or(in[name]["N"], "0")}, e.operand())
			})
		default:
			e.fail("no such clause in %q", text)
		}
	}
	return out, e.fault
}

// each reads the parts of a clause, with commas between them.
func (e *expression) each(part func(name string)) {
	for {
		part(e.name())
		if e.peek() != "," {
			return
		}
		e.next()
	}
}

// assigned is what an attribute is set to.
func (e *expression) assigned() map[string]any {
	if e.peek() == "if_not_exists" {
		e.next()
		e.expect("(")
		was, there := e.in[e.name()]
		e.expect(",")
		v := e.operand()
		e.expect(")")
		if there {
			return was
		}
		return v
	}
	v := e.operand()
	if e.peek() == "+" {
		e.next()
		return sum(v, e.operand())
	}
	return v
}

func or(v any, otherwise string) any {
	if v == nil {
		return otherwise
	}
	return v
}
