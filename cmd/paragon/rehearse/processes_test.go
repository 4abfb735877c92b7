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

// together asks so many strict queries at once, again where the API says so: each has
// an api process of its own, and each is accepted once.
func (s *scenario) together(n int) {
	s.t.Helper()
	var all sync.WaitGroup
	locations := make([]string, n)
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
	group := stackName + "-" + pool
	s.first = s.stand.scaling.Warm(group, func() string { return s.launch(group) })
}

// launch has the stand-in itself launch an instance for a group.
func (s *scenario) launch(group string) string {
	s.t.Helper()
	call := func(action string, more ...string) string {
		return callStand(s.t, s.moto, "autoscaling", form(append([]string{"Action", action, "Version", "2011-01-01"}, more...)...))
	}
	there := func() (ids []string) {
		for _, m := range groupInstance.FindAllStringSubmatch(call("DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", group), -1) {
			ids = append(ids, m[1])
		}
		return ids
	}
	before := there()
	call("SetDesiredCapacity", "AutoScalingGroupName", group, "DesiredCapacity", strconv.Itoa(len(before)+1))
	for _, id := range there() {
		if !slices.Contains(before, id) {
			return id
		}
	}
	s.t.Fatalf("%s: the group has launched nothing", s.line)
	return ""
}
