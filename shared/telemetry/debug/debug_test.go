package debug

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/loopback"
)

func TestOnlyLoopbackIsServed(t *testing.T) {
	for addr, ok := range map[string]bool{
		"": true, "127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true,
		"0.0.0.0:0": false, ":0": false, "10.1.2.3:6060": false, "example.com:6060": false, "127.0.0.1": false,
	} {
		if addr == "[::1]:0" {
			if loopback.CheckAddr(addr) != nil { // the machine may be without IPv6
				t.Errorf("%s is refused", addr)
			}
			continue
		}
		stop, err := Serve(addr, slog.New(slog.DiscardHandler))
		if (err == nil) != ok {
			t.Errorf("%q: %v, want success %v", addr, err, ok)
		}
		if err == nil {
			stop()
		}
	}
}

// The log says where the profiles are, and they are there until stop.
func TestProfilesAreWhereTheLogSays(t *testing.T) {
	var log bytes.Buffer
	stop, err := Serve("127.0.0.1:0", slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	var line struct{ URL string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"": 200, "goroutine?debug=1": 200, "cmdline": 200, "nothing": 404} {
		r, err := http.Get(line.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if r.Body.Close(); r.StatusCode != want {
			t.Errorf("%s answers %d, want %d", path, r.StatusCode, want)
		}
	}
	stop()
	if _, err := http.Get(line.URL); err == nil {
		t.Error("profiles are served after stop")
	}
}
