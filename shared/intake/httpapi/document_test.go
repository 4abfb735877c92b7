package httpapi

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/paragon-serving/paragon/docs"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheDocumentIsValid(t *testing.T) {
	router(t) // registers the media types of the examples
	if err := document(t).Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryRouteIsDocumentedAndEveryDocumentedRouteIsThere(t *testing.T) {
	var served, documented []string
	for path, byMethod := range (&server{}).routes() {
		for method := range byMethod {
			served = append(served, method+" "+path)
		}
	}
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if !slices.Equal(served, documented) {
		t.Errorf("served %v\ndocumented %v", served, documented)
	}
}

func TestEveryKindOfProblemIsDocumented(t *testing.T) {
	var served, documented []string
	for kind, k := range kinds {
		served = append(served, problemBase+string(kind))
		if k.status < 400 || k.title == "" {
			t.Errorf("kind %s has status %d and title %q", kind, k.status, k.title)
		}
	}
	for _, v := range document(t).Components.Schemas["Problem"].Value.Properties["type"].Value.Enum {
		documented = append(documented, v.(string))
	}
	slices.Sort(served)
	slices.Sort(documented)
	if !slices.Equal(served, documented) {
		t.Errorf("served %v\ndocumented %v", served, documented)
	}
}

func TestEveryKindHasItsStatusDocumentedWhereItCanCome(t *testing.T) {
	post := document(t).Paths.Find("/v1/queries").Post.Responses.Map()
	have := slices.Sorted(maps.Keys(post))
	for _, code := range []string{"200", "202", "400", "401", "403", "405", "413", "415", "422", "429", "500", "503"} {
		if !slices.Contains(have, code) {
			t.Errorf("POST /v1/queries documents %s, not %s", strings.Join(have, ", "), code)
		}
	}
}
