// Package mends lists what was mended for AWS's sake, each with the scenario or the
// test that is green with it and red without it. Its test keeps the list in step with
// the code, and `make mends` takes out one mend after another and plays its scenario.
package mends

// mend is a part of the code that a scenario holds in place.
type mend struct {
	What string // what it does
	Test string // package and test, as `go test` takes them: "./workers TestX"
	File string
	// Take is a text that stands in the file once; Put is what is there without the mend.
	Take, Put string
}

// tested are the mends that a test of a package holds.
var tested = []mend{
	{"a worker that never reports is dead after boot_limit_seconds", "./shared/control TestScenarios/instances_never_ready",
		"shared/core/fleet/liveness.go", "case r.State == Booting && age.Seconds() > set.BootLimitSeconds:", "case false:"},
	{"a silent worker is dead after silent_limit_seconds", "./shared/core/fleet TestJudge",
		"shared/core/fleet/liveness.go", "case age > deadAfter(set):", "case false:"},
	{"dead workers are ended and replaced", "./shared/core/decision TestDeadWorkersAreReplaced",
		"shared/core/decision/decision.go", "a.Replace = c.Dead", "a.Replace = nil"},
	{"a tenth of the workers is replaced in a tick, at most", "./shared/core/fleet TestReplacedAreFew",
		"shared/core/fleet/liveness.go", "min(len(c.Dead), max(1, int(replacedShare*float64(all))))", "max(len(c.Dead), 0*int(replacedShare*float64(all)))"},
	{"no instance is chosen by the group when fewer are desired", "./shared/platform/aws TestDesiredNeverChoosesVictims",
		"shared/platform/aws/fleet.go", ", min(standing(g), aws.ToInt32(g.MaxSize)))", ")"},
	{"a worker whose runners all hang is not well, and its watchdog is not fed", "./shared/serving TestAWorkerThatHangsIsNotWell",
		"shared/serving/health.go", "if now.Before(i.hungAt) {", "if true || now.Before(i.hungAt) {"},

	{"failed launches are read from the group's activities", "./shared/platform/aws TestLaunchFaultsAreReadFromActivities",
		"shared/platform/aws/launches.go", "case asg.ScalingActivityStatusCodeFailed, asg.ScalingActivityStatusCodeCancelled:", "case asg.ScalingActivityStatusCodeCancelled:"},
	{"queries of both classes go to functions while launches fail", "./shared/core/decision TestFailedLaunchesFallBackToFunctions",
		"shared/core/decision/decision.go", `if c.Group.LaunchFault != "" && c.Have() < to {`, "if false {"},
	{"a group whose activities cannot be read does not hold the tick", "./shared/control TestScenarios/launches_unread",
		"shared/control/collect.go", "case errors.Is(err, platform.ErrLaunchesUnread):", "case errors.Is(err, platform.ErrLaunchesUnread) && false:"},

	{"a controller that waits for the lease asks each second", "./shared/control TestNoTickIsLeftOutBetweenShifts",
		"shared/control/control.go", "return min(leaseRetrySeconds, s.TickSeconds)", "return s.TickSeconds"},
	{"late points change the history", "./shared/control TestLatePointsChangeTheHistory",
		"shared/core/procurement/procurement.go", "state := before.merge(s)", "state := before.merge(s); if len(before.History) > 0 { state = before }"},

	{"arrivals are written within the request", "./shared/intake TestFewArrivalsWait",
		"shared/intake/frozen.go", "earlier, current = a.counts, nil", ""},
	{"a frozen process that has an extension writes what is left", "./shared/platform/sqlite/lambdaemulator TestAFrozenProcessLearnsOfItsEnd",
		"shared/platform/sqlite/lambdaemulator/room.go", "\te.child.Thaw()\n", ""},
	{"processes are frozen between events", "./shared/platform/sqlite/lambdaemulator TestAProcessIsFrozenBetweenEvents",
		"shared/platform/sqlite/lambdaemulator/environment.go", "if in.opts.Freeze && reusable {", "if false {"},
	{"forty processes admit a burst as one does", "./shared/intake TestABurstIsAdmittedOnce",
		"shared/intake/place.go", "if s.reserves(q, c) {", "if false {"},

	{"the slots of a busy pool are several lines", "./shared/intake TestLinesAreAsManyAsTheTrafficNeeds",
		"shared/intake/line.go", "return max(1, min(int(math.Ceil(perSecond/lineQueries)), runners/lineRunners))", "return 1 + 0*int(math.Ceil(perSecond/lineQueries))*(runners/lineRunners)"},
	{"each line has its share of the runners", "./shared/intake TestSeveralLinesAdmitAsManyAsOne",
		"shared/intake/line.go", "each := workMS * float64(n) / float64(runners)", "each := workMS / float64(runners)"},
	{"a throttled line is a full one", "./shared/intake TestAThrottledLineIsAFullOne",
		"shared/intake/line.go", "case errors.Is(err, platform.ErrThrottled):", "case err == nil && errors.Is(err, platform.ErrThrottled):"},
	{"each line has a partition of its own", "./shared/platform/aws TestCrowds/a_thousand_queries_a_second",
		"shared/platform/aws/lines.go", `stateKey("line#"+line, "line")`, `stateKey("line", line)`},
	{"an owner's records are spread over shards", "./shared/platform/aws TestCrowds/a_thousand_queries_a_second",
		"shared/platform/aws/records.go", "stored(id.Owner, signed.Shard(text))", "stored(id.Owner, 0*signed.Shard(text))"},
	{"each idempotency key has a partition of its own", "./shared/platform/aws TestCrowds/keys_at_a_thousand_queries_a_second",
		"shared/platform/aws/attempts.go", `recordsItem("key#"+hex.EncodeToString(sum[:]), "key")`, `recordsItem("key", hex.EncodeToString(sum[:]))`},
	{"an end that is throttled is written again", "./shared/platform/aws TestCrowds/a_crowd_of_ten_times_on_a_new_table",
		"shared/platform/settle/retry.go", "if err == nil || final(err) {", "if err == nil || final(err) || true {"},

	{"warm instances are no workers of the group", "./shared/platform/aws TestWarmInstancesAreNoWorkers",
		"shared/platform/aws/fleet.go", "g.Instances = slices.DeleteFunc(g.Instances, warmed)", "_ = slices.DeleteFunc[[]int]"},
	{"an instance that enters the warm pool does not serve", "./workers TestAMachineOfTheWarmPoolServesOnceItIsStartedAgain",
		"workers/machine.go", "case err != nil || target == instance.Serve:", "case err != nil || target != instance.End:"},
	{"an instance that its group ends as it boots does not serve", "./workers TestAMachineThatEndsAsItBootsNeverServes",
		"workers/machine.go", "case target == instance.End:", "case target == instance.End: return true, nil; case false:"},
	{"an instance that serves completes the launch hook once more", "./workers TestAMachineOfTheWarmPoolServesOnceItIsStartedAgain",
		"workers/machine.go", "go func() { defer close(launched); m.completeLaunch(open, log) }()", "close(launched)"},
	{"the controller decides by the boot of the warm instances", "./shared/control TestScenarios/a_warm_pool_shortens_the_boot",
		"shared/core/decision/warm.go", "set.VMBootSeconds = set.NextBootSeconds(c.Group.Warm)", "_ = c"},
	{"what is wanted beyond the warm instances is held against a long boot", "./shared/core/decision TestWarmInstancesShortenTheBoot",
		"shared/core/decision/warm.go", "d.Workers = most", "_ = most"},
	{"the simulator's warm instances are used up", "./shared/simulate TestWarmInstancesComeFirst",
		"shared/simulate/warm.go", "\tp.warm--\n", ""},
	{"disks of warm instances are billed", "./shared/simulate TestTheBillHasTheWarmInstances",
		"shared/simulate/fleet.go", "\te.chargeWarm(e.now - from)\n", ""},
}
