package callbacks

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// memory is a Store and Records in memory.
type memory struct {
	mu      sync.Mutex
	owed    map[string]platform.Callback
	changed chan struct{}
	lost    map[string]bool // records that are not kept any more
}

func newMemory(owed ...platform.Callback) *memory {
	m := &memory{owed: map[string]platform.Callback{}, changed: make(chan struct{}), lost: map[string]bool{}}
	for _, c := range owed {
		m.owed[c.ID] = c
	}
	return m
}

func (m *memory) CallbacksChanged() <-chan struct{} { return m.changed }

func (m *memory) DueCallbacks(_ context.Context, now time.Time, without []string, limit int) (out []platform.Callback, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.owed {
		if !c.DueAt.After(now) && !slices.Contains(without, callback.HostOf(c.URL)) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b platform.Callback) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}

func (m *memory) RetryCallback(_ context.Context, c platform.Callback) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owed[c.ID] = c
	return nil
}

func (m *memory) EndCallback(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.owed, id)
	return nil
}

func (m *memory) GetRecord(_ context.Context, id string) (query.Record, error) {
	if m.lost[id] {
		return query.Record{}, platform.ErrNotFound
	}
	return query.Record{ID: id, State: query.Succeeded}, nil
}

func (m *memory) open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.owed)
}

// receiver answers requests without a network.
type receiver func(r *http.Request, body []byte) (status int, err error)

func (f receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status, err := f(r, body)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{"Location": {"https://elsewhere.example.com/"}}, Request: r}, nil
}

var key = callback.Key("root")

// sender sends to hosts that a list allows.
func sender(m *memory, hosts string, f receiver) *Sender {
	client := NewHTTP(callback.Public)
	client.Transport = f
	return New(Options{Store: m, Records: m, Caller: caller(hosts, client)})
}

// caller makes calls to hosts that a list allows.
func caller(hosts string, client *http.Client) Caller {
	return Caller{
		Keys: callback.Keys{key}, Reach: callback.Public, HTTP: client, Now: time.Now, Draw: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		Settings: func() settings.Settings {
			s := settings.Defaults()
			s.CallbackHosts = hosts
			return s
		},
		Query: func(r query.Record) any { return map[string]string{"id": r.ID, "state": string(r.State)} },
	}
}

func owed(id, url string) platform.Callback {
	return platform.Callback{ID: id, URL: url, EndedAt: time.Now(), DueAt: time.Now()}
}

// run runs a sender for a time.
func run(t *testing.T, s *Sender, d time.Duration) {
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	s.Run(ctx)
}

// A call is the query, signed with the secret of its host, and arrives once.
func TestACallbackIsSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(owed("q1", "https://a.example.com/done?x=1"))
		calls := 0
		s := sender(m, "a.example.com", func(r *http.Request, body []byte) (int, error) {
			calls++
			var got struct {
				Type string
				Data struct{ ID, State string }
			}
			if err := json.Unmarshal(body, &got); err != nil || got.Type != Finished || got.Data.ID != "q1" || got.Data.State != "succeeded" {
				t.Errorf("%s, %v", body, err)
			}
			want := callback.Sign(callback.Keys{key}.Secrets("a.example.com"), "q1", time.Now(), body)
			for name, value := range want {
				if r.Header.Get(name) != value {
					t.Errorf("%s is %q, want %q", name, r.Header.Get(name), value)
				}
			}
			if _, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get(callback.SignatureHeader), "v1,")); err != nil {
				t.Error(err)
			}
			return 204, nil
		})
		run(t, s, time.Minute)
		if calls != 1 || m.open() != 0 || s.Arrived() != 1 || s.GivenUp() != 0 {
			t.Errorf("%d calls, %d open, %d arrived", calls, m.open(), s.Arrived())
		}
	})
}

// What fails is tried again with growing waits, redirects included, until it arrives.
func TestCallbacksAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(owed("q1", "https://a.example.com/"))
		var at []time.Duration
		began := time.Now()
		s := sender(m, "a.example.com", func(r *http.Request, _ []byte) (int, error) {
			if r.URL.Host != "a.example.com" {
				t.Errorf("a redirect to %s was taken", r.URL.Host)
			}
			at = append(at, time.Since(began).Round(time.Second))
			switch len(at) {
			case 1:
				return 302, nil
			case 2:
				return 0, errors.New("no route")
			case 3:
				return 500, nil
			}
			return 200, nil
		})
		run(t, s, 10*time.Minute)
		if want := []time.Duration{0, 5 * time.Second, 20 * time.Second, 65 * time.Second}; !slices.Equal(at, want) || m.open() != 0 {
			t.Errorf("tries at %v, want %v; %d open", at, want, m.open())
		}
	})
}

// A callback is given up when its time is over, when its receiver says that it is gone,
// when its query is not kept, and when its host was taken off the list.
func TestCallbacksAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(owed("gone", "https://a.example.com/gone"), owed("down", "https://a.example.com/down"),
			owed("lost", "https://a.example.com/lost"), owed("off", "https://b.example.com/"))
		m.lost["lost"] = true
		calls := map[string]int{}
		var mu sync.Mutex
		s := sender(m, "a.example.com", func(r *http.Request, _ []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			calls[r.URL.Path]++
			if r.URL.Path == "/gone" {
				return 410, nil
			}
			return 503, nil
		})
		run(t, s, 30*time.Hour)
		if m.open() != 0 || s.GivenUp() != 4 || s.Arrived() != 0 {
			t.Errorf("%d open, %d given up", m.open(), s.GivenUp())
		}
		if calls["/gone"] != 1 || calls["/lost"] != 0 || calls["/"] != 0 || calls["/down"] < 20 || calls["/down"] > 40 {
			t.Errorf("calls %v", calls)
		}
	})
}

// slowHost answers no call until its caller gives up. It counts those at once, and all.
type slowHost struct {
	mu              sync.Mutex
	now, most, made int
}

func (h *slowHost) answer(r *http.Request) (int, error) {
	h.mu.Lock()
	h.now++
	h.made++
	h.most = max(h.most, h.now)
	h.mu.Unlock()
	<-r.Context().Done()
	h.mu.Lock()
	h.now--
	h.mu.Unlock()
	return 0, r.Context().Err()
}

// A host that does not answer holds up no other, and no more than a few calls.
func TestASlowHostHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []platform.Callback
		for i := range 200 {
			all = append(all, owed("a"+string(rune('0'+i/100))+string(rune('0'+i/10%10))+string(rune('0'+i%10)), "https://slow.example.com/"))
		}
		all = append(all, owed("z", "https://fast.example.com/"))
		m := newMemory(all...)
		var down slowHost
		ctx, stop := context.WithCancel(t.Context())
		s := sender(m, "*.example.com", func(r *http.Request, _ []byte) (int, error) {
			if r.URL.Host == "fast.example.com" {
				return 200, nil
			}
			return down.answer(r)
		})
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		synctest.Wait()
		if s.Arrived() != 1 || down.most != mostOfHost {
			t.Errorf("%d arrived, %d calls to the slow host at once", s.Arrived(), down.most)
		}
		stop()
		<-ended
		if m.open() != 200 {
			t.Errorf("%d are open after the end", m.open())
		}
	})
}
