package dispatch_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// withAdded is the catalogue that ships with a model that was added to a stage, whose
// deployment has generic functions.
func withAdded(t *testing.T) *profile.Catalogue {
	t.Helper()
	shipped := profilestest.Shipped(t)
	c := *shipped
	c.Deployed = &profile.Deployed{GenericMB: []int{1769}}
	m, _ := c.Model("mlp")
	added := *m
	added.Name, added.SHA256 = "m", strings.Repeat("ab", 32)
	out, err := c.With(profile.Added{Models: []profile.Model{added}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A model without functions of its own is answered by a generic one, which gets the name of
// the file; the time of its load is a cold start's.
func TestAnAddedModelIsAnsweredByAGenericFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.Dispatcher.Catalogue = withAdded(t)
		var pinned []string
		r.asked = func(req inference.Request) { pinned = append(pinned, req.SHA256) }
		loads := []float64{400, 0}
		r.script = func(_ string, nth int) (inference.Response, error) {
			return inference.Response{Label: "answered", ComputeMS: 50, LoadMS: loads[nth]}, nil
		}
		for _, loadMS := range loads {
			o := r.Dispatcher.Invoke(t.Context(), aMessage()).Outcome
			if o == nil || o.RanOn.Name != "generic-1769" || o.RanOn.MemoryMB != 1769 || o.RanOn.Cold != (loadMS > 0) || o.ColdStartMS != loadMS || o.ComputeMS != 50 {
				t.Errorf("it ended as %+v", o)
			}
		}
		if want := strings.Repeat("ab", 32); !slices.Equal(pinned, []string{want, want}) || !slices.Equal(r.names, []string{"generic-1769", "generic-1769"}) {
			t.Errorf("invoked %v for the files %v", r.names, pinned)
		}
		m := aMessage()
		m.Model = "mlp"
		r.script, pinned = nil, nil
		if o := r.Dispatcher.Invoke(t.Context(), m).Outcome; o == nil || !strings.HasPrefix(o.RanOn.Name, "inference-mlp-") || pinned[0] != "" {
			t.Errorf("a model of the deployment ended as %+v, pinned %v", o, pinned)
		}
	})
}
