package intake

import (
	"context"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// apart reports whether an input of that many bytes is handed over apart from its message.
func (s *Service) apart(bytes int) bool {
	return s.Inputs != nil && bytes > platform.MessageInputBytes
}

// withHandOver adds to the times of the ways through queues what it takes to hand
// over an input of that many bytes. What is answered in its request pays nothing of it.
func (s *Service) withHandOver(set settings.Settings, bytes int) settings.Settings {
	if s.apart(bytes) {
		set.PathMS += pricing.HandOverMS
		set.OverflowPathMS += pricing.HandOverMS
	}
	return set
}

// handOver returns a message as it goes to a queue: with its input kept apart if
// that is too large. Under the same id it is kept once, however often it is sent.
func (s *Service) handOver(ctx context.Context, m query.Message) (query.Message, error) {
	if !s.apart(len(m.Input.Data)) {
		return m, nil
	}
	uri, err := s.Inputs.PutInput(ctx, m.Owner, m.ID, m.Input.Data)
	if err != nil {
		return m, fmt.Errorf("store the large input of query %s apart from its queue message: %w", m.ID, err)
	}
	m.Input = query.Input{ContentType: m.Input.ContentType, URI: uri, SHA256: platform.Digest(m.Input.Data), Decoding: m.Input.Decoding}
	return m, nil
}
