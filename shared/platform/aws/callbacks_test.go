package aws

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

const doneURL = "https://hooks.example.com/done"

// callsOf are the messages that wait in the queue of callbacks now.
func callsOf(t *testing.T, h *Backend) (out []platform.CallbackMessage) {
	t.Helper()
	for {
		got, err := h.queues.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: h.queues.url(platform.CallbackQueue), MaxNumberOfMessages: maxReceive})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return out
		}
		for _, m := range got.Messages {
			var c platform.CallbackMessage
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &c); err != nil {
				t.Fatal(err)
			}
			out = append(out, c)
		}
	}
}

// The process that stores the record of a query with a callback sends its message, and of others
// nobody does.
func recordsSendCallbacks(t *testing.T, h *Backend) {
	plain, calling := ended(t, signed.Stored, time.Now()), ended(t, signed.Stored, time.Now())
	calling.Callback = doneURL
	late := calling
	late.State = query.Succeeded
	for _, r := range []query.Record{plain, calling, late} {
		if _, _, err := h.Records.PutRecord(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got := callsOf(t, h)
	if len(got) != 1 || got[0].Query.ID != calling.ID || got[0].Query.Callback != doneURL || got[0].Query.Owner != "ann" || !got[0].Query.ForgetAt.Equal(calling.ForgetAt) || got[0].DueAt.After(time.Now()) {
		t.Errorf("messages %+v", got)
	}
}

// A message that is due later waits in the queue, uncounted of what is there now.
func callbacksAreDelayed(t *testing.T, h *Backend) {
	m := query.Message{ID: "q1", Callback: doneURL, Input: query.Input{Data: []byte("large")}, DeadlineAt: time.Now().Add(time.Hour)}
	if err := platform.OweCallback(t.Context(), h.Callbacks, m); err != nil {
		t.Fatal(err)
	}
	if got := callsOf(t, h); len(got) != 0 {
		t.Errorf("messages %+v", got)
	}
	if n, err := h.Callbacks.WaitingCallbacks(t.Context()); err != nil || n != 1 {
		t.Errorf("%d messages wait, error %v", n, err)
	}
}

// The callback of a record is one process's at a time, and over once it has ended or a
// later try has a message.
func callbacksAreClaimed(t *testing.T, h *Backend) {
	c, r := h.Callbacks, ended(t, signed.Stored, time.Now())
	claim := func(tries int, until time.Time, want error) {
		t.Helper()
		got, err := c.ClaimCallback(t.Context(), r.ID, tries, until)
		if !errors.Is(err, want) || err == nil && (got.ID != r.ID || got.State != r.State) {
			t.Fatalf("claimed after %d tries: %+v, error %v, want %v", tries, got, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	soon, past := time.Now().Add(time.Minute), time.Now().Add(-time.Minute)
	claim(0, soon, platform.ErrNotFound) // it has not ended
	_, _, err := h.Records.PutRecord(t.Context(), r)
	must(err)
	claim(0, past, nil)
	claim(0, soon, nil) // who had it is dead
	claim(0, soon, platform.ErrConflict)
	must(c.RetryCallback(t.Context(), r.ID, 1))
	claim(0, soon, platform.ErrCallbackOver)
	claim(1, past, nil)
	claim(3, soon, nil) // who sent it died before it said so
	must(c.RetryCallback(t.Context(), r.ID, 2))
	claim(2, soon, platform.ErrCallbackOver) // a note that comes late changes nothing
	claim(3, soon, platform.ErrConflict)
	must(c.EndCallback(t.Context(), r.ID))
	claim(9, soon, platform.ErrCallbackOver)
	if got, err := h.Records.GetRecord(t.Context(), r.ID); err != nil || got.ID != r.ID {
		t.Errorf("the record is %+v, error %v", got, err)
	}
	old := ended(t, signed.Stored, time.Now().Add(-2*time.Hour)) // forgotten by now
	_, _, err = h.Records.PutRecord(t.Context(), old)
	must(err)
	r = old
	claim(0, soon, platform.ErrNotFound)
}
