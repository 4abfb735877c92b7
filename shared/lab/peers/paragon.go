package peers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/client"
)

// Paragon is `paragon up` on this machine, unpaced, with one worker.
type Paragon struct {
	Binary  string   // bin/paragon
	Args    []string // of `paragon up`, besides its own
	Scratch string
	// TensorPath and PicturePath are where tensors and pictures are sent, with
	// {model} for the model's name.
	TensorPath, PicturePath string
}

// The paths that tensors and pictures are sent to unless others are named.
const (
	TensorPath  = "/v2/models/{model}/infer"
	PicturePath = "/v1/queries?model={model}"
)

// inlineKB is what every stage takes inline; larger inputs need the setting.
const inlineKB = 200

// Name is "paragon".
func (Paragon) Name() string { return "paragon" }

// Start brings a stage up on a new folder and waits for its worker.
func (p Paragon) Start(ctx context.Context, w *Workload) (Running, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(p.Scratch, "data-")
	if err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	address := "127.0.0.1:" + ports[0]
	args := []string{"up", "--addr", address, "--data", data, "--unpaced", "--workers", "1", "--boot-seconds", "0",
		"--instance-type", w.Instance, "--catalogue", w.Catalogue}
	if w.Profiles != "" {
		args = append(args, "--profiles", w.Profiles)
	}
	if kb := w.largest()/1024 + 1; kb > inlineKB {
		args = append(args, "--set", "inline_limit_kb="+strconv.Itoa(kb))
	}
	s, err := launch(ctx, command{path: p.Binary, args: slices.Concat(args, p.Args)}, address, p.protocol(address, w), p.Scratch)
	if err != nil {
		return nil, err
	}
	if err := workerReady(ctx, "http://"+address); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// largest is the size of the largest input in bytes.
func (w *Workload) largest() (most int) {
	for _, in := range w.Inputs {
		most = max(most, len(in))
	}
	return most
}

// workerReady waits until the stage reports a worker that is ready.
func workerReady(ctx context.Context, endpoint string) error {
	c, err := client.New(client.Config{Endpoint: endpoint})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		st, err := c.Status(ctx)
		if err == nil && len(st.Pools) > 0 && st.Pools[0].Ready > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("no worker of paragon came up"), err)
		case <-poll.C:
		}
	}
}

// protocol asks for tensors by the Open Inference Protocol with binary data, and
// sends a picture as it is.
func (p Paragon) protocol(address string, w *Workload) protocol {
	expand := func(path string) string { return strings.ReplaceAll(path, "{model}", url.QueryEscape(w.Model.Name)) }
	out := protocol{read: readQuery}
	for _, body := range w.Inputs {
		if w.Kind != Tensor {
			out.requests = append(out.requests, request(address, expand(cmp.Or(p.PicturePath, PicturePath)),
				map[string]string{"Content-Type": w.Kind.ContentType(), "Prefer": "wait=20"}, body))
			continue
		}
		out.read = readInfer
		head := inferHead(w, len(body))
		out.requests = append(out.requests, request(address, expand(cmp.Or(p.TensorPath, TensorPath)),
			map[string]string{"Content-Type": "application/octet-stream", inferHeader: strconv.Itoa(len(head))}, head, body))
	}
	return out
}

// inferHeader says where the JSON ends and the binary data begins.
const inferHeader = "Inference-Header-Content-Length"

// inferHead is the JSON before a binary tensor: its class and all scores are asked for.
func inferHead(w *Workload, bytes int) []byte {
	in := w.Model.Input
	return fmt.Appendf(nil, `{"inputs":[{"name":"input","datatype":"FP32","shape":[1,%d,%d,%d],"parameters":{"binary_data_size":%d}}],`+
		`"outputs":[{"name":"scores","parameters":{"binary_data":true}},{"name":"index"}]}`, in.Channels, in.Height, in.Width, bytes)
}

// readInfer reads the answer of the protocol.
func readInfer(h http.Header, body []byte) (Answer, error) {
	n, err := strconv.Atoi(h.Get(inferHeader))
	if err != nil || n < 0 || n > len(body) {
		return Answer{}, fmt.Errorf("%s is %q for %d bytes", inferHeader, h.Get(inferHeader), len(body))
	}
	var head struct {
		Outputs []struct {
			Name string
			Data []int
		}
	}
	if err := json.Unmarshal(body[:n], &head); err != nil {
		return Answer{}, fmt.Errorf("read the answer: %w", err)
	}
	a := best(numbers(body[n:]))
	for _, out := range head.Outputs {
		if out.Name == "index" && len(out.Data) == 1 {
			a.Index = out.Data[0]
		}
	}
	return a, nil
}

// readQuery reads a finished query: its class, and scores as numbers or as the
// best classes with theirs.
func readQuery(_ http.Header, body []byte) (Answer, error) {
	var q struct {
		Result *struct{ Top []Answer }
	}
	if err := json.Unmarshal(body, &q); err != nil || q.Result == nil || len(q.Result.Top) == 0 {
		return Answer{}, errors.Join(fmt.Errorf("no best classes in %.200s", body), err)
	}
	return q.Result.Top[0], nil
}

// Absolute makes the paths absolute: servers have working folders of their own.
func Absolute(paths ...*string) error {
	for _, p := range paths {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("find %s: %w", *p, err)
		}
		*p = abs
	}
	return nil
}
