package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// callReceiver verifies what it gets by the signature's definition, and keeps the states
// of the queries by their ids.
type callReceiver struct {
	secret []byte
	mu     sync.Mutex
	refuse bool // answers 503
	states map[string]query.State
	wrong  []string
}

func (c *callReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var got struct {
		Type string
		Data struct {
			ID    string
			State query.State
		}
	}
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	mac := hmac.New(sha256.New, c.secret)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); err != nil || r.Header.Get("Webhook-Signature") != want || got.Data.ID != r.Header.Get("Webhook-Id") {
		c.wrong = append(c.wrong, fmt.Sprintf("%v %s, error %v", r.Header, body, err))
	}
	c.states[got.Data.ID] = got.Data.State
}

func (c *callReceiver) set(refuse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = refuse
}

func (c *callReceiver) state(id string) query.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.states[id]
}

func (c *callReceiver) succeeded() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, state := range c.states {
		if state == query.Succeeded {
			n++
		}
	}
	return n
}

// receiveCallbacks returns a receiver of callbacks, its address, and the flags of a stage that
// may call it.
func receiveCallbacks(t *testing.T) (rec *callReceiver, address string, flags []string) {
	t.Helper()
	rec = &callReceiver{states: map[string]query.State{}}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return rec, "http://localhost:" + port + "/done", []string{"--callbacks-to-loopback", "--set", "callback_hosts=localhost:" + port}
}

// trust reads the secret by which the stage signs what it sends to the receiver.
func (c *callReceiver) trust(s *stage) {
	s.t.Helper()
	known, err := s.Callbacks(s.t.Context(), "")
	if err != nil || len(known.Receivers) != 1 || known.Receivers[0].Host != "localhost" {
		s.t.Fatalf("%+v, error %v", known, err)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(known.Receivers[0].Secret, "whsec_"))
	if err != nil {
		s.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secret = secret
}

// check fails the test if something that came was not signed rightly.
func (c *callReceiver) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) > 0 {
		t.Error(c.wrong)
	}
}

// Who adds a host of callbacks reads its secret with the next command.
func TestASecretIsThereWithItsHost(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=0")
	if _, err := s.Set(t.Context(), "callback_hosts", "hooks.example.com"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Callbacks(t.Context(), ""); err != nil || len(got.Receivers) != 1 || got.Receivers[0].Host != "hooks.example.com" {
		t.Errorf("%+v, error %v", got.Receivers, err)
	}
}

// Queries that are answered in their request, later, or cancelled are reported to their
// callback, those that ended before the stage was killed included.
func TestCallbacksArriveAndOutliveAKill(t *testing.T) {
	rec, address, flags := receiveCallbacks(t)
	s := up(t, t.TempDir(), append(flags, "--workers=1", "--boot-seconds=0", "--unpaced")...)
	s.workersReady(1)
	rec.trust(s)
	submit := func(wait time.Duration) string {
		q, err := s.Submit(t.Context(), client.Submission{Task: "fashion", Callback: address,
			Input: query.Input{ContentType: "image/png", Data: pictures(t)[0].data}}, client.Options{Wait: wait})
		if err != nil {
			t.Fatal(err)
		}
		return q.ID
	}
	first := []string{submit(20 * time.Second), submit(0)}
	arrived := func(ids ...string) func() bool {
		return func() bool {
			for _, id := range ids {
				if rec.state(id) != query.Succeeded {
					return false
				}
			}
			return true
		}
	}
	s.until("the callbacks arrive", arrived(first...))
	rec.set(true)
	second := []string{submit(20 * time.Second), submit(20 * time.Second)}
	s.until("the callbacks fail", func() bool {
		got, err := s.Callbacks(t.Context(), "")
		return err == nil && len(got.Open) == 2 && got.Open[0].Tries > 0
	})
	s.kill()
	rec.set(false)
	s.restart()
	s.until("the callbacks arrive after the kill", arrived(second...))
	rec.check(t)
	if _, err := s.Submit(t.Context(), client.Submission{Task: "fashion", Callback: "https://elsewhere.example.com/",
		Input: query.Input{ContentType: "image/png", Data: pictures(t)[0].data}}, client.Options{}); err == nil || !strings.Contains(err.Error(), "callback_hosts") {
		t.Errorf("another host: %v", err)
	}
}
