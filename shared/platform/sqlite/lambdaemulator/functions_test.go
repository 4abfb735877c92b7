package lambdaemulator

import (
	"errors"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform"
)

// Functions come and go while others run: one that is as it was keeps its
// environment, one that changed starts anew, and one that is gone is not found.
func TestFunctionsComeAndGo(t *testing.T) {
	in := start(t, Options{Functions: []Function{self("kept"), self("changed"), self("gone")}})
	for _, name := range []string{"kept", "changed", "gone"} {
		call(t, in, name, "nothing")
	}
	changed := self("changed")
	changed.Env = append(changed.Env, "ANOTHER=1")
	if err := in.SetFunctions([]Function{self("kept"), changed, self("new")}); err != nil {
		t.Fatal(err)
	}
	for name, cold := range map[string]bool{"kept": false, "changed": true, "new": true} {
		inv, err := in.Invoke(t.Context(), name, []byte(`{"do":"nothing"}`))
		if err != nil || (inv.InitMS > 0) != cold {
			t.Errorf("%s: initialised in %v ms, error %v", name, inv.InitMS, err)
		}
	}
	if _, err := in.Invoke(t.Context(), "gone", nil); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("a function that is gone: %v", err)
	}
	if err := in.SetFunctions([]Function{self("a"), self("a")}); err == nil {
		t.Error("a function is there twice")
	}
	if _, err := in.Invoke(t.Context(), "kept", []byte(`{"do":"nothing"}`)); err != nil {
		t.Errorf("after a list that was refused: %v", err)
	}
}
