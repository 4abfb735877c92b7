// Package operator is who may operate the stage of one machine: everyone who can read the
// operator's token, which `paragon up` makes at each start, in its data folder, for its
// own user alone. Commands on the same machine find it by the port of the stage.
package operator

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/loopback"
)

// TokenFile is the file of the data folder that has the token.
const TokenFile = "operator-token"

// Token is what an operator shows.
type Token string

// Make makes a token and writes it into a data folder, in place of an earlier one: what
// another process learned of that is worth nothing then.
func Make(dataDir string) (Token, error) {
	token := Token(rand.Text())
	path := filepath.Join(dataDir, TokenFile)
	if err := WriteFile(path, token.Text()); err != nil {
		return "", fmt.Errorf("write the operator's token: %w", err)
	}
	return token, nil
}

// Text is what the token's file holds.
func (t Token) Text() []byte { return []byte(string(t) + "\n") }

// WriteFile writes a file that its user alone reads, in place of one with any permissions.
// Who reads it finds all of it, or what was there before.
func WriteFile(path string, text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err == nil {
		err = next.Sync() // or a power cut could leave the name without the text
	}
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

// Shown says whether a request shows the token.
func (t Token) Shown(r *http.Request) bool {
	values := r.Header.Values(api.OperatorHeader)
	return len(values) == 1 && subtle.ConstantTimeCompare([]byte(values[0]), []byte(t)) == 1
}

// InFolder reads the token of the stage that has a data folder, each time anew: it is
// another one after a restart. It is empty where there is none.
func InFolder(dataDir string) func() string {
	return func() string { return read(filepath.Join(dataDir, TokenFile)) }
}

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Announce notes for the commands of this user where the token of the stage at an
// address is. forget undoes it.
func Announce(addr, dataDir string) (forget func(), err error) {
	at, err := noteOf(addr)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return nil, err
	}
	if err := WriteFile(at, []byte(filepath.Join(dataDir, TokenFile)+"\n")); err != nil {
		return nil, err
	}
	return func() { // a note that stays names a token that is worth nothing
		if read(at) == filepath.Join(dataDir, TokenFile) {
			_ = os.Remove(at)
		}
	}, nil
}

// noteOf is the file that says where the token of the stage at an address is.
func noteOf(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q is not a port", port)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "paragon", "stages", net.JoinHostPort(filepath.Base(host), port)), nil
}

// At reads the token of the stage at an endpoint, each time anew. It is empty where
// the endpoint is not on this machine, or no stage of this user is there.
func At(endpoint string) func() string {
	return func() string { return read(tokenPath(endpoint)) }
}

// Folder is the data folder of the stage at an endpoint; empty as for At.
func Folder(endpoint string) string {
	if path := tokenPath(endpoint); path != "" {
		return filepath.Dir(path)
	}
	return ""
}

// tokenPath is where the token of the stage at an endpoint is: of the one that listens
// at that address, or at all.
func tokenPath(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || !loopback.Names(u.Hostname()) {
		return ""
	}
	hosts := []string{u.Hostname(), "::", "0.0.0.0"}
	if strings.EqualFold(u.Hostname(), "localhost") {
		hosts = []string{"127.0.0.1", "::1", "::", "0.0.0.0"}
	}
	for _, host := range hosts {
		note, err := noteOf(net.JoinHostPort(host, u.Port()))
		if err != nil {
			return ""
		}
		if path := read(note); path != "" {
			return path
		}
	}
	return ""
}
