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
	after  bool // sent after the file was deleted
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

// deletedUnder sends queries of every kind at once, and deletes a file once half of them
// are sent.
func (s *stage) deletedUnder(path string) []posted {
	const each, callersOfKind = 60, 2
	data := pictures(s.t)[0].data
	out := make([]posted, each*len(postKinds))
	var next, deleted atomic.Int64
	var all sync.WaitGroup
	for range callersOfKind * len(postKinds) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(out); i = int(next.Add(1)) - 1 {
				if i == len(out)/2 {
					if err := os.Remove(path); err != nil {
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

// The data file, or its log, is deleted under load. From then on no query is accepted that
// a restart would lose, and each caller learns why; direct answers, which store nothing, go
// on. After a kill and a restart the queries are there that were accepted before the log
// was deleted, and new ones are served either way.
func TestNoQueryIsAcceptedIntoADeletedFile(t *testing.T) {
	for _, name := range []string{"paragon.db", "paragon.db-wal"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := up(t, dir, "--workers=1", "--boot-seconds=0")
			s.workersReady(1)
			all := s.deletedUnder(filepath.Join(dir, name))
			before, direct := 0, 0
			for _, p := range all {
				stored := p.kind != len(postKinds)-1
				switch {
				case !p.after && p.accepted() && stored:
					before++
				case p.after && p.accepted() && !stored:
					direct++
				case p.after && stored && (p.status != http.StatusServiceUnavailable || !strings.Contains(string(p.body), name+" was deleted")):
					t.Errorf("%s, after the deletion: %d %s", postKinds[p.kind].name, p.status, p.body)
				}
			}
			if before == 0 || direct == 0 {
				t.Errorf("%d queries were stored before, and %d answered directly after: both should be some", before, direct)
			}
			res, err := http.Get(s.URL + "/readyz")
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("readiness is %d", res.StatusCode)
			}
			s.kill()
			s.restart()
			if name != "paragon.db" {
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
