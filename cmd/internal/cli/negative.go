package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// negative is an argument that begins like a number below zero, or is the text of one that
// has no digits. No flag does.
var negative = regexp.MustCompile(`^-(\.?[0-9]|(?i:inf|infinity|nan)$)`)

// separate puts the arguments of a command that begin like a number below zero
// behind "--", with the others, so that they are taken for values: the flag
// parser would take -1 for a flag of that name. Other lines stay as they are.
func separate(root *cobra.Command, args []string) []string {
	if !hasNegative(args) {
		return args
	}
	c, rest, err := root.Find(args)
	if err != nil {
		return args
	}
	c.InheritedFlags() // adds what the commands above have
	out := strings.Fields(c.CommandPath())[1:]
	var values []string
	for i := 0; i < len(rest); i++ {
		word := rest[i]
		switch {
		case word == "--":
			return append(append(append(out, "--"), values...), rest[i+1:]...)
		case negative.MatchString(word) || !strings.HasPrefix(word, "-") || word == "-":
			values = append(values, word)
		default:
			out = append(out, word)
			if i+1 < len(rest) && takesNext(c.Flags(), word) {
				i++
				out = append(out, rest[i])
			}
		}
	}
	return append(append(out, "--"), values...)
}

func hasNegative(args []string) bool {
	for _, a := range args {
		if negative.MatchString(a) {
			return true
		}
	}
	return false
}

// takesNext reports whether the value of a flag is the next word.
func takesNext(fs *pflag.FlagSet, word string) bool {
	if name, long := strings.CutPrefix(word, "--"); long {
		f := fs.Lookup(name) // none with =value
		return f != nil && f.NoOptDefVal == ""
	}
	for i := 1; i < len(word); i++ {
		f := fs.ShorthandLookup(word[i : i+1])
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" {
			return i == len(word)-1 // else the rest of the word is the value
		}
	}
	return false
}
