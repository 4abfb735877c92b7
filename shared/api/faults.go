package api

// The kinds of fault that the fleet of one machine can be given.
const (
	NoCapacity  = "no-capacity"  // launches are refused
	LaunchFails = "launch-fails" // the next launch is refused
	NeverReady  = "never-ready"  // what is launched boots for ever
	SlowBoot    = "slow-boot"    // what is launched takes so much longer to boot
	DieAfter    = "die-after"    // what is launched is killed some time after it came up
	SpotAfter   = "spot-after"   // what is launched gets a spot notice some time after it came up
	SpotNotice  = "spot-notice"  // a worker that runs gets one now
	Group       = "group"        // the group has other limits
)

// Fault is one thing that goes wrong with the fleet of one machine.
type Fault struct {
	Kind    string  `json:"kind"`
	Seconds float64 `json:"seconds,omitempty"` // of slow-boot, die-after and spot-after
	// Launches is for how many launches more it holds; 0 means until it is cleared.
	Launches int    `json:"launches,omitempty"`
	Worker   string `json:"worker,omitempty"` // of spot-notice
	Min      int    `json:"min,omitempty"`    // of group
	Max      int    `json:"max,omitempty"`
}

// Faults are those in force, the group as it is, and the workers that a notice
// can go to.
type Faults struct {
	Faults  []Fault       `json:"faults"`
	Group   FleetGroup    `json:"group"`
	Workers []FleetWorker `json:"workers"`
}

// FleetGroup is what bounds the fleet of one machine.
type FleetGroup struct {
	Min     int `json:"min"`
	Max     int `json:"max"`
	Desired int `json:"desired"`
}

// FleetWorker is one worker of the fleet of one machine.
type FleetWorker struct {
	ID    string `json:"id"`
	State string `json:"state"`
}
