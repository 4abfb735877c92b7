package procurement

// Constant is a number that hedged decides by and that no setting holds.
type Constant struct {
	Name   string
	Value  float64
	Unit   string
	Source string // why it is this number
}

// The constants of hedged. HedgedConstants lists them with their sources.
const (
	// The expectation over the forecast's error band is a mean over so many equally
	// likely parts, each at its middle.
	bandParts = 10
	// profileSeconds is the step in which the load's movement is read, beside its
	// level over levelSeconds.
	profileSeconds = 5
	levelSeconds   = 60
	// A burst is measured over burstSeconds, with the backlog when that takes it to
	// burstFactor times what was expected at most.
	burstSeconds = 60
	burstFactor  = 1.75
	// restartShare is the share of the workers that stop which will have to boot again
	// within the time that a change should last.
	restartShare = 0.5
	// fullyUsed is the use from which a pool may have overflowed, so that what its
	// workers did is the least of what came.
	fullyUsed = 0.85
	// shownSeconds is over how long the metrics' last value is a mean.
	shownSeconds = 60
	// Nowcasts of the last useCheckSeconds say how far the workers' use is off, once they
	// stand for useCheckQueries; it is corrected from a factor of useOff on, while workers
	// are used for littleUsed of one worker at most.
	useCheckSeconds = 600
	useCheckQueries = 20
	useOff          = 2
	littleUsed      = 0.5
	// binSeconds is the step of the series that is forecast.
	binSeconds = 10
	// A change of the fleet must last for longestHorizon at most to pay, and for
	// leastHorizon at least, in seconds.
	longestHorizon = 3600
	leastHorizon   = 60
	// lostShare is the share of queries beyond what functions take from which a worker
	// for them pays.
	lostShare = 0.005
	// shortSeconds is how much of the past the simple rule expects again.
	shortSeconds = 180
	// switchMargin is by how much less another scenario must have cost to be followed.
	switchMargin = 0.05
	// A spot instance is taken to be lost spotLossesPerHour times an hour, as if that
	// had been seen for spotPriorHours; what is seen is remembered for spotMemoryHours.
	spotLossesPerHour = 0.02
	spotPriorHours    = 24
	spotMemoryHours   = 24
	// seasonDays is for how many days load is seen before a spike of each day has a floor.
	seasonDays = 3
	// keepCandidates is how many numbers of workers on each side of the winner a
	// decision keeps, with why they lost.
	keepCandidates = 2
)

// hedgedConstants lists what hedged decides by besides its settings, in the order
// of use. docs/schemes.md has the same table.
func hedgedConstants() []Constant {
	return []Constant{
		{"binSeconds", binSeconds, "s", "the tick: a forecast has no data between two of them"},
		{"bandParts", bandParts, "parts", "ours, by judgement: enough for the tails, few enough for a tick"},
		{"profileSeconds", profileSeconds, "s", "ours, by judgement: half the 10 s of a relaxed bound; shorter movement is absorbed by queries that wait"},
		{"levelSeconds", levelSeconds, "s", "ours, by judgement: slower movement is in the forecast's band"},
		{"burstSeconds", burstSeconds, "s", "as shownSeconds: metrics are no newer"},
		{"burstFactor", burstFactor, "factor", "ours, by judgement: above it more overflows than has been counted yet"},
		{"restartShare", restartShare, "share", "ours, by judgement: even odds, without knowledge of the future load"},
		{"fullyUsed", fullyUsed, "share", "ours, by judgement: above it queries may have found no free runner"},
		{"shownSeconds", shownSeconds, "s", "CloudWatch's period of a minute"},
		{"useCheckSeconds", useCheckSeconds, "s", "the forecast's own errors are kept for about as long"},
		{"useCheckQueries", useCheckQueries, "queries", "ours, by judgement: fewer say nothing of a mean"},
		{"useOff", useOff, "factor", "ours, by judgement: what differs less is noise, or a machine slower than the one that was profiled"},
		{"littleUsed", littleUsed, "workers", "ours, by judgement: one worker is enough then, by what was measured"},
		{"longestHorizon", longestHorizon, "s", "the arrivals that are remembered: beyond them nothing says that a change lasts"},
		{"leastHorizon", leastHorizon, "s", "the least time that EC2 bills of a worker"},
		{"lostShare", lostShare, "share", "the violations that are accepted in each class"},
		{"shortSeconds", shortSeconds, "s", "the simple rule that the scheme is compared with: the last three minutes"},
		{"switchMargin", switchMargin, "share", "ours, by judgement: changing the scenario takes boots, which a lead of less does not pay"},
		{"spotLossesPerHour", spotLossesPerHour, "1/h", "AWS's Spot Advisor: below 5 to above 20 % in a month for most types, which 0.02 (one in two days) overstates"},
		{"spotPriorHours", spotPriorHours, "h", "ours, by judgement: a day without a loss halves the rate"},
		{"spotMemoryHours", spotMemoryHours, "h", "ours, by judgement: the market of a day ago says little"},
		{"seasonDays", seasonDays, "days", "ours, by judgement: what came three times at the same time of day will come again"},
		{"keepCandidates", keepCandidates, "workers", "for readers of a record; it changes no decision"},
	}
}
