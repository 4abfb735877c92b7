package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// postKinds are the ways in which a query is sent: all but the last are stored before they
// are answered.
var postKinds = []struct {
	name, prefer string
	keyed        bool
}{
	{"asynchronous", "respond-async", false},
	{"asynchronous with a key", "respond-async", true},
	{"waiting with a key", "wait=10", true},
	{"direct", "wait=10", false},
}

// posted is a request and its answer.
type posted struct {
	kind   int
	after  bool // sent after the file was lost
	status int
	body   []byte
}

// accepted reports whether the answer says that the query was taken.
func (p posted) accepted() bool { return p.status == http.StatusOK || p.status == http.StatusAccepted }

// query is the query of an accepted request.
func (p posted) query(t *testing.T) (q api.Query) {
	t.Helper()
	if err := json.Unmarshal(p.body, &q); err != nil {
		t.Fatalf("answer %d: %v: %s", p.status, err, p.body)
	}
	return q
}

// post sends a picture once, without a client that sends it again.
func (s *stage) post(kind int, key string, data []byte) posted {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL+"/v1/queries?task=fashion&class=relaxed&latency_ms=30000", bytes.NewReader(data))
	if err != nil {
		s.t.Error(err)
		return posted{kind: kind}
	}
	r.Header.Set("Content-Type", "image/png")
	r.Header.Set("Prefer", postKinds[kind].prefer)
	if postKinds[kind].keyed {
		r.Header.Set("Idempotency-Key", key)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Error(err)
		return posted{kind: kind}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Error(err)
	}
	return posted{kind: kind, status: res.StatusCode, body: body}
}

// lostUnder sends queries of every kind at once, and has a file taken away or damaged once
// half of them are sent.
func (s *stage) lostUnder(lose func() error) []posted {
	const each, callersOfKind = 60, 2
	data := pictures(s.t)[0].data
	out := make([]posted, each*len(postKinds))
	var next, deleted atomic.Int64
	var all sync.WaitGroup
	for range callersOfKind * len(postKinds) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(out); i = int(next.Add(1)) - 1 {
				if i == len(out)/2 {
					if err := lose(); err != nil {
						s.t.Error(err)
					}
					deleted.Store(1)
				}
				after := deleted.Load() == 1
				out[i] = s.post(i%len(postKinds), fmt.Sprint("posted", i), data)
				out[i].after = after
			}
		})
	}
	all.Wait()
	return out
}

// The data file, or its log, is deleted or overwritten under load. From then on no query is
// accepted that a restart would lose, and each caller learns why; direct answers, which
// store nothing, go on. After a kill and a restart the queries are there that were accepted
// before the log was deleted, and new ones are served either way.
func TestNoQueryIsAcceptedIntoALostFile(t *testing.T) {
	another := []byte(strings.Repeat("of another program ", 1000))
	for _, c := range []struct {
		name, file, why string
		lose            func(path string) error
		kept            bool // what was accepted before
	}{
		{"data file deleted", "paragon.db", "was deleted", os.Remove, false},
		{"log deleted", "paragon.db-wal", "was deleted", os.Remove, true},
		{"data file cut off", "paragon.db", "was overwritten", func(path string) error { return os.Truncate(path, 0) }, false},
		{"log cut off", "paragon.db-wal", "was overwritten", func(path string) error { return os.Truncate(path, 0) }, false},
		{"data file overwritten", "paragon.db", "was overwritten", func(path string) error { return os.WriteFile(path, another, 0) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, c.file)
			s := up(t, dir, "--workers=1", "--boot-seconds=0")
			s.workersReady(1)
			all := s.lostUnder(func() error { return c.lose(path) })
			before, direct := 0, 0
			for _, p := range all {
				stored := p.kind != len(postKinds)-1
				switch {
				case !p.after && p.accepted() && stored:
					before++
				case p.after && p.accepted() && !stored:
					direct++
				case p.after && stored && (p.status != http.StatusServiceUnavailable || !strings.Contains(string(p.body), c.file+" "+c.why)):
					t.Errorf("%s, after the loss: %d %s", postKinds[p.kind].name, p.status, p.body)
				}
			}
			if before == 0 {
				t.Error("no query was stored before the loss")
			}
			s.until("an answer after the loss", func() bool {
				// Where the worker had no CPU time for a second, it counted as stopped, and
				// none of the queries above has a direct answer.
				last := s.post(len(postKinds)-1, "", pictures(t)[0].data)
				if !last.accepted() {
					t.Logf("%d direct answers after the loss; now %d %s", direct, last.status, last.body)
				}
				return last.accepted()
			})
			s.saysWhyNotReady(c.file + " " + c.why)
			s.kill()
			if c.name == "data file overwritten" { // an operator would restore a backup
				for _, suffix := range []string{"", "-wal", "-shm"} {
					if err := os.Remove(filepath.Join(dir, "paragon.db"+suffix)); err != nil {
						t.Error(err)
					}
				}
			}
			s.restart()
			if c.kept {
				for _, p := range all {
					if p.accepted() && p.kind != len(postKinds)-1 {
						if done := s.finish(p.query(t)); done.State != query.Succeeded {
							t.Errorf("%s query %s ended as %s: %+v", postKinds[p.kind].name, done.ID, done.State, done.Failure)
						}
					}
				}
			}
			s.workersReady(1)
		})
	}
}

// saysWhyNotReady expects that readiness and the status name the fault of the store. The
// status itself may not be readable any more.
func (s *stage) saysWhyNotReady(why string) {
	s.t.Helper()
	for path, statuses := range map[string][]int{"/readyz": {http.StatusServiceUnavailable}, "/v1/status": {http.StatusOK, http.StatusServiceUnavailable}} {
		res, err := http.Get(s.URL + path)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !slices.Contains(statuses, res.StatusCode) || !strings.Contains(string(body), why) {
			s.t.Errorf("%s is %d %s, error %v; want one of %d and %q", path, res.StatusCode, body, err, statuses, why)
		}
	}
}

// The files of secrets are deleted while a stage runs, which writes them again by the time
// it stops: after a restart ids and receipts that it signed before are known.
func TestDeletedKeysAreWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	s := up(t, dir, "--workers=1", "--boot-seconds=0")
	ended := s.submitKept("ended")
	answers := s.answers(ended)
	for _, name := range []string{"signing-keys.json", "callback-key", "operator-token"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	s.restart()
	s.sameAgain(ended, answers)
}
