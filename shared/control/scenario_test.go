package control_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/decision"
)

// whole says that stages are played in every case. With the race detector, which takes four times as long, a
// few cases are, in which each part of a stage has its part.
var whole bool

// racedScenarios are those that are played with the race detector too.
var racedScenarios = []string{"a_tick_that_overruns", "a_warm_pool_shortens_the_boot", "killed_at_every_step_of_a_tick", "metrics_refused", "two_controllers_at_once"}

// TestScenarios plays every file in testdata: load and mishaps, one a line, and
// what is expected of the controller. The files are the documentation of the
// words; `since` is the number of ticks before the last expectation's period.
func TestScenarios(t *testing.T) {
	names := racedScenarios
	if whole {
		names = nil
		files, err := filepath.Glob("testdata/*.txt")
		if err != nil || len(files) <= len(racedScenarios) {
			t.Fatalf("%d scenarios: %v", len(files), err)
		}
		for _, f := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(f), ".txt"))
		}
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		check(t, err)
		t.Run(name, func(t *testing.T) {
			play(t, string(text))
		})
	}
}

// play runs a scenario; one that kills the controller is run once for every
// step of the tick at which it may die, and in short, or with the race detector, for every thirtieth.
func play(t *testing.T, text string) {
	stride := 1
	if testing.Short() || !whole {
		stride = 30
	}
	for dies := 1; ; dies += stride {
		survived := true
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			defer func() { check(t, s.backend.Close()) }()
			for i, line := range strings.Split(text, "\n") {
				line, _, _ = strings.Cut(line, "#")
				words := strings.Fields(line)
				if len(words) == 0 {
					continue
				}
				if strings.TrimSpace(line) == "killed at every step of a tick" {
					survived = s.dieAt(dies)
					continue
				}
				if err := s.do(words); err != nil {
					t.Fatalf("line %d, %q (dying at step %d): %v\n%s", i+1, strings.TrimSpace(line), dies, err, s.story())
				}
			}
		})
		if survived || t.Failed() {
			return
		}
	}
}

// dieAt has the controller die at a step of its next tick, and replaces it. It
// is true when the tick was over before.
func (s *stage) dieAt(step int) bool {
	s.mortal.steps, s.mortal.dies = 0, step
	s.pass(seconds(s.tuned.Current().TickSeconds))
	survived := s.mortal.steps < step
	s.mortal.dies = 0
	s.cs = []*control.Controller{s.controller("successor")}
	return survived
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }

// do does one line.
func (s *stage) do(words []string) error {
	rest := words[1:]
	switch words[0] {
	case "set": // set NAME VALUE: a setting, good or bad; the value may be empty
		return s.cloud.Settings.Set(s.Context(), rest[0], strings.Join(rest[1:], " "))
	case "workers": // workers N: are ready at the start
		n, err := strconv.Atoi(rest[0])
		s.begin(n)
		return err
	case "group": // group MIN MAX: what the group allows
		low, high, err := twoInts(rest)
		if err != nil {
			return err
		}
		return s.backend.SetGroup(s.Context(), pool, low, high)
	case "load": // load STRICT RELAXED: queries a second from now on
		_, err := fmt.Sscan(strings.Join(rest, " "), &s.strict, &s.relaxed)
		return err
	case "capacity": // capacity N: there are no more workers to be had
		_, err := fmt.Sscan(rest[0], &s.capacity)
		return err
	case "warm": // warm N: N instances are stopped
		n, err := strconv.Atoi(rest[0])
		s.warmSince = make([]time.Time, n)
		return err
	case "launches": // launches unread: why the newest failed
		s.mortal.unread = rest[0] == "unread"
	case "metrics": // metrics fine|missing|refused|NaN|negative|doubled|zero
		s.metrics = rest[0]
	case "restart": // restart: another process takes over
		s.cs = []*control.Controller{s.controller("restarted " + strconv.Itoa(s.launched))}
		<-time.After(time.Minute) // the lease ends
	case "controllers": // controllers N: at once
		n, err := strconv.Atoi(rest[0])
		for i := 1; i < n; i++ {
			s.cs = append(s.cs, s.controller("controller "+strconv.Itoa(i)))
		}
		return err
	case "expect":
		return s.expect(rest)
	default:
		return s.doFor(words[0], rest)
	}
	return nil
}

// doFor does what takes a duration.
func (s *stage) doFor(word string, rest []string) error {
	targets := map[string]*time.Duration{"boot": &s.boot, "die": &s.dies, "late": &s.late, "overrun": &s.overrun}
	d, err := time.ParseDuration(rest[0])
	if err != nil {
		return err
	}
	if word == "run" { // run DURATION: time goes by
		s.pass(d)
		return nil
	}
	if word == "skew" {
		s.skew.Store(int64(d))
		return nil
	}
	target, ok := targets[word]
	if !ok {
		return fmt.Errorf("%q is no word of scenarios", word)
	}
	*target = d
	return nil
}

func twoInts(words []string) (a, b int, err error) {
	_, err = fmt.Sscan(strings.Join(words, " "), &a, &b)
	return a, b, err
}

// expect checks the last record, or all of them.
func (s *stage) expect(words []string) error {
	rs := s.records()
	if len(rs) == 0 {
		return fmt.Errorf("there is no tick yet")
	}
	last := rs[len(rs)-1]
	text := strings.Join(words[1:], " ")
	switch words[0] {
	case "asked": // expect asked N [M]: N workers are asked for
		return within(words[1:], last.Action.To)
	case "ready":
		return within(words[1:], last.Case.Snapshot.Pool.Ready)
	case "most": // expect most N: never more than N were asked for
		most := 0
		for _, r := range rs {
			most = max(most, r.Action.To)
		}
		return within([]string{"0", words[1]}, most)
	case "grew", "shrank": // expect grew N [M]: so often
		return within(words[1:], times(rs, words[0]))
	case "mode":
		return holds(string(last.Outcome), text)
	case "strict":
		return holds(string(last.Action.Strict), text)
	case "explained": // expect explained TEXT: somewhere in the last explanation
		return holds(plain(last), text)
	case "once": // expect once TEXT: in some explanation
		for _, r := range rs {
			if strings.Contains(plain(r), text) {
				return nil
			}
		}
		return fmt.Errorf("no tick tells %q", text)
	}
	return fmt.Errorf("%q cannot be expected", words[0])
}

// plain is an explanation whose words stand one space apart.
func plain(r decision.Record) string { return strings.Join(strings.Fields(r.Explain()), " ") }

func within(words []string, got int) error {
	low, high, err := twoInts(append(words, words...))
	if err == nil && len(words) == 2 {
		low, high, err = twoInts(words)
	}
	if err == nil && (got < low || got > high) {
		err = fmt.Errorf("it is %d", got)
	}
	return err
}

func holds(got, want string) error {
	if !strings.Contains(got, want) {
		return fmt.Errorf("it is %s", got)
	}
	return nil
}

// times counts how often the fleet began to grow, or to shrink: moves in the
// same direction, one after another, are one.
func times(rs []decision.Record, which string) int {
	n, before := 0, ""
	for _, r := range rs {
		now := before
		if asked := r.Case.Group.Desired; r.Action.Set && r.Action.To > asked {
			now = "grew"
		} else if r.Action.Set && r.Action.To < asked {
			now = "shrank"
		}
		if now != before && now == which {
			n++
		}
		before = now
	}
	return n
}

// story lists the ticks so far, those that say the same once.
func (s *stage) story() string {
	var b strings.Builder
	before := ""
	for _, r := range s.records() {
		if now := r.Summary(); now != before {
			fmt.Fprintln(&b, r)
			before = now
		}
	}
	return b.String()
}
