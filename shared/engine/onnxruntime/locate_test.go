package onnxruntime

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// put writes a file, with its folders, and returns its path.
func put(t *testing.T, content string, path ...string) string {
	t.Helper()
	full := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return full
}

// emptyBackend makes a working folder and a cache with no library in them.
func emptyBackend(t *testing.T) (work, cache string) {
	t.Helper()
	work, cache = t.TempDir(), t.TempDir()
	t.Chdir(work)
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv(EnvLibrary, "")
	return work, cache
}

func wantLocated(t *testing.T, want string) {
	t.Helper()
	got, err := Locate()
	if err != nil || got != want {
		t.Fatalf("%q, %v, want %q", got, err, want)
	}
}

// Each place that is tried earlier wins over the later ones.
func TestLocateOrder(t *testing.T) {
	b, err := thisBuild()
	if err != nil {
		t.Fatal(err)
	}
	work, cache := emptyBackend(t)
	below := filepath.Join(work, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	inModules := filepath.Join("node_modules", "onnxruntime-node", "bin", "napi-v6", b.npmDir, b.fileName)
	wantLocated(t, put(t, "", work, inModules))
	wantLocated(t, put(t, "", below, inModules))
	wantLocated(t, put(t, "", cache, "paragon", b.fileName))
	own := put(t, "", t.TempDir(), "own.so")
	t.Setenv(EnvLibrary, own)
	wantLocated(t, own)

	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(executable)
	first := []string{filepath.Join(folder, b.fileName), filepath.Join(folder, "lib", b.fileName), "/var/task/lib/" + b.fileName,
		"/opt/lib/" + b.fileName, filepath.Join(cache, "paragon", b.fileName)}
	if got := b.candidates(); !slices.Equal(got[:5], first) {
		t.Errorf("looks in %v first, want %v", got[:5], first)
	}
}

func TestLocateSaysWhereItSearched(t *testing.T) {
	work, cache := emptyBackend(t)
	_, err := Locate()
	if err == nil {
		t.Fatal("found a library in empty folders")
	}
	for _, want := range []string{"make deps", EnvLibrary, "/var/task/lib/", "/opt/lib/", cache, filepath.Join(work, "node_modules")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}

// A command that is run from some other folder looks where it was built, too.
func TestLocateSearchesAboveTheExecutable(t *testing.T) {
	b, err := thisBuild()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("/")
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(filepath.Dir(filepath.Dir(executable)), "node_modules", "onnxruntime-node", "bin", "napi-v6", b.npmDir, b.fileName)
	if !slices.Contains(b.candidates(), want) {
		t.Errorf("does not look at %s", want)
	}
}

// A path that the user gives is never passed over in silence.
func TestLocateOwnPathMustExist(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "none.so"), t.TempDir()} {
		t.Setenv(EnvLibrary, path)
		if got, err := Locate(); err == nil || !strings.Contains(err.Error(), EnvLibrary) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestUnknownDigestIsRefused(t *testing.T) {
	t.Setenv(envDigest, "")
	path := put(t, "not a library", t.TempDir(), "lib.so")
	sum := sha256.Sum256([]byte("not a library"))
	got := hex.EncodeToString(sum[:])
	known, err := thisBuild()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	if err == nil || !strings.Contains(err.Error(), got) || !strings.Contains(err.Error(), known.sha256) || !strings.Contains(err.Error(), "make deps") {
		t.Errorf("%v names not both digests and the remedy", err)
	}
	t.Setenv(envDigest, strings.ToUpper(got))
	if err := VerifyDigest(path); err != nil {
		t.Errorf("with its own digest: %v", err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "load "+path) {
		t.Errorf("a file that is no library: %v", err)
	}
}

// A digest of the user's own stands in for the pin, also for the known build.
func TestOwnDigest(t *testing.T) {
	path, err := Locate()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(envDigest, strings.Repeat("0", 64))
	if err := VerifyDigest(path); err == nil || !strings.Contains(err.Error(), strings.Repeat("0", 64)) {
		t.Errorf("the known build under another digest: %v", err)
	}
	t.Setenv(envDigest, "12")
	if err := VerifyDigest(path); err == nil || !strings.Contains(err.Error(), "not a SHA-256 of 64 hex digits") {
		t.Errorf("a malformed digest: %v", err)
	}
}

// A file name without a folder means the one in the working folder, the very
// file that is checked, and not one of the system's.
func TestOpenBareFileName(t *testing.T) {
	path, err := Locate()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(path))
	lib, err := Open(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close()
	if lib.Path() != path {
		t.Errorf("opened %s, not %s", lib.Path(), path)
	}
}
