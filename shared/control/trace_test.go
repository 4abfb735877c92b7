package control_test

import (
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/shared/telemetry/tracing/tracetest"
)

// A tick is a trace: what it collected, decided, guarded, wrote down and did.
func TestTraceOfATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer func() { check(t, s.backend.Close()) }()
		check(t, s.cloud.Settings.Set(t.Context(), "min_workers", "2"))
		check(t, s.tuned.Refresh(t.Context()))
		spans := tracetest.New()
		s.cs[0].Traces = spans.Tracer
		check(t, s.cs[0].Tick(t.Context()))
		if got, want := spans.Tree(), "tick(collect decide guard record act record)"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if spans.Attribute("tick", "pool") == "" || spans.Attribute("guard", "target") != "2" || spans.Attribute("act", "target") != "2" {
			t.Error("the spans do not tell what was decided")
		}
	})
}
