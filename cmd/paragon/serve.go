package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	zeros "github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

const serveLong = `Serve an ONNX file on this machine, for a first try: this is ` + "`paragon up`" + ` with
one worker at full speed, and ` + "`paragon model add`" + ` of the file, in one command. The command
prints an example request and serves until it is interrupted. The data folder keeps the model
for the next start.`

// newServeCommand is `paragon serve`.
func newServeCommand(term *cli.Terminal) *cobra.Command {
	f, cfg := &addFlags{}, machine.Defaults()
	cfg.Workers, cfg.Boot, cfg.Paced = 1, 0, false
	c := &cobra.Command{
		Use: "serve FILE.onnx", Short: "Serve an ONNX file on this machine", Long: serveLong,
		Example: "  paragon serve iris.onnx\n  paragon serve net.onnx --labels birds.txt --preprocess imagenet",
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) != 1 {
				return cli.Usagef("serve takes one ONNX file; `paragon serve --help` shows an example")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			cfg.Log = term.Logger(false)
			return runServe(c.Context(), term, cfg, f, args[0])
		},
	}
	f.define(term, c)
	c.Flags().StringVar(&cfg.Addr, "addr", cfg.Addr, "loopback address of the API; port 0 takes a free port")
	c.Flags().StringVar(&cfg.DataDir, "data", cfg.DataDir, "folder for all state, which a later start on the same folder reads")
	return c
}

// runServe serves a file until ctx ends.
func runServe(ctx context.Context, term *cli.Terminal, cfg machine.Config, f *addFlags, file string) error {
	if f.name == "" {
		f.name = modelName(file)
	}
	if f.task == "" {
		f.task = f.name
	}
	if f.share < 0 {
		f.share = 1 // another file of the name is the one to try
	}
	if err := checkFile(file, modelstore.MaxONNXBytes); err != nil {
		return cli.Mistake(err) // before anything is started
	}
	m, err := machine.Start(ctx, cfg)
	if mistake, ok := errors.AsType[*machine.Mistake](err); ok {
		return cli.Usagef("%v; `paragon serve --help` says more", mistake)
	}
	if err != nil {
		return stopped(ctx, err)
	}
	defer m.Close()
	cl, err := client.New(client.Config{Endpoint: m.URL(), HTTP: patientHTTP(), Attempts: 1, Operator: operator.InFolder(cfg.DataDir)})
	if err != nil {
		return err
	}
	if err := awaitWorkers(ctx, term, m.URL()); err != nil {
		return stopped(ctx, err)
	}
	added, err := addModel(ctx, term, cl, f, file)
	var p *client.Problem
	switch {
	case errors.As(err, &p) && p.Field == "name" && strings.Contains(p.Detail, "this file is"):
		term.Printf("Model %s was added before.\n", f.name)
	case err != nil:
		return stopped(ctx, err)
	default:
		printAdded(term, added)
		printExample(term, m.URL(), added)
	}
	term.Printf("paragon serves %s at %s; Ctrl-C stops it.\n", filepath.Base(file), m.URL())
	<-ctx.Done()
	return nil
}

// mostExample bounds an example's data, in bytes.
const mostExample = 400

// printExample prints a first request.
func printExample(term *cli.Terminal, url string, added api.AddedModel) {
	if added.Model.Takes() == profile.Picture {
		term.Printf("Try:\n  paragon submit --endpoint %s --task %s --wait 10 PICTURE.png\n", url, added.Task.Name)
		return
	}
	if added.Model.Takes() == profile.TextIn {
		term.Printf("Try:\n  curl -s %s/v1/queries -H 'Prefer: wait=10' -H 'Content-Type: application/json' -d '{\"task\":%q,\"input\":{\"text\":\"Hello\"}}'\n", url, added.Task.Name)
		return
	}
	var inputs []string
	for _, t := range zeros.Blank(added.Model.Signature.Inputs) {
		data, ok := t.AppendData(nil)
		if !ok || len(data) > mostExample {
			return
		}
		inputs = append(inputs, fmt.Sprintf(`{"name":%q,"datatype":%q,"shape":%s,"data":%s}`, t.Name, t.Datatype, shapeJSON(t), data))
	}
	term.Printf("Try:\n  curl -s %s/v2/models/%s/infer -H 'Content-Type: application/json' -d '{\"inputs\":[%s]}'\n",
		url, added.Task.Name, strings.Join(inputs, ","))
}

// shapeJSON is a tensor's shape as JSON.
func shapeJSON(t tensors.Tensor) string {
	return strings.ReplaceAll(fmt.Sprint(append([]int64{}, t.Shape...)), " ", ",")
}
