package intake

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A query that as many workers as may held as they ended fails, by key or without, and is a dead
// letter once; after one death it goes on, and that counts.
func TestDeathsOfWorkersCount(t *testing.T) {
	for _, tc := range []struct {
		name, key string
		class     query.Class
		deaths    int
	}{
		{"strict, the most", "", query.Strict, query.MostDeaths},
		{"relaxed, the most", "", query.Relaxed, query.MostDeaths},
		{"with a key, the most", "k", query.Relaxed, query.MostDeaths},
		{"relaxed, one", "", query.Relaxed, 1},
		{"with a key, one", "k", query.Relaxed, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newTestService(t, nil)
			d.publishPool(t, placement.Pool{Workers: 1, Runners: 2})
			r := strictly()
			r.Class = tc.class
			got, err := d.Take(t.Context(), "me", r, Terms{Key: tc.key, Died: make([]string, tc.deaths)})
			if err != nil {
				t.Fatal(err)
			}
			if tc.deaths < query.MostDeaths {
				ms := d.received(t, platform.WorkQueue("general", tc.class))
				if len(ms) != 1 || len(ms[0].Died) != tc.deaths || ms[0].Attempts != tc.deaths {
					t.Errorf("it is %s, sent as %+v", got.Record.State, ms)
				}
				return
			}
			o := got.Record.Outcome
			if got.Record.State != query.Failed || o == nil || o.Failure == nil || o.Failure.Code != query.TooOften || o.Attempts != tc.deaths {
				t.Fatalf("it ended as %+v", got.Record)
			}
			letters := d.received(t, platform.DeadLetters)
			if len(letters) != 1 || letters[0].ID != got.Record.ID || len(letters[0].Input.Data) == 0 {
				t.Errorf("dead letters %+v", letters)
			}
			if tc.key == "" {
				return
			}
			d.clock.advance(time.Second)
			if again, err := d.Take(t.Context(), "me", r, Terms{Key: tc.key}); err != nil || again.Record.ID != got.Record.ID || again.Record.State != query.Failed {
				t.Errorf("asked again: %+v, error %v", again.Record, err)
			}
		})
	}
}
