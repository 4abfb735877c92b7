package sqlite

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

func timelineBackend(t *testing.T) *Backend {
	t.Helper()
	b, err := Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestTheTimelineIsKeptByStep(t *testing.T) {
	b, at := timelineBackend(t), time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	row := func(minute int, usd float64) timeline.Stored {
		return timeline.Stored{Step: time.Minute, Row: timeline.Row{At: at.Add(time.Duration(minute) * time.Minute), CostUSD: usd,
			Tallies: []tally.Tally{{Key: tally.Key{Model: "m"}, Counts: tally.Counts{Answered: 3}, Latency: tally.NewHistogram(10, 20, 30)}}}}
	}
	hour := timeline.Stored{Step: time.Hour, Row: timeline.Row{At: at, CostUSD: 9}}
	if err := b.PutTimeline(t.Context(), row(1, 1), row(0, 2), hour); err != nil {
		t.Fatal(err)
	}
	if err := b.PutTimeline(t.Context(), row(1, 3), row(2, 4)); err != nil {
		t.Fatal(err)
	}
	got, err := b.Timeline(t.Context(), time.Minute, at, at.Add(2*time.Minute))
	if err != nil || len(got) != 2 || got[0].CostUSD != 2 || got[1].CostUSD != 3 || got[1].Tallies[0].Latency.Count() != 3 {
		t.Fatalf("%+v, error %v", got, err)
	}
	if err := b.PruneTimeline(t.Context(), at.Add(timeline.Kept+90*time.Second)); err != nil {
		t.Fatal(err)
	}
	got, err = b.Timeline(t.Context(), time.Minute, at, at.Add(time.Hour))
	if err != nil || len(got) != 1 || got[0].CostUSD != 4 {
		t.Errorf("after 14 days: %+v, error %v", got, err)
	}
}

// Rows that take more than their bound together are deleted, the oldest first.
func TestTheTimelineIsBounded(t *testing.T) {
	b, at := timelineBackend(t), time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	noise := rand.NewChaCha8([32]byte{})
	err := b.write(t.Context(), func(tx *tx) error {
		for i := range 9 {
			packed := make([]byte, timelineBytes/8)
			if _, err := noise.Read(packed); err != nil {
				return err
			}
			if _, err := tx.exec(`INSERT INTO timeline (step, at, row) VALUES (60, ?, ?)`, at.Add(time.Duration(i)*time.Minute).Unix(), packed); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = b.PruneTimeline(t.Context(), at.Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var oldest int64
	if _, err := b.reads.one(`SELECT count(*), min(at) FROM timeline`, nil, &n, &oldest); err != nil || n != 8 || oldest != at.Add(time.Minute).Unix() {
		t.Errorf("%d rows from %d, error %v", n, oldest, err)
	}
}
