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
	fs.Var(cli.DurationValue(&f.From), "from", "time in the trace at which to begin")
	fs.Var(cli.DurationValue(&f.For), "for", "length of the part of the trace to use (default: until the end of the trace)")
}

// addTrace adds what says which arrivals one trace has.
func (f *caseFlags) addTrace(fs *pflag.FlagSet) {
	addSource(fs, &f.source)
	fs.StringVar(&f.generate, "generate", "", "generate a trace of this kind, instead of reading a file: "+strings.Join(append(arrivals.Kinds(), evaluate.Lookalikes()...), ", "))
	fs.Float64Var(&f.shape.Rate, "rate", 50, "base rate of a generated trace in queries per second")
	fs.Float64Var(&f.shape.Peak, "peak", 150, "peak rate of a generated trace in queries per second")
	f.shape.Period, f.shape.At = 5*time.Minute, 30*time.Minute
	fs.Var(cli.DurationValue(&f.shape.Period), "period", "duration in a generated trace: length of a day (diurnal), mean time in a state (mmpp), or length of the decline after a flash crowd")
	fs.Var(cli.DurationValue(&f.shape.At), "at", "time in a generated trace at which the step or the flash crowd begins")
}

// addStage adds how a stage, or instead the scheme by its definition, is played.
func (f *caseFlags) addStage(fs *pflag.FlagSet) {
	fs.BoolVar(&f.AsDeployed, "as-stage", true, "simulate a deployed stage with its default settings; with --as-stage=false, start as many workers as each scheme wants (by definition)")
	fs.IntVar(&f.Warm, "warm", 0, "number of stopped instances in each pool of workers (an EC2 warm pool); only with --as-stage")
	fs.IntVar(&f.ListItems, "list-items", 1, "number of queries in one request, 1 to 100; only with --as-stage")
}

// addSource adds how a file of arrivals is read.
func addSource(fs *pflag.FlagSet, s *arrivals.Source) {
	fs.StringVar(&s.Format, "format", "paragon", "format of the trace: "+strings.Join(arrivals.Formats(), ", "))
	fs.StringVar(&s.Column, "column", "", "with --format timestamps: name or number (from 1) of the column with the times (default the column with a name such as timestamp)")
	fs.StringVar(&s.Unit, "unit", "", "with --format timestamps: unit of the times, if they are numbers: "+strings.Join(arrivals.Units(), ", ")+" (default from the name of the column or the size of the numbers)")
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
