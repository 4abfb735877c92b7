package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	answers "github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

// served says which models a server has.
type served interface {
	Models(ctx context.Context) ([]api.Model, error)
}

// testModel measures a model's accuracy on labeled items, in this process once another one
// has run it.
func testModel(ctx context.Context, term *cli.Terminal, of served, onnx []byte, o api.ModelOrder, from string) (*api.TestResult, error) {
	ask := modelcheck.Request{Kind: o.Kind, Input: o.Input, Labels: o.Labels, Preprocess: o.Preprocess, MaxTokens: o.MaxTokens, Once: true}
	models, err := of.Models(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		if m.Task == o.Task {
			ask = ask.Like(m.Kind, m.Takes, m.Labels)
			break
		}
	}
	report, err := checkOnce(ctx, onnx, o, ask)
	if err != nil {
		return nil, err
	}
	items, digest, err := labeled(from, report.Input)
	if err != nil {
		return nil, cli.Mistake(fmt.Errorf("--test: %w", err))
	}
	bar := term.Progress(len(items))
	right, err := modelcheck.Accuracy(ctx, onnx, report, items, func(int) { bar.Step(o.Name) })
	bar.Finish()
	if err != nil {
		return nil, unanswered(fmt.Errorf("%s: %w", o.File, err))
	}
	return &api.TestResult{Correct: right, Total: len(items), Data: filepath.Base(from), SHA256: digest}, nil
}

// unanswered marks the error of a label that the model has not, or of an item that cannot be
// answered, as the caller's mistake.
func unanswered(err error) error {
	var p *modelcheck.Problem
	var f *answers.Fault
	if errors.As(err, &p) || errors.As(err, &f) && f.Code.Callers() {
		return cli.Mistake(err)
	}
	return err
}

// checkOnce has a model answer once in a process of its own, which a bad one may take down.
func checkOnce(ctx context.Context, onnx []byte, o api.ModelOrder, ask modelcheck.Request) (r modelcheck.Report, err error) {
	checker, err := machine.NewChecker(nil)
	if err != nil {
		return r, err
	}
	f, err := os.CreateTemp("", "paragon-*.onnx")
	if err != nil {
		return r, fmt.Errorf("write a copy of the model for its check: %w", err)
	}
	draft := modelstore.Draft{Path: f.Name()}
	defer func() { err = errors.Join(err, draft.Discard()) }()
	_, err = f.Write(onnx)
	if err = errors.Join(err, f.Close()); err != nil {
		return r, fmt.Errorf("write a copy of the model for its check: %w", err)
	}
	r, _, err = checker.Run(ctx, o, draft, ask)
	return r, err
}

// labeled reads the items of a folder of folders, or of a CSV file, with a digest
// of all of them.
func labeled(from string, input profile.InputKind) (items []modelcheck.Item, digest string, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, "", err
	}
	if info.IsDir() {
		items, digest, err = labeledFolder(from, input)
	} else {
		items, digest, err = modelcheck.ReadCSV(from)
	}
	if err == nil && len(items) == 0 {
		err = fmt.Errorf("%s has no labeled item: a folder needs a subfolder for each label, a CSV file a label and a text on each line", from)
	}
	return items, digest, err
}

// labeledFolder reads the files of each folder of a folder, which may be links. They stay on
// the disk until their turn. What is hidden is left out.
func labeledFolder(dir string, input profile.InputKind) (items []modelcheck.Item, digest string, err error) {
	sum := sha256.New()
	labels, _, err := visible(dir)
	if err != nil {
		return nil, "", err
	}
	for _, label := range labels {
		folders, files, err := visible(filepath.Join(dir, label))
		if err != nil {
			return nil, "", err
		}
		if len(folders) > 0 {
			return nil, "", fmt.Errorf("%s is a folder: put the items of a label directly into the label's folder", filepath.Join(dir, label, folders[0]))
		}
		for _, file := range files {
			path := filepath.Join(dir, label, file)
			raw, err := readTestItem(path)
			if err != nil {
				return nil, "", err
			}
			fmt.Fprintf(sum, "%q %x\n", label, sha256.Sum256(raw))
			items = append(items, modelcheck.Item{Name: path, Label: label, Load: func() (query.Input, error) {
				raw, err := readTestItem(path)
				if err != nil || input == profile.TextIn {
					return query.Input{ContentType: query.TextType, Data: raw}, err
				}
				return cli.TypeOf(path, raw)
			}})
		}
	}
	return items, hex.EncodeToString(sum.Sum(nil)), nil
}

// visible lists the folders and the files of a folder that are not hidden, and what its links
// lead to, in the order of their names.
func visible(dir string) (folders, files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, nil, err
		}
		if info.IsDir() {
			folders = append(folders, e.Name())
		} else {
			files = append(files, e.Name())
		}
	}
	return folders, files, nil
}

// readTestItem reads one file of a folder.
func readTestItem(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return cli.ReadBounded(path, f)
}
