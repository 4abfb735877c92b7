package peers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Python is a server in Python: its code and its pinned requirements are in
// servers/NAME, its environment is one that `make peers-venvs` has made.
type Python struct {
	Peer    string
	Servers string // the folder servers
	Venvs   string // holds an environment a peer
	Scratch string // for its files
	Cores   int
}

// PythonPeers are the peers that are known, in the order of a round.
var PythonPeers = []string{"fastapi", "litserve", "bentoml", "mlserver", "ray"}

// Name is the peer's.
func (p Python) Name() string { return p.Peer }

// Start runs its server for a workload.
func (p Python) Start(ctx context.Context, w *Workload) (Running, error) {
	if err := p.installed(); err != nil {
		return nil, err
	}
	about, err := p.describe(w)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	c, err := p.command(w, ports)
	if err != nil {
		return nil, err
	}
	c.dir = filepath.Join(p.Servers, p.Peer)
	c.env = append(c.env, "PEER_NETWORK="+about, "PYTHONPATH="+p.Servers, "PYTHONDONTWRITEBYTECODE=1",
		"HOME="+p.Scratch, "BENTOML_DO_NOT_TRACK=True", "RAY_USAGE_STATS_ENABLED=0", "RAY_AUTH_MODE=disabled")
	address := "127.0.0.1:" + ports[0]
	return launch(ctx, c, address, peerProtocol(address, w), p.Scratch)
}

// installed says why a peer's environment is not there.
func (p Python) installed() error {
	dir := filepath.Join(p.Venvs, p.Peer)
	if _, err := os.Stat(filepath.Join(dir, ".made")); err == nil {
		return nil
	}
	raw, err := os.ReadFile(filepath.Join(dir, "install.log"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("is not installed: run `make peers-venvs`")
	}
	if err != nil {
		return fmt.Errorf("read why it was not installed: %w", err)
	}
	return fmt.Errorf("could not be installed: %s", cmp.Or(lastLines(string(raw)), "pip said nothing"))
}

// describe writes what network.py reads.
func (p Python) describe(w *Workload) (string, error) {
	in := w.Model.Input
	raw, err := json.Marshal(map[string]any{
		"file": w.ONNX, "labels": w.Labels, "channels": in.Channels, "height": in.Height, "width": in.Width,
		"resize": cmp.Or(in.Resize, profile.Exact), "shorter_side_px": in.ShorterSidePX,
	})
	if err != nil {
		return "", fmt.Errorf("describe the network: %w", err)
	}
	file := filepath.Join(p.Scratch, "network.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return "", fmt.Errorf("describe the network: %w", err)
	}
	return file, nil
}

// command is how a peer is started, by its own documentation.
func (p Python) command(w *Workload, ports []string) (command, error) {
	venv, err := filepath.Abs(filepath.Join(p.Venvs, p.Peer, "bin"))
	if err != nil {
		return command{}, fmt.Errorf("find the environment: %w", err)
	}
	bin := func(name string) string { return filepath.Join(venv, name) }
	kind := "picture"
	if w.Kind == Tensor {
		kind = "tensor"
	}
	workers := strconv.Itoa(p.Cores)
	switch p.Peer {
	case "fastapi":
		return command{path: bin("uvicorn"), args: []string{"server:app", "--host", "127.0.0.1", "--port", ports[0],
			"--workers", workers, "--no-access-log", "--log-level", "warning"}}, nil
	case "bentoml":
		return command{path: bin("bentoml"), args: []string{"serve", "server:Peer", "--host", "127.0.0.1", "--port", ports[0]}}, nil
	case "mlserver":
		return command{path: bin("mlserver"), args: []string{"start", "."}, env: []string{
			"MLSERVER_HOST=127.0.0.1", "MLSERVER_HTTP_PORT=" + ports[0], "MLSERVER_GRPC_PORT=" + ports[1],
			"MLSERVER_METRICS_PORT=" + ports[2], "MLSERVER_PARALLEL_WORKERS=" + workers, "MLSERVER_DEBUG=false"}}, nil
	case "litserve":
		return command{path: bin("python"), args: []string{"server.py", kind, ports[0]}}, nil
	case "ray":
		return command{path: bin("python"), args: []string{"server.py", ports[0]}}, nil
	}
	return command{}, fmt.Errorf("there is no peer %q", p.Peer)
}
