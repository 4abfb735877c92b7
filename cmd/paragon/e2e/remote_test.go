package e2e_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/shared/client"
)

// Another machine asks with a token alone, sees its owner's queries only, and operates
// the stage when its token is an operator's.
func TestOtherMachinesAskWithTheirTokens(t *testing.T) {
	t.Parallel()
	const annes, bobs = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("anne caller "+annes+"\nbob operator "+bobs+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--listen="+at, "--tokens="+tokens, "--proxies=127.0.0.0/8")
	by := func(token string) *client.Client {
		c, err := client.New(client.Config{Endpoint: "http://" + at, Token: token, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	status := func(err error) int {
		if p, ok := errors.AsType[*client.Problem](err); ok {
			return p.Status
		}
		return 0
	}
	anne, bob, nobody := by(annes), by(bobs), by("")
	var asked []string
	for _, c := range []*client.Client{anne, bob} {
		q, err := c.Submit(t.Context(), strict(pictures(t)[0]), client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, q.ID)
	}
	_, err = anne.Get(t.Context(), asked[0], 0)
	_, foreign := anne.Get(t.Context(), asked[1], 0)
	_, unknown := nobody.Status(t.Context())
	_, forbidden := anne.Set(t.Context(), "max_workers", "3")
	_, operates := bob.Set(t.Context(), "max_workers", "3")
	if err != nil || status(foreign) != http.StatusNotFound || status(unknown) != http.StatusUnauthorized || status(forbidden) != http.StatusForbidden || operates != nil {
		t.Errorf("own query: %v; another's: %v; no token: %v; a caller sets: %v; an operator sets: %v", err, foreign, unknown, forbidden, operates)
	}
}
