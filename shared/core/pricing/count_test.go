package pricing

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// busy is small traffic of 1,000 queries a second with 5 % overflow.
func busy(f Front, path Path) Traffic {
	t := SmallQueries(f, path)
	t.PerSecond, t.OverflowShare, t.Workers, t.ServiceMS, t.FunctionMS = 1000, 0.05, 20, 5, 45
	return t
}

// part sums the lines whose names begin so.
func part(lines []Line, prefixes ...string) (usd float64) {
	for _, l := range lines {
		for _, p := range prefixes {
			if strings.HasPrefix(l.Name, p) {
				usd += l.USD
			}
		}
	}
	return usd
}

// What a million takes at 1,000 a second, on paper. A part is within two cents
// of what was planned; where it is not, the case says why.
func TestAMillionByHand(t *testing.T) {
	overflow := []string{"overflow queue", "dispatcher", "records of ended queries, reads by waiting"}
	for _, tt := range []struct {
		path  Path
		parts []string
		want  float64
	}{
		{Direct, []string{"API Gateway requests"}, (300*1.0 + 2328*0.9) / 2628},
		{Direct, []string{"load balancer's capacity units"}, 0.03},
		{Direct, []string{"API Gateway access log"}, 0.143},
		// three calls, a run, 60 ms of 512 MB, a write and five reads while it waits
		{Direct, append(overflow, "records of ended queries, writes"), 0.05 * (1.2 + 0.2 + 0.4 + 0.625 + 5*0.125)},
		{Direct, []string{"leases"}, 0.0025}, // a block in six seconds for each of twenty workers
		// of 50 a second on each of 20 workers: two lines of 0.225 KB a second, and 0.28 KB each third second
		{Direct, []string{"arrival metrics in the workers' log"}, 0.5 * (2*0.225 + 0.28/3) / (1 << 20) * 1e6 / 50},
		{Direct, []string{"records of sampled direct answers, writes"}, 0.01},
		{Batch10, []string{"API Gateway requests"}, 0.1},
		{Batch10, []string{"API Gateway access log"}, 0.0143},
		{Batch10, []string{"arrival metrics in the workers' log"}, 0.5 * (2*0.225 + 0.28/3) / (1 << 20) * 1e6 / 50},
		{Async, []string{"API Gateway requests"}, 1.82},
		{Async, []string{"API Gateway access log"}, 0.286},
		{Async, []string{"api function"}, 0.23},
		{Async, []string{"work queue, sends"}, 0.4},
		{Async, []string{"work queue, receives"}, 0.4 * 1.47},
		// fifty a second and worker are collected for a tenth of a second: five go together
		{Async, []string{"work queue, deletes"}, 0.4 / 5},
		{Async, []string{"records of ended queries, writes"}, 0.625},
		{Async, []string{"records of ended queries, reads by callers"}, 0.125},
	} {
		if got := part(Count(today, busy(WorkersFront, tt.path)), tt.parts...); math.Abs(got-tt.want) > 0.02 {
			t.Errorf("%s, %v: $%.4f, want $%.4f", tt.path, tt.parts, got, tt.want)
		}
	}
}

func TestTheGoalsOfAMillion(t *testing.T) {
	for path, most := range map[Path]float64{Direct: 1.5, Batch10: 0.35, Async: 4.5} {
		for _, workers := range []float64{3, 20} {
			traffic := busy(WorkersFront, path)
			traffic.Workers, traffic.FunctionMS = workers, 10
			s := Stage{Rest: AtRest(deployed(WorkersFront, false)), Traffic: traffic}
			if got := Sum(s.Bill(today).Million); got > most {
				t.Errorf("%s, %v workers: $%.4f a million, above $%v", path, workers, got, most)
			}
		}
	}
}

// Counts of one query that follow from one parameter.
func TestCountsOfAQuery(t *testing.T) {
	with := func(f Front, path Path, change func(*Traffic)) []Line {
		x := busy(f, path)
		change(&x)
		return Count(today, x)
	}
	keep := func(*Traffic) {}
	for _, tt := range []struct {
		name  string
		lines []Line
		line  string
		want  float64 // of a query
	}{
		{"a direct answer is not stored", with(WorkersFront, Direct, func(x *Traffic) { x.OverflowShare = 0 }), "records of ended queries, writes", 0},
		{"nor queued", with(WorkersFront, Direct, func(x *Traffic) { x.OverflowShare = 0 }), "work queue, sends", 0},
		{"nor is direct overflow", with(WorkersFront, Direct, func(x *Traffic) { x.OverflowPath = OverflowDirect }), "records of ended queries, writes", 0},
		{"the api function in front hands over to workers", with(LambdaFront, Direct, keep), "work queue, sends", 0.95},
		{"an invocation is not dispatched", with(LambdaFront, Direct, func(x *Traffic) { x.OverflowPath = OverflowDirect }), "dispatcher's invocations", 0},
		{"but what nobody waits for is", with(LambdaFront, Async, func(x *Traffic) { x.OverflowPath = OverflowDirect }), "dispatcher's invocations", 0.05},
		{"a picture of 200 KB is 267 KB of JSON", with(WorkersFront, Async, func(x *Traffic) { x.InputKB = 200 }), "work queue, sends", 5},
		{"and comes so", with(WorkersFront, Async, func(x *Traffic) { x.InputKB, x.Receives = 200, 1 }), "work queue, receives", 5},
		{"a larger one goes apart from the message", with(WorkersFront, Async, func(x *Traffic) { x.InputKB = 201 }), "work queue, sends", 1},
		{"it is put once", with(WorkersFront, Async, func(x *Traffic) { x.InputKB = 201 }), "inputs too large for a message, puts", 1},
		{"the gateway counts by 512 KB", with(WorkersFront, Direct, func(x *Traffic) { x.InputKB = 600 }), "API Gateway requests", 2},
		{"a list counts as a whole", with(WorkersFront, Batch10, func(x *Traffic) { x.InputKB = 60 }), "API Gateway requests", 0.2},
		{"a list to the workers shares its sends", with(LambdaFront, Batch10, func(x *Traffic) { x.OverflowShare = 0 }), "work queue, sends", 0.1},
		{"a keyed direct answer is written twice: key", with(WorkersFront, Direct, func(x *Traffic) { x.KeyedShare = 1 }), "idempotency keys, writes", 1},
		{"and record", with(WorkersFront, Direct, func(x *Traffic) { x.KeyedShare = 1 }), "records of ended queries, writes", 1},
		{"a record above 1 KB takes two units", with(WorkersFront, Async, func(x *Traffic) { x.ResultKB = 0.5 }), "records of ended queries, writes", 2},
		{"without workers the intake invokes functions itself", with(WorkersFront, Direct, func(x *Traffic) { x.Workers = 0 }), "dispatcher's invocations", 0},
		{"of what no request waits for the dispatcher does", with(WorkersFront, Async, func(x *Traffic) { x.Workers = 0 }), "dispatcher's invocations", 1},
		{"and the api function takes it", with(WorkersFront, Direct, func(x *Traffic) { x.Workers = 0 }), "api function's invocations", 1},
		{"and nothing waits for a worker", with(LambdaFront, Async, func(x *Traffic) { x.Workers = 0 }), "work queue, sends", 0},
		{"nor is a slot reserved", with(LambdaFront, Direct, func(x *Traffic) { x.Workers = 0 }), "reserved worker slots, writes", 0},
		{"the api function reserves a slot of a worker", with(LambdaFront, Direct, keep), "reserved worker slots, writes", 0.95},
		{"a worker has its own", with(WorkersFront, Async, keep), "reserved worker slots, writes", 0},
		{"what overflows while nobody waits has a place in the line", with(WorkersFront, Async, keep), "reserved places in the overflow queue, writes", 0.05},
		{"what a request waits for holds its place itself", with(WorkersFront, Direct, keep), "reserved places in the overflow queue, writes", 0},
		{"few places are taken and given back", with(WorkersFront, Direct, func(x *Traffic) { x.MaxOverflow = 8 }), "leases of the overflow limit, writes", 0.05 * 2.2},
		{"an environment logs each of seldom arrivals", with(LambdaFront, Direct, func(x *Traffic) { x.PerSecond, x.Workers = 0.01, 0 }), "arrival metrics in the api function's log", 0.505 / (1 << 20)},
		{"a callback takes two messages", with(WorkersFront, Async, func(x *Traffic) { x.CallbackShare = 0.5 }), "callbacks, sends of messages", 1},
		{"and stores a direct answer", with(WorkersFront, Direct, func(x *Traffic) { x.CallbackShare, x.OverflowShare = 0.5, 0 }), "records of ended queries, writes", 0.5},
		{"reads are as many as asked for", with(WorkersFront, Async, func(x *Traffic) { x.Reads = 3 }), "records of ended queries, reads by callers", 3},
	} {
		if got := CountOf(tt.lines, tt.line) / 1e6; math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %s %v, want %v", tt.name, tt.line, got, tt.want)
		}
	}
	if got := part(with(WorkersFront, Async, func(x *Traffic) { x.InputKB, x.OverflowShare = 201, 0 }), "inputs too large"); math.Abs(got-5.4) > 1e-9 {
		t.Errorf("handing an input over takes $%v a million, not $5.4", got)
	}
}

// traffic draws any.
func traffic(t *rapid.T) Traffic {
	share := func(what string) float64 { return rapid.Float64Range(0, 1).Draw(t, what) }
	return Traffic{
		Front:        rapid.SampledFrom([]Front{WorkersFront, LambdaFront}).Draw(t, "front"),
		Path:         rapid.SampledFrom([]Path{Direct, Batch10, Async}).Draw(t, "path"),
		OverflowPath: rapid.SampledFrom([]OverflowPath{OverflowQueue, OverflowDirect}).Draw(t, "overflow path"),
		Private:      rapid.Bool().Draw(t, "private"),
		PerSecond:    rapid.Float64Range(0.01, 1e4).Draw(t, "rate"), OverflowShare: share("overflow"),
		Workers: rapid.Float64Range(0, 50).Draw(t, "workers"), InputKB: rapid.Float64Range(0, 200).Draw(t, "input"),
		ResultKB: rapid.Float64Range(0, 50).Draw(t, "result"), KeyedShare: share("keyed"), KeepShare: share("kept"), CallbackShare: share("callbacks"),
		Reads: rapid.Float64Range(0, 5).Draw(t, "reads"), Receives: rapid.Float64Range(1, 3).Draw(t, "receives"),
		ServiceMS: rapid.Float64Range(0, 500).Draw(t, "service"), FunctionMS: rapid.Float64Range(0, 2000).Draw(t, "function"),
		Periods: Periods{
			ViewSeconds:    rapid.Float64Range(0.05, 60).Draw(t, "view"),
			ReportSeconds:  rapid.Float64Range(0.05, 120).Draw(t, "report"),
			ArrivalSeconds: rapid.Float64Range(1, 60).Draw(t, "arrivals"),
		},
	}
}

// More of anything is never cheaper. Inputs are compared below the size from
// which they go apart from the message: there a query that is queued twice may pay
// less for one upload than for ten larger calls.
func TestMoreIsNeverCheaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := traffic(t)
		usd := Sum(Count(today, x))
		by := rapid.Float64Range(1, 3).Draw(t, "factor")
		for what, more := range map[string]func(*Traffic){
			"input":     func(y *Traffic) { y.InputKB = min(200, y.InputKB*by) },
			"result":    func(y *Traffic) { y.ResultKB *= by },
			"keyed":     func(y *Traffic) { y.KeyedShare = min(1, y.KeyedShare*by) },
			"callbacks": func(y *Traffic) { y.CallbackShare = min(1, y.CallbackShare*by) },
			"kept":      func(y *Traffic) { y.KeepShare = min(1, y.KeepShare*by) },
			"reads":     func(y *Traffic) { y.Reads *= by },
			"receives":  func(y *Traffic) { y.Receives *= by },
			"function":  func(y *Traffic) { y.FunctionMS *= by },
			"service":   func(y *Traffic) { y.ServiceMS *= by },
			"views":     func(y *Traffic) { y.ViewSeconds /= by },
			"reports":   func(y *Traffic) { y.ReportSeconds /= by },
			"writes":    func(y *Traffic) { y.ArrivalSeconds /= by },
			"private":   func(y *Traffic) { y.Private = true },
		} {
			y := x
			more(&y)
			if got := Sum(Count(today, y)); got < usd-1e-9 {
				t.Fatalf("more %s costs $%v instead of $%v: %+v", what, got, usd, x)
			}
		}
		faster := x
		faster.PerSecond *= by
		if got := Sum(Count(today, faster)) * by; got < usd-1e-9 {
			t.Fatalf("more queries cost $%v instead of $%v: %+v", got, usd, x)
		}
	})
}

// Every line is its count at its price, and is there but once.
func TestLinesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := map[string]bool{}
		for _, l := range Count(today, traffic(t)) {
			if !(l.Count > 0) || !(l.UnitUSD > 0) || l.USD != l.Count*l.UnitUSD || l.Unit == "" || known[l.Name] {
				t.Fatalf("%+v", l)
			}
			known[l.Name] = true
		}
	})
}
