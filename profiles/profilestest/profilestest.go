// Package profilestest gives tests the catalogue that ships.
package profilestest

import (
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Shipped is that catalogue, fashion.
func Shipped(t testing.TB) *profile.Catalogue {
	t.Helper()
	_, c := Loaded(t)
	return c
}

// Loaded is the set that ships, with that catalogue of it.
func Loaded(t testing.TB) (*profiles.Set, *profile.Catalogue) {
	t.Helper()
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c, err := set.Catalogue("fashion")
	if err != nil {
		t.Fatal(err)
	}
	return set, c
}
