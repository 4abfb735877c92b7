package decision

import (
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// run asks the scheme how many workers there should be. The next workers are the
// group's warm instances, as long as there are some, so that the scheme decides by
// their boot. What it wants beyond them is held against what it would want if all
// of them booted cold: e.g. with 2 workers, 3 warm instances, 8 wanted by the short
// boot and 4 by the long one, it is 5.
func (c Case) run(by procurement.Scheme) (procurement.Decision, procurement.State) {
	d, after := procurement.Run(by, c.At, c.Snapshot, c.warmSettings(), c.Before.Scheme)
	most := c.Have() + c.Group.Warm
	if c.Group.Warm == 0 || d.Outcome == procurement.Held || d.Workers <= most {
		return d, after
	}
	cold, coldAfter := procurement.Run(by, c.At, c.Snapshot, c.Settings, c.Before.Scheme)
	if cold.Workers >= most {
		return cold, coldAfter
	}
	d.Reason += fmt.Sprintf("; only stopped (warm) instances are started, because a new instance boots for %.0f s and would be too late", c.Settings.VMBootSeconds)
	d.Workers = most
	return d, after
}

// warmSettings are the settings with the boot of the next worker.
func (c Case) warmSettings() settings.Settings {
	set := c.Settings
	set.VMBootSeconds = set.NextBootSeconds(c.Group.Warm)
	return set
}
