package settings

import "testing"

// In an account no process reads more often than the cached values can change, and all
// but those that the view notifies read within the ten seconds that docs/settings.md states.
func TestRefreshEvery(t *testing.T) {
	for r := LocalReader; r <= ViewReader; r++ {
		every := RefreshEvery(r)
		if every <= 0 || r != LocalReader && every < CacheTime {
			t.Errorf("reader %d reads the settings every %v", r, every)
		}
		if r != ViewReader && every.Seconds() > 10 {
			t.Errorf("reader %d reads the settings only every %v", r, every)
		}
	}
}
