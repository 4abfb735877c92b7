package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// returns hands the deliveries of those queries back.
type returns struct {
	ids  string
	seen []platform.Delivery
}

func (r *returns) Handle(_ context.Context, ds []platform.Delivery) (failed []platform.Delivery) {
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
	res, err := batch{handler: h, spent: &spent{}}.handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
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
		h.seen[1].Receives != 1 || h.seen[0].Queue != platform.Overflow {
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

// bill keeps what is reported to it, once it can be reached.
type bill struct {
	platform.Metrics
	points []platform.Point
	err    error
}

func (b *bill) Put(_ context.Context, points ...platform.Point) error {
	if b.err == nil {
		b.points = append(b.points, points...)
	}
	return b.err
}

// What a batch cost, and how many of its messages expired, is put once, and with
// the next one when it cannot be.
func TestBatchReportsWhatItCost(t *testing.T) {
	b := &bill{err: errors.New("throttled")}
	expired := int64(0)
	s := &spent{to: b, now: func() time.Time { return time.Unix(1, 0) }, expired: func() int64 { return expired }}
	one := batch{handler: &returns{}, spent: s}
	for _, usd := range []float64{1, 2, 0} {
		if usd > 0 {
			s.add(usd)
			expired++
		}
		if _, err := one.handle(t.Context(), events.SQSEvent{}); err != nil {
			t.Fatal(err)
		}
		b.err = nil
	}
	if len(b.points) != 2 || b.points[0].Metric != telemetry.FunctionUSD.Name || b.points[0].Value != 3 ||
		b.points[1].Metric != telemetry.ExpiredMessages.Name || b.points[1].Value != 2 {
		t.Errorf("put %+v, want what both batches cost and expired", b.points)
	}
}
