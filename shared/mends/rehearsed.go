package mends

// scenarioTest is the test of the rehearsal that plays a scenario.
const scenarioTest = "./cmd/paragon/rehearse TestScenarios/"

// scenarioMend is a mend that a scenario of the rehearsal holds: the binary that is
// built without it, and the line that fails then.
type scenarioMend struct {
	mend
	Binary, Line string
}

// rehearsed are mends of the scenarios, which are green with the deployed
// binaries. Each scenario has one at least, in its order.
var rehearsed = []scenarioMend{
	{mend{"the controller reads failed launches from the activities of the Auto Scaling group", scenarioTest + "1_a_zone_without_capacity",
		"shared/platform/aws/launches.go", "case asg.ScalingActivityStatusCodeFailed, asg.ScalingActivityStatusCodeCancelled:", "case asg.ScalingActivityStatusCodeCancelled:"}, "controller", "expect record sufficient c5.large capacity"},
	{mend{"if a worker does not report within boot_limit_seconds, the controller declares it dead", scenarioTest + "2_a_worker_that_never_starts",
		"shared/core/fleet/liveness.go", "case r.State == Booting && age.Seconds() > set.BootLimitSeconds:", "case false:"}, "controller", "expect another worker"},
	{mend{"if a worker stops reporting for silent_limit_seconds, the controller declares it dead", scenarioTest + "3_a_worker_that_hangs",
		"shared/core/fleet/liveness.go", "case age > deadAfter(set):", "case false:"}, "controller", "expect another worker"},
	{mend{"records are read with strongly consistent reads, which always return the last write", scenarioTest + "4_throttled_twice_and_late",
		"shared/platform/aws/table.go", "Key: key, ConsistentRead: aws.Bool(true)}", "Key: key, ConsistentRead: aws.Bool(false)}"}, "api", "expect answered 3 strict by function"},
	{mend{"an instance that enters the warm pool does not serve", scenarioTest + "5_a_warm_instance_waits_and_then_serves",
		"workers/machine.go", "case err != nil || target == instance.Serve:", "case err != nil || target != instance.End:"}, "worker", "expect workers 1"},
	{mend{"if DynamoDB throttles the write that ends a query, the write is repeated", scenarioTest + "6_partitions_that_throttle",
		"shared/platform/settle/retry.go", "if err == nil || final(err) {", "if err == nil || final(err) || true {"}, "dispatcher", "expect ran 5"},
	{mend{"until an instance reports, the controller counts it as a booting worker", scenarioTest + "7_launches_that_are_lost",
		"shared/platform/aws/fleet.go", "if !reported[aws.ToString(i.InstanceId)] && !leaving(i) {", "if reported[aws.ToString(i.InstanceId)] && !leaving(i) {"}, "controller", "expect record 0 ready, 2 booting"},
	{mend{"the api function logs arrivals before it answers the request", scenarioTest + "8_many_processes_frozen_and_ended",
		"functions/api/main.go", "if err := svc.FlushDue(r.Context()); err != nil {", "if err := error(nil); err != nil {"}, "api", "expect together 8"},
	{mend{"an instance is put into service only when its worker serves", scenarioTest + "9_a_bad_release_and_then_a_good_one",
		"workers/machine.go", "go func() { defer close(launched); m.completeLaunch(open, log) }()", "close(launched)"}, "worker", "expect kept 1"},
	{mend{"a controller can write the decision of a tick only while it has the lease", scenarioTest + "10_a_tick_that_overruns",
		"shared/platform/aws/decisionlog.go", `"#holder = :holder AND #token = :token AND #until > :now"`, `"#holder = :holder OR #token >= :token OR #until > :now"`}, "controller", "controller goes on"},
	{mend{"once a worker has drained, it completes the termination lifecycle hook of its instance", scenarioTest + "11_destroyed_under_load",
		"workers/machine.go", "if m.terminating() || m.stopped() || ended != nil && !errors.Is(ended, platform.ErrRevoked) {", "if true || m.terminating() || m.stopped() || ended != nil && !errors.Is(ended, platform.ErrRevoked) {"}, "worker", "destroy"},
	{mend{"if an instance is terminated while it boots, it does not serve", scenarioTest + "11_destroyed_under_load",
		"workers/machine.go", "case target == instance.End:", "case target == instance.End: return true, nil; case false:"}, "worker", "destroy"},
}
