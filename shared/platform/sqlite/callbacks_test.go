package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// A call that is owed falls due once, in the write of its query's end, also where the
// process that ends it knows no more than its id; and it outlives the process.
func TestCallbacksFallDueWithTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h, err := Open(t.Context(), path, Options{})
	must(t, err)
	p := h.Platform()
	const url = "https://A.example.com/done"
	sent, direct := newMessage(t, time.Now(), time.Hour), newMessage(t, time.Now(), time.Hour)
	sent.Callback, direct.Callback = url, url
	changed := h.CallbacksChanged()
	must(t, p.Queues.Send(t.Context(), queue, sent))
	if due, err := h.OpenCallbacks(t.Context(), 10); err != nil || len(due) != 0 {
		t.Fatalf("due before the end: %v, %v", due, err)
	}
	end := sent.Ended(query.Outcome{State: query.Cancelled, FinishedAt: time.Now()})
	end.Callback = "" // as one who cancels it has it
	for _, r := range []query.Record{end, direct.Ended(query.Outcome{State: query.Succeeded, FinishedAt: time.Now()}), end} {
		_, _, err := p.Records.PutRecord(t.Context(), r)
		must(t, err)
	}
	<-changed
	must(t, h.Close())
	if h, err = Open(t.Context(), path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	now := time.Now()
	due, err := h.DueCallbacks(t.Context(), now, nil, 10)
	if err != nil || len(due) != 2 || due[0].URL != url || due[0].EndedAt.After(now) || due[0].Tries != 0 {
		t.Fatalf("due %+v, %v", due, err)
	}
	if got, err := h.DueCallbacks(t.Context(), now, []string{"a.example.com:443"}, 10); err != nil || len(got) != 0 {
		t.Errorf("without the host: %v, %v", got, err)
	}
	later := due[0]
	later.DueAt, later.Tries, later.Fault = now.Add(time.Hour), 1, "no route"
	must(t, h.RetryCallback(t.Context(), later))
	must(t, h.EndCallback(t.Context(), due[1].ID))
	if got, err := h.DueCallbacks(t.Context(), now, nil, 10); err != nil || len(got) != 0 {
		t.Errorf("put off: %v, %v", got, err)
	}
	got, err := h.OpenCallbacks(t.Context(), 10)
	if err != nil || len(got) != 1 || got[0].ID != later.ID || got[0].Tries != 1 || got[0].Fault != "no route" || !got[0].DueAt.Equal(later.DueAt) {
		t.Errorf("open %+v, %v", got, err)
	}
	_, err = h.PruneRecords(t.Context(), now.Add(1000*time.Hour))
	must(t, err)
	if got, err := h.OpenCallbacks(t.Context(), 10); err != nil || len(got) != 0 {
		t.Errorf("past its query's retention: %v, %v", got, err)
	}
}
