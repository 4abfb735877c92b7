package platformtest

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

var dataCases = []contractCase{
	{"a series holds the periods that have values", anyBackend, seriesOfPeriods},
	{"a value that is none is refused", anyBackend, noValue},
	{"settings are read as they were set", anyBackend, settingsAreKept},
	{"an upload is its owner's alone", anyBackend, uploadIsOwners},
	{"an upload keeps its bound", anyBackend, uploadIsBounded},
	{"an upload that was changed after its query was accepted is not read", anyBackend, changedUpload},
	{"an input is readable by its owner only", anyBackend, inputIsOwners},
}

func seriesOfPeriods(t *testing.T, s *suite) {
	start := time.Now().Truncate(time.Minute).Add(-10 * time.Minute)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	dims := []string{"task=fashion", "class=strict"}
	point := func(seconds, v float64) platform.Point {
		return platform.Point{Metric: "arrivals", Dimensions: dims, At: at(seconds), Value: v}
	}
	must(t, s.Backend.Metrics.Put(t.Context(), point(0, 2), point(0.9, 3), point(4, -1), point(21, 7)))
	must(t, s.Backend.Metrics.Put(t.Context(), point(0.5, 0), platform.Point{Metric: "arrivals", At: at(1), Value: 99}))

	got, err := s.Backend.Metrics.Series(t.Context(), "arrivals", []string{"class=strict", "task=fashion"}, at(0), at(21), 10*time.Second)
	must(t, err)
	want := []platform.Sample{{At: at(0).UTC(), Sum: 4, Count: 4, Max: 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series in 10 s, the order of dimensions changed (-want +got):\n%s", diff)
	}
	got, err = s.Backend.Metrics.Series(t.Context(), "arrivals", dims, at(0), at(60), time.Second)
	must(t, err)
	want = []platform.Sample{
		{At: at(0).UTC(), Sum: 5, Count: 3, Max: 3}, {At: at(4).UTC(), Sum: -1, Count: 1, Max: -1}, {At: at(21).UTC(), Sum: 7, Count: 1, Max: 7},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series in 1 s (-want +got):\n%s", diff)
	}
	got, err = s.Backend.Metrics.Series(t.Context(), "nothing", nil, at(0), at(60), time.Second)
	must(t, err)
	if len(got) != 0 {
		t.Errorf("a metric without values has the series %+v", got)
	}
}

func noValue(t *testing.T, s *suite) {
	now := time.Now()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		good := platform.Point{Metric: "m", At: now, Value: 1}
		if err := s.Backend.Metrics.Put(t.Context(), good, platform.Point{Metric: "m", At: now, Value: v}); err == nil {
			t.Errorf("%v was taken as a value", v)
		}
	}
	got, err := s.Backend.Metrics.Series(t.Context(), "m", nil, now.Add(-time.Minute), now.Add(time.Minute), time.Second)
	must(t, err)
	if len(got) != 0 {
		t.Errorf("a refused call left %+v", got)
	}
}

func settingsAreKept(t *testing.T, s *suite) {
	values, none, err := s.Backend.Settings.Raw(t.Context())
	must(t, err)
	if len(values) != 0 {
		t.Errorf("a fresh backend has the settings %v", values)
	}
	must(t, s.Backend.Settings.Set(t.Context(), "path_ms", "12"))
	must(t, s.Backend.Settings.Set(t.Context(), "scheme", "ünïcode “?”"))
	_, before, err := s.Backend.Settings.Raw(t.Context())
	must(t, err)
	must(t, s.Backend.Settings.Set(t.Context(), "path_ms", "13"))
	values, after, err := s.Backend.Settings.Raw(t.Context())
	must(t, err)
	if diff := cmp.Diff(map[string]string{"path_ms": "13", "scheme": "ünïcode “?”"}, values); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if none >= before || before >= after {
		t.Errorf("the versions went %d, %d, %d; want them to rise", none, before, after)
	}
}

func uploadIsOwners(t *testing.T, s *suite) {
	data := bytes.Repeat([]byte{0, 0xff, '\n'}, 1000)
	u, err := s.Backend.Blobs.NewUpload(t.Context(), "ann", "image/png", len(data))
	must(t, err)
	if _, err := s.Backend.Blobs.Blob(t.Context(), "ann", u.URI, len(data)); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("a blob before it was uploaded: %v, want ErrNotFound", err)
	}
	must(t, s.Upload(t.Context(), u, data))
	got, err := s.Backend.Blobs.Blob(t.Context(), "ann", u.URI, len(data))
	must(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back for %d, or others", len(got), len(data))
	}
	if _, err := s.Backend.Blobs.Blob(t.Context(), "bob", u.URI, len(data)); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("a foreign blob: %v, want ErrNotFound", err)
	}
	for _, uri := range []string{"", u.URI + "0", "../" + u.URI, "file:///etc/passwd"} {
		if _, err := s.Backend.Blobs.Blob(t.Context(), "ann", uri, 1<<20); !errors.Is(err, platform.ErrNotFound) {
			t.Errorf("blob %q: %v, want ErrNotFound", uri, err)
		}
	}
}

func uploadIsBounded(t *testing.T, s *suite) {
	u, err := s.Backend.Blobs.NewUpload(t.Context(), "ann", "image/png", 100)
	must(t, err)
	if err := s.Upload(t.Context(), u, make([]byte, 101)); err == nil {
		t.Error("an upload above its limit was taken")
	}
	if _, err := s.Backend.Blobs.Blob(t.Context(), "ann", u.URI, 1000); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("the refused upload: %v, want ErrNotFound", err)
	}
	must(t, s.Upload(t.Context(), u, make([]byte, 100)))
	if _, err := s.Backend.Blobs.Blob(t.Context(), "ann", u.URI, 99); !errors.Is(err, platform.ErrTooLarge) {
		t.Errorf("a blob above the reader's limit: %v, want ErrTooLarge", err)
	}
}

func changedUpload(t *testing.T, s *suite) {
	u, err := s.Backend.Blobs.NewUpload(t.Context(), "ann", "image/png", 100)
	must(t, err)
	accepted, changed := bytes.Repeat([]byte("a"), 100), bytes.Repeat([]byte("b"), 100)
	m := query.Message{ID: "q-1_a", Owner: "ann", Input: query.Input{ContentType: "image/png", URI: u.URI, SHA256: platform.Digest(accepted)}}
	must(t, s.Upload(t.Context(), u, accepted))
	got, err := platform.ReadInput(t.Context(), s.Backend.Blobs, m, 100)
	must(t, err)
	if !bytes.Equal(got.Data, accepted) {
		t.Error("other bytes came back than were uploaded")
	}
	if err := s.Upload(t.Context(), u, changed); err != nil {
		return // such a place is written once
	}
	if got, err := platform.ReadInput(t.Context(), s.Backend.Blobs, m, 100); !errors.Is(err, platform.ErrNotFound) || !strings.Contains(err.Error(), "changed") {
		t.Errorf("%d bytes of an upload that was changed: %v, want ErrNotFound with the reason", len(got.Data), err)
	}
}

// Where messages hold any input there is nothing to hold.
func inputIsOwners(t *testing.T, s *suite) {
	if s.Backend.Inputs == nil {
		return
	}
	data := bytes.Repeat([]byte{0, 0xff, '\n'}, 300_000)
	for range 2 { // a repeat changes nothing
		uri, err := s.Backend.Inputs.PutInput(t.Context(), "ann", "q-1_a", data)
		must(t, err)
		m := query.Message{ID: "q-1_a", Owner: "ann", Input: query.Input{ContentType: "image/png", URI: uri, SHA256: platform.Digest(data)}}
		got, err := platform.ReadInput(t.Context(), s.Backend.Blobs, m, len(data))
		must(t, err)
		if !bytes.Equal(got.Data, data) || got.URI != "" || got.ContentType != "image/png" {
			t.Errorf("%d bytes came back for %d, or others", len(got.Data), len(data))
		}
		if _, err := platform.ReadInput(t.Context(), s.Backend.Blobs, m, len(data)-1); !errors.Is(err, platform.ErrTooLarge) {
			t.Errorf("an input above the reader's limit: %v, want ErrTooLarge", err)
		}
		other := m
		other.Input.SHA256 = platform.Digest(nil)
		if _, err := platform.ReadInput(t.Context(), s.Backend.Blobs, other, len(data)); !errors.Is(err, platform.ErrNotFound) {
			t.Errorf("an input of another digest: %v, want ErrNotFound", err)
		}
		m.Owner = "bob"
		if _, err := platform.ReadInput(t.Context(), s.Backend.Blobs, m, len(data)); !errors.Is(err, platform.ErrNotFound) {
			t.Errorf("a foreign input: %v, want ErrNotFound", err)
		}
	}
	for _, id := range []string{"", "../q", "a/b"} {
		if _, err := s.Backend.Inputs.PutInput(t.Context(), "ann", id, data[:1]); err == nil {
			t.Errorf("an input was put under the id %q", id)
		}
	}
}
