//go:build rehearse

package rehearse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// TestScenarios plays every file of testdata in turn on one deployment: what goes
// wrong, a line each, and what is expected of the deployed binaries. The files are
// the documentation of the words. Each says what it needs, so that it can be played
// alone. They are about what is behind the front, and so played with the front of
// functions alone.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	slices.SortFunc(files, func(a, b string) int { return numberOf(a) - numberOf(b) })
	p := newPlay(t)
	s := &scenario{play: p, stop: func() {}, bound: usualBound, processes: map[string]*process{}, schedule: newSchedule()}
	for name, value := range quick {
		p.set(name, value)
	}
	go s.ticks()
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(t, err)
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			s.t, s.began, s.ranBefore = t, time.Now(), s.ran()
			defer s.calm()
			for i, line := range strings.Split(string(text), "\n") {
				line, _, _ = strings.Cut(line, "#")
				if words := strings.Fields(line); len(words) > 0 {
					s.line = fmt.Sprintf("line %d, %q", i+1, strings.TrimSpace(line))
					s.do(words)
				}
			}
		})
	}
	s.t = t
}

// numberOf is the number that a scenario's file begins with.
func numberOf(file string) int {
	digits, _, _ := strings.Cut(filepath.Base(file), "_")
	n, _ := strconv.Atoi(digits) // a file without one comes first
	return n
}

// scenario is a deployment to which things happen.
type scenario struct {
	*play
	*schedule
	line      string
	plan      testserver.Plan
	stop      func()              // the arrivals
	first     string              // the worker that is expected to be replaced
	processes map[string]*process // the workers', by instance
	starting  bool                // a worker starts on each instance of the group
	tuned     []string            // the settings that were set
	deployed  []string            // the instances that were there when the release came
	began     time.Time
	bound     time.Duration // of the queries that are asked
	load      *load         // nil where none is

	ranBefore   int // how often inference functions had run before this scenario
	endedBefore int // instances that the controller ended before the release
}

// quick are settings that are shorter than a deployment's, so that it takes less long.
// Workers report so often that those of a scenario that is over are soon found dead; a
// report may take seconds where everything runs on two cores.
var quick = map[string]string{
	"tick_seconds": "2", "max_workers": "5", "scale_in_wait_seconds": "0", "watch_seconds": "0", "hold_limit_seconds": "0", "metric_settle_seconds": "3",
	"heartbeat_seconds": "1", "silent_limit_seconds": "8",
}

// calm ends what goes wrong, and puts the settings back. Instances stay: a scenario
// goes on from the one before it.
func (s *scenario) calm() {
	s.stop()
	s.stop, s.plan, s.bound = func() {}, testserver.Plan{}, usualBound
	s.stand.faults.Begin(s.plan)
	s.stand.faults.Release()
	s.stand.tables.SetScale(1)
	s.stand.scaling.HealLaunches(groupName)
	s.stand.scaling.Refresh(groupName, 0)
	s.processes, s.starting = map[string]*process{}, false // they end with the test that started them
	for _, name := range s.tuned {
		if value, ok := quick[name]; ok {
			s.set(name, value)
		} else {
			s.unset(name)
		}
	}
	s.tuned = nil
}

// groupName is the group of the pool.
const groupName = stackName + "-" + pool

func (s *scenario) workers() []platform.WorkerReport {
	s.t.Helper()
	ws, err := s.backend.Fleet.Workers(s.ctx, pool)
	must(s.t, err)
	return slices.DeleteFunc(ws, func(w platform.WorkerReport) bool { return w.State == platform.Draining })
}

// do does one line.
func (s *scenario) do(words []string) {
	s.t.Helper()
	rest := words[1:]
	switch words[0] {
	case "set": // set NAME VALUE: a setting
		s.set(rest[0], rest[1])
		if !slices.Contains(s.tuned, rest[0]) {
			s.tuned = append(s.tuned, rest[0])
		}
	case "functions": // functions end: every environment that has no event
		s.endFunctions()
	case "launches": // launches fail WHY, launches lost, or launches come
		s.launches(rest)
	case "arrivals": // arrivals N: relaxed queries a second, as points of CloudWatch
		s.stop()
		s.stop = s.arrive(s.number(rest[0]))
	case "worker": // worker starts, worker stops, or worker hangs: its process is stopped where it stands
		s.machine(rest[0])
	case "workers": // workers start: one on each instance, as it comes; workers boot: those of the next ones start as their group is deleted
		s.starting = rest[0] == "start"
	case "release": // release bad, or release good: the instances are replaced, and workers start on those of a good one
		s.release(rest[0] == "good")
	case "controller": // controller stops as it commits a tick, while the schedule's next minute comes, or controller goes on
		s.controller(strings.Join(rest, " "))
	case "load": // load: relaxed queries come until the stack is destroyed
		s.load = s.beginLoad()
	case "destroy": // destroy: the stack is deleted, in CloudFormation's order
		s.destroy()
	case "bound": // bound D: of the queries from here on
		s.bound = s.duration(rest[0])
	case "warm": // warm instance: the group launches one into its warm pool
		s.warm()
	case "partitions": // partitions SHARE: the tables take that of what DynamoDB takes
		s.stand.tables.SetScale(s.number(rest[0]))
	case "refuse": // refuse N FUNCTION ACTION: the next N calls are throttled
		s.stand.faults.Refuse(rest[1], rest[2], int(s.number(rest[0])))
	case "seed", "throttle", "latency", "twice", "delayed", "points", "gaps", "lagging":
		s.goWrong(words[0], rest)
	case "expect":
		s.expect(rest[0], rest[1:])
	default:
		s.t.Fatalf("%s: no such word", s.line)
	}
}

func (s *scenario) launches(words []string) {
	s.t.Helper()
	if words[0] == "come" {
		s.stand.scaling.HealLaunches(groupName)
		return
	}
	why := strings.Join(words[1:], " ")
	if words[0] == "lost" { // no activity mentions them
		why = ""
	}
	var have []string
	for _, w := range s.workers() {
		have = append(have, w.ID)
	}
	s.stand.scaling.FailLaunches(groupName, why, have...)
}

// machine has the first worker of the group start, or hang.
func (s *scenario) machine(what string) {
	s.t.Helper()
	switch what {
	case "hangs":
		must(s.t, s.processes[s.first].cmd.Process.Signal(syscall.SIGSTOP))
	case "stops":
		must(s.t, s.processes[s.first].cmd.Process.Signal(syscall.SIGTERM))
		must(s.t, <-s.processes[s.first].done)
		delete(s.processes, s.first)
	default:
		s.processes[s.first] = s.startWorker(s.first)
	}
}

// goWrong changes what goes wrong with calls: seed N, throttle SHARE [SERVICE],
// latency D, twice SHARE, delayed SHARE D, points D (late), gaps SHARE (of the points,
// which come later), lagging SHARE (of the reads).
func (s *scenario) goWrong(what string, words []string) {
	s.t.Helper()
	switch what {
	case "seed":
		s.plan.Seed = uint64(s.number(words[0]))
	case "throttle":
		service := ""
		if len(words) > 1 {
			service = words[1]
		}
		s.plan.Throttled = map[string]float64{service: s.number(words[0])}
	case "latency":
		s.plan.Latency = s.duration(words[0])
	case "twice":
		s.plan.Twice = s.number(words[0])
	case "delayed":
		s.plan.Delayed, s.plan.Delay = s.number(words[0]), s.duration(words[1])
	case "gaps":
		s.plan.Gaps = s.number(words[0])
	case "lagging":
		s.plan.Lagging = s.number(words[0])
	case "points":
		s.plan.PointsLate = s.duration(words[0])
	}
	s.stand.faults.Begin(s.plan)
}

func (s *scenario) number(word string) float64 {
	s.t.Helper()
	n, err := strconv.ParseFloat(strings.TrimSuffix(word, "%"), 64)
	must(s.t, err)
	if strings.HasSuffix(word, "%") {
		n /= 100
	}
	return n
}

func (s *scenario) duration(word string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(word)
	must(s.t, err)
	return d
}

// expect waits until something holds.
func (s *scenario) expect(what string, words []string) {
	s.t.Helper()
	s.begins()
	switch what {
	case "workers": // expect workers N: N are there that do not leave
		s.until(s.line, func() bool { return float64(len(s.workers())) == s.number(words[0]) })
		if ws := s.workers(); len(ws) > 0 {
			s.first = ws[0].ID
		}
	case "instances": // expect instances N: the group has N, with those that leave
		s.until(s.line, func() bool { return float64(len(s.instances())) == s.number(words[0]) })
	case "desired": // expect desired N: at least
		s.until(s.line, func() bool { return float64(s.group().Desired) >= s.number(words[0]) })
	case "launched": // expect launched N: the instance has completed the launch hook so often
		s.until(s.line, func() bool { return float64(s.stand.scaling.Launched(s.first)) == s.number(words[0]) })
	case "ready": // expect ready N: N workers serve
		s.until(s.line, func() bool { return float64(s.ready()) == s.number(words[0]) })
	case "ended": // expect ended N: since the release the controller has ended N instances, at least
		s.until(s.line, func() bool { return float64(s.ended()-s.endedBefore) >= s.number(words[0]) })
	case "kept": // expect kept N: N workers serve that did when the release came
		s.kept(int(s.number(words[0])))
	case "released": // expect released: every instance was replaced, and its worker serves
		s.until(s.line, s.released)
	case "gone": // expect gone: nothing is left but what is kept by its policy
		s.gone()
	case "throttles": // expect throttles: of the tables' partitions
		if s.stand.tables.Counts().Throttled == 0 {
			s.t.Errorf("%s: none", s.line)
		}
	case "ran": // expect ran N: inference functions have run so often in this scenario
		if n := s.ran() - s.ranBefore; float64(n) != s.number(words[0]) {
			s.t.Errorf("%s: %d times", s.line, n)
		}
	case "frozen": // expect frozen: every environment without an event is stopped
		s.until(s.line, s.frozen)
	case "together": // expect together N: strict queries that come at once, by processes of their own
		s.together(int(s.number(words[0])))
	case "another": // expect another worker: than the one that was expected last
		s.until(s.line, func() bool {
			ws := s.workers()
			return len(ws) > 0 && !slices.ContainsFunc(ws, func(w platform.WorkerReport) bool { return w.ID == s.first })
		})
	case "record": // expect record TEXT: of a tick of this scenario
		s.until(s.line, func() bool { return s.recorded(strings.Join(words, " ")) })
	case "answered": // expect answered N CLASS by function|worker
		for range int(s.number(words[0])) {
			s.isAnswered(query.Class(words[1]), query.RunnerKind(words[3]))
		}
	case "faults": // expect faults NAME...: have happened
		for _, name := range words {
			if s.stand.faults.Hits()[name] == 0 {
				s.t.Errorf("%s: %q has not happened: %v", s.line, name, s.stand.faults.Hits())
			}
		}
	default:
		s.t.Fatalf("%s: that cannot be expected", s.line)
	}
}

// until is that of the play; meanwhile workers start where they are to.
func (s *scenario) until(what string, holds func() bool) {
	s.t.Helper()
	s.play.until(what, func() bool {
		s.startWorkers()
		return holds()
	})
}

// ran is how often inference functions have run.
func (s *scenario) ran() (n int) {
	for _, f := range s.api.Stats() {
		if !slices.Contains([]string{"api", "dispatcher", "controller", "authorizer"}, strings.TrimPrefix(f.Function, names.Prefix(stage))) {
			n += int(f.Invocations)
		}
	}
	return n
}

// ended is how many instances the controller has ended.
func (s *scenario) ended() int {
	return s.stand.count("controller", "", "autoscaling:TerminateInstanceInAutoScalingGroup")
}

// recorded says whether the explanation of a tick since the scenario began has a text.
func (s *scenario) recorded(text string) bool {
	s.t.Helper()
	es, err := s.backend.DecisionLog.Entries(s.ctx, platform.EntryQuery{Pool: pool, Limit: 40})
	must(s.t, err)
	for _, listed := range es {
		if listed.At.Before(s.began) {
			return false
		}
		if strings.Contains(strings.Join(strings.Fields(s.decided(listed.ID).Explain()), " "), text) {
			return true
		}
	}
	return false
}

// readAgain is how often a query that has ended is read again.
const readAgain = 10

// isAnswered asks a query, again where the API says so, and reads its answer again and
// again: one that has ended stays so.
// Until it has one, what is on the overflow queue is handed to the dispatcher.
func (s *scenario) isAnswered(class query.Class, by query.RunnerKind) {
	s.t.Helper()
	s.until(s.line, func() bool {
		got := s.request("POST", "/v1/queries", askedWithin(s.bound, fetched, class, s.inline()))
		if got.Code == http.StatusServiceUnavailable {
			return false
		}
		if got.Code != http.StatusAccepted {
			s.t.Fatalf("%s: answered %d %s", s.line, got.Code, got.Body)
		}
		location := got.Header().Get("Location")
		q := s.ends(location)
		for range readAgain {
			var again answered
			got := s.request("GET", location, "")
			if got.Code != http.StatusOK && got.Code != http.StatusServiceUnavailable {
				s.t.Fatalf("%s: the query that has ended reads %d %s", s.line, got.Code, got.Body)
			}
			if got.Code != http.StatusOK {
				continue
			}
			if err := json.Unmarshal(got.Body.Bytes(), &again); err != nil || q.State != query.Succeeded || again.State != q.State || again.ServedBy != q.ServedBy {
				s.t.Fatalf("%s: the query reads %+v, and then %s", s.line, q, got.Body)
			}
		}
		return q.ServedBy.Kind == by
	})
}

// ends dispatches what overflows until a query has ended.
func (s *scenario) ends(location string) (q answered) {
	s.t.Helper()
	s.until(s.line+": "+location+" ends", func() bool {
		got := s.request("GET", location, "")
		if got.Code != http.StatusOK || json.Unmarshal(got.Body.Bytes(), &q) != nil {
			return false
		}
		if !q.State.Terminal() {
			s.dispatch()
		}
		return q.State.Terminal()
	})
	return q
}

// dispatch hands the messages of the overflow queue to the dispatcher, as its event
// source does. Those that it hands back, or does not answer for, come again.
func (s *scenario) dispatch() {
	s.t.Helper()
	ds, err := s.backend.Queues.Receive(s.ctx, platform.Overflow, 10, 5*time.Second, 0)
	must(s.t, err)
	var in events.SQSEvent
	for i, d := range ds {
		message, err := json.Marshal(d.Message)
		must(s.t, err)
		_, handle, _ := strings.Cut(d.Receipt, " ")
		in.Records = append(in.Records, events.SQSMessage{MessageId: strconv.Itoa(i), ReceiptHandle: handle, Body: string(message), EventSource: "aws:sqs",
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(d.Receives)}})
	}
	if len(in.Records) == 0 {
		return
	}
	payload, err := json.Marshal(in)
	must(s.t, err)
	var failed events.SQSEventResponse
	inv, err := s.api.Invoke(s.ctx, names.Function(stage, "dispatcher"), payload)
	if err != nil || json.Unmarshal(inv.Payload, &failed) != nil {
		return
	}
	for i, d := range ds {
		if !slices.ContainsFunc(failed.BatchItemFailures, func(f events.SQSBatchItemFailure) bool { return f.ItemIdentifier == strconv.Itoa(i) }) {
			must(s.t, s.backend.Queues.Delete(s.ctx, d))
		}
	}
}
