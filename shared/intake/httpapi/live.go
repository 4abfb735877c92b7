package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
)

// watchable are the paths that GET /v1/live answers with, and how many seconds lie
// between two readings of each.
var watchable = map[string]int{"/v1/status": 1, "/v1/queries": 1, "/v1/decisions": 1, "/v1/workers": 5, "/v1/history": 15, "/v1/settings": 15}

const (
	// pollSeconds is how often a page asks that gets no stream.
	pollSeconds = 5
	// mostBytes bounds the parts of an answer that is no stream. What does not fit is left
	// out, and the caller's next request asks for it.
	mostBytes = 98_000
	// heartbeatSeconds is after how long without a change a stream shows that it stands.
	heartbeatSeconds = 15
	// streamSeconds is how long a stream lasts. The caller's next one shows its token anew.
	streamSeconds = 300
	// streamWriteTime is how long a caller may leave an event unread.
	streamWriteTime = 10 * time.Second
)

// Streams bounds the streams of GET /v1/live. The zero value serves none: each request
// is answered once.
type Streams struct {
	Most   int             // at a time; requests beyond it are answered once
	Ending <-chan struct{} // closed when the server ends, and all streams with it
	// Ticks come each second until stop is called; nil means those of a time.Ticker.
	Ticks func() (ticks <-chan time.Time, stop func())
}

// Live answers GET /v1/live: several paths of an API by one request, as a stream of
// events while they change, or once.
type Live struct {
	api    http.Handler
	ending <-chan struct{}
	ticks  func() (<-chan time.Time, func())
	places chan struct{} // one for each open stream
}

// NewLive returns a Live of what answers the paths. Each is asked with the headers of
// the caller's request, so that it shows nothing that the caller could not read.
func NewLive(paths http.Handler, s Streams) *Live {
	if s.Ticks == nil {
		s.Ticks = func() (<-chan time.Time, func()) {
			t := time.NewTicker(time.Second)
			return t.C, t.Stop
		}
	}
	return &Live{api: paths, ending: s.Ending, ticks: s.Ticks, places: make(chan struct{}, s.Most)}
}

// Serve answers one request; what it returns is a refusal.
func (l *Live) Serve(w http.ResponseWriter, r *http.Request) error {
	watched, err := readWatched(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		select {
		case l.places <- struct{}{}:
			defer func() { <-l.places }()
			if l.stream(w, r, watched) {
				return nil
			}
		default: // every place is taken, or there is none
		}
	}
	return l.once(w, r, watched)
}

// readWatched reads which paths, with their parameters, a request watches.
func readWatched(r *http.Request) ([]*url.URL, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(badField, "", "the URL's parameters cannot be read: %v", err)
	}
	given := values["watch"]
	if len(given) == 0 || len(given) > len(watchable) {
		return nil, refuse(badField, "watch", "is given %d times; give it 1 to %d times", len(given), len(watchable))
	}
	watched := make([]*url.URL, len(given))
	for i, g := range given {
		u, err := url.ParseRequestURI(g)
		if err != nil || watchable[u.Path] == 0 || u.Host != "" {
			return nil, refuse(badField, "watch", "%q cannot be watched; the paths are %s", clip(g), strings.Join(slices.Sorted(maps.Keys(watchable)), ", "))
		}
		watched[i] = u
	}
	return watched, nil
}

// once answers with every path as it is now.
func (l *Live) once(w http.ResponseWriter, r *http.Request, watched []*url.URL) error {
	var parts []api.LivePart
	for _, u := range watched {
		parts = append(parts, l.read(r, u))
	}
	return answerOnce(w, parts)
}

// answerOnce answers with parts that were read once, as many as fit. A part that does not
// fit alone is answered with a refusal, so that it is not asked for for ever.
func answerOnce(w http.ResponseWriter, parts []api.LivePart) error {
	out, size := api.Live{AgainSeconds: pollSeconds}, 0
	for _, part := range parts {
		if len(part.Body) > mostBytes {
			part = tooLarge(part)
		}
		if more := size + len(part.Body); more <= mostBytes {
			size, out.Parts = more, append(out.Parts, part)
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode %d parts: %w", len(parts), err)
	}
	w.Header().Set("Content-Type", "application/json")
	sendWhole(w, http.StatusOK, append(body, '\n'))
	return nil
}

// tooLarge refuses a part in its place.
func tooLarge(part api.LivePart) api.LivePart {
	k := kinds[badField]
	body, err := json.Marshal(api.Problem{Type: problemBase + string(badField), Title: k.title, Status: k.status, Field: "watch", Instance: "/v1/live",
		Detail: fmt.Sprintf("the response of %s has %d bytes, and a poll of /v1/live returns at most %d: request the path directly, or request fewer items", clip(part.Path), len(part.Body), mostBytes)})
	if err == nil {
		part.Status, part.Body = k.status, body
	}
	return part
}

// read asks for a path as the caller would.
func (l *Live) read(r *http.Request, u *url.URL) api.LivePart {
	asked := r.Clone(r.Context())
	asked.Method, asked.URL, asked.RequestURI, asked.Body = http.MethodGet, u, u.RequestURI(), http.NoBody
	got := &kept{header: http.Header{}, status: http.StatusOK}
	l.api.ServeHTTP(got, asked)
	return got.part(u)
}

// part is the answer as that of a watched path.
func (k *kept) part(u *url.URL) api.LivePart {
	part := api.LivePart{Path: u.RequestURI(), Status: k.status, EverySeconds: watchable[u.Path]}
	if json.Valid(k.body.Bytes()) {
		part.Body = k.body.Bytes()
	}
	return part
}

// kept is an answer in memory.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }

// stream sends each path when it differs from what was sent last, until the caller,
// the server or its time ends. False, with nothing sent, where answers cannot be streamed.
func (l *Live) stream(w http.ResponseWriter, r *http.Request, watched []*url.URL) bool {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep the changes back until it has 4 or 8 KB
	if http.NewResponseController(w).Flush() != nil {
		return false
	}
	ticks, stop := l.ticks()
	defer stop()
	sent, quiet := make([][sha256.Size]byte, len(watched)), 0
	for second := 0; second < streamSeconds; second++ {
		events := l.changes(r, watched, second, sent)
		if quiet++; events == "" && quiet >= heartbeatSeconds {
			events = ": nothing has changed\n\n"
		}
		if events != "" {
			quiet = 0
			if send(w, events) != nil {
				return true
			}
		}
		select {
		case <-ticks:
		case <-r.Context().Done():
			return true
		case <-l.ending:
			return true
		}
	}
	return true
}

// changes are the events of what is read in this second and is not as it was sent.
func (l *Live) changes(r *http.Request, watched []*url.URL, second int, sent [][sha256.Size]byte) string {
	var events strings.Builder
	for i, u := range watched {
		if second%watchable[u.Path] != 0 {
			continue
		}
		text, err := json.Marshal(l.read(r, u)) // one line
		if sum := sha256.Sum256(text); err == nil && sum != sent[i] {
			sent[i] = sum
			fmt.Fprintf(&events, "data: %s\n\n", text)
		}
	}
	return events.String()
}

// send writes events at once. A caller that does not read loses its place.
func send(w http.ResponseWriter, events string) error {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(streamWriteTime)) // where there is a connection
	if _, err := io.WriteString(w, events); err != nil {
		return err
	}
	return c.Flush()
}
