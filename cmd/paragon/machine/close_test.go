package machine

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// What is under way may end; a function that hangs holds Close up for the grace alone.
func TestCloseEndsFunctionsThatHang(t *testing.T) {
	for _, takes := range []time.Duration{0, stopGrace / 2, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			killed := make(chan struct{})
			m := &Machine{log: slog.New(slog.DiscardHandler)}
			m.dispatching(func(ctx context.Context) {
				<-ctx.Done()
				select {
				case <-killed:
				case <-time.After(takes):
				}
			}, func(context.Context) error { close(killed); return nil })
			began := time.Now()
			m.Close()
			if took := time.Since(began); took != min(takes, stopGrace) {
				t.Errorf("an event of %v held Close up for %v", takes, took)
			}
		})
	}
}
