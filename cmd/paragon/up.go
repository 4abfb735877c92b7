package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	debugging "github.com/paragon-serving/paragon/shared/telemetry/debug"
)

const upLong = `Bring the whole of Paragon up on this machine: the API and the dispatcher in this
process, workers and inference functions as child processes, all state in one
SQLite file in the data folder. --grpc-addr serves the Open Inference Protocol over
gRPC too. Nothing listens beyond loopback, unless --listen says where other machines
reach the API: each request then needs a token, and the connection TLS.

Runners really infer, and then wait until the service time of the profile that they
represent is over, so that a small machine shows a full fleet; --unpaced leaves the
wait out.

--demo shows what it does within a minute: the workers are ready before it says so,
a short load with a burst overflows to functions while more workers boot, and the bill
is compared with those of other schemes.

One line on stdout is printed when it is ready to answer; it ends with the URL. An
interrupt drains and stops it. After a kill it continues where it stopped when it
is started again on the same folder.`

const upExample = `  paragon up
  paragon up --addr 127.0.0.1:9000 --data /var/tmp/paragon --workers 4
  paragon up --scheme paragon --workers 1
  paragon up --demo
  paragon up --unpaced --set max_overflow_concurrency=16
  paragon up --listen 0.0.0.0:8443 --tokens tokens --tls-cert cert.pem --tls-key key.pem`

// newUpCommand is `paragon up`.
func newUpCommand(term *cli.Terminal) *cobra.Command {
	cfg, bootSeconds, unpaced, verbose, demo := machine.Defaults(), 0.0, false, false, false
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
			if demo {
				if err := prepareDemo(&cfg, c.Flags().Changed); err != nil {
					return err
				}
			}
			return runUp(c.Context(), term, cfg, demo)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Addr, "addr", cfg.Addr, "loopback address of the API; port 0 takes a free one")
	f.StringVar(&cfg.GRPCAddr, "grpc-addr", "", "loopback address of the Open Inference Protocol's gRPC service, such as 127.0.0.1:8001; port 0 takes a free one (default: not served)")
	f.StringVar(&cfg.Remote.Listen, "listen", "", "address at which other machines reach the API, such as 0.0.0.0:8443; needs --tokens and a certificate or proxies (default: none does)")
	f.StringVar(&cfg.Remote.Tokens, "tokens", "", "file of those who may ask from other machines, for your user alone (chmod 600): a line each with owner, role (caller or operator) and token")
	f.StringVar(&cfg.Remote.CertFile, "tls-cert", "", "certificate of --listen in PEM, with those that signed it; read again when it changes")
	f.StringVar(&cfg.Remote.KeyFile, "tls-key", "", "key of --tls-cert in PEM")
	f.StringSliceVar(&cfg.Remote.Proxies, "proxies", nil, "networks of the proxies that end TLS in front of --listen, such as 10.0.0.0/8: nobody else may connect then")
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
	f.BoolVar(&cfg.CallbackLoopback, "callbacks-to-loopback", false, "let callbacks go to this machine, too, also by http: to try them (the setting callback_hosts still names the hosts)")
	f.StringToStringVar(&cfg.Set, "set", nil, "settings to store first, as name=value")
	f.BoolVar(&demo, "demo", false, "show the stage at work: models paced as larger ones, a fleet that moves, and a load of 46 seconds")
	f.StringVar(&cfg.DebugAddr, "debug-addr", term.Env(debugging.Env), "loopback address of Go's profiles of this process; those of its children are where the log says")
	f.BoolVarP(&verbose, "verbose", "v", false, "log what happens, not only warnings and errors")
	return c
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// gcPercent lets the garbage grow to four times what lives. Little lives here,
// so that it costs some 15 MB and saves a sixth of the processor time a query.
const gcPercent = 400

// runUp runs until ctx ends.
func runUp(ctx context.Context, term *cli.Terminal, cfg machine.Config, demo bool) error {
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
	if demo {
		if err := awaitWorkers(ctx, term, m.URL()); err != nil {
			return stopped(ctx, err)
		}
	}
	if addr := m.GRPCAddr(); addr != "" {
		fmt.Fprintf(term.Err, "gRPC, as the Open Inference Protocol has it, is at %s\n", addr)
	}
	if url := m.RemoteURL(); url != "" {
		fmt.Fprintf(term.Err, "other machines reach it at %s, each with its token\n", url)
	}
	term.Printf("paragon is ready after %s at %s\n", cli.Milliseconds(query.Milliseconds(term.Now().Sub(started))), m.URL())
	switch {
	case demo:
		if err := demonstrate(ctx, term, m); err != nil {
			return stopped(ctx, err)
		}
	case cfg.Workers > 0 && cfg.Boot > 0:
		fmt.Fprintf(term.Err, "Workers that boot now: %d, each for %v. Until one is ready, strict queries run on functions.\n", cfg.Workers, cfg.Boot)
	}
	<-ctx.Done()
	fmt.Fprintln(term.Err, "stopping: workers finish or release what they hold")
	return nil
}

// stopped is an error that counts only while nobody has asked for an end.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// awaitWorkers waits until every worker that was asked for is ready.
func awaitWorkers(ctx context.Context, term *cli.Terminal, url string) error {
	cl, err := client.New(client.Config{Endpoint: url})
	if err != nil {
		return err
	}
	for {
		s, err := cl.Status(ctx)
		if err != nil {
			return err
		}
		ready, wanted := 0, 0
		for _, p := range s.Pools {
			ready, wanted = ready+p.Ready, wanted+s.Desired[p.Name]
		}
		if ready >= wanted {
			return nil
		}
		if err := term.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
