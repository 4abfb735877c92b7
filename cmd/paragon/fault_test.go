package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
)

// Each command requests one fault of the server, and prints the faults then in force.
func TestFaultCommands(t *testing.T) {
	var call string
	var sent api.Fault
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, sent = r.Method+" "+r.URL.RequestURI(), api.Fault{}
		_ = json.NewDecoder(r.Body).Decode(&sent) // nothing, of a GET
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(api.Faults{Faults: []api.Fault{{Kind: api.SlowBoot, Seconds: 60, Launches: 2}},
			Group: api.FleetGroup{Max: 64, Desired: 2}, Workers: []api.FleetWorker{{ID: "w-1", State: "ready"}}})
	})
	for _, tc := range []struct {
		typed, call string
		sent        api.Fault
	}{
		{"list", "GET /local/faults", api.Fault{}},
		{"no-capacity", "POST /local/faults", api.Fault{Kind: api.NoCapacity}},
		{"launch-fails --launches 3", "POST /local/faults", api.Fault{Kind: api.LaunchFails, Launches: 3}},
		{"slow-boot 60", "POST /local/faults", api.Fault{Kind: api.SlowBoot, Seconds: 60}},
		{"spot-notice w-1", "POST /local/faults", api.Fault{Kind: api.SpotNotice, Worker: "w-1"}},
		{"group 1 3", "POST /local/faults", api.Fault{Kind: api.Group, Min: 1, Max: 3}},
		{"clear", "DELETE /local/faults", api.Fault{}},
		{"clear slow-boot", "DELETE /local/faults?kind=slow-boot", api.Fault{}},
	} {
		term := newTerminal(t, server)
		if code := term.Run(t.Context(), append([]string{"fault"}, strings.Fields(tc.typed)...)); code != cli.ExitOK {
			t.Errorf("fault %s: exit status %d: %s", tc.typed, code, &term.Err)
		}
		if call != tc.call || sent != tc.sent {
			t.Errorf("fault %s did %s with %+v, want %s with %+v", tc.typed, call, sent, tc.call, tc.sent)
		}
		const printed = "Active for the next 2 launches: slow-boot, 60 s\nThe Auto Scaling group allows 0 to 64 workers; its desired capacity is 2.\nWORKER  STATE\nw-1     ready\n"
		if term.Out.String() != printed {
			t.Errorf("fault %s printed\n%s", tc.typed, &term.Out)
		}
	}
}

func TestFaultsTypedWrong(t *testing.T) {
	for typed, say := range map[string]string{
		"fault slow-boot soon":  "no number of seconds",
		"fault slow-boot NaN":   "no number of seconds",
		"fault slow-boot":       "--help",
		"fault group few more":  "not two numbers",
		"fault slow-bot 60":     "did you mean",
		"fault spot-notice":     "--help",
		"fault no-capacity now": "--help",
	} {
		term := newTerminal(t, &clienttest.API{})
		if code := term.Run(t.Context(), strings.Fields(typed)); code != cli.ExitUsage || !strings.Contains(term.Err.String(), say) {
			t.Errorf("%s: exit status %d, %s", typed, code, &term.Err)
		}
	}
	term := newTerminal(t, http.NotFoundHandler())
	if code := term.Run(t.Context(), []string{"fault", "list"}); code == cli.ExitOK || !strings.Contains(term.Err.String(), "does not accept faults") {
		t.Errorf("a stage in an account: exit status %d, %s", code, &term.Err)
	}
}
