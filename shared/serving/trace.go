package serving

import (
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// began begins a span of each lease; none when nothing is traced.
func (w *Worker) began(ls []*lease, name string) (spans []tracing.Span) {
	if w.Traces == nil {
		return nil
	}
	for _, l := range ls {
		_, span := w.Traces.Child(l.ctx, name)
		w.annotate(span, l)
		spans = append(spans, span)
	}
	return spans
}

func ended(spans []tracing.Span) {
	for _, s := range spans {
		s.End()
	}
}

// annotate adds to a span whose work it is, and where.
func (w *Worker) annotate(span tracing.Span, l *lease) {
	span.Query(l.d.Message)
	span.Set("worker", w.ID)
}

// endRun ends the spans of a batch's queries, with what failed of them.
func endRun(spans []tracing.Span, answers []answer.Answered) {
	for i, s := range spans {
		s.Count("batch", len(spans))
		if err := answers[i].Err; err != nil {
			s.Fail(string(answer.Failure(err).Code))
		}
		s.End()
	}
}
