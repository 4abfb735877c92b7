package main

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// The demonstration sends what its phases say, prints lines meanwhile, and ends
// with the bill and the decisions.
func TestTheDemonstration(t *testing.T) {
	server := httptest.NewServer(&clienttest.API{Now: func() time.Time { return clienttest.Instant.Add(time.Hour) }})
	defer server.Close()
	term := newTerminal(t, &clienttest.API{})
	var mu sync.Mutex
	now := clienttest.Instant
	term.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	term.Sleep = func(_ context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
		return nil
	}
	d, err := newDemonstration(term.Terminal.Terminal, server.URL, demoQueries{task: "fashion", input: query.Input{ContentType: "image/png", Data: []byte("\x89PNG boot")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, p := range phases {
		want += int(p.length.Seconds()) * p.perSecond
	}
	if got := d.counts.answered; got != want || d.counts.failed != 0 || int(d.sent.Load()) != want {
		t.Errorf("%d answered of %d sent, %d failed, want %d", got, d.sent.Load(), d.counts.failed, want)
	}
	for _, part := range []string{"burst", "% ", "grow from 2 to 3 workers", "--endpoint " + server.URL, "cnn-small", "min_workers", "Scheme hedged would have cost", "tune set --endpoint " + server.URL + " scheme hedged"} {
		if !strings.Contains(term.Err.String(), part) {
			t.Errorf("no %q in\n%s", part, &term.Err)
		}
	}
	if !strings.Contains(term.Out.String(), "scheme reactive") {
		t.Errorf("no bill in\n%s", &term.Out)
	}
}

// While the table of a demonstration is printed, warnings stay in the log and errors reach
// the terminal; with --verbose all does.
func TestNoWarningIsWithinTheTableOfADemonstration(t *testing.T) {
	for verbose, want := range map[bool]string{false: "level=ERROR msg=broken level=WARN msg=after", true: "level=WARN msg=within level=ERROR msg=broken level=WARN msg=after"} {
		term, log := newTerminal(t, &clienttest.API{}), newTerminalLog(verbose)
		logger := term.LoggerAt(&log.level)
		log.onlyErrors()
		logger.Warn("within")
		logger.Error("broken")
		log.all()
		logger.Warn("after")
		var got []string
		for word := range strings.FieldsSeq(term.Err.String()) {
			if !strings.HasPrefix(word, "time=") {
				got = append(got, word)
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("verbose %v: %s, want %s", verbose, text, want)
		}
	}
}

// What is sent follows the catalogue: its task, what its models take, and how accurate they
// are.
func TestTheDemonstrationSendsWhatTheCatalogueTakes(t *testing.T) {
	set, shipped := profilestest.Loaded(t)
	q, err := demoOf(shipped, set.Samples("fashion"))
	if err != nil || q.task != "fashion" || q.input.ContentType != "image/png" || q.strict.Accuracy != demoStrictAccuracy {
		t.Errorf("%+v, error %v", q, err)
	}
	text := func(name string, percent float64) profile.Model {
		return profile.Model{Name: name, Task: "mail", File: name, Text: &profile.Text{}, Accuracy: profile.Accuracy{Top1Percent: percent}}
	}
	c := &profile.Catalogue{Name: "mail", Models: []profile.Model{{Name: "figures", Task: "none"}, text("a", 95.27), text("b", 97.21), text("c", 0)}}
	q, err = demoOf(c, set.Samples("mail"))
	if err != nil || q.task != "mail" || q.input.ContentType != query.TextType || q.strict.Accuracy != 97.2 || q.relaxed.Accuracy != 95.2 {
		t.Errorf("%+v, error %v", q, err)
	}
	if _, err := demoOf(&profile.Catalogue{Name: "figures", Models: c.Models[:1]}, set.Samples("mail")); err == nil {
		t.Error("a catalogue of figures is played")
	}
}

// What the demonstration asks for wins over what it would set, and its profiles
// are those that ship, slowed down.
func TestADemonstrationIsPrepared(t *testing.T) {
	cfg := machine.Defaults()
	cfg.DataDir, cfg.Set = t.TempDir(), map[string]string{"tick_seconds": "7"}
	for range 2 { // the second time its profiles are there
		if err := prepareDemo(&cfg, func(flag string) bool { return flag == "workers" }); err != nil {
			t.Fatal(err)
		}
	}
	if cfg.Scheme != demoScheme || cfg.Workers != machine.Defaults().Workers || cfg.Set["tick_seconds"] != "7" || cfg.Set["max_workers"] != "8" {
		t.Errorf("%+v", cfg)
	}
	set, err := profiles.Load(filepath.Join(cfg.DataDir, demoProfiles))
	if err != nil {
		t.Fatal(err)
	}
	c, err := set.Catalogue("fashion")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := c.Model(demoModel)
	if st, ok := c.OnVM(m, cfg.InstanceType); !ok || st.MS.P50 < 0.99*demoServiceMS || st.MS.P50 > 1.01*demoServiceMS {
		t.Errorf("%s takes %v ms", demoModel, st.MS.P50)
	}
	own := machine.Defaults()
	own.DataDir = t.TempDir()
	if err := prepareDemo(&own, func(flag string) bool { return flag == "profiles" }); err != nil || own.ProfilesDir != "" {
		t.Errorf("with profiles of one's own: %q, error %v", own.ProfilesDir, err)
	}
	if names, err := os.ReadDir(own.DataDir); err != nil || len(names) != 0 {
		t.Errorf("left %v, error %v", names, err)
	}
}
