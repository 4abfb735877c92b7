package pricing

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

func deployed(front Front, private bool) Deployment {
	return Deployment{Front: front, Private: private, Tasks: 1, Pools: 1, TickSeconds: 10, ViewSeconds: 1}
}

var c5 = profile.Instance{Type: "c5.large", VCPUs: 2, USDPerHour: 0.085}

// An idle month on paper, one task, one pool and a tick each ten seconds.
func TestAnIdleMonthByHand(t *testing.T) {
	lines := AtRest(deployed(WorkersFront, true)).Lines(today)
	for name, want := range map[string]float64{
		"controller's run time":                      43800 * 12 * 0.25 * 0.0000133334,
		"controller's reads of metrics, each minute": 43800 * 7 * 1e-5,
		"controller's pulse metric, each minute":     43800 * 1e-5,
		"controller's writes of decisions and state": 87600 * 14 * 6.25e-7,
		"controller's reads of queue depths":         87600 * 2 * 4e-7,
		// five pollers of two queues, three polls a minute
		"Lambda's polls of empty queues": 43800 * 30 * 4e-7,
		"CloudWatch metrics":             10 * 0.3,
		"CloudWatch alarms":              22 * 0.1,
		"CloudWatch dashboard":           3,
		"secret with the signing key":    0.4,
		"load balancer's hours":          730 * 0.0225,
		"interface endpoints":            7 * 2 * 7.3,
	} {
		if got := part(lines, name); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: $%v, want $%v", name, got, want)
		}
	}
}

// What became of queries is written once a minute while they come: at rest nothing is.
func TestThePastByHand(t *testing.T) {
	rest := AtRest(deployed(LambdaFront, false))
	for name, want := range map[string]float64{"controller's writes of the last hour's query counts": 43800 * 13 * 6.25e-7, "controller's writes of the history": (43800 + 4380 + 730) * 6.25e-7} {
		for _, up := range []bool{false, true} {
			if got := part(rest.Busy(today, up), name); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s, workers up: %v: $%v, want $%v", name, up, got, want)
			}
		}
		if got := part(rest.Lines(today), name); got != 0 {
			t.Errorf("at rest %s takes $%v", name, got)
		}
	}
}

// A version that is on trial for a week, on paper.
func TestAVersionOnTrialByHand(t *testing.T) {
	rest := AtRest(deployed(WorkersFront, false))
	s := Stage{Rest: rest, Fleets: []Fleet{{Count: 1}}}
	without := s.Bill(today)
	s.TrialHours = 168
	with := s.Bill(today).Fixed
	reads, writes := 168*360*1.25e-7, 168*60*2*6.25e-7
	if got := part(with, "trials of model versions: reads of votes"); math.Abs(got-reads) > 1e-9 {
		t.Errorf("reads of votes: $%v, want $%v", got, reads)
	}
	if got := Sum(with) - Sum(without.Fixed); math.Abs(got-reads-writes) > 1e-9 {
		t.Errorf("a trial costs $%v, want $%v", got, reads+writes)
	}
	// Without workers the controller rests for 47 s of a minute and 4 ticks of 6, but not then.
	s.Fleets, s.TrialHours = nil, 0
	without = s.Bill(today)
	s.TrialHours = 168
	awake := 168 * 60 * (47*0.25*0.0000133334 + 4*(14*6.25e-7+2*4e-7+3*1.25e-7+0.5/1024/1024))
	if got := Sum(s.Bill(today).Fixed) - Sum(without.Fixed); math.Abs(got-reads-writes-awake) > 1e-9 {
		t.Errorf("a trial without workers costs $%v, want $%v", got, reads+writes+awake)
	}
}

// Thirty boots of 10 s at one query a second, on paper: at the n-th view n queries wait,
// which one batch holds, with a receive that finds no more.
func TestBootsByHand(t *testing.T) {
	s := Stage{Rest: AtRest(deployed(WorkersFront, false)), Traffic: SmallQueries(WorkersFront, Async), Boots: 30, BootSeconds: 10}
	s.Traffic.PerSecond = 1
	const name = "controller's receives and returns of messages while workers boot"
	if got, want := part(s.Bill(today).Fixed, name), 30*10*4*4e-7; math.Abs(got-want) > 1e-12 {
		t.Errorf("$%v, want $%v", got, want)
	}
	s.Traffic.PerSecond = 1000 // at each view more wait than it receives
	if got, want := part(s.Bill(today).Fixed, name), 30*10*30*4e-7; math.Abs(got-want) > 1e-12 {
		t.Errorf("a hundred at each view: $%v, want $%v", got, want)
	}
	s.Traffic.InputKB = 30 // ten messages of 41 KB are seven steps
	if got, want := part(s.Bill(today).Fixed, name), 30*10*10*15*4e-7; math.Abs(got-want) > 1e-12 {
		t.Errorf("with larger inputs: $%v, want $%v", got, want)
	}
	s.Traffic.Path = Direct
	if got := part(s.Bill(today).Fixed, name); got != 0 {
		t.Errorf("answers within requests: $%v", got)
	}
}

func TestTheGoalsOfAnIdleMonth(t *testing.T) {
	for front, most := range map[Front]float64{LambdaFront: 25, WorkersFront: 42} {
		if got := Sum(AtRest(deployed(front, false)).Lines(today)); got > most {
			t.Errorf("front %s: $%.2f a month, above $%v", front, got, most)
		}
	}
}

// Workers are counted apart from the queries: a million never takes less with more of
// them, and without queries only what is fixed is paid.
func TestBillHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := traffic(t)
		s := Stage{Rest: AtRest(deployed(x.Front, x.Private)), Fleets: []Fleet{{c5, x.Workers}}, Traffic: x, FunctionUSD: 1e-6}
		idle := s
		idle.Traffic.PerSecond = 0
		if b := idle.Bill(today); len(b.Million) != 0 || b.MonthUSD(0) > s.Bill(today).MonthUSD(x.PerSecond) {
			t.Fatalf("idle $%v, busy $%v", b.MonthUSD(0), s.Bill(today).MonthUSD(x.PerSecond))
		}
		more := s
		more.Fleets = []Fleet{{c5, x.Workers + 1}}
		if got := more.Bill(today).MonthUSD(0) - s.Bill(today).MonthUSD(0); got < 730*0.085 {
			t.Fatalf("a worker adds $%v", got)
		}
	})
}

func TestAPublicWorkerPaysForItsAddress(t *testing.T) {
	s := Stage{Rest: AtRest(deployed(LambdaFront, false)), Fleets: []Fleet{{c5, 2}}}
	if got := part(s.Bill(today).Fixed, "workers' public IPv4 addresses"); math.Abs(got-7.3) > 1e-9 {
		t.Errorf("$%v", got)
	}
	s.Rest = AtRest(deployed(LambdaFront, true))
	if got := part(s.Bill(today).Fixed, "workers' public IPv4 addresses"); got != 0 {
		t.Errorf("in a private network $%v", got)
	}
}

// Metrics to a collector are paid for by what leaves the account and what is written for it,
// and those of CloudWatch stay as they are.
func TestACollectorOnPaper(t *testing.T) {
	d := deployed(LambdaFront, false)
	without := AtRest(d).Lines(today)
	d.Collector = true
	lines := AtRest(d).Lines(today)
	for name, want := range map[string]float64{
		"transfer of metrics to an OpenTelemetry collector": 43800.0 * 3 / (1 << 20) * 0.09, "writes of query counts for an OpenTelemetry collector": 43800 * 2 * 6.25e-7, "CloudWatch metrics": part(without, "CloudWatch metrics"),
	} {
		if got := part(lines, name); math.Abs(got-want) > 1e-4 || want == 0 {
			t.Errorf("%s: $%v, want $%v", name, got, want)
		}
	}
	if n := len(lines) - len(without); n != 2 {
		t.Errorf("a collector adds %d lines", n)
	}
	for models, want := range map[int][2]float64{1: {3, 2}, 3: {3, 2}, 4: {3.5, 3}, 9: {6, 5}} {
		d.Models = models
		if r := AtRest(d); r.CollectorKBPerMinute != want[0] || r.CollectorUnitsPerMinute != want[1] {
			t.Errorf("of %d models %v KB and %v units a minute, want %v", models, r.CollectorKBPerMinute, r.CollectorUnitsPerMinute, want)
		}
	}
}

// A busy worker's intake reads once a view, of 100 queries a second at two workers each 50th
// with the default; and the worker reports half as often.
func TestBusyWorkersReportAndReadByViews(t *testing.T) {
	for viewSeconds, share := range map[float64]float64{0: 0.02, 1: 0.02, 4: 0.005} { // 0: as it is
		x := SmallQueries(WorkersFront, Direct)
		x.PerSecond, x.Workers = 100, 2
		if viewSeconds > 0 {
			set := settings.Defaults()
			set.ViewSeconds = viewSeconds
			x.Periods = PeriodsOf(set)
		}
		const counts = 0.02 * 0.2 // of ended queries, two units each ten seconds
		lines := Count(today, x)
		if got, want := part(lines, "workers' reports, writes"), million*(share/2+counts)*today.DynamoDBPerWrite; math.Abs(got-want) > 1e-9 {
			t.Errorf("a view each %g s: reports cost $%v, want $%v", viewSeconds, got, want)
		}
		if got, want := part(lines, "workers' and api function's reads of fleet view and settings"), million*share*today.DynamoDBPerRead; math.Abs(got-want) > 1e-9 {
			t.Errorf("a view each %g s: reads cost $%v, want $%v", viewSeconds, got, want)
		}
	}
}

func TestWorkersReadViewsAndSettings(t *testing.T) {
	for viewSeconds, perMinute := range map[float64]float64{1: 12 + 6, 2: 6 + 6} { // each fifth view, and settings each ten seconds
		d := deployed(WorkersFront, false)
		d.ViewSeconds = viewSeconds
		lines := Stage{Fleets: []Fleet{{Instance: c5, Count: 2}}, Rest: AtRest(d)}.workerLines(today)
		if got, want := part(lines, "idle workers' reads of fleet view and settings"), 2*43800*perMinute*1.25e-7; math.Abs(got-want) > 1e-9 {
			t.Errorf("a view each %g s: $%v, want $%v", viewSeconds, got, want)
		}
	}
}

// A stopped instance is paid for by its disk: 8 GB at $0.08.
func TestAWarmInstancePaysForItsDisk(t *testing.T) {
	s := Stage{Rest: AtRest(deployed(LambdaFront, false))}
	warm := s
	warm.Warm = 3
	if got := warm.Bill(today).MonthUSD(0) - s.Bill(today).MonthUSD(0); math.Abs(got-3*8*0.08) > 1e-9 {
		t.Errorf("three add $%v a month", got)
	}
	if got := WarmUSDPerHour(today) * 730; math.Abs(got-8*0.08) > 1e-9 {
		t.Errorf("one takes $%v a month by the hour", got)
	}
}

// With no worker up the bill exceeds a plain function's by the api function's
// request, its wait, and what is counted now and then, also where each query comes
// long enough after the last one to share little.
func TestTheExcessOverAPlainFunction(t *testing.T) {
	for _, tt := range []struct{ perSecond, ms, most float64 }{
		{1000, 10, 0.30}, {1000, 60, 0.40}, {1000, 120, 0.50}, {1, 10, 0.42}, {1, 60, 0.5}, {1, 120, 0.60}, {0.1, 10, 0.5}, {0.1, 60, 0.58}, {0.1, 120, 0.68}, {0.5, 120, 0.60}, {0.01, 120, 1.26},
	} {
		x := SmallQueries(WorkersFront, Direct)
		x.PerSecond, x.Workers, x.OverflowShare, x.FunctionMS = tt.perSecond, 3, 0.05, tt.ms
		s := Stage{Rest: AtRest(deployed(LambdaFront, false)), Traffic: x, FunctionUSD: FunctionQueryUSD(today, "x86_64", 1769, tt.ms)}
		held := (15 + 8 + tt.ms) / 1000
		every := 1 / tt.perSecond * max(1, held*tt.perSecond) // seconds between two queries of an environment
		// lines of the log, one a second of each environment, longer ones each minute;
		// leases, tallies, views, usage by owner, samples
		now := min(1, every)*0.225/1.048576*0.5 + min(1, every, every/60)*0.28/1.048576*0.5 + min(1, every/450)*0.75 +
			min(1, every/max(10, min(30*every, 240)))*0.625 + min(1, every/15)*0.0625 + min(1, every/900)*0.625 + 0.0125
		want := 0.2 + held*128/1024*13.3334 + now
		if got := ExcessUSD(today, s); math.Abs(got-want) > 0.02 || got > tt.most {
			t.Errorf("%v ms at %v/s: $%.4f, by hand $%.4f, at most $%v", tt.ms, tt.perSecond, got, want, tt.most)
		}
	}
}

func TestBreakEven(t *testing.T) {
	flat := func(usd float64) func(float64) float64 { return func(float64) float64 { return usd } }
	slope := func(base, each float64) func(float64) float64 {
		return func(r float64) float64 { return base + each*r }
	}
	for _, tt := range []struct {
		name          string
		first, second func(float64) float64
		want          float64
		ok            bool
	}{
		{"crossing at 8", slope(16, 1), slope(0, 3), 8, true},
		{"never more", flat(1), flat(1), 0, true},
		{"always more", flat(2), flat(1), 0, false},
		{"the last of two crossings", func(r float64) float64 { return math.Ceil(r/10) * 10 }, slope(1, 1.1), 89 / 1.1, true},
	} {
		got, ok := BreakEven(tt.first, tt.second)
		if ok != tt.ok || math.Abs(got-tt.want) > 0.001*tt.want {
			t.Errorf("%s: %v %v, want %v %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// A mix of answers costs what its parts cost, so that a simulation may add them up.
func TestByAnswerAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := busy(WorkersFront, Direct)
		x.OverflowPath = rapid.SampledFrom([]OverflowPath{OverflowQueue, OverflowDirect}).Draw(t, "overflow path")
		x.OverflowShare = rapid.Float64Range(0, 1).Draw(t, "overflow")
		q := ByAnswer(today, x)
		mixed := 1e6 * (q.DirectUSD*(1-x.OverflowShare) + q.OverflowUSD*x.OverflowShare)
		if got := Sum(Count(today, x)); math.Abs(got-mixed) > 0.01 { // what is written now and then is in both parts
			t.Fatalf("$%v, of parts $%v", got, mixed)
		}
		if direct := x.OverflowPath == OverflowDirect; direct != (q.InvokedUSD == q.OverflowUSD) || !(q.InvokedUSD > q.DirectUSD) {
			t.Fatalf("by direct invocation $%v, of %+v", q.InvokedUSD, q)
		}
		if aided, unaided := q.OverflowMoreUSD(); aided != q.OverflowUSD-q.DirectUSD || unaided < 0 || x.OverflowPath == OverflowQueue && unaided > aided {
			t.Fatalf("a function's way takes $%v more, $%v without workers, of %+v", aided, unaided, q)
		}
		x.Path = Async
		mixed = 1e6 * (q.AsyncUSD + q.HandoverUSD*x.OverflowShare)
		if got := Sum(Count(today, x)); math.Abs(got-mixed) > 0.01 {
			t.Fatalf("asynchronous $%v, of parts $%v", got, mixed)
		}
		if !(q.DirectUSD < q.OverflowUSD && q.DirectUSD < q.AsyncUSD && q.HandoverUSD > 0) {
			t.Fatalf("%+v", q)
		}
	})
}

// A query's machinery behind the gateway is the gateway's part and what the way
// takes on top; a list pays the gateway once.
func TestTheGatewaysPartIsInEveryWay(t *testing.T) {
	x := busy(WorkersFront, Direct)
	x.OverflowShare = 0
	q := ByAnswer(today, x)
	if want := part(Count(today, x), "API Gateway requests", "API Gateway access log") / 1e6; math.Abs(q.GatewayUSD-want) > 1e-12 {
		t.Errorf("the gateway takes $%v, in the count $%v", q.GatewayUSD, want)
	}
	functions, balanced := ByFunctions(today, x, 0), BehindBalancer(today, x)
	if functions.DirectUSD != q.GatewayUSD || !(balanced.DirectUSD > functions.DirectUSD && balanced.DirectUSD < q.DirectUSD) {
		t.Errorf("functions $%v, a server behind a balancer $%v, a worker $%v, the gateway alone $%v", functions.DirectUSD, balanced.DirectUSD, q.DirectUSD, q.GatewayUSD)
	}
	x.Items = 10
	if ten := ByAnswer(today, x); ten.GatewayUSD > 0.11*q.GatewayUSD || ten.DirectUSD >= q.DirectUSD || ten.OverflowUSD >= q.OverflowUSD {
		t.Errorf("of ten in a request each takes %+v, alone %+v", ten, q)
	}
	x.Path = Batch10
	if one := ByAnswer(today, x); one.GatewayUSD != ByFunctions(today, x, 0).DirectUSD {
		t.Errorf("a batch's gateway takes $%v", one.GatewayUSD)
	}
}
