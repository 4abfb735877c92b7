package pricing

// What a stage in an account consists of and pays for by the hour or the
// second: the stack is made so, and its test holds these to it.
const (
	Endpoints = 4 // interface endpoints of a private network
	// FrontEndpoints are those that workers need besides, where queries come to them.
	FrontEndpoints = 2
	Zones          = 2 // that the network is in
	DiskGB         = 8 // of a worker
	AlarmsOfStage  = 8
	AlarmsOfPool   = 4 // one of them where there is a budget
	APIMB          = 512
	DispatcherMB   = 1024
	ControllerMB   = 512
)

// NewStanding returns a stage without workers, with the parts above.
func NewStanding(private bool, tasks, pools int) Standing {
	s := Standing{
		PublicIPv4: !private, DiskGB: DiskGB, Tasks: tasks, Alarms: AlarmsOfStage + AlarmsOfPool*pools,
		APIMB: APIMB, DispatcherMB: DispatcherMB, ControllerMB: ControllerMB,
	}
	if private {
		s.EndpointZones = Endpoints * Zones
	}
	return s
}
