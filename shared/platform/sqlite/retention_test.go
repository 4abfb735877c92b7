package sqlite

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

func visibleOn(t *testing.T, h *Backend, q platform.QueueName) int {
	t.Helper()
	d, err := h.Platform().Queues.Depth(t.Context(), q)
	must(t, err)
	return d.Visible + d.InFlight
}

// Messages that nobody came for go once their query has ended; those that
// somebody may still come for, or holds, stay, and so do dead letters for a time.
func TestMessagesThatNobodyNeedsArePruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		c := h.Platform()
		var sent []query.Message
		for range 3 {
			m := newMessage(t, time.Now(), time.Hour)
			must(t, c.Queues.Send(t.Context(), queue, m))
			sent = append(sent, m)
		}
		cancelled, held := sent[0], sent[1] // and the third is open
		ds, err := c.Queues.Receive(t.Context(), queue, 3, time.Hour, 0)
		must(t, err)
		ds = slices.DeleteFunc(ds, func(d platform.Delivery) bool { return d.Message.ID == held.ID })
		must(t, c.Queues.Release(t.Context(), ds...))
		for _, m := range []query.Message{cancelled, held} {
			_, _, err = c.Records.PutRecord(t.Context(), m.Ended(query.Outcome{State: query.Cancelled}))
			must(t, err)
		}
		must(t, c.Queues.Send(t.Context(), platform.DeadLetters, query.Message{ID: "dead"}))
		<-time.After(2 * time.Second)

		n, err := h.PruneMessages(t.Context(), time.Now())
		must(t, err)
		if n != 1 || visibleOn(t, h, queue) != 2 || visibleOn(t, h, platform.DeadLetters) != 1 {
			t.Errorf("pruned %d, want that of the cancelled query; %d are left", n, visibleOn(t, h, queue))
		}
		<-time.After(15 * 24 * time.Hour)
		if _, err = h.PruneMessages(t.Context(), time.Now()); err != nil || visibleOn(t, h, platform.DeadLetters) != 0 {
			t.Errorf("old dead letters stay, error %v", err)
		}
	})
}

// A message goes once its query has a record, or has expired, and not before.
func TestMessagesOfEndedQueriesArePruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		c := h.Platform()
		sent := func(expires time.Duration) query.Record {
			t.Helper()
			r := endedRecord(t, time.Now(), time.Hour)
			r.ExpiresAt = time.Now().Add(expires)
			must(t, c.Queues.Send(t.Context(), queue, r.Message(query.Input{Data: []byte("x")})))
			return r
		}
		sent(time.Minute + 500*time.Millisecond)
		answered := sent(time.Hour)
		sent(time.Hour) // waits for a worker
		_, _, err := c.Records.PutRecord(t.Context(), answered)
		must(t, err)
		for _, left := range []int{2, 1} {
			_, err := h.PruneMessages(t.Context(), time.Now())
			must(t, err)
			if n := visibleOn(t, h, queue); n != left {
				t.Errorf("%d messages are left, want %d", n, left)
			}
			<-time.After(time.Minute + time.Second)
		}
	})
}

// makeMessage makes a message with a signed id, of a query that was accepted at
// that time, expires a minute later and is kept for that long.
func makeMessage(at time.Time, keep time.Duration) (query.Message, error) {
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		return query.Message{}, err
	}
	id, err := signed.NewID(rand.Reader, signed.Stored, "ann", at, at.Add(time.Minute), at.Add(keep))
	if err != nil {
		return query.Message{}, err
	}
	return query.Message{ID: keys.SignID(id), Owner: "ann", AcceptedAt: at, ExpiresAt: at.Add(time.Minute), ForgetAt: at.Add(keep)}, nil
}

func newMessage(t *testing.T, at time.Time, keep time.Duration) query.Message {
	t.Helper()
	m, err := makeMessage(at, keep)
	must(t, err)
	return m
}

// endedRecord is the record of a query of its own that is kept for that long.
func endedRecord(t *testing.T, at time.Time, keep time.Duration) query.Record {
	t.Helper()
	return newMessage(t, at, keep).Ended(query.Outcome{State: query.Failed})
}

// Records and keys past their retention go, more than a batch of them, and the
// others stay.
func TestRecordsPastTheirRetentionArePruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		c := h.Platform()
		must(t, h.write(t.Context(), func(t *tx) error {
			_, err := t.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
				INSERT INTO query_records (id, owner, kind, accepted_at, forget_at, state, record) SELECT i, '', 'stored', 0, ?, 'failed', '{}' FROM n`,
				2*pruneBatch, time.Now().Add(time.Minute).UnixNano())
			return err
		}))
		stays := endedRecord(t, time.Now(), time.Hour)
		_, _, err := c.Records.PutRecord(t.Context(), stays)
		must(t, err)
		for key, keep := range map[string]time.Duration{"goes": time.Minute, "stays": time.Hour} {
			_, _, err := c.Attempts.ReserveKey(t.Context(), platform.Attempt{Owner: "ann", Key: key, ID: key, ForgetAt: time.Now().Add(keep)})
			must(t, err)
		}
		<-time.After(time.Minute)
		for _, want := range []int{2*pruneBatch + 1, 0} {
			if n, err := h.PruneRecords(t.Context(), time.Now()); n != want || err != nil {
				t.Errorf("pruned %d, error %v, want %d", n, err, want)
			}
		}
		_, err = c.Records.GetRecord(t.Context(), stays.ID)
		must(t, err)
		held, won, err := c.Attempts.ReserveKey(t.Context(), platform.Attempt{Owner: "ann", Key: "stays", ID: "other"})
		must(t, err)
		if won || held.ID != "stays" {
			t.Errorf("the key that stays is held by %q", held.ID)
		}
	})
}

// The inputs of queries are nobody else's to read, whatever the folder's mode.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	must(t, os.Mkdir(dir, 0o755))
	h := openAt(t, filepath.Join(dir, "paragon.db"), Options{})
	send(t, h, "a")
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

// A damaged file is reported with what to do about it.
func TestDamagedFileSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	must(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600))
	_, err := Open(t.Context(), path, Options{})
	if err == nil || !strings.Contains(err.Error(), "choose another one with --data") {
		t.Errorf("opening a damaged file: %v", err)
	}
}

// An orderly end leaves one file, which can be copied as it is.
func TestCloseWritesTheLogBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	send(t, h, "a")
	_, err := h.Platform().Queues.Depth(t.Context(), queue)
	must(t, err)
	must(t, h.Close())
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log is left: %v", err)
	}
}
