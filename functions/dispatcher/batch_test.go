package main

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"paragon/shared/cloud"
)

// returns hands the deliveries of those queries back.
type returns struct {
	ids  string
	seen []cloud.Delivery
}

func (r *returns) Handle(_ context.Context, ds []cloud.Delivery) (failed []cloud.Delivery) {
	r.seen = append(r.seen, ds...)
	for _, d := range ds {
		if strings.Contains(r.ids, d.Message.ID) {
			failed = append(failed, d)
		}
	}
	return failed
}

func TestBatchNamesWhatFailed(t *testing.T) {
	h := &returns{ids: "b"}
	res, err := batch{h}.handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
		{MessageId: "1", ReceiptHandle: "r1", Body: `{"id":"a","model":"m"}`, Attributes: map[string]string{"ApproximateReceiveCount": "2"}},
		{MessageId: "2", ReceiptHandle: "r2", Body: `{"id":"b"}`},
		{MessageId: "3", ReceiptHandle: "r3", Body: `{`},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.BatchItemFailures) != 2 || res.BatchItemFailures[0].ItemIdentifier != "3" || res.BatchItemFailures[1].ItemIdentifier != "2" {
		t.Errorf("failures %+v", res.BatchItemFailures)
	}
	if len(h.seen) != 2 || h.seen[0].Message.Model != "m" || h.seen[0].Receives != 2 || h.seen[0].Receipt != "r1" ||
		h.seen[1].Receives != 1 || h.seen[0].Queue != cloud.Overflow {
		t.Errorf("deliveries %+v", h.seen)
	}
}

func TestWireNamesWhatIsMissing(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"PARAGON_LOCAL_URL": {},
		"PARAGON_CATALOGUE": {"PARAGON_LOCAL_URL": "http://127.0.0.1:1/secret", "PARAGON_CATALOGUE": "none"},
		"sparc":             {"PARAGON_LOCAL_URL": "http://127.0.0.1:1/secret", "PARAGON_ARCH": "sparc"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := wire(ctx, func(key string) string { return env[key] })
		cancel()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
