package tuning

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

type fake struct {
	values  map[string]string
	version int64
	err     error
}

func (f *fake) Raw(context.Context) (map[string]string, int64, error) {
	return f.values, f.version, f.err
}

func (f *fake) set(name, value string) {
	f.values = map[string]string{name: value}
	f.version++
}

func TestABadValueNeverTakesEffect(t *testing.T) {
	f := &fake{}
	s := New(f)
	f.set("max_attempts", "5")
	if err := s.Refresh(t.Context()); err != nil || s.Current().MaxAttempts != 5 {
		t.Fatalf("attempts %d, error %v", s.Current().MaxAttempts, err)
	}
	f.set("max_attempts", "-1")
	if err := s.Refresh(t.Context()); err == nil || s.Current().MaxAttempts != 5 {
		t.Errorf("attempts %d, error %v", s.Current().MaxAttempts, err)
	}
	if st := s.State(); st.Fault == nil || !strings.Contains(st.Fault.Error(), "max_attempts") || st.Version != 2 {
		t.Errorf("state %+v", st)
	}
	f.set("max_attempts", "7")
	if err := s.Refresh(t.Context()); err != nil || s.Current().MaxAttempts != 7 || s.State().Fault != nil {
		t.Errorf("after the mend: %+v, error %v", s.State(), err)
	}
}

func TestAnUnreadableStoreKeepsTheLastGoodSettings(t *testing.T) {
	f := &fake{}
	s := New(f)
	f.set("lease_seconds", "9")
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.err = errors.New("the disk is on fire")
	if err := s.Refresh(t.Context()); !errors.Is(err, f.err) || s.Current().LeaseSeconds != 9 {
		t.Errorf("lease %v, error %v", s.Current().LeaseSeconds, err)
	}
	f.err = nil
	if err := s.Refresh(t.Context()); err != nil || s.State().Fault != nil {
		t.Errorf("the fault stays: %v", s.State().Fault)
	}
}

func TestRunTakesAChangeWithinATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		s := New(f)
		f.set("max_attempts", "7")
		ctx, stop := context.WithTimeout(t.Context(), 1100*time.Millisecond)
		defer stop()
		s.Run(ctx, time.Second) // in the bubble's own time
		if got := s.Current().MaxAttempts; got != 7 {
			t.Errorf("max_attempts %d after a tick", got)
		}
	})
}

func TestDefaultsBeforeTheFirstRead(t *testing.T) {
	if New(&fake{}).Current() != settings.Defaults() {
		t.Error("a new source does not hold the defaults")
	}
}
