package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/lab/peers"
)

// benchPeers runs the command on the smallest network, for a moment.
func benchPeers(t *testing.T, args ...string) (*peers.Report, error) {
	t.Helper()
	var out, progress bytes.Buffer
	c := newRoot(cli.New(strings.NewReader(""), &out, &progress, func(string) string { return "" }))
	c.SetArgs(append([]string{"bench-peers", "--json", "--quick", "--models", "smallest:tensor", "--rounds", "1", "--seconds", "0.1"}, args...))
	if err := c.ExecuteContext(context.Background()); err != nil {
		return nil, err
	}
	var r peers.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s, progress %s", err, out.String(), progress.String())
	}
	return &r, nil
}

func TestTheBareLoopIsMeasured(t *testing.T) {
	r, err := benchPeers(t, "--peers", "bare", "--connections", "1,2")
	if err != nil {
		t.Fatal(err)
	}
	s := r.Workloads[0].Servers[0]
	if s.Error != "" || len(s.Rounds) != 1 || len(s.Rounds[0].Loads) != 2 {
		t.Fatalf("the report is %+v", s)
	}
	for _, l := range s.Rounds[0].Loads {
		if l.Queries < 1 || l.PerSecond <= 0 || l.P50MS <= 0 || l.P99MS < l.P50MS {
			t.Errorf("the measurement is %+v", l)
		}
	}
}

// A run goes on from the results that were kept, and not from others.
func TestResultsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kept.json")
	first, err := benchPeers(t, "--peers", "bare", "--connections", "1", "--keep", file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := benchPeers(t, "--peers", "bare", "--connections", "1", "--keep", file, "--rounds", "2")
	if err != nil {
		t.Fatal(err)
	}
	one, two := first.Workloads[0].Servers[0].Rounds, second.Workloads[0].Servers[0].Rounds
	if len(one) != 1 || len(two) != 2 || !reflect.DeepEqual(one[0], two[0]) || two[1].Number != 2 {
		t.Errorf("after %+v came %+v", one, two)
	}
	if _, err := benchPeers(t, "--peers", "bare", "--connections", "2", "--keep", file); err == nil || !strings.Contains(err.Error(), "other measurements") {
		t.Errorf("results with other connections were gone on with: %v", err)
	}
}

// Paragon is brought up, agrees with the bare loop and is measured; a peer that
// is not installed stands in the report and keeps nobody from being measured.
func TestParagonIsMeasuredWhenOthersAreMissing(t *testing.T) {
	r, err := benchPeers(t, "--peers", "bare,ray,paragon", "--connections", "2", "--venvs", t.TempDir(),
		"--paragon", "../../bin/paragon", "--servers", "../../shared/lab/peers/servers")
	if err != nil {
		t.Fatal(err)
	}
	w := &r.Workloads[0]
	if s := w.Server("ray"); !strings.Contains(s.Error, "not installed") || len(s.Rounds) != 0 {
		t.Errorf("the missing peer is %+v", s)
	}
	s := w.Server("paragon")
	if s.Error != "" || len(s.Rounds) != 1 || s.Rounds[0].Loads[0].CPUMSAQuery < 0 || s.Rounds[0].MemoryMB <= 0 {
		t.Errorf("paragon is %+v", s)
	}
	if _, ok := w.Ratio("paragon", "bare", 2); !ok {
		t.Error("there is no ratio to the bare loop")
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--peers", "nobody"}, "peers"}, {[]string{"--models", "nothing:png"}, "models"},
		{[]string{"--models", "smallest:gif"}, "models"}, {[]string{"--connections", "8,2"}, "connections"},
		{[]string{"--rounds", "0"}, "rounds"}, {[]string{"--seconds", "0"}, "seconds"},
		{[]string{"--models", "efficientnet-lite0:jpeg", "--pool", "not-there"}, "pool-imagenet"},
	} {
		if _, err := benchPeers(t, append([]string{"--peers", "bare"}, tc.args...)...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v, want an error of %s", tc.args, err, tc.want)
		}
	}
}

// The verdict of a quick measurement.
func TestVerdict(t *testing.T) {
	at := func(perSecond float64, fault string) peers.ServerReport {
		if fault != "" {
			return peers.ServerReport{Error: fault}
		}
		return peers.ServerReport{Rounds: []peers.Round{{Number: 1, Loads: []peers.Load{{Connections: 8, PerSecond: perSecond}}}}}
	}
	for name, tc := range map[string]struct {
		quick            bool
		paragon, fastapi peers.ServerReport
		ok               bool
	}{
		"ahead": {true, at(20, ""), at(10, ""), true}, "level": {true, at(10, ""), at(10, ""), true},
		"behind": {true, at(9, ""), at(10, ""), false}, "behind, not quick": {false, at(9, ""), at(10, ""), true},
		"paragon fails": {true, at(0, "gone"), at(10, ""), false}, "fastapi fails": {true, at(10, ""), at(0, "gone"), false},
	} {
		tc.paragon.Name, tc.fastapi.Name = "paragon", "fastapi"
		f := &benchFlags{quick: tc.quick, peers: []string{"fastapi", "paragon"}, connections: []int{8}}
		err := f.verdict(&peers.Report{Workloads: []peers.WorkloadReport{{Servers: []peers.ServerReport{tc.fastapi, tc.paragon}}}})
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
