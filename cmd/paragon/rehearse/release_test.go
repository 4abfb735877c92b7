//go:build rehearse

package rehearse

import (
	"slices"

	"github.com/paragon-serving/paragon/shared/platform"
)

// release replaces the instances as CloudFormation does where a deployment changes
// them. Workers start on those of a good one.
func (s *scenario) release(good bool) {
	s.t.Helper()
	s.starting = good
	s.deployed, s.endedBefore = s.instances(), s.ended()
	s.stand.scaling.Refresh(groupName, s.leastHealthy(), s.deployed...)
}

// leastHealthy is the share of a group's workers, in percent, that the stack has serve
// while others are replaced.
func (s *scenario) leastHealthy() int {
	s.t.Helper()
	for _, r := range s.stack.resources {
		if r.Type != "AWS::AutoScaling::AutoScalingGroup" {
			continue
		}
		how, _ := r.UpdatePolicy["AutoScalingInstanceRefresh"].(map[string]any)
		preferences, _ := how["Preferences"].(map[string]any)
		if percent, ok := preferences["MinHealthyPercentage"].(float64); ok {
			return int(percent)
		}
	}
	s.t.Fatalf("%s: the stack replaces no workers", s.line)
	return 0
}

func (s *scenario) ready() (n int) {
	s.t.Helper()
	for _, w := range s.workers() {
		if w.State == platform.Ready {
			n++
		}
	}
	return n
}

// kept checks that n workers of the release before serve.
func (s *scenario) kept(n int) {
	s.t.Helper()
	kept := 0
	for _, w := range s.workers() {
		if w.State == platform.Ready && slices.Contains(s.deployed, w.ID) {
			kept++
		}
	}
	if kept != n {
		s.report()
		s.t.Errorf("%s: %d are: %+v", s.line, kept, s.workers())
	}
}

// released says whether every instance was replaced, and all serve.
func (s *scenario) released() bool {
	s.t.Helper()
	ws := s.workers()
	return s.stand.scaling.Replaced(groupName) && len(ws) > 0 && s.ready() == len(ws) &&
		!slices.ContainsFunc(ws, func(w platform.WorkerReport) bool { return slices.Contains(s.deployed, w.ID) })
}
