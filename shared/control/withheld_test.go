package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/overflow/overflowtest"
	"github.com/paragon-serving/paragon/shared/platform"
)

// The view withholds what no platform could run, within seconds of a worker's saying so.
func TestTheViewWithholdsWhatCannotBeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		c := r.handingOver(settings.Defaults(), nil)
		withheld := func() map[string]string {
			t.Helper()
			if err := c.PublishView(t.Context()); err != nil {
				t.Fatal(err)
			}
			v, err := r.Fleet.View(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return v.Withheld
		}
		ran := func(on, why string) {
			t.Helper()
			of := overflowtest.Catalogue()
			digest, err := proof.Digest(of, &of.Models[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := platform.AddProofs(t.Context(), r.Shared, on, map[string]proof.Result{digest: {Engine: "e", Why: why, At: time.Now()}}, time.Now()); err != nil {
				t.Fatal(err)
			}
			<-time.After(20 * time.Second)
			withheld() // the last value stands while it is read anew
			synctest.Wait()
		}
		if got := withheld(); len(got) > 0 {
			t.Errorf("before any worker withheld %v", got)
		}
		ran("linux/amd64", "no such operator")
		if got := withheld(); got["net"] == "" {
			t.Errorf("a model that failed is not withheld: %v", got)
		}
		ran("linux/arm64", "")
		if got := withheld(); len(got) > 0 {
			t.Errorf("a model that passed elsewhere is withheld: %v", got)
		}
	})
}

// versioned is a catalogue of the version that it is given.
type versioned struct {
	profile.CatalogueSource
	version string
}

func (v *versioned) Version() string { return v.version }

// The view says which catalogue the controller has read.
func TestTheViewHoldsTheVersionOfTheCatalogue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		c := r.handingOver(settings.Defaults(), nil)
		of := &versioned{CatalogueSource: c.Catalogue}
		c.Catalogue = of
		for _, of.version = range []string{"", "a", "b"} {
			if err := c.PublishView(t.Context()); err != nil {
				t.Fatal(err)
			}
			if v, err := r.Fleet.View(t.Context()); err != nil || v.CatalogueVersion != of.version {
				t.Errorf("version %q, want %q, error %v", v.CatalogueVersion, of.version, err)
			}
		}
	})
}
