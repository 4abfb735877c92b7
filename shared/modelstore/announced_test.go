package modelstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// bucket is a place over the network that counts how often it is read.
type bucket struct {
	Place
	reads, written int
}

func (b *bucket) Read(any) ([]byte, any, error) {
	b.reads++
	return fmt.Appendf(nil, `{"tasks":[],"models":[],"withheld":{"mlp":"for the %d. time"}}`, b.written), fmt.Sprint(b.written), nil
}

// Who follows what others read asks for itself when they say that the catalogue has
// changed, when something is not known, and seldom otherwise.
func TestACatalogueIsReadWhenOthersSayThatItChanged(t *testing.T) {
	at, of := time.Unix(1e9, 0), &bucket{}
	s := OpenRefreshed(of, profilestest.Shipped(t), func() time.Time { return at })
	use := func(reads, written int) {
		t.Helper()
		_ = s.Current()
		s.Settle()
		if got, want := s.Current().Withheld["mlp"], fmt.Sprintf("for the %d. time", written); of.reads != reads || got != want {
			t.Errorf("%d reads, want %d; withheld %s, want %s", of.reads, reads, got, want)
		}
	}
	renew := func() {
		t.Helper()
		if err := profile.RefreshTo(s, fmt.Sprint(of.written)); err != nil || profile.Version(s) != fmt.Sprint(of.written) {
			t.Fatalf("version %q, error %v", profile.Version(s), err)
		}
	}
	use(1, 0)
	renew()
	at = at.Add(2 * time.Minute)
	use(1, 0)
	of.written = 1
	use(1, 0)
	renew()
	use(2, 1)
	of.written = 2
	for range 3 { // what nobody knows is asked for
		at = at.Add(RefreshEvery / 2)
		_ = s.Refresh()
	}
	use(3, 2)
	at = at.Add(announcedEvery)
	use(4, 2)
}

// A catalogue that never changes has no version, and follows nobody.
func TestACatalogueOfItsOwnHasNoVersion(t *testing.T) {
	c := profilestest.Shipped(t)
	if err := profile.RefreshTo(c, "7"); err != nil || profile.Version(c) != "" {
		t.Errorf("version %q, error %v", profile.Version(c), err)
	}
	s := open(t, t.TempDir())
	if err := profile.RefreshTo(s, "7"); err != nil || s.Version() != "" {
		t.Errorf("version %q, error %v", s.Version(), err)
	}
}
