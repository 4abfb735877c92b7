package keys

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// list answers with one owner a page. The keys are read behind a request too.
type list struct {
	mu     sync.Mutex
	values map[string]string
	order  []string
	err    error
	calls  int
}

func (l *list) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *list) GetParametersByPath(_ context.Context, in *ssm.GetParametersByPathInput, _ ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if l.err != nil {
		return nil, l.err
	}
	if got := aws.ToString(in.Path); got != "/paragon-keys/dev" {
		return nil, errors.New("path " + got)
	}
	at := len(aws.ToString(in.NextToken))
	out := &ssm.GetParametersByPathOutput{}
	if at < len(l.order) {
		name := "/paragon-keys/dev/" + l.order[at]
		out.Parameters = []types.Parameter{{Name: &name, Value: aws.String(l.values[l.order[at]])}}
	}
	if at+1 < len(l.order) {
		out.NextToken = aws.String(strings.Repeat(".", at+1))
	}
	return out, nil
}

// salted is what SSM keeps of a key, and plain what it must not.
func salted(salt, key string) string { return salt + ":" + plain(salt+key) }

func plain(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestOwner(t *testing.T) {
	var passed atomic.Int64 // nanoseconds
	l := &list{values: map[string]string{
		"anna": salted("salt-of-anna-0001", "key-a"), "ben": strings.ToUpper(salted("SALT-OF-BEN-00001", "key-b")) + "\n",
		"carl": plain("key-c"), "dora": salted("short", "key-d"), "emma": "salt-of-emma-0001:xyz",
	}, order: []string{"anna", "ben", "carl", "dora", "emma"}}
	s := New(l, "/paragon-keys/dev/", func() time.Time { return time.Unix(0, passed.Load()) })
	ask := func(header string) string {
		t.Helper()
		owner, err := s.Owner(t.Context(), header)
		if err != nil {
			t.Fatal(err)
		}
		return owner
	}
	for header, want := range map[string]string{
		"Bearer key-a": "anna", "bearer  key-b": "ben", "Bearer key-c": "", "Bearer ": "", "": "", "Basic key-a": "",
		"key-a": "", "Bearer " + salted("salt-of-anna-0001", "key-a"): "", "Bearer key-d": "", "Bearer " + strings.Repeat("x", 600): "",
	} {
		if got := ask(header); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
	l.change(func() {
		if l.calls != 5 {
			t.Errorf("%d calls, want one a page", l.calls)
		}
		l.order = []string{"ben"} // anna's key is taken away
	})
	fresh := int64(freshFor/2 - 1) // a staler list may be read anew before the owner is looked up in it
	passed.Add(fresh)
	if ask("Bearer key-a") != "anna" {
		t.Error("read again too early")
	}
	passed.Add(int64(freshFor) - fresh)
	if ask("Bearer key-a") != "" {
		t.Error("a key that was taken away still opens")
	}
	l.change(func() { l.err = errors.New("down") })
	passed.Add(int64(freshFor))
	if ask("Bearer key-b") != "ben" {
		t.Error("the list of before does not stay in force")
	}
}

func TestNobodyEntersBeforeTheListIsRead(t *testing.T) {
	s := New(&list{err: errors.New("down")}, "/paragon-keys/dev/", time.Now)
	if owner, err := s.Owner(t.Context(), "Bearer key-a"); owner != "" || err == nil {
		t.Errorf("%q, %v", owner, err)
	}
}
