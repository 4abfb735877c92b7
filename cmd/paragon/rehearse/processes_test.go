//go:build rehearse

package rehearse

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// endFunctions ends the environments of all functions, as a release does.
func (s *scenario) endFunctions() {
	s.t.Helper()
	next := slices.Clone(s.running)
	for i := range next {
		next[i].Env = append(slices.Clone(next[i].Env), "RELEASE="+strconv.FormatInt(time.Now().UnixNano(), 10))
	}
	must(s.t, s.api.SetFunctions(next))
}

// together sends n strict queries at once, again where the API says so: each has
// an api process of its own, and each is accepted once. Their arrivals are in the log
// although no other request comes in which they could be written.
func (s *scenario) together(n int) {
	s.t.Helper()
	var all sync.WaitGroup
	locations := make([]string, n)
	_, _, before := s.log.said()
	for i := range n {
		all.Go(func() {
			for end := time.Now().Add(patience); locations[i] == "" && time.Now().Before(end); {
				got := s.request("POST", "/v1/queries", askedWithin(s.bound, fetched, query.Strict, s.inline()))
				switch got.Code {
				case http.StatusAccepted:
					locations[i] = got.Header().Get("Location")
				case http.StatusServiceUnavailable, http.StatusTooManyRequests:
					<-time.After(time.Second)
				default:
					s.t.Errorf("%s: answered %d %s", s.line, got.Code, got.Body)
					return
				}
			}
		})
	}
	all.Wait()
	processes := 0
	for _, f := range s.api.Stats() {
		if f.Function == names.Function(stage, "api") {
			processes = f.Warm + f.Busy
		}
	}
	if processes < n/2 {
		s.t.Errorf("%s: %d api processes took them", s.line, processes)
	}
	slices.Sort(locations)
	if len(slices.Compact(locations)) != n || locations[0] == "" {
		s.t.Fatalf("%s: accepted %q", s.line, locations)
	}
	s.until(s.line+": the arrivals are in the log", func() bool {
		_, _, now := s.log.said()
		return now-before >= float64(n)
	})
	for _, at := range locations {
		if q := s.ends(at); q.State != query.Succeeded {
			s.t.Errorf("%s: %s ended as %s", s.line, at, q.State)
		}
	}
}

// frozen says whether some process of a function is stopped.
func (s *scenario) frozen() bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(s.t, err)
	for _, f := range stats {
		text, err := os.ReadFile(f)
		_, after, _ := strings.Cut(string(text), ") ")
		if err == nil && strings.HasPrefix(after, fmt.Sprintf("T %d ", os.Getpid())) {
			return true
		}
	}
	return false
}

var groupInstance = regexp.MustCompile(`<InstanceId>(i-[^<]+)</InstanceId>`)

// warm has the group launch an instance into its warm pool.
func (s *scenario) warm() {
	s.t.Helper()
	s.first = s.stand.scaling.Warm(groupName, s.launch)
}

// askGroups makes a call about the group of the test server itself.
func (p *play) askGroups(action, name string, more ...string) string {
	p.t.Helper()
	return callStand(p.t, p.moto, "autoscaling", form(append([]string{"Action", action, "Version", "2011-01-01", name, groupName}, more...)...))
}

// instances are those that the test server itself has in the group.
func (p *play) instances() (ids []string) {
	p.t.Helper()
	for _, m := range groupInstance.FindAllStringSubmatch(p.askGroups("DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1"), -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// launch has the test server itself launch an instance for the group.
func (s *scenario) launch() string {
	s.t.Helper()
	before := s.instances()
	s.askGroups("SetDesiredCapacity", "AutoScalingGroupName", "DesiredCapacity", strconv.Itoa(len(before)+1))
	for _, id := range s.instances() {
		if !slices.Contains(before, id) {
			return id
		}
	}
	s.t.Fatalf("%s: the group has launched nothing", s.line)
	return ""
}

// startWorkers starts a worker on each instance of the group that has none, where
// workers start.
func (s *scenario) startWorkers() {
	s.t.Helper()
	if !s.starting {
		return
	}
	for _, id := range s.instances() {
		if s.processes[id] == nil && !s.stand.scaling.Leaving(id) && !s.stand.scaling.InWarmPool(id) {
			s.processes[id] = s.startWorker(id)
		}
	}
}
