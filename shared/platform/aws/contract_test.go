package aws

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
	"github.com/paragon-serving/paragon/shared/platform/platformtest"
)

// TestContract holds the backend to the contract, on a test server.
func TestContract(t *testing.T) {
	ground := newGround(t)
	platformtest.Run(t, platformtest.Features{
		Lease: 2 * time.Second, Parallel: true, Without: wrongInMoto(),
	}, func(t *testing.T) platformtest.Subject {
		h := ground.backend(t)
		return platformtest.Subject{
			Backend:    h.Backend,
			Revoke:     func(ctx context.Context, worker string) error { return h.fleet.markGone(ctx, "contract", worker) },
			FailLaunch: func(ctx context.Context, pool, why string) error { return ground.failLaunch(ctx, h.fleet, pool, why) },
			Limit: func(ctx context.Context, pool string, least, most int) error {
				return ground.limit(ctx, h.fleet.stage, pool, least, most)
			},
			Upload: upload,
		}
	})
}

// ground is a test server with the SDK pointed at it.
type ground struct {
	url    string
	sdk    aws.Config
	made   atomic.Int64
	groups *testserver.Groups
}

func newGround(t *testing.T) *ground {
	t.Helper()
	url := testserver.Start(t)
	for _, v := range testserver.Env(url) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	sdk, err := load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	groups := &testserver.Groups{Next: (&isolated{next: sdk.HTTPClient}).Do}
	sdk.HTTPClient = groups
	return &ground{url: url, sdk: sdk, groups: groups}
}

// failLaunch has the launches of a pool fail: those that it has are there.
func (g *ground) failLaunch(ctx context.Context, f *fleet, pool, why string) error {
	ids, _, err := f.staying(ctx, pool)
	g.groups.FailLaunches(names.Group(f.stage, pool), why, slices.Collect(maps.Keys(ids))...)
	return err
}

// isolated lets each write to DynamoDB run alone. moto undoes a transaction that
// is cancelled by putting the whole table back as it was before it, and with that
// undoes what others wrote meanwhile; and two writes at once to one row may both
// find their conditions to hold.
type isolated struct {
	next aws.HTTPClient
	rows sync.RWMutex
}

func (i *isolated) Do(r *http.Request) (*http.Response, error) {
	service, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case !strings.HasPrefix(service, "DynamoDB"):
	case call == "TransactWriteItems", call == "PutItem", call == "UpdateItem":
		i.rows.Lock()
		defer i.rows.Unlock()
	default:
		i.rows.RLock()
		defer i.rows.RUnlock()
	}
	return i.next.Do(r)
}

// backend makes a fresh stage and connects to it.
func (g *ground) backend(t *testing.T) *Backend {
	t.Helper()
	c := g.config()
	makeStage(t, g.sdk, c)
	return connect(c, clientsOf(g.sdk))
}

func (g *ground) config() Config {
	stage := fmt.Sprintf("t%d", g.made.Add(1))
	return Config{
		Stage: stage, StateTable: stage + "-state", RecordsTable: stage + "-records", Bucket: stage + "-uploads",
		QueueURLPrefix: g.url + "/" + testserver.Account + "/paragon-" + stage + "-",
		Now:            time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// upload does what a caller does with an upload.
func upload(ctx context.Context, u platform.Upload, data []byte) error {
	r, err := http.NewRequestWithContext(ctx, u.Method, u.URL, bytes.NewReader(data))
	if err != nil {
		return err
	}
	for name, value := range u.Headers {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the upload was answered %s", res.Status)
	}
	return res.Body.Close()
}
