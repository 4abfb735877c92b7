package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// values are settings that can be read, or not.
type values struct{ err error }

func (v values) Raw(context.Context) (map[string]string, int64, error) { return nil, 0, v.err }

// fails has the messages of a query come again.
type fails struct {
	id   string
	seen []string
}

func (f *fails) HandleAll(_ context.Context, all []platform.CallbackMessage) []error {
	errs := make([]error, len(all))
	for i, m := range all {
		f.seen = append(f.seen, m.Query.ID)
		if m.Query.ID == f.id {
			errs[i] = errors.New("throttled")
		}
	}
	return errs
}

func event() events.SQSEvent {
	return events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "1", Body: `{"query":{"id":"a","callback":"https://a.example.com/"},"due_at":"2026-01-01T00:00:00Z"}`},
		{MessageId: "2", Body: `{`},
		{MessageId: "3", Body: `{"query":{"id":"none"}}`},
		{MessageId: "4", Body: `{"query":{"id":"b","callback":"https://a.example.com/"},"due_at":"2026-01-01T00:00:00Z"}`},
	}}
}

// What failed comes again by its name, and what is no message of a callback does not.
func TestABatchNamesWhatFailed(t *testing.T) {
	f := &fails{id: "b"}
	res, err := batch{f, tuning.New(values{})}.handle(t.Context(), event())
	if err != nil || len(res.BatchItemFailures) != 1 || res.BatchItemFailures[0].ItemIdentifier != "4" {
		t.Errorf("failures %+v, error %v", res.BatchItemFailures, err)
	}
	if !slices.Equal(f.seen, []string{"a", "b"}) {
		t.Errorf("handled %v", f.seen)
	}
}

// Without the settings nobody knows which hosts may be called: nothing is called, and
// nothing given up.
func TestNothingIsCalledWithoutSettings(t *testing.T) {
	f := &fails{}
	if _, err := (batch{f, tuning.New(values{errors.New("throttled")})}).handle(t.Context(), event()); err == nil || len(f.seen) != 0 {
		t.Errorf("handled %v, error %v", f.seen, err)
	}
}

func TestWireNamesWhatIsMissing(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"PARAGON_STAGE":          {},
		"for a stage in an acco": {"PARAGON_LOCAL_URL": "http://127.0.0.1:1/secret"},
	} {
		if _, err := wire(t.Context(), func(key string) string { return env[key] }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
