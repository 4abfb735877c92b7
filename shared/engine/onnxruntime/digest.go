package onnxruntime

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Names of the environment variables that stand above the search and the pins.
const (
	// EnvLibrary names the library's file; nothing else is then looked at.
	EnvLibrary = "PARAGON_ORT_LIB"
	// envDigest is the SHA-256, in hex, of a library of the user's own choice.
	envDigest = "PARAGON_ORT_LIB_SHA256"
)

// build is one known build of the library.
type build struct {
	npmDir   string // below onnxruntime-node/bin/napi-v6
	fileName string
	sha256   string
}

// builds are the builds of ONNX Runtime 1.24.3 in onnxruntime-node@1.24.3, by
// GOOS/GOARCH. This is the only place that pins them, apart from package-lock.json.
var builds = map[string]build{
	"linux/amd64": {"linux/x64", "libonnxruntime.so.1",
		"92ba8e44d31b80a34f5e805076a044122c3be1fffe0d88ed790de7267b0b2682"},
	"linux/arm64": {"linux/arm64", "libonnxruntime.so.1",
		"33032cb5b91c12edbf028d7c69fa40a31848d66c0095448758af237d5e0b07db"},
}

// thisBuild is the build for the platform that runs.
func thisBuild() (build, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	b, ok := builds[platform]
	if !ok {
		return build{}, fmt.Errorf("no build of ONNX Runtime is known for %s; only for linux/amd64 and linux/arm64", platform)
	}
	return b, nil
}

// VerifyDigest reports whether the file at path is a known build of the library
// for this platform, or the one whose SHA-256 PARAGON_ORT_LIB_SHA256 gives.
// Loading a library runs its code, so that a file nobody vouches for is refused.
func VerifyDigest(path string) error {
	want, err := Digest()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open ONNX Runtime library: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("read ONNX Runtime library %s: %w", path, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != want {
		return fmt.Errorf("%s has the SHA-256 %s, not %s, and is not loaded: run `make deps` for the known build, or set %s to the digest of a library you trust",
			path, got, want, envDigest)
	}
	return nil
}

// Digest is the SHA-256 that the library must have, in lower-case hex.
func Digest() (string, error) {
	if own := os.Getenv(envDigest); own != "" {
		if b, err := hex.DecodeString(own); err != nil || len(b) != sha256.Size {
			return "", fmt.Errorf("%s=%q is not a SHA-256 of %d hex digits", envDigest, own, 2*sha256.Size)
		}
		return strings.ToLower(own), nil
	}
	b, err := thisBuild()
	return b.sha256, err
}
