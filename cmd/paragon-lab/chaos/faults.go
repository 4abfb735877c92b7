package chaos

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The kinds of fault. The stage is `paragon up`: load balancer, API, dispatcher and
// controller of one machine.
const (
	KillWorker     Kind = "kill a worker"
	FreezeWorker   Kind = "freeze a worker"
	KillFunction   Kind = "kill a function"
	FreezeFunction Kind = "freeze a function"
	KillStage      Kind = "kill the stage"
	FreezeStage    Kind = "freeze the stage"
	FullDisk       Kind = "full disk"
	LostCapacity   Kind = "lost capacity" // every worker is killed, and no launch succeeds
	SlowStore      Kind = "slow store"    // another program locks the data file for less than the store waits
	FailingStore   Kind = "failing store" // and for longer
)

// Fault is one that is to come.
type Fault struct {
	Kind Kind
	At   time.Duration // from the start of the load
	For  time.Duration // how long it lasts; 0 of a kill
}

// lengths are how long the faults of each kind last, from the least to the most.
var lengths = []struct {
	kind        Kind
	least, most time.Duration
}{
	{KillWorker, 0, 0},
	{FreezeWorker, 2 * time.Second, 10 * time.Second},
	{KillFunction, 0, 0},
	{FreezeFunction, 2 * time.Second, 8 * time.Second},
	{KillStage, 0, 0},
	{FreezeStage, time.Second, 4 * time.Second},
	{FullDisk, 3 * time.Second, 8 * time.Second},
	{LostCapacity, 8 * time.Second, 15 * time.Second},
	{SlowStore, time.Second, 4 * time.Second},
	{FailingStore, 6 * time.Second, 9 * time.Second},
}

// Kinds lists the kinds of fault.
func Kinds() []Kind {
	var out []Kind
	for _, l := range lengths {
		out = append(out, l.kind)
	}
	return out
}

// quiet is the end of a run without a new fault, so that what the last one did shows.
const quiet = 15 * time.Second

// Plan draws the faults of a run: one in each stretch of a given length, every kind
// once before any comes again.
func Plan(seed uint64, length, every time.Duration) []Fault {
	random := rand.New(rand.NewPCG(seed, faultStream))
	var deck []int
	var out []Fault
	for from := time.Duration(0); ; from += every {
		if len(deck) == 0 {
			deck = random.Perm(len(lengths))
		}
		l := lengths[deck[0]]
		deck = deck[1:]
		f := Fault{Kind: l.kind, At: from + every/4 + time.Duration(random.Int64N(int64(every/2))), For: l.least}
		if l.most > l.least {
			f.For += time.Duration(random.Int64N(int64(l.most - l.least)))
		}
		if f.At+f.For > length-min(quiet, length/4) {
			return out
		}
		out = append(out, f)
	}
}

// LeftOut lists the kinds of which a plan has no fault.
func LeftOut(plan []Fault) []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool {
		return slices.ContainsFunc(plan, func(f Fault) bool { return f.Kind == k })
	})
}

// The random streams of a run besides those of its load.
const (
	faultStream  = 101
	victimStream = 102
)

// Injected is a fault as it came. Times count from the start of the load.
type Injected struct {
	Kind    Kind          `json:"kind"`
	From    time.Duration `json:"from_ns"`
	Until   time.Duration `json:"until_ns"`          // when it was over; of a kill of the stage, when that was ready again
	Skipped string        `json:"skipped,omitempty"` // why it was not injected
}

// frozenFor bounds for how long a frozen process is sent queries and holds them: until
// the load balancer or the emulator of functions has found it out.
const frozenFor = 5 * time.Second

// hands is the time in which the fault holds queries: those that are under way in it
// may be late. A killed process holds those that it has at that moment, a frozen one
// those that it is sent until it is found out, and the stage all while it is away.
func (f Injected) hands() (from, until time.Duration) {
	switch f.Kind {
	case KillWorker, KillFunction, LostCapacity:
		return f.From, f.From
	case FreezeWorker, FreezeFunction:
		return f.From, min(f.Until, f.From+frozenFor)
	}
	return f.From, f.Until
}

// ofStore says whether the fault is one of the store alone, which queries that are
// answered directly do not need.
func (f Injected) ofStore() bool {
	return slices.Contains([]Kind{FullDisk, SlowStore, FailingStore}, f.Kind)
}
