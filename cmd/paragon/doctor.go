package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/checkup"
)

// newDoctorCommand is `paragon doctor`.
func newDoctorCommand(term *cli.Terminal) *cobra.Command {
	ask := true
	c := &cobra.Command{
		Use: "doctor", Short: "Check a stage, and print how to repair each fault",
		Long: `Check a server, and print one line for each check. A line with a fault also says how to repair the
fault. If no server answers, the command checks whether this machine has everything that a server
needs.

With --stage, the command checks a stage in an account, including its quotas, zones, instances,
alarms and permissions. To measure the latency, it sends 13 queries of one task and one query of
each other task. The queries cost less than a cent for each task. The command does not run checks
that would change the stage. It lists them at the end.

The exit status is 1 if a check failed, and 0 if there are only warnings.`,
		Example: "  paragon doctor\n  paragon doctor --stage prod",
		RunE:    func(c *cobra.Command, _ []string) error { return runDoctor(c.Context(), term, ask) },
	}
	c.Flags().BoolVar(&ask, "queries", ask, "with --stage: send queries to measure the latency of a worker and of a function; --queries=false sends none")
	return term.ServerCommand(c)
}

// finding is what a check found: nothing wrong, something to correct, or a fault.
type finding = checkup.Finding

func ok(check, format string, args ...any) finding {
	return finding{Check: check, Level: checkup.OK, Found: fmt.Sprintf(format, args...)}
}

func warning(check, do, format string, args ...any) finding {
	return finding{Check: check, Level: checkup.Warning, Found: fmt.Sprintf(format, args...), Do: do}
}

func fault(check, do, format string, args ...any) finding {
	return finding{Check: check, Level: checkup.Fault, Found: fmt.Sprintf(format, args...), Do: do}
}

func runDoctor(ctx context.Context, term *cli.Terminal, ask bool) error {
	cl, err := term.Connect(ctx, client.Config{Attempts: 1})
	if err != nil {
		return err
	}
	s, err := cl.Status(ctx)
	var found []finding
	switch gone := (*client.Unreachable)(nil); {
	case errors.As(err, &gone):
		found = append([]finding{fault("server", "start a server with `make run` or `paragon up`, or name another with --endpoint or --stage", "%v", gone)}, checkMachine()...)
	case err != nil:
		return err
	default:
		found = append([]finding{ok("server", "answers at %s, and accepts this caller", cl.Endpoint())}, checkStage(s)...)
		if stage, _ := term.Place(); stage != "" {
			found = append(found, checkAccount(ctx, term, stage, asker{cl, term.Now, ask})...)
		}
	}
	return printFindings(term, found)
}

func printFindings(term *cli.Terminal, found []finding) error {
	faults, style := 0, term.Style()
	for _, f := range found {
		if f.Level == checkup.Fault {
			faults++
		}
		if term.JSON {
			term.PrintJSON(f)
			continue
		}
		term.Printf("%s %-13s %s\n", levelIn(style, f.Level), f.Check, cli.OneLine(f.Found))
		if f.Do != "" {
			term.Printf("%-8s %-13s %s\n", "", "", cli.OneLine(f.Do))
		}
	}
	if faults > 0 {
		return fmt.Errorf("%d of %d checks failed", faults, len(found))
	}
	return nil
}

// levelIn is the column of a finding's level.
func levelIn(style cli.Style, level checkup.Level) string {
	text := fmt.Sprintf("%-8s", level)
	switch level {
	case checkup.Fault:
		return style.Bad(text)
	case checkup.Warning:
		return style.Warn(text)
	case checkup.OK:
		return style.Good(text)
	}
	return text // to be checked by hand
}

// checkStage checks what the status says.
func checkStage(s api.Status) []finding {
	out := []finding{checkVersion(s), checkStore(s)}
	out = append(out, checkPools(s)...)
	out = append(out, checkModels(s)...)
	out = append(out, checkQueues(s)...)
	out = append(out, checkBounds(s)...)
	for _, f := range s.SettingsFaults {
		out = append(out, fault("settings", "change the setting with `paragon tune set`", "%s", f))
	}
	for _, w := range s.Profiles {
		out = append(out, warning("profiles", "measure the model again with `paragon profile`", "%s", w.Text))
	}
	return out
}

func checkVersion(s api.Status) finding {
	switch server := s.Versions["paragon"]; server {
	case "", machine.Version:
		return ok("version", "%s", machine.Version)
	default:
		return warning("version", "use the command line of the server's version", "the server has version %s, this command line version %s", server, machine.Version)
	}
}

func checkStore(s api.Status) finding {
	if s.StoreFault != "" {
		return fault("store", "free disk space, repair the disk, put the missing file back, or restart Paragon; until then no query is stored", "cannot be written: %s", s.StoreFault)
	}
	return ok("store", "can be written")
}

func checkPools(s api.Status) (out []finding) {
	for _, p := range s.Pools {
		wanted, known := s.Desired[p.Name]
		switch {
		case known && wanted == 0 && p.Ready+p.Booting == 0 && s.Fleet == settings.FleetFixed:
			out = append(out, warning("workers", "`paragon tune set fleet moving` lets the controller start workers; until then, queries that cannot overflow to functions are refused", "pool %s: no worker, and the setting fleet is fixed", p.Name))
		case p.Ready == 0 && wanted > 0:
			out = append(out, warning("workers", "`paragon decisions` shows whether launches fail; until a worker is ready, strict queries run on functions", "pool %s: workers wanted: %d, ready: 0, booting: %d%s", p.Name, wanted, p.Booting, stuck(p)))
		case known && p.Ready+p.Booting < wanted:
			out = append(out, warning("workers", "`paragon decisions` shows whether launches fail", "pool %s: workers wanted: %d, ready: %d, booting: %d%s", p.Name, wanted, p.Ready, p.Booting, stuck(p)))
		default:
			out = append(out, ok("workers", "pool %s: workers ready: %d, runners busy: %d of %d", p.Name, p.Ready, p.Busy, p.Runners))
		}
	}
	if e := s.WorkersEnded; e != nil {
		out = append(out, warning("workers", "`paragon logs --level warn` prints when each worker ended, and `paragon list --state failed` prints queries that failed; the controller replaces the workers", "%s", endedLine(e)))
	}
	return out
}

// checkModels names the models that get no queries, and those whose runs fail.
func checkModels(s api.Status) (out []finding) {
	for _, w := range s.Withheld {
		out = append(out, fault("models", "`paragon logs --level error` prints more; `paragon model remove` removes a model that you added", "model %s gets no queries: %s", w.Model, w.Why))
	}
	for _, b := range s.Broken {
		out = append(out, warning("models", "`paragon logs --level error` prints more; until that time, other workers and functions run the model's queries",
			"model %s fails on %s and gets no queries there until %s: %s", b.Model, failsOn(b), b.Until.Local().Format(time.TimeOnly), b.Why))
	}
	if len(out) == 0 {
		return []finding{ok("models", "every model gets queries, and no model fails at present")}
	}
	return out
}

// deadLetters is the queue of queries that could not be run.
const deadLetters = string(platform.DeadLetters)

// oldMS is from when on a waiting message is worth a warning.
const oldMS = 60_000

func checkQueues(s api.Status) (out []finding) {
	for _, name := range slices.Sorted(maps.Keys(s.Queues)) {
		q := s.Queues[name]
		switch {
		case name == deadLetters && q.Visible > 0:
			out = append(out, fault("queues", "`paragon redrive --dry-run` prints the reasons, `paragon redrive` submits the queries again", "dead letters: %d", q.Visible))
		case name != deadLetters && q.OldestMS > oldMS:
			out = append(out, warning("queues", "`paragon status` shows whether workers are ready", "queue %s: the oldest message has waited %s", name, cli.Milliseconds(q.OldestMS)))
		}
	}
	if len(out) == 0 {
		return []finding{ok("queues", "no message has waited for a minute, and there are no dead letters")}
	}
	return out
}

func checkBounds(s api.Status) (out []finding) {
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		c := s.Classes[class]
		switch {
		case c.Attainment == nil:
			out = append(out, ok("bounds", "no %s query ended in the last hour", class))
		case *c.Attainment < tally.ObjectivePercent:
			advice := "`paragon history` shows when and for which model bounds were missed; `paragon decisions --moves` shows changes of the fleet"
			if c.Hour.Failed > 0 {
				advice = fmt.Sprintf("%d of these queries failed, and a failed query counts as missed: `paragon list --state failed` prints why; %s", c.Hour.Failed, advice)
			}
			out = append(out, warning("bounds", advice, "%.1f %% of %d %s queries kept their bound in the last hour", *c.Attainment, c.Recent, class))
		default:
			out = append(out, ok("bounds", "%.1f %% of %d %s queries kept their bound in the last hour", *c.Attainment, c.Recent, class))
		}
	}
	if text := refusedLine(s); text != "" {
		out = append(out, warning("refused", "`paragon history` shows when queries were refused, and `paragon usage` whose queries; the settings max_workers, max_overflow_concurrency and hourly_budget_usd limit how many queries the stage can answer", "%s", text))
	}
	return out
}

// checkMachine checks what this machine needs to start a server.
func checkMachine() []finding {
	var out []finding
	if path, err := machine.Library(); err != nil {
		out = append(out, fault("library", "run `make deps`", "%v", err))
	} else {
		out = append(out, ok("library", "ONNX Runtime at %s", path))
	}
	out = append(out, checkBinaries())
	l, err := net.Listen("tcp", machine.Defaults().Addr)
	if err != nil {
		return append(out, warning("port", "stop the process that listens there, or use another address with --addr", "%s is taken: %v", machine.Defaults().Addr, err))
	}
	_ = l.Close() // nobody connected
	return append(out, ok("port", "%s is free", machine.Defaults().Addr))
}

func checkBinaries() finding {
	self, err := os.Executable()
	if err != nil {
		return fault("binaries", "", "%v", err)
	}
	for _, name := range []string{"worker", "inference"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(self), name)); err != nil {
			return fault("binaries", "run `make build`", "%v", err)
		}
	}
	return ok("binaries", "the programs worker and inference are in the folder of this program")
}
