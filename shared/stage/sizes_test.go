package stage

import (
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// of is an environment of one variable.
func of(name, value string) func(string) string {
	return func(key string) string {
		if key == name {
			return value
		}
		return ""
	}
}

// The functions for added models come from the environment too; without them the
// catalogue does not say that a deployment made any.
func TestFunctionsOfAddedModels(t *testing.T) {
	all := &profile.Catalogue{}
	if c, err := Sizes(of("", ""), all); err != nil || c.Deployed != nil {
		t.Errorf("deployed %+v, error %v", c.Deployed, err)
	}
	if c, err := Sizes(of(names.GenericMemory, "1769,3008"), all); err != nil || !slices.Equal(c.Deployed.GenericMB, []int{1769, 3008}) || all.Deployed != nil {
		t.Errorf("deployed %+v, error %v", c.Deployed, err)
	}
	if c, err := Sizes(of(names.OwnFunctions, "iris=ab,birds=cd"), all); err != nil || c.Deployed.Own["iris"] != "ab" || c.Deployed.Own["birds"] != "cd" {
		t.Errorf("deployed %+v, error %v", c.Deployed, err)
	}
	for name, value := range map[string]string{names.GenericMemory: "-1", names.OwnFunctions: "iris"} {
		if _, err := Sizes(of(name, value), all); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestSizes(t *testing.T) {
	all := profilestest.Shipped(t)
	before, _ := all.FunctionSizes("x86_64")
	for value, want := range map[string][]int{"": before.MemoryMB, "1769": {1769}, "1769, 512": {512, 1769}} {
		c, err := Sizes(of(names.FunctionMemory, value), all)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := c.FunctionSizes("x86_64"); !slices.Equal(got.MemoryMB, want) {
			t.Errorf("%q: %v, want %v", value, got.MemoryMB, want)
		}
	}
	for _, value := range []string{"1000", "x", "512,"} {
		if _, err := Sizes(of(names.FunctionMemory, value), all); err == nil || !strings.Contains(err.Error(), names.FunctionMemory) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if after, _ := all.FunctionSizes("x86_64"); !slices.Equal(after.MemoryMB, before.MemoryMB) {
		t.Errorf("the shared catalogue has changed: %v", after.MemoryMB)
	}
}
