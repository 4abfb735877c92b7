package intake

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// Preview is what would be chosen at this moment for a request, whose input is of
// no matter. A *Refusal says why nothing would.
func (s *Service) Preview(r Request) (selection.Candidate, error) {
	p, err := s.plan(r, false, s.Now(), s.Settings(), profile.Decoding{})
	return p.chosen, err
}
