package stage

import (
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func TestSizes(t *testing.T) {
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	all, err := set.Catalogue("fashion")
	if err != nil {
		t.Fatal(err)
	}
	before, _ := all.FunctionSizes("x86_64")
	for value, want := range map[string][]int{"": before.MemoryMB, "1769": {1769}, "1769, 512": {512, 1769}} {
		c, err := Sizes(func(string) string { return value }, all)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := c.FunctionSizes("x86_64"); !slices.Equal(got.MemoryMB, want) {
			t.Errorf("%q: %v, want %v", value, got.MemoryMB, want)
		}
	}
	for _, value := range []string{"1000", "x", "512,"} {
		if _, err := Sizes(func(string) string { return value }, all); err == nil || !strings.Contains(err.Error(), names.FunctionMemory) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if after, _ := all.FunctionSizes("x86_64"); !slices.Equal(after.MemoryMB, before.MemoryMB) {
		t.Errorf("the shared catalogue has changed: %v", after.MemoryMB)
	}
}
