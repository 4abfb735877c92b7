package httpapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake"
)

// words are values of a kind as texts, in order.
func words[T ~string](all ...T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	slices.Sort(out)
	return out
}

// The document's enumerations are those of the code.
func TestTheDocumentsWordsAreTheCodes(t *testing.T) {
	schemas := document(t).Components.Schemas
	in := func(name string, path ...string) *openapi3.Schema {
		s := schemas[name].Value
		for _, p := range path {
			if p == "[]" {
				s = s.Items.Value
			} else {
				s = s.Properties[p].Value
			}
		}
		return s
	}
	for what, c := range map[string]struct {
		documented *openapi3.Schema
		code       []string
	}{
		"class":         {in("Class"), words(query.Strict, query.Relaxed)},
		"dimension":     {in("Dimension"), words(query.Latency, query.Accuracy, query.Cost)},
		"content types": {in("ContentType"), words(intake.ContentTypes()...)},
		"states":        {in("Query", "state"), words(query.Accepted, query.Succeeded, query.Failed, query.Expired, query.Cancelled)},
		"failures": {in("Query", "failure", "code"), words(query.BadInput, query.TooOften, query.NoCapacity, query.ModelFault,
			query.TimedOut, query.CallerGone, query.InputIsGone)},
		"events": {in("Query", "trail", "[]", "event"), words(query.StepPlaced, query.StepDeclined, query.StepReturned, query.StepRetried,
			query.StepRedriven, query.StepRan)},
		"datatypes": {in("Tensor", "datatype"), words(tensors.Datatypes()...)},
		"resources": {in("Resource", "kind"), words(query.OnWorker, query.OnFunction)},
	} {
		var documented []string
		for _, w := range c.documented.Enum {
			documented = append(documented, fmt.Sprint(w))
		}
		slices.Sort(documented)
		if !slices.Equal(documented, c.code) {
			t.Errorf("%s: documented %v, in the code %v", what, documented, c.code)
		}
	}
}

// The document's bounds are those of the code: what is at one is taken, and what is
// beyond it refused.
func TestTheDocumentsBoundsAreTheCodes(t *testing.T) {
	doc := document(t)
	post := doc.Paths.Find("/v1/queries").Post
	list := post.RequestBody.Value.Content["application/json"].Schema.Value.OneOf[1].Value
	if list.MaxItems == nil || *list.MaxItems != maxItems || list.MinItems != 1 {
		t.Errorf("a list of %v, want at most %d", list.MaxItems, maxItems)
	}
	bound := func(what string, s *openapi3.SchemaRef, least, most float64) {
		t.Helper()
		if s.Value.Min == nil || *s.Value.Min != least || s.Value.Max == nil || *s.Value.Max != most {
			t.Errorf("%s: %v to %v, in the code %v to %v", what, s.Value.Min, s.Value.Max, least, most)
		}
	}
	bound("queries listed", doc.Paths.Find("/v1/queries").Get.Parameters[0].Value.Schema, 1, maxLimit)
	bound("operations listed", doc.Components.Parameters["Limit"].Value.Schema, 1, mostListed)
	bound("decisions listed", doc.Paths.Find("/v1/decisions").Parameters.GetByInAndName("query", "limit").Schema, 1, api.MostDecisions)
	redrive := doc.Paths.Find("/v1/dead-letters/redrive").Post.RequestBody.Value.Content["application/json"].Schema.Value
	bound("letters put back", redrive.Properties["limit"], 1, mostRedriven)

	s := newStage(t)
	for name, ref := range doc.Components.Schemas["Bounds"].Value.Properties {
		for value, ok := range map[float64]bool{*ref.Value.Max: true, *ref.Value.Max * 1.01: false, *ref.Value.Min: !ref.Value.ExclusiveMin.IsTrue()} {
			got := s.do(t, "POST", "/v1/queries", []byte(fmt.Sprintf(`{"task":"fashion","constraints":{%q:%v},"input":{"content_type":"image/png","data":""}}`, name, value)),
				"Content-Type", "application/json")
			var p api.Problem
			if err := json.Unmarshal(got.body, &p); err != nil {
				t.Fatal(err)
			}
			if refused := p.Field == "constraints."+name && p.Type == problemBase+string(intake.BadBound); refused == ok {
				t.Errorf("%s of %v: %s", name, value, got.body)
			}
		}
	}
	key := doc.Components.Parameters["IdempotencyKey"].Value.Schema.Value
	for n, ok := range map[uint64]bool{*key.MaxLength: true, *key.MaxLength + 1: false} {
		if err := intake.CheckKey(string(slices.Repeat([]byte("k"), int(n)))); (err == nil) != ok {
			t.Errorf("a key of %d characters: %v", n, err)
		}
	}
}

// Every parameter of a list is taken as the document has it: numbers within their bounds,
// words of their enum, and neither an empty one nor one that comes twice and is no list.
func TestParametersAreAsDocumented(t *testing.T) {
	s, _, _ := operated(t)
	checked := 0
	for path, item := range document(t).Paths.Map() {
		if item.Get == nil || strings.Contains(path, "{") {
			continue
		}
		for _, ref := range slices.Concat(item.Parameters, item.Get.Parameters) {
			p := ref.Value
			if p.In != openapi3.ParameterInQuery {
				continue
			}
			checked++
			good, bad := examples(t, p)
			for _, v := range good {
				if got := s.do(t, "GET", path+"?"+p.Name+"="+v, nil); got.StatusCode >= 300 {
					t.Errorf("%s?%s=%s: %d %s", path, p.Name, v, got.StatusCode, got.body)
				}
			}
			if !p.Schema.Value.Type.Is(openapi3.TypeArray) {
				bad = append(bad, good[0]+"&"+p.Name+"="+good[0])
			}
			for _, v := range bad {
				if got := s.do(t, "GET", path+"?"+p.Name+"="+v, nil); got.StatusCode < 400 || got.StatusCode >= 500 {
					t.Errorf("%s?%s=%s: %d %s", path, p.Name, v, got.StatusCode, got.body)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("%d parameters were checked", checked)
	}
}

// examples are values that a parameter's schema takes, and some that it does not.
func examples(t *testing.T, p *openapi3.Parameter) (good, bad []string) {
	t.Helper()
	schema := p.Schema.Value
	whole := func(x float64) string { return fmt.Sprintf("%.0f", x) }
	switch {
	case schema.Type.Is("integer"):
		if schema.Min == nil || schema.Max == nil {
			t.Fatalf("parameter %s has no bounds", p.Name)
		}
		return []string{whole(*schema.Min), whole(*schema.Max)}, []string{"", "x", "1.5", whole(*schema.Min - 1), whole(*schema.Max + 1)}
	case schema.Type.Is("boolean"):
		return []string{"true", "false"}, []string{"", "yes"}
	case schema.Type.Is("array"):
		for _, item := range p.Example.([]any) {
			good = append(good, item.(string))
		}
		return good, []string{"", "x", "/v1/uploads"}
	case len(schema.Enum) > 0:
		for _, word := range schema.Enum {
			good = append(good, word.(string))
		}
		return good, []string{"", "x"}
	}
	return []string{"x", ""}, nil
}
