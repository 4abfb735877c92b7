package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Closest returns the candidate that was most likely meant by a word: the one
// that the fewest changes of a letter lead to, and at most one change for each
// three letters; else the only one that begins with the word. False when none
// is close.
func Closest(word string, candidates []string) (string, bool) {
	best, least := "", len(word)/3+1
	for _, c := range candidates {
		if d := changes(strings.ToLower(word), strings.ToLower(c)); d < least || d == least && best == "" {
			best, least = c, d
		}
	}
	if best != "" {
		return best, true
	}
	begins := ""
	for _, c := range candidates {
		if len(word) < 2 || !strings.HasPrefix(c, word) {
			continue
		}
		if begins != "" {
			return "", false // more than one may be meant
		}
		begins = c
	}
	return begins, begins != ""
}

// changes is how many letters must be put in, left out, replaced or swapped
// with their neighbor to make one word of the other.
func changes(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// Meant is a question that names the closest candidate, to follow a sentence;
// empty when none is close.
func Meant(word string, candidates []string) string {
	if c, ok := Closest(word, candidates); ok {
		return fmt.Sprintf("; did you mean %q?", c)
	}
	return ""
}

// KnownCommand refuses what is no command, with what may have been meant.
func KnownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() {
			names = append(append(names, below.Name()), below.Aliases...)
		}
	}
	if meant, ok := Closest(args[0], names); ok {
		return Usagef("there is no command %q; did you mean `%s %s`?", args[0], c.CommandPath(), meant)
	}
	return Usagef("there is no command %q; `%s --help` lists the commands", args[0], c.CommandPath())
}

// numberOf names the numbers that a flag takes, where its value was none of them.
func numberOf(f *pflag.Flag, err *strconv.NumError) string {
	switch {
	case errors.Is(err, strconv.ErrRange):
		return "a number nearer to 0: this one is out of range"
	case strings.HasPrefix(f.Value.Type(), "float"):
		return "a number"
	case f.Value.Type() == "bool":
		return "true or false"
	case strings.HasPrefix(f.Value.Type(), "uint"):
		return "a whole number, 0 or above"
	}
	return "a whole number"
}

// operand is what stands in a command's usage for a value: no flag, no alternatives.
var operand = regexp.MustCompile(`\{.*?\}|--\S+ \S+|\[flags\]|\S+`)

// checkArguments has every command say what it takes where it was given other than
// that. A command of cobra's that has only others below it, which is the one of
// completions, refuses what is none of them as the others do.
func checkArguments(c *cobra.Command) {
	for _, below := range c.Commands() {
		checkArguments(below)
	}
	if c.HasSubCommands() {
		if !c.Runnable() {
			c.Args, c.RunE = KnownCommand, Help
		}
		return
	}
	args := c.Args
	if args == nil {
		args = cobra.ArbitraryArgs
		if len(operands(c)) == 0 {
			args = cobra.NoArgs
		}
	}
	c.Args = func(c *cobra.Command, given []string) error {
		err := args(c, given)
		if usage := new(usageError); err == nil || errors.As(err, &usage) {
			return err
		}
		return wrongArguments(c, given)
	}
}

// wrongArguments says what a command takes, by its usage, where it was given other
// than that.
func wrongArguments(c *cobra.Command, given []string) error {
	wants, got := strings.Join(operands(c), " "), strings.Join(given, " ")
	if wants == "" {
		wants = "no arguments"
	}
	if got == "" {
		got = "none"
	}
	return Usagef("the command takes %s, and was given %s; `%s --help` shows an example", wants, got, c.CommandPath())
}

// operands are the values that a command's usage has in addition to its flags.
func operands(c *cobra.Command) (values []string) {
	for _, word := range operand.FindAllString(c.Use, -1)[1:] {
		if !strings.HasPrefix(word, "{") && !strings.HasPrefix(word, "--") && word != "[flags]" {
			values = append(values, word)
		}
	}
	return values
}

// wrongFlag says what is wrong with the flags of a command, and which may have
// been meant.
func wrongFlag(c *cobra.Command, err error) error {
	if before := c.Flags().Args(); c.HasSubCommands() && len(before) > 0 {
		return KnownCommand(c, before) // its flags are unknown because the command is
	}
	var invalid *pflag.InvalidValueError
	if number := new(strconv.NumError); errors.As(err, &invalid) && errors.As(err, &number) {
		return Usagef("--%s is %q, and must be %s", invalid.GetFlag().Name, invalid.GetValue(), numberOf(invalid.GetFlag(), number))
	}
	if errors.As(err, &invalid) && errors.Unwrap(invalid) != nil {
		return Usagef("--%s: %v", invalid.GetFlag().Name, errors.Unwrap(invalid))
	}
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if short := new(pflag.NotExistError); !unknown && errors.As(err, &short) {
		return Usagef("there is no flag -%s; `%s --help` lists the flags", short.GetSpecifiedName(), c.CommandPath())
	}
	if !unknown {
		return Usagef("%v; `%s --help` lists the flags", err, c.CommandPath())
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if meant, ok := Closest(name, names); ok {
		return Usagef("there is no flag --%s; did you mean --%s?", name, meant)
	}
	return Usagef("there is no flag --%s; `%s --help` lists the flags", name, c.CommandPath())
}
