package procurement

// Constant is a number that hedged decides by and that no setting holds.
type Constant struct {
	Name    string
	Value   float64
	Unit    string
	Meaning string
	Source  string // why it is this number
}

// The constants of hedged. hedgedConstants lists them with their sources.
const (
	// The expectation over the forecast's error band is a mean over a fixed number of equally
	// likely parts, each at its middle.
	bandParts = 10
	// profileSeconds is the step in which the load's movement is read, in addition to its
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
	// The load has changed when the means of two times of shortSeconds differ by more than
	// changeDeviations standard deviations of Poisson arrivals and the share changeShare.
	changeDeviations = 3
	changeShare      = 0.05
	// switchMargin is by how much less another scenario must have cost to be followed.
	switchMargin = 0.05
	// Spot instances are taken to be lost spotLossesPerHour times an hour, as if that
	// had been seen for spotPriorHours; what is seen is remembered for spotMemoryHours.
	spotLossesPerHour = 0.02
	spotPriorHours    = 24
	spotMemoryHours   = 24
	// seasonPeriods is for how many days, or hours, load is seen before a spike of each of them
	// has a floor.
	seasonPeriods = 3
	// keepCandidates is how many numbers of workers on each side of the winner a
	// decision keeps, with why they lost.
	keepCandidates = 2
)

// hedgedConstants lists what hedged decides by besides its settings, in the order
// of use. docs/schemes.md has the same table.
func hedgedConstants() []Constant {
	return []Constant{
		{"binSeconds", binSeconds, "s", "time step of the arrival rates from which the forecast is made", "the default of `tick_seconds`: the scheme gets new arrivals once a tick"},
		{"bandParts", bandParts, "parts", "number of equally likely parts into which a forecast's error band is divided", "our judgment: ten parts are enough for the tails of the band, and few enough that the scheme can compute within a tick what each number of workers would cost"},
		{"profileSeconds", profileSeconds, "s", "time step of the detrended profile", "our judgment: half the default latency bound of relaxed queries (10 s). Shorter peaks do not matter, because relaxed queries can wait"},
		{"levelSeconds", levelSeconds, "s", "time over which the load is averaged; in the detrended profile, the load of each step is divided by this mean", "our judgment: the error band of the forecast covers changes of the load that last longer than this"},
		{"burstSeconds", burstSeconds, "s", "time over which the measured load of a burst is averaged", "the value of `shownSeconds`: both average the newest arrivals in the metrics"},
		{"burstFactor", burstFactor, "factor", "two rules use this factor: a load with backlog above the factor × a scenario's highest rate replaces the scenario's rates; a minute whose rate is above the factor × the median rate of the hour around it is a spike", "our judgment: above this factor, queries have overflowed that the metrics do not show yet, so the measured load alone is too low"},
		{"restartShare", restartShare, "share", "assumed share of the stopped workers that must boot again within the horizon", "our judgment: the future load is unknown, so we assume one half"},
		{"fullyUsed", fullyUsed, "share", "utilization above which a nowcast is only a lower limit of the arrivals", "our judgment: above this utilization, some queries may have found no free runner and overflowed"},
		{"shownSeconds", shownSeconds, "s", "time over which the newest arrivals in the metrics are averaged", "a standard CloudWatch metric has one value a minute"},
		{"useCheckSeconds", useCheckSeconds, "s", "time over which nowcasts are compared with the metrics", "our judgment: a third of `hedge_window_seconds`"},
		{"useCheckQueries", useCheckQueries, "queries", "minimum number of queries for the comparison of nowcasts with the metrics", "our judgment: a mean over fewer queries is too noisy"},
		{"useOff", useOff, "factor", "the scheme corrects a nowcast that is at least this many times the measured arrivals", "our judgment: a smaller difference may be noise, or may come from a machine slower than the profiled machine"},
		{"littleUsed", littleUsed, "workers", "the scheme corrects a nowcast only if at most this many workers are busy on average", "our judgment: while at most half a worker is busy, one worker is enough, even if the profiles are wrong"},
		{"longestHorizon", longestHorizon, "s", "largest horizon", "the scheme keeps the arrivals of one hour only, so it has no data on loads that last longer"},
		{"leastHorizon", leastHorizon, "s", "smallest horizon", "EC2 bills at least 60 s of an instance"},
		{"lostShare", lostShare, "share", "share of late queries at or above which another worker pays off", "the evaluation accepts at most this share of late queries in each class"},
		{"shortSeconds", shortSeconds, "s", "length of the scenario of the last 3 minutes", "the newsvendor rule `quantile`, with which `hedged` is compared, uses the last three minutes"},
		{"changeDeviations", changeDeviations, "standard deviations", "difference of the rates of two times of `shortSeconds` that chance may explain", "three standard deviations of a Poisson process: chance exceeds them once in about 400 comparisons"},
		{"changeShare", changeShare, "share", "further difference of these rates, as a share of the rate, that a slow drift of the load may explain", "our judgment: the same share as `switchMargin`"},
		{"switchMargin", switchMargin, "share", "saving, as a share of the cost, above which the scheme changes to another scenario", "our judgment: a change of scenario boots workers, and a smaller saving is less than the cost of these boots"},
		{"spotLossesPerHour", spotLossesPerHour, "1/h", "losses of spot instances an hour in a pool, assumed before any loss is observed; instances that are lost in the same tick are one loss", "our judgment: about one loss in two days, which is more than AWS's Spot Advisor states for most instance types"},
		{"spotPriorHours", spotPriorHours, "h", "weight of the assumed rate of losses (`spotLossesPerHour`): it counts as much as this many hours of observation", "our judgment: after some days without a loss, the rate is half of `spotLossesPerHour`"},
		{"spotMemoryHours", spotMemoryHours, "h", "time constant of the exponential decay with which observed losses of spot instances are forgotten", "our judgment: the spot market of a day ago says little about today"},
		{"seasonPeriods", seasonPeriods, "periods", "days (or hours) of observation before a daily (or hourly) spike sets a minimum number of workers", "our judgment: a spike that came at the same time on three days (or in three hours) will come again"},
		{"keepCandidates", keepCandidates, "workers", "how many alternatives with fewer workers, and how many with more workers, a decision record keeps", "our judgment: enough to understand the decision. The constant changes no decision"},
	}
}
