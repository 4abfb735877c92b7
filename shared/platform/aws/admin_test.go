package aws

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// operatorKeys sign the ids of queries that ask again.
var operatorKeys = func() signed.Keys {
	k, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		panic(err) // it is long enough
	}
	return k
}()

func adminAt(h *Backend) *admin.Service {
	return &admin.Service{Backend: h.Backend, Tuned: admin.Read(h.Settings), Pools: []string{"contract"}, Now: time.Now, PollWait: time.Second,
		Random: rand.Reader, Keys: func(context.Context) (signed.Keys, error) { return operatorKeys, nil }}
}

// deadLetters are looked at and stay, are put back once, and, should the caller who
// puts them back die before the message is sent, are sent by the repeat.
func deadLetters(t *testing.T, h *Backend) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d, ctx := adminAt(h), t.Context()
	r := ended(t, signed.Stored, time.Now())
	m := query.Message{ID: r.ID, Owner: r.Owner, Task: "t", Model: r.Model, Class: query.Strict, AcceptedAt: r.AcceptedAt, DeadlineAt: r.DeadlineAt,
		ExpiresAt: r.AcceptedAt.Add(time.Minute), ForgetAt: r.ForgetAt, Input: query.Input{Data: []byte("picture")}}
	_, _, err := h.Records.PutRecord(ctx, m.Ended(query.Outcome{State: query.Failed, FinishedAt: time.Now()}))
	must(err)
	must(h.Queues.Send(ctx, platform.DeadLetters, m))

	seen, err := d.DeadLetters(ctx, "", 10)
	must(err)
	if len(seen.Letters) != 1 || seen.Letters[0].Outcome != "resubmitted" || seen.Waiting != 1 {
		t.Fatalf("looked at: %+v", seen)
	}
	done, err := d.Redrive(ctx, admin.OnWork, 10)
	must(err)
	if len(done.Letters) != 1 || done.Letters[0].As == "" || done.Waiting != 0 {
		t.Fatalf("put back: %+v", done)
	}
	must(h.Queues.Send(ctx, platform.DeadLetters, m)) // its double, as of one who died before it was deleted
	again, err := d.Redrive(ctx, admin.OnWork, 10)
	must(err)
	if len(again.Letters) != 1 || again.Letters[0].As != done.Letters[0].As {
		t.Fatalf("put back again: %+v", again)
	}
	got := map[string]int{}
	for range 3 { // the repeat sends its message once more
		ds, err := h.Queues.Receive(ctx, work, 10, time.Minute, time.Second)
		must(err)
		for _, del := range ds {
			got[del.Message.ID]++
			if string(del.Message.Input.Data) != "picture" || del.Message.Trail.Count(query.StepRedriven) != 1 {
				t.Errorf("on its queue again: %+v", del.Message)
			}
		}
	}
	if len(got) != 1 || got[done.Letters[0].As] < 1 {
		t.Errorf("on its queue: %v", got)
	}
}

// tuned has a setting set, listed and refused by the admin service, with its history.
func tuned(t *testing.T, h *Backend) {
	d, ctx := adminAt(h), t.Context()
	for _, value := range []string{"7", "9"} {
		if s, err := d.Set(ctx, "max_workers", value); err != nil || s.Value != value {
			t.Fatalf("set to %s: %+v, error %v", value, s, err)
		}
	}
	if _, err := d.Set(ctx, "max_workers", "-1"); err == nil {
		t.Error("-1 was taken")
	}
	d.Backend.Deployed = map[string]string{"path_ms": "80"}
	all, err := d.Settings(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all.Settings {
		if s.Name == "max_workers" && s.Value != "9" {
			t.Errorf("in force: %+v", s)
		}
		if s.Name == "path_ms" && s.Default != "80" {
			t.Errorf("a setting of the deployment: %+v", s)
		}
	}
	past, err := d.History(ctx, "max_workers", 10)
	if err != nil || len(past) != 2 || past[1].Value != "7" && past[0].Value != "7" {
		t.Errorf("history %+v, error %v", past, err)
	}
}
