package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	zeros "github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

const serveLong = `Serve an ONNX file on this machine, for a first try. The command does the same as ` + "`paragon up`" + ` with
one worker at full speed, followed by ` + "`paragon model add`" + ` of the file. It prints an example request
and serves until it is interrupted. The data folder keeps the model for the next start.

The command also serves a folder with a catalogue (a set of models with their profiles), such as
pools/mail from ` + "`make pool-mail`" + `. ` + "`paragon up --profiles FOLDER`" + ` serves such a folder too, and has
flags for more workers and other settings.`

// newServeCommand is `paragon serve`.
func newServeCommand(term *cli.Terminal) *cobra.Command {
	f, cfg := &addFlags{}, machine.Defaults()
	cfg.Workers, cfg.Boot, cfg.Paced = 1, 0, false
	c := &cobra.Command{
		Use: "serve FILE.onnx|FOLDER", Short: "Serve an ONNX file, or a folder of models, on this machine", Long: serveLong,
		Example: "  paragon serve iris.onnx\n  paragon serve net.onnx --labels birds.txt --preprocess imagenet\n  paragon serve pools/mail",
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) != 1 {
				return cli.Usagef("serve takes one ONNX file or folder; `paragon serve --help` shows an example")
			}
			return nil
		},
	}
	f.define(term, c)
	ofFile := map[string]bool{} // the flags that say something of a file
	c.Flags().VisitAll(func(flag *pflag.Flag) { ofFile[flag.Name] = true })
	c.Flags().StringVar(&cfg.Addr, "addr", cfg.Addr, "loopback address of the API; port 0 takes a free port")
	c.Flags().StringVar(&cfg.DataDir, "data", cfg.DataDir, "folder for all state, which a later start on the same folder reads")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		cfg.Log = term.Logger(false)
		if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
			return runServe(c.Context(), term, cfg, f, args[0])
		}
		c.Flags().Visit(func(flag *pflag.Flag) {
			if err == nil && ofFile[flag.Name] {
				err = cli.Usagef("--%s is for an ONNX file, but %s is a folder; the folder's catalogue states how its models are served", flag.Name, args[0])
			}
		})
		if err != nil {
			return err
		}
		return runServeFolder(c.Context(), term, cfg, args[0])
	}
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
	return whileServed(ctx, term, cfg, file, func(cl *client.Client, url string) error {
		added, err := addModel(ctx, term, cl, f, file)
		var p *client.Problem
		switch {
		case errors.As(err, &p) && p.Field == "name" && strings.Contains(p.Detail, "this file is"):
			term.Printf("Model %s was added before.\n", f.name)
		case err != nil:
			return err
		default:
			printAdded(term, added, url)
		}
		return nil
	})
}

// runServeFolder serves the one catalogue of a folder until ctx ends.
func runServeFolder(ctx context.Context, term *cli.Terminal, cfg machine.Config, folder string) error {
	all, err := profiles.Load(folder)
	if err != nil {
		return cli.Usagef("%v; serve takes an ONNX file, or a folder such as `make pool-mail` makes", err)
	}
	names, err := all.Names()
	switch {
	case err != nil:
		return err
	case len(names) > 1:
		return cli.Usagef("%s has the catalogues %s; `paragon up --profiles %s --catalogue %s` serves one of them", folder, strings.Join(names, ", "), folder, names[0])
	}
	cfg.ProfilesDir, cfg.Catalogue = folder, names[0]
	return whileServed(ctx, term, cfg, folder, func(_ *client.Client, url string) error {
		c, err := all.Catalogue(names[0])
		if err != nil {
			return err
		}
		for _, t := range c.Tasks {
			var example *profile.Model
			for i := range c.Models {
				if m := &c.Models[i]; m.Task == t.Name && m.File != "" {
					printModel(term, *m)
					example = m
				}
			}
			if example != nil {
				printExample(term, url, t.Name, example.Takes(), example.Signature)
			}
		}
		return nil
	})
}

// whileServed starts a machine and prepares what is served on it, then serves until ctx ends.
func whileServed(ctx context.Context, term *cli.Terminal, cfg machine.Config, what string, prepare func(cl *client.Client, url string) error) error {
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
	if err := prepare(cl, m.URL()); err != nil {
		return stopped(ctx, err)
	}
	term.Printf("paragon serves %s at %s; Ctrl-C stops it.\n", filepath.Base(what), m.URL())
	<-ctx.Done()
	return nil
}

// mostExample bounds an example's data, in bytes.
const mostExample = 400

// printExample prints a first request to a task.
func printExample(term *cli.Terminal, url, task string, takes profile.InputKind, signature *profile.Signature) {
	if takes == profile.Picture {
		term.Printf("Try:\n  paragon submit --endpoint %s --task %s --wait 10 PICTURE.png\n", url, task)
		return
	}
	if takes == profile.TextIn {
		term.Printf("Try:\n  curl -s %s/v1/queries -H 'Prefer: wait=10' -H 'Content-Type: application/json' -d '{\"task\":%q,\"input\":{\"text\":\"Hello\"}}'\n", url, task)
		return
	}
	var inputs []string
	for _, t := range zeros.Blank(signature.Inputs) {
		data, ok := t.AppendData(nil)
		if !ok || len(data) > mostExample {
			return
		}
		inputs = append(inputs, fmt.Sprintf(`{"name":%q,"datatype":%q,"shape":%s,"data":%s}`, t.Name, t.Datatype, shapeJSON(t), data))
	}
	term.Printf("Try:\n  curl -s %s/v2/models/%s/infer -H 'Content-Type: application/json' -d '{\"inputs\":[%s]}'\n",
		url, task, strings.Join(inputs, ","))
}

// shapeJSON is a tensor's shape as JSON.
func shapeJSON(t tensors.Tensor) string {
	return strings.ReplaceAll(fmt.Sprint(append([]int64{}, t.Shape...)), " ", ",")
}
