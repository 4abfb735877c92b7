package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/internal/cli"
	"paragon/cmd/paragon/machine"
	"paragon/shared/core/procurement"
	debugging "paragon/shared/telemetry/debug"
)

const upLong = `Bring the whole of Paragon up on this machine: the API and the dispatcher in this
process, workers and inference functions as child processes, all state in one
SQLite file in the data folder. Nothing listens beyond loopback.

Runners really infer, and then wait until the service time of the profile that they
represent is over, so that a small machine shows a full fleet; --unpaced leaves the
wait out.

One line on stdout is printed when it is ready to answer; it ends with the URL. An
interrupt drains and stops it. After a kill it continues where it stopped when it
is started again on the same folder.`

const upExample = `  paragon up
  paragon up --addr 127.0.0.1:9000 --data /var/tmp/paragon --workers 4
  paragon up --scheme paragon --workers 1
  paragon up --unpaced --set max_overflow_concurrency=16`

// newUpCommand is `paragon up`.
func newUpCommand(term *cli.Terminal) *cobra.Command {
	cfg, bootSeconds, unpaced, verbose, sample := machine.Defaults(), 0.0, false, false, false
	c := &cobra.Command{
		Use: "up", Short: "Bring everything up on this machine", Long: upLong, Example: upExample,
		Args: func(c *cobra.Command, given []string) error {
			if len(given) > 0 {
				return cli.Usagef("up takes flags alone, and there is %q; `paragon up --help` lists them", given[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if !(bootSeconds >= 0 && bootSeconds <= 3600) {
				return cli.Usagef("--boot-seconds is from 0 to 3600")
			}
			cfg.Boot, cfg.Paced, cfg.Log = seconds(bootSeconds), !unpaced, term.Logger(verbose || cfg.DebugAddr != "")
			stop, err := debugging.Serve(cfg.DebugAddr, cfg.Log)
			if err != nil {
				return cli.Usagef("--debug-addr: %v", err)
			}
			defer stop()
			return runUp(c.Context(), term, cfg, sample)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Addr, "addr", cfg.Addr, "loopback address of the API; port 0 takes a free one")
	f.StringVar(&cfg.DataDir, "data", cfg.DataDir, "folder that holds everything that outlives the process")
	f.IntVar(&cfg.Workers, "workers", cfg.Workers, "how many workers; with --scheme, how many to begin with")
	f.StringVar(&cfg.Scheme, "scheme", "", "procurement scheme that moves the fleet: "+strings.Join(procurement.Names(), ", ")+" (default: the fleet is fixed)")
	f.IntVar(&cfg.GroupMax, "group-max", 0, "the most workers that the group allows (default 64)")
	f.StringVar(&cfg.InstanceType, "instance-type", cfg.InstanceType, "instance type that a worker represents; it has a runner per vCPU")
	f.Float64Var(&bootSeconds, "boot-seconds", cfg.Boot.Seconds(), "how long a worker takes to appear (a real VM: 60 to 120)")
	f.BoolVar(&unpaced, "unpaced", false, "do not hold runners to their profiles' service times")
	cli.ProfilesFlag(f, &cfg.ProfilesDir, cli.AndNetworks)
	f.StringVar(&cfg.Catalogue, "catalogue", cfg.Catalogue, "the catalogue whose models are served")
	f.IntVar(&cfg.MaxFunctions, "max-functions", cfg.MaxFunctions, "the most environments of inference functions")
	f.DurationVar(&cfg.KeepAlive, "keep-alive", cfg.KeepAlive, "how long an idle function environment stays warm")
	f.StringVar(&cfg.Traces, "traces", "", "file to add OpenTelemetry spans to, a line of JSON each (default: where OTEL_EXPORTER_OTLP_ENDPOINT says, if it is set)")
	f.StringToStringVar(&cfg.Set, "set", nil, "settings to store first, as name=value")
	f.BoolVar(&sample, "sample", false, "answer a first sample picture when it is ready")
	f.StringVar(&cfg.DebugAddr, "debug-addr", term.Env(debugging.Env), "loopback address of Go's profiles of this process; those of its children are where the log says")
	f.BoolVarP(&verbose, "verbose", "v", false, "log what happens, not only warnings and errors")
	return c
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// gcPercent lets the garbage grow to four times what lives. Little lives here,
// so that it costs some 15 MB and saves a sixth of the processor time a query.
const gcPercent = 400

// runUp runs until ctx ends.
func runUp(ctx context.Context, term *cli.Terminal, cfg machine.Config, sample bool) error {
	if term.Env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	started := term.Now()
	m, err := machine.Start(ctx, cfg)
	if mistake, ok := errors.AsType[*machine.Mistake](err); ok {
		return cli.Usagef("%v; `paragon up --help` says more", mistake)
	}
	if err != nil {
		return err
	}
	defer m.Close()
	term.Printf("paragon is ready after %d ms at %s\n", term.Now().Sub(started).Milliseconds(), m.URL())
	if sample {
		if err := answerSample(ctx, term, m); err != nil {
			return err
		}
	}
	<-ctx.Done()
	fmt.Fprintln(term.Err, "stopping: workers finish or release what they hold")
	return nil
}
