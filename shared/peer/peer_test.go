package peer_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/peer"
)

// worker writes down what it is asked.
type worker struct {
	asked []query.Message
	left  time.Duration
	err   error
}

func (w *worker) Answer(_ context.Context, m query.Message, by time.Time) (query.Outcome, error) {
	w.asked, w.left = append(w.asked, m), time.Until(by)
	return query.Outcome{State: query.Succeeded, RanOn: query.Runner{Kind: query.OnWorker, Name: "peer"}}, w.err
}

func keys(t *testing.T, text string) signed.Keys {
	t.Helper()
	k, err := signed.NewKeys([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// listen serves a worker's offers by TCP or on a socket.
func listen(t *testing.T, network string, h http.Handler) (addr string) {
	t.Helper()
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(t.TempDir(), "w.sock")
	}
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	if network == "unix" {
		return "unix:" + at
	}
	return l.Addr().String()
}

func TestAnOfferComesWholeAndGoesBackAnswered(t *testing.T) {
	k := keys(t, "a key of at least sixteen bytes")
	for _, network := range []string{"tcp", "unix"} {
		w := &worker{}
		addr := listen(t, network, peer.Handler(w, k))
		m := query.Message{ID: "q", Owner: "o", Model: "net", Class: query.Strict, DeadlineAt: time.Unix(9, 0).UTC(),
			Input: query.Input{ContentType: "image/png", Data: bytes.Repeat([]byte{0, 255}, 500_000)}}
		o, err := peer.NewClient(k).Answer(t.Context(), addr, m, time.Now().Add(time.Hour))
		if err != nil || o.State != query.Succeeded || o.RanOn.Name != "peer" {
			t.Fatalf("%s: %+v, error %v", network, o, err)
		}
		got := w.asked[0]
		if got.ID != "q" || got.Model != "net" || !got.DeadlineAt.Equal(m.DeadlineAt) || !bytes.Equal(got.Input.Data, m.Input.Data) || w.left > time.Hour || w.left < time.Minute {
			t.Errorf("%s: %s of %d bytes came, %v are left", network, got.ID, len(got.Input.Data), w.left)
		}
	}
}

func TestAPeerWithoutASlotSaysSo(t *testing.T) {
	k := keys(t, "a key of at least sixteen bytes")
	w := &worker{err: &schedule.NoSlot{PredictedMS: 700}}
	c, addr := peer.NewClient(k), listen(t, "tcp", peer.Handler(w, k))
	_, err := c.Answer(t.Context(), addr, query.Message{ID: "q"}, time.Now())
	if no, ok := errors.AsType[*schedule.NoSlot](err); !ok || no.PredictedMS != 700 {
		t.Errorf("%v", err)
	}
	w.err = errors.New("broken")
	if _, err := c.Answer(t.Context(), addr, query.Message{ID: "q"}, time.Now()); err == nil {
		t.Error("a peer that broke gave an answer")
	}
	if _, err := c.Answer(t.Context(), "unix:/nowhere", query.Message{ID: "q"}, time.Now()); err == nil {
		t.Error("a peer that is not there gave an answer")
	}
}

// Nobody but a worker of the stage has anything run, and nothing that is broken is.
func TestForeignAndBrokenOffersAreRefused(t *testing.T) {
	k := keys(t, "a key of at least sixteen bytes")
	w := &worker{}
	h := peer.Handler(w, k)
	addr := listen(t, "tcp", h)
	if _, err := peer.NewClient(keys(t, "another key of sixteen bytes")).Answer(t.Context(), addr, query.Message{ID: "q"}, time.Now()); err == nil {
		t.Error("a foreign offer was answered")
	}
	head := "\x00\x00\x00\x14" + `{"message":{"id":1}}`
	for name, tc := range map[string]struct {
		method, body, token string
		status              int
	}{
		"by GET":      {"GET", "", "", 405},
		"empty":       {"POST", "", k.SignOffer("q"), 400},
		"no token":    {"POST", "\x00\x00\x00\x02{}", "", 400},
		"long head":   {"POST", "\x00\x00\xff\xff{}", k.SignOffer(""), 400},
		"no JSON":     {"POST", "\x00\x00\x00\x02xx", k.SignOffer(""), 400},
		"other types": {"POST", head, k.SignOffer("q"), 400},
		"other query": {"POST", "\x00\x00\x00\x02{}", k.SignOffer("q"), 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tc.method, peer.Path, strings.NewReader(tc.body))
		r.Header.Set("X-Paragon-Peer", tc.token)
		out := httptest.NewRecorder()
		h.ServeHTTP(out, r)
		if out.Code != tc.status {
			t.Errorf("%s: %d, want %d", name, out.Code, tc.status)
		}
	}
	if len(w.asked) > 0 {
		t.Errorf("it ran %+v", w.asked)
	}
}
