package main

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// submitFlags are the flags of `paragon submit`.
type submitFlags struct {
	task, model, class, optimize, key, callback string
	latencyMS, accuracy, cost, wait             float64
}

func newSubmitCommand(term *cli.Terminal) *cobra.Command {
	f := &submitFlags{}
	c := &cobra.Command{
		Use:   "submit [flags] FILE...",
		Short: "Submit pictures, texts or tensors and print their answers",
		Long: `Submit pictures (PNG, JPEG), texts (UTF-8) or tensors, each file as one query, and print the answers
in the order of the files. "-" reads one input from standard input. Models that take tensors by name
get them from a JSON file, which is a /v2 request of the Open Inference Protocol: {"inputs":
[{"name": "X", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}. Models of pictures also take
a raw tensor (NAME.f32: little-endian float32).

With --json, the command prints one line for each query: the query as the server returns it, with
the additional field "file". If the server refused the query, the line has only the fields "file"
and "problem".`,
		Example: `  paragon submit --task fashion shirt.png
  paragon submit --task fashion --latency-ms 100 --accuracy 90 *.png
  paragon submit --task fashion --cost 2 --optimize accuracy --json boot.jpg
  curl -s https://example.org/boot.png | paragon submit --task fashion -
  echo "You have won" | paragon submit --task mail -
  paragon submit --task flowers request.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			for _, name := range []string{"latency-ms", "accuracy", "cost"} {
				if b := c.Flags().Lookup(name); b.Changed && !positive(b.Value.String()) {
					return cli.Usagef("--%s is %s, and must be above 0; without this flag, the query states no such bound", name, b.Value)
				}
			}
			if err := checkPercent(f.accuracy); err != nil {
				return err
			}
			return runSubmit(c.Context(), term, f, files)
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.task, "task", "t", "", "task of the query (paragon models lists the tasks)")
	fs.StringVarP(&f.model, "model", "m", "", "answer with this model")
	fs.Float64Var(&f.latencyMS, "latency-ms", 0, "latency bound in milliseconds")
	fs.Float64Var(&f.accuracy, "accuracy", 0, "lowest accepted accuracy, in percent")
	fs.Float64Var(&f.cost, "cost", 0, "highest accepted cost of a million such queries, in US dollars")
	fs.StringVar(&f.optimize, "optimize", "", "what to optimize: latency, accuracy or cost (default: the third if you bound two of them, else cost)")
	fs.StringVar(&f.class, "class", "", "class: strict (answered at once) or relaxed (may wait in a queue) (default: strict if the latency bound is below strict_below_ms, 2 s)")
	fs.Float64Var(&f.wait, "wait", 60, "seconds to wait for the answers; 0: do not wait")
	fs.StringVar(&f.callback, "callback", "", "URL to which Paragon sends the result of each query (HTTP POST) when the query has ended, in any state")
	fs.StringVar(&f.key, "key", "", "idempotency key: a second submit with the same key returns the first query (only with one FILE)")
	term.CompleteNames(c)
	return term.ServerCommand(c)
}

// check refuses what needs no server to be refused.
func (f *submitFlags) check(files []string) error {
	stdin := 0
	for _, name := range files {
		if name == "-" {
			stdin++
		}
	}
	switch {
	case f.task == "" && f.model == "":
		return cli.Usagef("name a task with --task; `paragon models` lists the tasks")
	case f.key != "" && len(files) > 1:
		return cli.Usagef("--key is for one query, and %d files are given", len(files))
	case stdin > 1:
		return cli.Usagef("the argument - (standard input) is given more than once: standard input can be read only once")
	}
	return checkWait(f.wait)
}

// longestStay is the most that a command waits for queries, in seconds: longer
// than any query lives.
const longestStay = 86_400

// checkWait refuses a --wait that is no time.
func checkWait(seconds float64) error {
	if !(seconds >= 0 && seconds <= longestStay) {
		return cli.Usagef("--wait must be within 0 to %d seconds", longestStay)
	}
	return nil
}

// checkPercent refuses an accuracy that is a share, before anything is sent.
func checkPercent(accuracy float64) error {
	if percent, share := query.PercentOfShare(accuracy); share {
		return cli.Usagef("--accuracy %v means %v %%; did you mean %v?", accuracy, accuracy, cli.Number(percent, 6))
	}
	return nil
}

// positive reports whether a flag's text is a finite number above 0.
func positive(text string) bool {
	x, err := strconv.ParseFloat(text, 64)
	return err == nil && x > 0 && !math.IsInf(x, 0)
}

func runSubmit(ctx context.Context, term *cli.Terminal, f *submitFlags, files []string) error {
	if err := f.check(files); err != nil {
		return err
	}
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	p := &submittedPrinter{term: term, several: len(files) > 1}
	defer p.end()
	return inOrder(files, func(name string) submitted { return submitOne(ctx, term, cl, f, name) }, p.print)
}

func submitOne(ctx context.Context, term *cli.Terminal, cl *client.Client, f *submitFlags, name string) submitted {
	in, err := term.ReadInput(name)
	if err != nil {
		return refused(name, err)
	}
	wait := time.Duration(f.wait * float64(time.Second))
	end := term.Now().Add(wait)
	q, err := cl.Submit(ctx, f.submission(in), client.Options{Key: f.key, Wait: min(wait, cli.LongestWait)})
	if left := end.Sub(term.Now()); err == nil && left > 0 {
		q, err = await(ctx, cl, q, left)
	}
	if err != nil {
		return refused(name, err)
	}
	return ended(name, q)
}

// await waits for a query to finish, and gives it back as it is when the time is over.
func await(ctx context.Context, cl *client.Client, q api.Query, wait time.Duration) (api.Query, error) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	q, err := cl.Await(limited, q, min(wait, cli.LongestWait))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return q, nil
	}
	return q, err
}

func (f *submitFlags) submission(in query.Input) client.Submission {
	return client.Submission{
		Task: f.task, Model: f.model, Input: in,
		Class: query.Class(f.class), Optimize: query.Dimension(f.optimize), Callback: f.callback,
		Constraints: query.Constraints{LatencyMS: f.latencyMS, Accuracy: f.accuracy, CostUSDPerMillion: f.cost},
	}
}

// submittedPrinter prints a line for each file. Files that follow one another and fail
// for the same reason share a line, so that a server that is down is not named for
// each of a folder's pictures.
type submittedPrinter struct {
	term    *cli.Terminal
	several bool

	reason string // of the last file, if it failed
	more   int    // files since then that failed for the same reason
	all    totals
}

func (p *submittedPrinter) print(s submitted) {
	if s.err != nil && p.several && !p.term.JSON && s.err.Error() == p.reason {
		p.more++
		p.all.add(s)
		return
	}
	p.flush()
	p.all.add(s)
	name := filepath.Base(s.File)
	switch {
	case p.term.JSON:
		p.term.PrintJSON(s)
	case s.err != nil && !p.several: // printed at the end
	case s.err != nil:
		p.reason = s.err.Error()
		p.term.Printf("%s: %s\n", name, cli.OneLine(p.reason))
	case p.several:
		p.term.Printf("%s: %s\n", name, briefly(*s.Query))
	default:
		p.term.Printf("%s\n", summary(*s.Query))
	}
}

// end prints what the lines of several files add up to.
func (p *submittedPrinter) end() {
	p.flush()
	if p.several && !p.term.JSON && p.all.answered > 0 {
		p.term.Printf("%s\n", p.all.line())
	}
}

// flush says how many more files failed for the reason that was printed last.
func (p *submittedPrinter) flush() {
	if p.more > 0 {
		p.term.Printf("... and %d more files, for the same reason\n", p.more)
	}
	p.reason, p.more = "", 0
}
