package pricing

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"paragon/shared/core/profile"
)

var fees = profile.Prices{
	LambdaGBSecondX86: 0.0000166667, LambdaGBSecondARM: 0.0000133334, LambdaPerRequest: 2e-7, LambdaGrainMS: 1,
	SQSPerRequest: 4e-7, HTTPAPIPerRequest: 1e-6, DynamoDBPerWrite: 6.25e-7, DynamoDBPerRead: 1.25e-7,
	CloudWatchMetricPerMonth: 0.3, CloudWatchGetPerMetricRead: 1e-5, CloudWatchPutPerRequest: 1e-5, AlarmPerMonth: 0.1,
	DashboardPerMonth: 3, LogsPerGB: 0.5, EndpointPerHour: 0.01, PublicIPv4PerHour: 0.005, DiskPerGBMonth: 0.08,
}

func standing(workers float64) Standing {
	return Standing{
		Workers:       []Workers{{profile.Instance{Type: "c5.large", USDPerHour: 0.085}, workers}},
		EndpointZones: 8, DiskGB: 8, Tasks: 1, Alarms: 11, ControllerMB: 512, APIMB: 512, DispatcherMB: 1024, TickSeconds: 10, ViewSeconds: 1, ArrivalSeconds: 3,
	}
}

func usdOf(t testing.TB, lines []Line, what string) float64 {
	t.Helper()
	for _, l := range lines {
		if l.What == what {
			return l.USD
		}
	}
	t.Fatalf("no line %q", what)
	return 0
}

// Figures that AWS's pages state, or that follow from them on paper.
func TestMonthByHand(t *testing.T) {
	lines := Month(fees, standing(2), Load{PerSecond: 1e6 / secondsOfMonth, OverflowShare: 0.1, FunctionUSD: 2e-6, FunctionMS: 45})
	for what, want := range map[string]float64{
		"workers, c5.large":   2 * 730 * 0.085,
		"inference functions": 0.2,
		"interface endpoints": 58.4,
		"public addresses":    0,
		"workers' disks":      1.28,
		"workers' reports":    2 * 262800 * 6.25e-7,
		// a look at the settings every ten seconds, and one at the fleet every five views
		"workers' looks at fleet and settings": 2 * (262800 + 525600) * 1.25e-7,
		"polls of empty queues":                9 * 131400 * 4e-7,
		"metrics":                              17 * 0.3,
		"alarms":                               1.1,
		"dashboard":                            3,
		"controller's function":                2190000 * 0.5 * 0.0000133334,
		// a tick asks for six metrics and puts twice, a minute asks for two ages
		"controller's metrics":        (219000*(6+1) + 36500*2) * 1e-5,
		"controller's log of metrics": 219000.0 / (1 << 20) * 0.5,
		// a tick writes eleven units and reads two, a second writes the view and
		// reads the workers, and the settings go by every five seconds
		"controller's store":       (219000*11+2190000+438000*2)*6.25e-7 + (219000*2+2190000+438000)*1.25e-7,
		"controller's queue calls": (219000*2 + 2190000*2) * 4e-7,
		"gateway":                  2,
		"api function":             2e6 * (0.5*0.020*0.0000133334 + 2e-7),
		"queries' queue calls":     1.2,
		"queries' store":           7*0.625 + 2*0.125,
		"dispatcher":               1e5 * (0.060*0.0000133334 + 2e-7),
		"arrival metrics":          secondsOfMonth / 3 * 1e-5, // queries come more often than an environment writes
		// two for each of the 0.9 million that workers answer
		"workers' reports of changes": 1.8e6 * 6.25e-7,
		"arrivals in records":         219000 * 16 * 6.25e-7,
		"api's looks at the fleet":    2628000 * 1.2 * 1.25e-7,
	} {
		if got := usdOf(t, lines, what); math.Abs(got-want) > 1e-6*math.Max(1, want) {
			t.Errorf("%s: $%v, want $%v", what, got, want)
		}
	}
}

func TestPublicWorkersPayForAddresses(t *testing.T) {
	s := standing(2)
	s.EndpointZones, s.PublicIPv4 = 0, true
	lines := Month(fees, s, Load{})
	if got := usdOf(t, lines, "public addresses"); math.Abs(got-7.3) > 1e-9 {
		t.Errorf("$%v", got)
	}
	if got := usdOf(t, lines, "interface endpoints"); got != 0 {
		t.Errorf("endpoints $%v", got)
	}
}

// With no query only what stands is paid; twice the prices are twice the bill;
// and more load or more workers never make it cheaper.
func TestMonthHolds(t *testing.T) {
	all := func(Line) bool { return true }
	rapid.Check(t, func(t *rapid.T) {
		s := standing(rapid.Float64Range(0, 100).Draw(t, "workers"))
		l := Load{rapid.Float64Range(0.001, 1e4).Draw(t, "rate"), rapid.Float64Range(0, 1).Draw(t, "overflow"), 1e-6, 50}
		bill := Sum(Month(fees, s, l), all)
		idle := Month(fees, s, Load{})
		if a, b := Sum(idle, all), Sum(idle, func(l Line) bool { return l.Standing }); a != b {
			t.Fatalf("idle: $%v, of which $%v stand", a, b)
		}
		more, moreLoad := s, l
		more.Workers = []Workers{{s.Workers[0].Instance, s.Workers[0].Count + 1}}
		moreLoad.PerSecond *= 2
		if Sum(Month(fees, more, l), all) <= bill || Sum(Month(fees, s, moreLoad), all) <= bill {
			t.Fatal("more costs less")
		}
		double := fees
		double.EndpointPerHour *= 2
		if got := Sum(Month(double, s, l), all) - bill; math.Abs(got-58.4) > 1e-6*bill {
			t.Fatalf("endpoints at twice the price add $%v", got)
		}
	})
}

// The parts of a bill that are of queries' trips are what a trip costs.
func TestTheBillAndTheTripAgree(t *testing.T) {
	const million = 1e6 / secondsOfMonth
	lines, sum := Month(fees, standing(2), Load{PerSecond: million}), 0.0
	for _, what := range []string{"gateway", "api function", "queries' queue calls", "queries' store", "logs"} {
		sum += usdOf(t, lines, what)
	}
	if trip := 1e6 * MachineryUSD(fees, WorkerTrip()); math.Abs(sum-trip) > 1e-9*trip {
		t.Errorf("the bill has $%v a million, the trip $%v", sum, trip)
	}
}

func TestMillion(t *testing.T) {
	l := Load{PerSecond: 100}
	lines := Month(fees, standing(2), l)
	if got := MillionUSD(lines, l); got < 5 || got > 20 {
		t.Errorf("$%v a million", got)
	}
	if MillionUSD(lines, Load{}) != 0 {
		t.Error("no load, and yet a price for a million")
	}
}
