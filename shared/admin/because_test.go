package admin

import (
	"errors"
	"testing"
)

// An error of a kind keeps its own words, without those of the kind.
func TestAnErrorOfAKindHasItsOwnWords(t *testing.T) {
	cause := errors.New("setting scheme: \"best\" is none of these")
	err := error(because{cause, ErrBadSetting})
	if err.Error() != cause.Error() || !errors.Is(err, ErrBadSetting) || !errors.Is(err, cause) || errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}
