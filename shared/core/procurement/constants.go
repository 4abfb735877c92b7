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
	// shapeSeconds is the step in which the load's movement is read, beside its
	// level over levelSeconds.
	shapeSeconds = 5
	levelSeconds = 60
	// A surge is seen over surgeSeconds, with the backlog when that takes it to
	// surgeFactor times what was expected at most.
	surgeSeconds = 60
	surgeFactor  = 1.75
	// bootsAgain is the share of the workers that stop which will have to boot again
	// within the time that a change should last.
	bootsAgain = 0.5
	// fullyUsed is the use from which a pool may have overflowed, so that what its
	// workers did is the least of what came.
	fullyUsed = 0.85
	// shownSeconds is over how long the metrics' last value is a mean.
	shownSeconds = 60
	// binSeconds is the step of the series that is forecast.
	binSeconds = 10
	// keepCandidates is how many numbers of workers on each side of the winner a
	// decision keeps, with why they lost.
	keepCandidates = 2
)

// HedgedConstants lists what hedged decides by besides its settings, in the order
// of use. docs/schemes.md has the same table.
func HedgedConstants() []Constant {
	return []Constant{
		{"binSeconds", binSeconds, "s", "the tick: a forecast has no data between two of them"},
		{"bandParts", bandParts, "parts", "ours, by judgement: enough for the tails, few enough for a tick"},
		{"shapeSeconds", shapeSeconds, "s", "ours, by judgement: half the 10 s of a relaxed bound; shorter movement is absorbed by queries that wait"},
		{"levelSeconds", levelSeconds, "s", "ours, by judgement: slower movement is in the forecast's band"},
		{"surgeSeconds", surgeSeconds, "s", "as shownSeconds: metrics are no newer"},
		{"surgeFactor", surgeFactor, "factor", "ours, by judgement: above it more overflows than has been counted yet"},
		{"bootsAgain", bootsAgain, "share", "ours, by judgement: even odds, without knowledge of the future load"},
		{"fullyUsed", fullyUsed, "share", "ours, by judgement: above it queries may have found no free runner"},
		{"shownSeconds", shownSeconds, "s", "CloudWatch's period of a minute"},
		{"keepCandidates", keepCandidates, "workers", "for readers of a record; it changes no decision"},
	}
}
