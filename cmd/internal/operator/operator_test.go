package operator_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/api"
)

// shown says whether a stage takes a token.
func shown(t operator.Token, values ...string) bool {
	return t.Shown(&http.Request{Header: http.Header{api.OperatorHeader: values}})
}

// A token is its user's alone, and one of an earlier start is worth nothing.
func TestTokensAreOfOneStartAndOneUser(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "operator-token")
	if err := os.WriteFile(path, []byte("planted"), 0o666); err != nil {
		t.Fatal(err)
	}
	first, err := operator.Make(folder)
	if err != nil {
		t.Fatal(err)
	}
	read := operator.InFolder(folder)
	if read() != string(first) || len(first) < 26 {
		t.Errorf("the token is %q and the file has %q", first, read())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	second, err := operator.Make(folder)
	if err != nil {
		t.Fatal(err)
	}
	if shown(second, string(first)) || !shown(second, read()) {
		t.Error("the second start takes the first one's token, or not its own")
	}
	if shown(second) || shown(second, "") || shown(second, read(), read()) {
		t.Error("no token, an empty one or two are taken")
	}
}

// Commands find the token of the stage at their endpoint, on this machine alone.
func TestTokensAreFoundByEndpoint(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	folder := t.TempDir()
	token, err := operator.Make(folder)
	if err != nil {
		t.Fatal(err)
	}
	forget, err := operator.Announce("127.0.0.1:8080", folder)
	if err != nil {
		t.Fatal(err)
	}
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:8080": string(token), "http://localhost:8080/": string(token), "http://[::1]:8080": "",
		"http://127.0.0.1:8081": "", "http://example.com:8080": "", "http://127.0.0.1": "", "http://127.0.0.1:../8080": "", "::": "",
	} {
		if got := operator.At(endpoint)(); got != want {
			t.Errorf("at %s it is %q, want %q", endpoint, got, want)
		}
	}
	forget()
	if got := operator.At("http://127.0.0.1:8080")(); got != "" {
		t.Errorf("after the stage's end it is %q", got)
	}
}

// Two stages on one port of different addresses have each its own token, and what the
// one notes is not the other's to forget.
func TestStagesOfOnePortAreTwo(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	announced := func(addr string) (folder string, forget func()) {
		folder = t.TempDir()
		if _, err := operator.Make(folder); err != nil {
			t.Fatal(err)
		}
		forget, err := operator.Announce(addr, folder)
		if err != nil {
			t.Fatal(err)
		}
		return folder, forget
	}
	first, _ := announced("127.0.0.1:9000")
	second, forget := announced("127.0.0.2:9000")
	everywhere, _ := announced("[::]:9001")
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:9000": first, "http://localhost:9000": first, "http://127.0.0.2:9000": second,
		"http://127.0.0.1:9001": everywhere, "http://localhost:9001": everywhere, "http://127.0.0.3:9000": "",
	} {
		if got := operator.Folder(endpoint); got != want {
			t.Errorf("at %s it is %q, want %q", endpoint, got, want)
		}
	}
	third, _ := announced("127.0.0.2:9000") // after the second, which ends late
	forget()
	if got := operator.Folder("http://127.0.0.2:9000"); got != third {
		t.Errorf("the end of an earlier stage leaves %q, want %q", got, third)
	}
}
