package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	debugging "github.com/paragon-serving/paragon/shared/telemetry/debug"
)

const upLong = `Start the whole of Paragon on this machine. The API and the controller run in this process, and the
workers and inference functions run in child processes. All state is in the data folder.

By default, the server listens on loopback addresses only. --listen adds an address for other
machines. On this address, requests need a token, and either the server or a proxy in front of it
must use TLS.

A worker runs the real model, and then waits until the service time in the model's profile has
passed. A small machine can therefore imitate many workers, each with the speed of an EC2
instance. --unpaced turns the waiting off.

--demo waits until the workers are ready, and then sends queries for about a minute. In a burst,
queries overflow (functions run them because no worker is free in time) while more workers boot.
Then --demo prints the cost, and what other schemes would have cost. A scheme is the rule by which
the controller changes the number of workers.

When the server is ready, it prints one line on stdout, which ends with the URL. On an interrupt,
the server finishes its open work and stops. After a crash, start the server again on the same data
folder. It then continues with the queries that were not answered.`

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
		Use: "up", Short: "Start a server with workers and functions on this machine", Long: upLong, Example: upExample,
		Args: func(c *cobra.Command, given []string) error {
			if len(given) > 0 {
				return cli.Usagef("paragon up takes flags only, not %q; `paragon up --help` lists the flags", given[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if !(bootSeconds >= 0 && bootSeconds <= 3600) {
				return cli.Usagef("--boot-seconds must be within 0 to 3600")
			}
			cfg.Boot, cfg.BootGiven = seconds(bootSeconds), c.Flags().Changed("boot-seconds")
			log := newTerminalLog(verbose || cfg.DebugAddr != "")
			cfg.Paced, cfg.Log = !unpaced, term.LoggerAt(&log.level)
			stop, err := debugging.Serve(cfg.DebugAddr, cfg.Log)
			if err != nil {
				return cli.Usagef("--debug-addr: %v", err)
			}
			defer stop()
			if demo {
				if err := prepareDemo(&cfg, c.Flags().Changed); err != nil {
					return err
				}
				log.onlyErrors()
			}
			return runUp(c.Context(), term, cfg, demo, log)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Addr, "addr", cfg.Addr, "loopback address of the API; port 0 takes a free port")
	f.StringVar(&cfg.GRPCAddr, "grpc-addr", "", "loopback address of the Open Inference Protocol's gRPC service, such as 127.0.0.1:8001; port 0 takes a free port (default: none)")
	f.StringVar(&cfg.Remote.Listen, "listen", "", "address at which other machines reach the API, such as 0.0.0.0:8443; needs --tokens, and either --tls-cert or --proxies (default: none)")
	f.StringVar(&cfg.Remote.Tokens, "tokens", "", "file of callers on other machines: an owner, a role (caller or operator) and a token on each line; only your user may have access to the file (chmod 600)")
	f.StringVar(&cfg.Remote.CertFile, "tls-cert", "", "PEM file with the TLS certificate of --listen and its chain; read again when it changes")
	f.StringVar(&cfg.Remote.KeyFile, "tls-key", "", "PEM file with the private key of --tls-cert")
	f.StringSliceVar(&cfg.Remote.Proxies, "proxies", nil, "networks of the proxies that terminate TLS in front of --listen, such as 10.0.0.0/8; others cannot connect to --listen")
	f.StringVar(&cfg.DataDir, "data", cfg.DataDir, "folder for all state, which a later start on the same folder reads")
	f.IntVar(&cfg.Workers, "workers", cfg.Workers, "number of workers; with --scheme: at the start")
	f.StringVar(&cfg.Scheme, "scheme", "", "scheme (rule by which the controller changes the number of workers): "+strings.Join(procurement.Names(), ", ")+" (default: no scheme changes the number of workers, unless the data folder has the setting fleet=moving)")
	f.IntVar(&cfg.GroupMax, "group-max", 0, "largest number of workers that the simulated Auto Scaling group allows (default 64)")
	f.StringVar(&cfg.InstanceType, "instance-type", cfg.InstanceType, "instance type that each worker represents; a worker has one runner for each vCPU")
	f.Float64Var(&bootSeconds, "boot-seconds", cfg.Boot.Seconds(), "seconds from the launch of a worker until it is ready (on EC2: 60 to 120); if a scheme sets the number of workers, also stored in the setting vm_boot_seconds")
	f.BoolVar(&unpaced, "unpaced", false, "answer at full speed, without waiting until the service time in the profile has passed")
	cli.ProfilesFlag(f, &cfg.ProfilesDir, cli.AndNetworks)
	f.StringVar(&cfg.Catalogue, "catalogue", cfg.Catalogue, "catalogue whose models are served")
	f.IntVar(&cfg.MaxFunctions, "max-functions", cfg.MaxFunctions, "largest number of concurrent environments of inference functions")
	f.DurationVar(&cfg.KeepAlive, "keep-alive", cfg.KeepAlive, "how long an idle function environment stays warm")
	f.StringVar(&cfg.Traces, "traces", "", "file for OpenTelemetry spans, one JSON object per line (default: sent to OTEL_EXPORTER_OTLP_ENDPOINT, if set)")
	f.BoolVar(&cfg.CallbackLoopback, "callbacks-to-loopback", false, "for tests: also send callbacks to receivers on this machine, and over plain HTTP; callback_hosts must still name them")
	f.StringToStringVar(&cfg.Set, "set", nil, "settings to store at the start, as name=value")
	f.BoolVar(&demo, "demo", false, "run a demonstration with about a minute of queries; the models are slowed down to imitate larger models")
	f.StringVar(&cfg.DebugAddr, "debug-addr", term.Env(debugging.Env), "loopback address of this process's pprof pages (the log has the addresses of child processes)")
	term.CompleteValues(c, "scheme", procurement.Names()...)
	term.CompleteFlag(c, "catalogue", completeCatalogue(term, &cfg.ProfilesDir, nil, catalogueNames))
	f.BoolVarP(&verbose, "verbose", "v", false, "log at level info, not only warnings and errors")
	return c
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// gcPercent lets the garbage grow to four times what lives. Little lives here,
// so that it costs some 15 MB and saves a sixth of the processor time a query.
const gcPercent = 400

// terminalLog is what of the log is printed on the terminal too.
type terminalLog struct {
	level slog.LevelVar
	usual slog.Level
}

func newTerminalLog(verbose bool) *terminalLog {
	l := &terminalLog{usual: cli.LogLevel(verbose)}
	l.all()
	return l
}

// onlyErrors keeps warnings out of the table of a demonstration, until all is called. With
// --verbose everything is printed.
func (l *terminalLog) onlyErrors() {
	if l.usual >= slog.LevelWarn {
		l.level.Set(slog.LevelError)
	}
}

func (l *terminalLog) all() { l.level.Set(l.usual) }

// runUp runs until ctx ends.
func runUp(ctx context.Context, term *cli.Terminal, cfg machine.Config, demo bool, log *terminalLog) error {
	if term.Env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	started := term.Now()
	m, err := machine.Start(ctx, cfg)
	if mistake, ok := errors.AsType[*machine.Mistake](err); ok {
		return cli.Usagef("%v; `paragon up --help` says more", mistake)
	}
	if err != nil {
		return stopped(ctx, err)
	}
	defer m.Close()
	printReplaced(term, m.Replaced(), cfg.DataDir, m.Settings())
	if demo {
		if err := awaitWorkers(ctx, term, m.URL()); err != nil {
			return stopped(ctx, err)
		}
	}
	if addr := m.GRPCAddr(); addr != "" {
		fmt.Fprintf(term.Err, "The gRPC service of the Open Inference Protocol is at %s\n", addr)
	}
	if url := m.RemoteURL(); url != "" {
		fmt.Fprintf(term.Err, "Other machines reach the API at %s, with a token of the --tokens file\n", url)
	}
	term.Printf("paragon is ready after %s at %s\n", cli.Milliseconds(query.Milliseconds(term.Now().Sub(started))), m.URL())
	switch {
	case demo:
		if err := demonstrate(ctx, term, m, cfg.ProfilesDir == filepath.Join(cfg.DataDir, demoProfiles)); err != nil {
			return stopped(ctx, err)
		}
		log.all()
	case cfg.Workers > 0 && cfg.Boot > 0:
		fmt.Fprintf(term.Err, "Workers that boot: %d, for %s. Until a worker is ready, strict queries run on functions.\n", cfg.Workers, cli.Milliseconds(query.Milliseconds(cfg.Boot)))
	}
	if set := m.Settings(); cfg.Scheme == "" && set.Fleet == settings.FleetMoving {
		fmt.Fprintf(term.Err, "The scheme %s changes the number of workers, by the settings in this data folder; `paragon tune set fleet fixed` stops that.\n", set.Scheme)
		if boot := cfg.PlannedBootSeconds(); boot != set.VMBootSeconds && cfg.Set["vm_boot_seconds"] == "" {
			fmt.Fprintf(term.Err, "The scheme plans with a boot time of %g s (setting vm_boot_seconds), but workers boot for %g s; --boot-seconds changes both.\n", set.VMBootSeconds, boot)
		}
	}
	<-ctx.Done()
	fmt.Fprintln(term.Err, "Stopping: workers finish their queries or return them to the queues.")
	return nil
}

// printReplaced prints the settings of a data folder that a start changed, as flags say.
func printReplaced(term *cli.Terminal, old map[string]string, folder string, now settings.Settings) {
	values := now.Values()
	for _, name := range slices.Sorted(maps.Keys(old)) {
		fmt.Fprintf(term.Err, "The flags of this start changed the setting %s of %s from %s to %s\n", name, folder, old[name], values[name])
	}
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
