package aws

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/paragon-serving/paragon/shared/core/query"
	tunable "github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// What the contract does not know of, as it is this backend's own.
func TestOwnWays(t *testing.T) {
	ground := newGround(t)
	for name, holds := range map[string]func(*testing.T, *Backend){
		"an upload is signed for its very length":          uploadIsSigned,
		"settings are read from SSM by one of many":        settingsAreShared,
		"an operator's settings are over the deployment's": settingsAreOverDeployed,
		"settings read their own writes":                   settingsReadTheirWrites,
		"a blob above the reader's limit":                  blobIsBounded,
		"dead letters are redriven by the admin service":   deadLetters,
		"settings are changed by the admin service":        tuned,
		"who stores a record has its callback made":        recordsSendCallbacks,
		"a callback waits until it is due":                 callbacksAreDelayed,
		"a callback is one process's at a time":            callbacksAreClaimed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			holds(t, ground.backend(t))
		})
	}
}

var work = platform.WorkQueue("contract", query.Strict)

func uploadIsSigned(t *testing.T, h *Backend) {
	u, err := h.Blobs.NewUpload(t.Context(), "ann", "image/png", 1234)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(u.URL)
	if err != nil {
		t.Fatal(err)
	}
	signed := strings.Split(at.Query().Get("X-Amz-SignedHeaders"), ";")
	if !slices.Contains(signed, "content-length") || !slices.Contains(signed, "content-type") || u.Headers["Content-Length"] != "1234" {
		t.Errorf("signed are %v, headers %v", signed, u.Headers)
	}
	if strings.Contains(u.URL, "ann") || u.Method != "PUT" || time.Until(u.Expires) > uploadTime {
		t.Errorf("the upload is %+v", u)
	}
}

func blobIsBounded(t *testing.T, h *Backend) {
	u, err := h.Blobs.NewUpload(t.Context(), "ann", "image/png", 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := upload(t.Context(), u, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Blobs.Blob(t.Context(), "ann", u.URI, 99); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

// counted counts the readings of SSM.
type counted struct {
	settingClient
	reads atomic.Int64
}

func (c *counted) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput, o ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	c.reads.Add(1)
	return c.settingClient.GetParametersByPath(ctx, in, o...)
}

// held holds a reading of SSM up when it has been made: what was read then gets old.
type held struct {
	settingClient
	read, goOn chan struct{}
}

func (c *held) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput, o ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	out, err := c.settingClient.GetParametersByPath(ctx, in, o...)
	c.read <- struct{}{}
	<-c.goOn
	return out, err
}

// A change is visible to every read after it: while another process still reads SSM, and
// when it passes on what it read before the change.
func settingsReadTheirWrites(t *testing.T, h *Backend) {
	changes, slow := *h.Settings.(*settings), *h.Settings.(*settings)
	at := time.Now()
	now := func() time.Time { at = at.Add(time.Millisecond); return at }
	changes.now, slow.now = now, now
	holding := &held{slow.client, make(chan struct{}), make(chan struct{})}
	slow.client = holding
	set := func(value string) {
		t.Helper()
		if err := changes.Set(t.Context(), "max_step", value); err != nil {
			t.Fatal(err)
		}
	}
	read := func(want string) {
		t.Helper()
		if values, _, err := changes.Raw(t.Context()); err != nil || values["max_step"] != want {
			t.Errorf("max_step is %q, error %v, want %q", values["max_step"], err, want)
		}
	}
	slowly := func() {
		_, _, _ = slow.Raw(t.Context()) // what it reads is of no matter
		close(holding.read)
	}
	set("2")
	go slowly()
	<-holding.read // it has claimed, and has read 2
	read("2")
	set("3")
	read("3")
	holding.goOn <- struct{}{} // and passes 2 on
	<-holding.read
	read("3")

	holding.read = make(chan struct{})
	set("4")
	go slowly()
	<-holding.read // it has claimed, and has passed nothing on yet
	read("4")
	holding.goOn <- struct{}{}
	<-holding.read
	read("4")
}

// A deployment's values hold until an operator changes them, are each process's
// own, and are never written to SSM.
func settingsAreOverDeployed(t *testing.T, h *Backend) {
	older, newer := *h.Settings.(*settings), *h.Settings.(*settings)
	older.deployed = map[string]string{"path_ms": "80"}
	newer.deployed = map[string]string{"path_ms": "81", "max_step": "3"}
	read := func(s *settings, want map[string]string) int64 {
		t.Helper()
		values, version, err := s.Raw(t.Context())
		if err != nil || !maps.Equal(values, want) || version == 0 {
			t.Errorf("values %v of version %d, error %v, want %v", values, version, err, want)
		}
		return version
	}
	read(&older, map[string]string{"path_ms": "80"})
	before := read(&newer, map[string]string{"path_ms": "81", "max_step": "3"})
	if err := older.Set(t.Context(), "path_ms", "90"); err != nil {
		t.Fatal(err)
	}
	read(&older, map[string]string{"path_ms": "90"})
	if after := read(&newer, map[string]string{"path_ms": "90", "max_step": "3"}); after <= before {
		t.Errorf("the version went from %d to %d", before, after)
	}
	if changes, err := newer.Changes(t.Context(), "", 10); err != nil || len(changes) != 1 || changes[0].Value != "90" {
		t.Errorf("SSM holds %v, error %v, want the operator's alone", changes, err)
	}
}

func settingsAreShared(t *testing.T, h *Backend) {
	s := *h.Settings.(*settings)
	c := &counted{settingClient: s.client}
	s.client = c
	now := time.Now()
	s.now = func() time.Time { return now }
	if err := s.Set(t.Context(), "path_ms", "12"); err != nil {
		t.Fatal(err)
	}
	readAll := func(want string, reads int64) {
		t.Helper()
		for range 5 {
			values, _, err := s.Raw(t.Context())
			if err != nil || values["path_ms"] != want {
				t.Errorf("values %v, error %v, want %s", values, err, want)
			}
		}
		if n := c.reads.Load(); n != reads {
			t.Errorf("SSM was read %d times, want %d", n, reads)
		}
	}
	readAll("12", 1)
	_, err := s.client.PutParameter(t.Context(), &ssm.PutParameterInput{ // by another hand
		Name: aws.String(s.path + "path_ms"), Value: aws.String("13"), Overwrite: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	readAll("12", 1)
	now = now.Add(tunable.CacheTime)
	readAll("13", 2)
}
