package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
)

// caseFlags are what a case is made from, with its arrivals.
type caseFlags struct {
	cli.CaseFlags
	source   arrivals.Source
	generate string
	shape    arrivals.Shape
	workload int
}

// addWindow adds what of a trace is played.
func (f *caseFlags) addWindow(fs *pflag.FlagSet) {
	fs.Var(cli.DurationValue(&f.From), "from", "where in the trace to begin")
	fs.Var(cli.DurationValue(&f.For), "for", "how long to play (default to the end)")
}

// addTrace adds what says which arrivals one trace has.
func (f *caseFlags) addTrace(fs *pflag.FlagSet) {
	addSource(fs, &f.source)
	fs.StringVar(&f.generate, "generate", "", "make a trace up instead: "+strings.Join(append(arrivals.Kinds(), evaluate.Lookalikes()...), ", "))
	fs.Float64Var(&f.shape.Rate, "rate", 50, "of a made-up trace, queries a second")
	fs.Float64Var(&f.shape.Peak, "peak", 150, "of a made-up trace, its other level")
	f.shape.Period, f.shape.At = 5*time.Minute, 30*time.Minute
	fs.Var(cli.DurationValue(&f.shape.Period), "period", "of a made-up trace: a day, a stay in a state, a crowd's fading")
	fs.Var(cli.DurationValue(&f.shape.At), "at", "of a made-up trace: when the step or the crowd comes")
}

// addStage adds how a stage, or instead the scheme by its definition, is played.
func (f *caseFlags) addStage(fs *pflag.FlagSet) {
	fs.BoolVar(&f.AsDeployed, "as-stage", true, "play the schemes as a stage runs them, with the settings that it ships with: guarded, with balancers, run queues and limits; false plays them by definition")
	fs.IntVar(&f.Warm, "warm", 0, "instances of each pool that are prepared and stopped, which serve warm_boot_seconds after they are asked for; with --as-stage")
	fs.IntVar(&f.ListItems, "list-items", 1, "queries of one request, 1 to 100; with --as-stage")
}

// addSource adds how a file of arrivals is read.
func addSource(fs *pflag.FlagSet, s *arrivals.Source) {
	fs.StringVar(&s.Format, "format", "paragon", "format of the trace: "+strings.Join(arrivals.Formats(), ", "))
	fs.StringVar(&s.Column, "column", "", "of timestamps, the column of moments: its name, or its number from 1 on (default the one that is named so)")
	fs.StringVar(&s.Unit, "unit", "", "of timestamps that are numbers, what they count: "+strings.Join(arrivals.Units(), ", ")+" (default by the column's name or their size)")
}

// readTrace reads a trace file, and says what it was taken for; faults name the
// file and the line.
func readTrace(file string, source arrivals.Source) (arrivals.Trace, arrivals.Understood, error) {
	r, err := os.Open(file)
	if err != nil {
		return arrivals.Trace{}, arrivals.Understood{}, cli.Mistake(err)
	}
	defer r.Close()
	t, u, err := arrivals.Import(source, r)
	if err != nil {
		return t, u, cli.Usagef("%s: %v", file, err)
	}
	return t, u, nil
}

// made is the trace that is made up.
func (f *caseFlags) made() (arrivals.Trace, error) {
	length := f.From + f.For
	if f.For == 0 {
		length = f.From + time.Hour
	}
	if slices.Contains(evaluate.Lookalikes(), f.generate) {
		return evaluate.Lookalike(f.generate, length, f.Seed)
	}
	f.shape.Kind = f.generate
	t, err := arrivals.Generate(f.shape, length, rand.New(rand.NewPCG(f.Seed, 21)))
	if err != nil {
		return t, cli.Usagef("%v", err)
	}
	return t, nil
}

// nameOf is a trace's name: its file without folder and ending.
func nameOf(file string) string {
	return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
}
