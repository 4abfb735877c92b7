package cli_test

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func TestDurationsAreSecondsOrHaveUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "0.5": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "0": 0,
		"-1": -1, "-1s": -1, "NaN": -1, "1e10": -1, "2000000000": -1, "soon": -1, "": -1, // refused
	} {
		got := time.Duration(-1)
		if err := cli.DurationValue(&got).Set(text); (err != nil) != (want < 0) || got != want {
			t.Errorf("%q is %v, error %v; want %v", text, got, err, want)
		}
	}
}

func TestFiguresHaveTheDigitsThatMatter(t *testing.T) {
	for got, want := range map[string]string{
		cli.Milliseconds(1.234): "1.23 ms", cli.Milliseconds(12.34): "12.3 ms", cli.Milliseconds(234.5): "234 ms", cli.Milliseconds(1234): "1.23 s", cli.Milliseconds(12345): "12.3 s", cli.Milliseconds(150_000): "2.5 min", cli.Milliseconds(9_000_000): "2.5 h",
		pricing.Dollars(0): "$0", pricing.Dollars(0.001234): "$0.00123", pricing.Dollars(1.9e-7): "$0.000000190", pricing.Dollars(0.049): "$0.0490", pricing.Dollars(-0.5): "$-0.500", pricing.Dollars(12.345): "$12.35",
		cli.Number(0, 4): "0", cli.Number(1.33334e-5, 3): "0.0000133", cli.Number(0.2506, 4): "0.2506", cli.Number(999.96, 4): "1000", cli.Number(1000, 4): "1,000", cli.Number(1314000, 4): "1,314,000", cli.Number(-52560.4, 4): "-52,560",
		cli.OneLine("a\x1b[2J\nb"): "a [2J b",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// nested is a tree with a command below a command.
// What a stage refuses for what it was asked is the caller's mistake, as what is refused here.
func TestLongLinesAreWrapped(t *testing.T) {
	for line, want := range map[string]string{
		"":                       "",
		"short":                  "short",
		strings.Repeat("w", 200): strings.Repeat("w", 200),
		"  two  spaces":          "  two  spaces",
		"name  " + strings.Repeat("word ", 30) + "end": "name  " + strings.TrimSpace(strings.Repeat("word ", 23)) + "\n      " + strings.TrimSpace(strings.Repeat("word ", 7)) + " end",
	} {
		if got := cli.Wrap(line, 6); got != want {
			t.Errorf("%q became\n%q, want\n%q", line, got, want)
		}
	}
}

func TestRefusalsAreTheCallersMistake(t *testing.T) {
	refusals := map[error]int{
		fmt.Errorf("set: %w", admin.ErrBadSetting): cli.ExitUsage,
		admin.ErrUnknown:                 cli.ExitUsage,
		discovery.ErrNoStage:             cli.ExitUsage,
		names.CheckStage("Dev!"):         cli.ExitUsage,
		&selection.Unsatisfiable{}:       cli.ExitUsage,
		cli.Mistake(fs.ErrNotExist):      cli.ExitUsage,
		fs.ErrNotExist:                   cli.ExitFailure,
		admin.ErrBadQueue:                cli.ExitUsage,
		admin.ErrChanged:                 cli.ExitFailure,
		&client.Unreachable{Err: io.EOF}: cli.ExitFailure,
	}
	for status, want := range map[int]int{400: cli.ExitUsage, 404: cli.ExitUsage, 413: cli.ExitUsage, 415: cli.ExitUsage, 422: cli.ExitUsage,
		401: cli.ExitFailure, 403: cli.ExitFailure, 409: cli.ExitFailure, 410: cli.ExitFailure, 429: cli.ExitFailure, 500: cli.ExitFailure, 503: cli.ExitFailure} {
		refusals[&client.Problem{Problem: api.Problem{Status: status}}] = want
	}
	for field, want := range map[string]int{"name": cli.ExitUsage, "task": cli.ExitUsage, "promote": cli.ExitFailure} { // a name that is taken, and a state that may change
		refusals[&client.Problem{Problem: api.Problem{Status: http.StatusConflict, Field: field}}] = want
	}
	for err, want := range refusals {
		root := func(term *cli.Terminal) *cobra.Command {
			root := term.Root(&cobra.Command{Use: "tool"})
			root.AddCommand(&cobra.Command{Use: "ask", RunE: func(*cobra.Command, []string) error { return err }})
			return root
		}
		if got := clitest.NewTerminalIn(root, nil).Run(t.Context(), []string{"ask"}); got != want {
			t.Errorf("%v: exit status %d, want %d", err, got, want)
		}
	}
}

func nested(term *cli.Terminal) *cobra.Command {
	root := term.Root(&cobra.Command{Use: "tool"})
	group := &cobra.Command{Use: "group", Args: cli.KnownCommand, RunE: cli.Help}
	leaf := &cobra.Command{Use: "leaf", RunE: func(*cobra.Command, []string) error {
		return &cli.NoAnswer{Queries: 2, Of: 3}
	}}
	leaf.Flags().Var(cli.DurationValue(new(time.Duration)), "since", "how far back")
	group.AddCommand(leaf, &cobra.Command{Use: "kept", RunE: func(*cobra.Command, []string) error {
		return &client.Problem{Problem: api.Problem{Status: http.StatusGone, Type: "urn:paragon:problem:answered-directly"}}
	}})
	root.AddCommand(group)
	return root
}

// What was meant is named with the whole of its path, and each error has its exit status.
func TestErrorsSayWhatToDo(t *testing.T) {
	for args, want := range map[string]struct {
		status int
		says   string
	}{
		"group leaf":        {cli.ExitNoAnswer, "tool: 2 of 3 queries ended without an answer"},
		"group leave":       {cli.ExitUsage, "did you mean `tool group leaf`?"},
		"group other":       {cli.ExitUsage, "`tool group --help` lists the"},
		"group leaf --no":   {cli.ExitUsage, "`tool group leaf --help` lists the"},
		"group leaf -n 5":   {cli.ExitUsage, "there is no flag -n; `tool group leaf --help`"},
		"other --flag 3":    {cli.ExitUsage, `there is no command "other"`},
		"group leaf --hlep": {cli.ExitUsage, "did you mean --help?"},

		"group leaf more":         {cli.ExitUsage, "the command takes no arguments, and was given more; `tool group leaf --help` shows an example"},
		"group leaf --since soon": {cli.ExitUsage, `--since: "soon" is neither a number of seconds`},
		"group leaf --since -1s":  {cli.ExitUsage, "--since: -1s is not within 0 to 1000000000 seconds"},
		"completion other":        {cli.ExitUsage, "`tool completion --help` lists the"},
		"group kept":              {cli.ExitFailure, "a query with --key is stored"},
	} {
		term := clitest.NewTerminalIn(nested, nil)
		if got := term.Run(t.Context(), strings.Fields(args)); got != want.status || !strings.Contains(term.Err.String(), want.says) {
			t.Errorf("%s: exit status %d, %s", args, got, &term.Err)
		}
	}
}

// A value below zero is an argument wherever it stands, and not a flag.
func TestNegativeArguments(t *testing.T) {
	for line, want := range map[string]string{
		"set limit -1":               "limit|-1 n=0 v=false",
		"set limit -1 --number 3":    "limit|-1 n=3 v=false",
		"set --number -3 limit -.5":  "limit|-.5 n=-3 v=false",
		"set -n -3 -v limit -1e9":    "limit|-1e9 n=-3 v=true",
		"set -vn -3 limit -2h":       "limit|-2h n=-3 v=true",
		"set -n-3 limit -1":          "limit|-1 n=-3 v=false",
		"--verbose set limit -1":     "limit|-1 n=0 v=true",
		"set limit -- -1":            "limit|-1 n=0 v=false",
		"set -1 --number=2 -- -v -1": "-1|-v|-1 n=2 v=false",
		"set limit 1 -n 2":           "limit|1 n=2 v=false",
	} {
		var got string
		term := clitest.NewTerminal(t, func(term *cli.Terminal) *cobra.Command {
			root := term.Root(&cobra.Command{Use: "tool"})
			var n int
			var v bool
			set := &cobra.Command{Use: "set", Args: cobra.ArbitraryArgs, RunE: func(_ *cobra.Command, args []string) error {
				got = fmt.Sprintf("%s n=%d v=%v", strings.Join(args, "|"), n, v)
				return nil
			}}
			set.Flags().IntVarP(&n, "number", "n", 0, "")
			root.PersistentFlags().BoolVarP(&v, "verbose", "v", false, "")
			root.AddCommand(set)
			return root
		}, nil)
		if status := term.Run(t.Context(), strings.Fields(line)); status != cli.ExitOK || got != want {
			t.Errorf("%s: %q, exit %d, want %q", line, got, status, want)
		}
	}
}

// The closest word is meant, and no word at all when none is close.
func TestTheClosestWordIsMeant(t *testing.T) {
	words := []string{"max_workers", "min_workers", "max_step", "scheme", "status", "select", "submit", "top"}
	for typed, want := range map[string]string{
		"max_worker": "max_workers", "mim_workers": "min_workers", "maxworkers": "max_workers", "shceme": "scheme", "stats": "status", "sumbit": "submit",
		"sch": "scheme", "s": "", "xyz": "", "": "", "max": "", "tpo": "top", "STATUS": "status",
	} {
		if got, ok := cli.Closest(typed, words); got != want || ok != (want != "") {
			t.Errorf("%q means %q, want %q", typed, got, want)
		}
	}
}

func TestAnEndpointWithoutASchemeIsOneOfHTTP(t *testing.T) {
	for named, want := range map[string]string{
		"": "", "127.0.0.1:8080": "http://127.0.0.1:8080", "https://paragon.example": "https://paragon.example",
	} {
		term := cli.New(strings.NewReader(""), io.Discard, io.Discard, func(name string) string {
			return map[string]string{"PARAGON_ENDPOINT": named}[name]
		})
		if _, got := term.Place(); got != want {
			t.Errorf("%q is %q, want %q", named, got, want)
		}
		term.Endpoint = named
		if _, got := term.Place(); got != want {
			t.Errorf("--endpoint %q is %q, want %q", named, got, want)
		}
	}
}

// A text is known by its content, whatever its file is called; what is neither a text
// nor a picture is refused.
func TestInputsAreKnownByTheirContent(t *testing.T) {
	for content, want := range map[string]string{
		"Dear friend,\r\n\tyou have won 5 \u20ac": query.TextType, "\x89PNG\r\n\x1a\n": preprocess.PNG, "\xff\xd8\xff": preprocess.JPEG,
		"": "", "a\x00b": "", "\xfe\xff": "", // refused
		`{"inputs":[{"name":"X","datatype":"FP32","shape":[1,2],"data":[1,2]}]}`: tensors.ContentType,
		`{"inputs":[]}`: query.TextType, `{"input": "a text"}`: query.TextType, `["a"]`: query.TextType,
		`{"inputs":[{"name":"X","datatype":"FP32","shape":[1,3],"data":[1,2]}]}`: "", // two numbers for three
	} {
		in, err := cli.TypeOf("letter.md", []byte(content))
		if in.ContentType != want || (err != nil) != (want == "") {
			t.Errorf("%q is of type %q, error %v; want %q", content, in.ContentType, err, want)
		}
	}
}
