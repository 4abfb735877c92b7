package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/shared/lab/peers"
)

const benchPeersLong = `Compare Paragon with other model servers on this machine. Every server gets the same
network, inputs, client and cores. In each round, the command measures all servers, one at a time.
docs/lab/peers.md describes the method.

First, the command compares the answers of a server with those of the bare loop, a process that
calls ONNX Runtime in a loop. Then it measures the server with callers that wait for their
answers. Finally, it sends queries at the common rate: half of the highest throughput that FastAPI
reached at the start of the run.

A workload is MODEL:INPUT. The input is tensor, jpeg or png. The model is one of these:
  - the name of a shipped model, or of a model of the folder --pool
  - "largest": the shipped model with the longest service time
  - "smallest": the shipped model with the shortest service time

The servers in Python need virtual environments, which "make peers-venvs" creates. If a server is
not installed, does not start or answers wrongly, the report has its error.

The full run takes one to two hours. With --rounds 3 --seconds 1 it takes a quarter of an
hour. To continue an interrupted run, give --keep from the start, and repeat the command.

--quick measures the first workload in three short rounds, with 8 connections, on
the bare loop, FastAPI and Paragon. The exit status is 1 if Paragon's median
throughput is below FastAPI's.`

const benchPeersExample = `  paragon-lab bench-peers --markdown docs/lab/peers.md
  paragon-lab bench-peers --peers bare,fastapi,paragon --models efficientnet-lite0:jpeg --rounds 3
  paragon-lab bench-peers --rounds 3 --seconds 1 --keep data/peers.json
  paragon-lab bench-peers --quick`

// benchFlags are what `bench-peers` was given.
type benchFlags struct {
	peers, models             []string
	connections               []int
	rounds                    int
	seconds                   float64
	pool, servers, venvs      string
	paragon                   string
	upArgs                    []string
	tensorPath, picturePath   string
	markdown, keep            string
	json, quick, noCommonRate bool
}

func newBenchPeersCommand() *cobra.Command {
	f := &benchFlags{}
	c := &cobra.Command{
		Use: "bench-peers", Short: "Compare Paragon with other model servers",
		Long: benchPeersLong, Example: benchPeersExample, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.hurry(c.Flags().Changed)
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.peers, "peers", slices.Concat([]string{"bare", "paragon"}, peers.PythonPeers), "servers to measure, in this order in each round")
	fs.StringSliceVar(&f.models, "models", []string{"efficientnet-lite0:tensor", "efficientnet-lite0:jpeg", "largest:png", "smallest:png"}, "workloads, as MODEL:INPUT")
	fs.IntSliceVar(&f.connections, "connections", []int{1, 2, 8, 32}, "numbers of concurrent callers to measure, in ascending order")
	fs.IntVar(&f.rounds, "rounds", 5, "number of rounds; in each round, the command measures all servers, one after the other")
	fs.Float64Var(&f.seconds, "seconds", 3, "seconds that each measurement of throughput takes; a measurement at the common rate takes twice as long")
	fs.BoolVar(&f.noCommonRate, "no-common-rate", false, "do not measure the latency at the common rate")
	fs.StringVar(&f.pool, "pool", "pools/imagenet", "folder that \"make pool-imagenet\" created")
	fs.StringVar(&f.servers, "servers", "shared/lab/peers/servers", "folder with the code of the other servers")
	fs.StringVar(&f.venvs, "venvs", ".venv-peers", "folder that \"make peers-venvs\" created")
	fs.StringVar(&f.paragon, "paragon", "bin/paragon", "path of the paragon binary to measure")
	fs.StringSliceVar(&f.upArgs, "up-args", nil, "additional arguments for paragon up, which the command measures")
	fs.StringVar(&f.tensorPath, "tensor-path", peers.TensorPath, "path of the request that sends a tensor to Paragon, in the Open Inference Protocol")
	fs.StringVar(&f.picturePath, "picture-path", peers.PicturePath, "path of the request that sends a picture to Paragon")
	fs.StringVar(&f.markdown, "markdown", "", "Markdown file in which the command replaces the tables, below the line that marks their place")
	fs.StringVar(&f.keep, "keep", "", "file in which the command stores the results after each server; an interrupted run continues from this file")
	fs.BoolVar(&f.json, "json", false, "print every measurement as JSON instead of tables")
	fs.BoolVar(&f.quick, "quick", false, "measure three short rounds of the first workload, and fail if Paragon is slower than FastAPI")
	return c
}

// hurry makes the measurement of --quick, but for what was given besides.
func (f *benchFlags) hurry(given func(flag string) bool) {
	if !f.quick {
		return
	}
	if !given("peers") {
		f.peers = []string{"bare", "fastapi", "paragon"}
	}
	if !given("models") {
		f.models = f.models[:1]
	}
	if !given("connections") {
		f.connections = []int{8}
	}
	if !given("rounds") {
		f.rounds = 3
	}
	if !given("seconds") {
		f.seconds = 2
	}
	f.noCommonRate = true
}

// gcPercent keeps the client's garbage collector off the cores that it shares.
const gcPercent = 400

func (f *benchFlags) run(ctx context.Context, out, progress io.Writer) error {
	debug.SetGCPercent(gcPercent)
	scratch, err := os.MkdirTemp("", "bench-peers-")
	if err != nil {
		return fmt.Errorf("make a folder for the servers' files: %w", err)
	}
	defer os.RemoveAll(scratch)
	c, err := f.config(scratch, progress)
	if err != nil {
		return err
	}
	r, err := peers.Run(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(f.print(out, r), f.verdict(r))
}

// config finds what was named.
func (f *benchFlags) config(scratch string, progress io.Writer) (peers.Config, error) {
	c := peers.Config{
		Reference: "fastapi", Connections: f.connections, Rounds: f.rounds, Seconds: f.seconds,
		AtRate: !f.noCommonRate, Keep: f.keep, Log: progress, Now: time.Now, Bare: peers.Bare{Runners: runtime.NumCPU()},
	}
	if !slices.Contains(f.peers, c.Reference) && len(f.peers) > 0 {
		c.Reference = f.peers[0]
	}
	if err := peers.Absolute(&f.servers, &f.venvs, &f.pool, &f.paragon); err != nil {
		return c, err
	}
	for _, name := range f.peers {
		s, err := f.server(name, scratch)
		if err != nil {
			return c, err
		}
		c.Servers = append(c.Servers, s)
	}
	for _, name := range f.models {
		w, err := f.workload(name, scratch)
		if err != nil {
			return c, err
		}
		c.Workloads = append(c.Workloads, w)
	}
	return c, c.Check()
}

// server returns a peer by name.
func (f *benchFlags) server(name, scratch string) (peers.Server, error) {
	switch {
	case name == "bare":
		return peers.Bare{Runners: runtime.NumCPU()}, nil
	case name == "paragon":
		return peers.Paragon{Binary: f.paragon, Args: f.upArgs, Scratch: scratch, TensorPath: f.tensorPath, PicturePath: f.picturePath}, nil
	case slices.Contains(peers.PythonPeers, name):
		return peers.Python{Peer: name, Servers: f.servers, Venvs: f.venvs, Scratch: scratch, Cores: runtime.NumCPU()}, nil
	}
	return nil, fmt.Errorf("peers: there is no %q, only bare, paragon, %s", name, strings.Join(peers.PythonPeers, ", "))
}

// poolModel begins the names of the models of the pool.
const poolModel = "efficientnet-"

// workload loads a workload by name.
func (f *benchFlags) workload(name, scratch string) (*peers.Workload, error) {
	model, kind, _ := strings.Cut(name, ":")
	s := peers.Source{Model: model, Kind: peers.Kind(kind), Catalogue: "fashion"}
	if strings.HasPrefix(model, poolModel) {
		s.Profiles, s.Catalogue, s.Pictures = f.pool, "imagenet", f.pool+"/pictures"
		if _, err := os.Stat(f.pool); err != nil {
			return nil, fmt.Errorf("models: the files of model %s do not exist yet; `make pool-imagenet` makes them: %w", model, err)
		}
	}
	return s.Load(scratch, runtime.NumCPU())
}

// print prints the report, and puts its tables into the page that was named.
func (f *benchFlags) print(out io.Writer, r *peers.Report) error {
	if f.markdown != "" {
		if err := r.WritePage(f.markdown); err != nil {
			return err
		}
	}
	if !f.json {
		_, err := io.WriteString(out, r.Markdown())
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// verdict holds a quick measurement to what is promised: Paragon is not slower
// than FastAPI.
func (f *benchFlags) verdict(r *peers.Report) error {
	if !f.quick || !slices.Contains(f.peers, "paragon") || !slices.Contains(f.peers, "fastapi") {
		return nil
	}
	w := &r.Workloads[0]
	for _, name := range []string{"paragon", "fastapi"} {
		if s := w.Server(name); s.Error != "" {
			return fmt.Errorf("%s could not be measured: %s", name, s.Error)
		}
	}
	got, _ := w.Ratio("paragon", "fastapi", f.connections[len(f.connections)-1])
	if got.Median < 1 {
		return fmt.Errorf("paragon's throughput is %.2f of FastAPI's, below 1.00", got.Median)
	}
	return nil
}
