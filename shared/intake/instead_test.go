package intake

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// only is a worker that has slots for some models alone.
type only struct {
	*slots
	models []string
}

func (o only) Answer(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error) {
	if !slices.Contains(o.models, m.Model) {
		o.mu.Lock()
		o.asked = append(o.asked, m)
		o.mu.Unlock()
		return query.Outcome{}, &schedule.NoSlot{PredictedMS: 700}
	}
	return o.slots.Answer(ctx, m, by)
}

// withSmall is the catalogue with a faster and less accurate model in addition to net.
func withSmall() *profile.Catalogue {
	c := catalogue()
	small := c.Models[0]
	small.Name, small.Accuracy.Top1Percent = "small", 80
	small.Latency = slices.Clone(small.Latency)
	for i := range small.Latency {
		small.Latency[i].MS = profile.Percentiles{P50: 2, P95: 2, P99: 3}
	}
	c.Models = append(c.Models, small)
	return c
}

// accurate asks for the most accurate answer within a bound, of at least so much.
func accurate(latencyMS, accuracy float64) Request {
	r := request(latencyMS)
	r.Optimize = query.Accuracy
	if accuracy > 0 {
		r.Bounds.Accuracy = &accuracy
	}
	return r
}

func TestAnotherModelBeforeOverflow(t *testing.T) {
	for _, tc := range []struct {
		name      string
		downgrade string
		accuracy  float64
		has       []string // slots on the worker
		want      string   // the model that answers; empty: it overflows with net
	}{
		{"a slot for the chosen model", settings.On, 75, []string{"net", "small"}, "net"},
		{"a slot for another one", settings.On, 75, []string{"small"}, "small"},
		{"none for any", settings.On, 75, nil, ""},
		{"turned off", "off", 75, []string{"small"}, ""},
		{"it is not accurate enough", settings.On, 85, []string{"small"}, ""},
		{"the caller bounds no accuracy", settings.On, 0, []string{"small"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set := settings.Defaults()
			set.Downgrade = tc.downgrade
			d, w := newFront(t, func(c *Config, w *slots) {
				c.Catalogue, c.Worker = withSmall(), only{w, tc.has}
				c.Settings = func() settings.Settings { return set }
			})
			got, err := d.Take(t.Context(), "me", accurate(500, tc.accuracy), Terms{Wait: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == "" {
				if got.Record.Placement != string(platform.Overflow) || got.Record.Model != "net" {
					t.Errorf("%s on %s, want net on overflow", got.Record.Model, got.Record.Placement)
				}
				return
			}
			if got.Record.State != query.Succeeded || got.Record.Model != tc.want || got.Receipt == "" {
				t.Errorf("%+v, want an answer of %s", got.Record, tc.want)
			}
			if says := strings.Contains(got.Record.Choice, "is free in time"); says != (tc.want == "small") {
				t.Errorf("it says %q", got.Record.Choice)
			}
			if w.asked[0].Model != "net" {
				t.Errorf("asked first for %s", w.asked[0].Model)
			}
		})
	}
}

// A process that is no worker goes by its view of the pool: of a burst, what has no
// slot in time for the chosen model goes to the workers with another one, and what has
// none for that either overflows with the chosen one.
func TestAnotherModelOnTheWayToAWorkQueue(t *testing.T) {
	for _, downgrade := range []string{settings.On, "off"} {
		set := settings.Defaults()
		set.Downgrade, set.MaxOverflowConcurrency = downgrade, 10_000
		d := newTestService(t, func(c *Config) {
			c.Catalogue, c.Settings = withSmall(), func() settings.Settings { return set }
		})
		d.publish(t, 2)
		got := map[string]int{}
		for range 60 {
			r := d.submit(t, accurate(200, 75))
			got[r.Model+" "+r.Placement]++
		}
		work := string(platform.WorkQueue("general", query.Strict))
		small, over := got["small "+work], got["net "+string(platform.Overflow)]
		if got["net "+work] == 0 || over == 0 || got["small "+string(platform.Overflow)] > 0 || small+over+got["net "+work] != 60 {
			t.Errorf("%s: %v", downgrade, got)
		}
		if (small > 0) != (downgrade == settings.On) {
			t.Errorf("%s: %d downgraded", downgrade, small)
		}
	}
}
