package intake

import "context"

// Ready tells whether a query of a task would be answered by something that is
// there now: a ready worker, or an inference function. A query that comes
// before is accepted all the same, and waits.
func (s *Service) Ready(ctx context.Context, task string) bool {
	set := s.Settings()
	s.refreshView(ctx)
	pool, ok := s.poolFor(task)
	if !ok {
		return false
	}
	if runners, _ := s.fleet.load(pool.Name, s.Now(), set); runners > 0 {
		return true
	}
	_, functions := s.catalogue().FunctionSizes(s.Arch)
	return functions && set.MaxOverflowConcurrency > 0
}
