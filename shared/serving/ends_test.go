package serving_test

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/serving"
)

func TestCancelledBeforeItRunsNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 5000,
			message: func(m *query.Message) { m.Keyed = true }})
		r.cancel("q")
		w := r.start("w1", nil)
		synctest.Wait()
		r.end(w)
		r.want("q", query.Cancelled)
		if n := r.answers.ran("input of q"); n != 0 {
			t.Errorf("it ran %d times", n)
		}
		r.wantDepth(platform.WorkQueue(pool, query.Relaxed), 0)
	})
}

func (r *rig) cancel(id string) {
	r.Helper()
	o := query.Outcome{State: query.Cancelled, FinishedAt: time.Now(), Failure: &query.Failure{Code: query.CallerGone}}
	m := query.Message{ID: id, ForgetAt: time.Now().Add(time.Hour)}
	if _, won, err := r.Records.PutRecord(r.Context(), m.Ended(o)); err != nil || !won {
		r.Fatalf("cancel: won %v, error %v", won, err)
	}
}

func TestCancelledWhileItRunsIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.started = make(chan string, 1)
		r.submit(ask{id: "q", model: "slow", class: query.Relaxed, boundMS: 5000})
		w := r.start("w1", nil)
		<-r.answers.started
		r.cancel("q")
		r.end(w)
		if rec := r.want("q", query.Cancelled); rec.Outcome.Result != nil {
			t.Error("a cancelled query has a result")
		}
		if w.LateWrites() != 1 {
			t.Errorf("%d late writes, want 1", w.LateWrites())
		}
		r.wantDepth(platform.WorkQueue(pool, query.Relaxed), 0)
	})
}

func TestExpiredIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 5000})
		<-time.After(61 * time.Second)
		w := r.start("w1", nil)
		if rec := r.want("q", query.Expired); rec.Outcome.Failure.Code != query.TimedOut {
			t.Errorf("failure %+v", rec.Outcome.Failure)
		}
		r.end(w)
		if n := r.answers.ran("input of q"); n != 0 {
			t.Errorf("it ran %d times", n)
		}
		r.wantDepth(platform.WorkQueue(pool, query.Relaxed), 0)
	})
}

// What fails by the model's fault is tried again and then a dead letter; what fails by
// its caller's is neither.
func TestOnlyTheModelsFaultsAreDeadLetters(t *testing.T) {
	for _, tc := range []struct {
		input    string
		uri      string
		changed  bool // the upload was, after the query was accepted
		code     query.FailureCode
		runs     int
		attempts int
	}{
		{"poison", "", false, query.BadInput, 1, 1},
		{"faulty", "", false, query.TooOften, 3, 3},
		{"", "upload:nowhere", false, query.InputIsGone, 0, 1},
		{"", "", true, query.InputIsGone, 0, 1},
	} {
		t.Run(fmt.Sprint(tc.code, " changed ", tc.changed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				w := r.start("w1", nil)
				r.submit(ask{id: "q", model: "quick", class: query.Strict, boundMS: 1000, input: tc.input,
					message: func(m *query.Message) {
						if m.Input.URI = tc.uri; tc.changed {
							m.Input = query.Input{ContentType: m.Input.ContentType, URI: r.upload(m.Owner, "another"), SHA256: platform.Digest([]byte("accepted"))}
						}
					}})
				rec := r.want("q", query.Failed)
				if o := rec.Outcome; o.Failure.Code != tc.code || o.Attempts != tc.attempts || o.Failure.Detail == "" {
					t.Errorf("%+v after %d attempts", o.Failure, o.Attempts)
				}
				if n := rec.Trail.Count(query.StepRetried); n != tc.attempts-1 {
					t.Errorf("%d retries in the trail %v", n, events(rec.Trail))
				}
				r.end(w)
				if n := r.answers.ran(tc.input); n != tc.runs {
					t.Errorf("it ran %d times, want %d", n, tc.runs)
				}
				dead := 0
				if tc.code == query.TooOften {
					dead = 1
				}
				r.wantDepth(platform.DeadLetters, dead)
				r.wantDepth(platform.WorkQueue(pool, query.Strict), 0)
			})
		})
	}
}

// upload makes an upload of an owner and returns its URI.
func (r *rig) upload(owner, data string) string {
	r.Helper()
	u, err := r.Blobs.NewUpload(r.Context(), owner, "text/plain", len(data))
	if err == nil {
		err = r.backend.PutBlob(r.Context(), path.Base(u.URL), strings.NewReader(data))
	}
	if err != nil {
		r.Fatal(err)
	}
	return u.URI
}

// A message that takes its worker down every time ends after max_attempts.
func TestKillerMessageEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 60_000})
		for i := range r.settings.MaxAttempts {
			w := r.start(fmt.Sprintf("victim%d", i), func(_ *serving.Options, m *mortal) { m.cut = "before finish" })
			<-time.After(10 * time.Second)
			r.end(w)
			<-time.After(10 * time.Second) // the lease is over
		}
		w := r.start("w", nil)
		if rec := r.want("q", query.Failed); rec.Outcome.Failure.Code != query.TooOften {
			t.Errorf("failure %+v", rec.Outcome.Failure)
		}
		r.end(w)
		if n := r.answers.ran("input of q"); n != r.settings.MaxAttempts {
			t.Errorf("ran %d times", n)
		}
		r.wantDepth(platform.DeadLetters, 1)
	})
}
