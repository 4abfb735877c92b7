package e2e_test

import (
	"net/http"
	"regexp"
	"testing"
)

// served finds where a process serves its profiles, in what is logged.
var served = regexp.MustCompile(`serving profiles.{0,20}url.{0,6}(http://127\.0\.0\.1:\d+/debug/pprof/)`)

// With --debug-addr the parent and each child serve their profiles on addresses
// of their own, and never where queries are taken.
func TestProfilesAreServedApartFromTheAPI(t *testing.T) {
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--unpaced", "--debug-addr=127.0.0.1:0")
	s.workersReady(1)
	var found [][]string
	s.until("profiles of the parent and its worker", func() bool {
		found = served.FindAllStringSubmatch(s.log.String(), -1)
		return len(found) >= 2
	})
	for _, at := range found {
		if got := statusOf(t, at[1]+"goroutine?debug=1"); got != http.StatusOK {
			t.Errorf("%s answers %d", at[1], got)
		}
	}
	if got := statusOf(t, s.URL+"/debug/pprof/"); got != http.StatusNotFound {
		t.Errorf("the API's address answers %d for profiles", got)
	}
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	return r.StatusCode
}
