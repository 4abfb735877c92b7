package dispatch_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A large picture goes to a function that has the memory and the time for it, and
// a small one to the cheapest that is in time.
func TestALargePictureGoesToALargerFunction(t *testing.T) {
	for _, tc := range []struct {
		name     string
		decoding profile.Decoding
		want     string
	}{
		{"small", profile.Decoding{}, "1000"},
		{"much memory", profile.Decoding{Pixels: 1 << 24, MemoryMB: 600}, "2000"},
		{"much time", profile.Decoding{Pixels: 1 << 24, MS: 700, MemoryMB: 1}, "2000"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			r.submit("q", 900, func(m *query.Message) { m.Input.Decoding = tc.decoding })
			r.handleAll()
			if !slices.Equal(r.names, []string{tc.want}) {
				t.Errorf("%s: invoked %v, want %s", tc.name, r.names, tc.want)
			}
		})
	}
}
