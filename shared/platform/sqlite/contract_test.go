package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/platformtest"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

func TestContract(t *testing.T) {
	quiet := platformtest.Features{Bubble: true, ExactDepth: true}
	const by = "the server itself writes and reads them"
	child := map[string]string{platformtest.RowsOfThePast: by, platformtest.HistoryOfThePast: by}
	t.Run("direct", func(t *testing.T) {
		platformtest.Run(t, quiet, func(t *testing.T) platformtest.Subject {
			h := open(t, Options{})
			return subject(h, h.Platform())
		})
	})
	t.Run("loopback", func(t *testing.T) {
		quiet.Without = child
		platformtest.Run(t, quiet, func(t *testing.T) platformtest.Subject {
			h := open(t, Options{})
			return subject(h, serve(t, h).dial(t, "child"))
		})
	})
	for _, seed := range []uint64{1, 2} {
		chaos := &Chaos{Seed: seed, Duplicate: 0.3, Delay: 0.3, Late: 5 * time.Second, Reorder: true}
		t.Run("chaos", func(t *testing.T) {
			platformtest.Run(t, platformtest.Features{Bubble: true, Disordered: true, Without: child}, func(t *testing.T) platformtest.Subject {
				h := open(t, Options{Chaos: chaos})
				return subject(h, serve(t, h).dial(t, "child"))
			})
		})
	}
}

func open(t testing.TB, o Options) *Backend {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "paragon.db"), o)
}

func openAt(t testing.TB, path string, o Options) *Backend {
	t.Helper()
	h, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func subject(h *Backend, c platform.Backend) platformtest.Subject {
	return platformtest.Subject{
		Backend:    c,
		Revoke:     h.MarkGone,
		Limit:      h.SetGroup,
		Launch:     func(ctx context.Context, pool string) error { return launchMissing(ctx, h, pool) },
		FailLaunch: func(ctx context.Context, pool, why string) error { return h.LaunchFailed(ctx, pool, why) },
		Upload: func(ctx context.Context, u platform.Upload, data []byte) error {
			return h.PutBlob(ctx, strings.TrimPrefix(u.URL, uploadPath), bytes.NewReader(data))
		},
	}
}

// launchMissing does what the supervisor does of itself.
func launchMissing(ctx context.Context, h *Backend, pool string) error {
	desired, err := h.Desired(ctx, pool)
	if err != nil {
		return err
	}
	ws, err := h.Platform().Fleet.Workers(ctx, pool)
	if err != nil {
		return err
	}
	staying := 0
	for _, w := range ws {
		if w.State != platform.Draining {
			staying++
		}
	}
	for ; staying < desired; staying++ {
		r := platform.WorkerReport{ID: "w-" + rand.Text(), Pool: pool, State: platform.Booting, At: time.Now().UTC(), Runners: 2}
		if err := h.Launch(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// pipes is a loopback server without a network, so that it works in a bubble.
type pipes struct {
	backend *Backend
	conns   chan net.Conn
	done    chan struct{}
}

func serve(t testing.TB, h *Backend) *pipes {
	p := &pipes{backend: h, conns: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: NewServer(h)}
	ended := make(chan error)
	go func() { ended <- s.Serve(p) }()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return p
}

// dial connects a child by name.
func (p *pipes) dial(t testing.TB, consumer string) platform.Backend {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		here, there := net.Pipe()
		select {
		case p.conns <- there:
			return here, nil
		case <-p.done:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := rpc.DialOver("http://backend/"+p.backend.Register(consumer), transport)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
