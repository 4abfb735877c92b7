package remote

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"
)

// Role is what an owner may do.
type Role string

// The roles. A caller asks queries and sees its own; an operator also reads and
// changes settings, models and dead letters.
const (
	Caller   Role = "caller"
	Operator Role = "operator"
)

// Token is whose a request is, and what it may do.
type Token struct {
	Owner string
	Role  Role
}

const (
	// leastToken is what cannot be guessed: 32 hexadecimal digits are 128 bits.
	leastToken = 32
	mostToken  = 256
	mostTokens = 10000
	mostBytes  = 4 << 20
)

var ownerName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Tokens are those of a file, which only its user may read. It is read again when it
// changed; a file that is wrong then leaves the tokens as they were.
type Tokens struct {
	of *watched[map[[sha256.Size]byte]Token]
}

// ReadTokens reads a file of tokens: a line each with owner, role and token; empty
// lines and those from # on count for nothing.
func ReadTokens(path string, now func() time.Time, log *slog.Logger) (*Tokens, error) {
	t := &Tokens{watch(now, log, func() (map[[sha256.Size]byte]Token, error) { return readTokens(path) }, path)}
	if _, err := t.of.get(); err != nil {
		return nil, fmt.Errorf("tokens %s: %w", path, err)
	}
	return t, nil
}

// Of finds a token.
func (t *Tokens) Of(token string) (Token, bool) {
	all, err := t.of.get()
	if err != nil || len(token) > mostToken {
		return Token{}, false
	}
	found, ok := all[sha256.Sum256([]byte(token))] // by its hash: how long that takes says nothing of the token
	return found, ok
}

func readTokens(path string) (map[[sha256.Size]byte]Token, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a file")
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("other users may read it (mode %04o): run chmod 600", info.Mode().Perm())
	case info.Size() > mostBytes:
		return nil, fmt.Errorf("has %d bytes; at most %d are allowed", info.Size(), mostBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := map[[sha256.Size]byte]Token{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		token, secret, err := parseToken(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		sum := sha256.Sum256([]byte(secret))
		if _, twice := out[sum]; twice {
			return nil, fmt.Errorf("line %d: another line has the same token", n)
		}
		out[sum] = token
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 || len(out) > mostTokens {
		return nil, fmt.Errorf("has %d tokens, not within 1 to %d", len(out), mostTokens)
	}
	return out, nil
}

// parseToken reads a line's fields. An error names no token.
func parseToken(fields []string) (t Token, secret string, err error) {
	if len(fields) != 3 {
		return t, "", fmt.Errorf("has %d fields, not three: owner, role, token", len(fields))
	}
	t, secret = Token{fields[0], Role(fields[1])}, fields[2]
	switch {
	case !ownerName.MatchString(t.Owner):
		return t, "", fmt.Errorf("owner %q must have 1 to 63 characters of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit", t.Owner)
	case t.Owner == "local" || strings.HasPrefix(t.Owner, "key-"):
		return t, "", fmt.Errorf("owner %q is reserved for callers on this machine: choose another name", t.Owner)
	case t.Role != Caller && t.Role != Operator:
		return t, "", fmt.Errorf("role %q is not %s or %s", t.Role, Caller, Operator)
	case len(secret) < leastToken || len(secret) > mostToken:
		return t, "", fmt.Errorf("the token has %d characters, not %d to %d; `openssl rand -hex 32` makes one", len(secret), leastToken, mostToken)
	}
	return t, secret, nil
}
