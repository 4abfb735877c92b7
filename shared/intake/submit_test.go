package intake

import (
	"context"
	"regexp"
	"testing"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a service without a home was made")
	}
}

func TestIDsAreLowerCaseAndDiffer(t *testing.T) {
	a, b := NewID(), NewID()
	if a == b || !regexp.MustCompile(`^q[0-9a-z]{26}$`).MatchString(a) {
		t.Errorf("ids %s and %s", a, b)
	}
}

func TestARecordIsForgottenHoursAfterItExpires(t *testing.T) {
	d := newDesk(t, nil)
	rec := d.submit(t, request(500))
	if rec.ExpiresAt != start.Add(time.Minute) || rec.ForgetAt != rec.ExpiresAt.Add(24*time.Hour) {
		t.Errorf("expires %v, forgotten %v", rec.ExpiresAt, rec.ForgetAt)
	}
}

func TestNobodysQueriesAreNotEverybodys(t *testing.T) {
	d := newDesk(t, nil)
	d.submit(t, request(500))
	if rs, err := d.Recent(t.Context(), "", 10); err == nil || len(rs) != 0 {
		t.Errorf("listed %+v", rs)
	}
}

// A crash between storing and sending is mended by the repeat: it accepts the
// very same record and message again.
func TestARepeatOffersTheSameMessageAgain(t *testing.T) {
	st := &recording{}
	d := newDesk(t, func(c *Config) { st.Store = c.Store; c.Store = st })
	for range 2 {
		if _, _, err := d.Submit(t.Context(), "me", "key", request(500)); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(time.Second)
	}
	if len(st.sent) != 2 || st.sent[0].AcceptedAt != st.sent[1].AcceptedAt || string(st.sent[0].Input.Data) != string(st.sent[1].Input.Data) {
		t.Errorf("sent %+v", st.sent)
	}
}

type recording struct {
	Store
	sent []query.Message
}

func (r *recording) Accept(ctx context.Context, rec query.Record, to cloud.QueueName, m query.Message) (query.Record, bool, error) {
	r.sent = append(r.sent, m)
	return r.Store.Accept(ctx, rec, to, m)
}

func BenchmarkSubmit(b *testing.B) {
	d := newDesk(b, nil)
	d.publish(b, 1000)
	r := request(1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.Submit(b.Context(), "me", "", r); err != nil {
			b.Fatal(err)
		}
	}
}
