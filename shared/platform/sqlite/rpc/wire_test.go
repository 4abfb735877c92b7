package rpc

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform"
)

func TestErrorClassesTravel(t *testing.T) {
	for name, class := range classes {
		f := FaultOf(errors.Join(errors.New("while testing"), class))
		if f.Class != name || !errors.Is(&remoteError{f}, class) {
			t.Errorf("class %s travels as %q", name, f.Class)
		}
	}
	var store *platform.StoreFault
	full := fmt.Errorf("send: %w", &platform.StoreFault{Reason: "the disk is full"})
	if err := (&remoteError{FaultOf(full)}); !errors.As(err, &store) || store.Reason != "the disk is full" || !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("a store that cannot be written travels as %v", err)
	}
	if err := (&remoteError{FaultOf(io.EOF)}); errors.Unwrap(err) != nil || err.Error() != "EOF" {
		t.Errorf("an error without a class travels as %v", err)
	}
}

func TestDialRefusesURLsWithoutPrintingThem(t *testing.T) {
	for _, u := range []string{"", "127.0.0.1:1/secret", "http://127.0.0.1:1", "http://127.0.0.1:1/", "https://127.0.0.1:1/secret", "http://%zz/secret"} {
		if _, err := Dial(u); err == nil || strings.Contains(err.Error(), "/secret") && !strings.Contains(err.Error(), "host:port/secret") {
			t.Errorf("Dial(%q): %v", u, err)
		}
	}
}
