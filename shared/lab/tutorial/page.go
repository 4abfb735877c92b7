// Package tutorial does what the tutorial, docs/models.md, says: in an empty clone, with empty
// caches, it types the commands of each example and compares what they print with the page.
package tutorial

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	// Page is the tutorial, from the root of the repository.
	Page = "docs/models.md"
	// section is the heading of the page under which each subsection is an example.
	section = "## Five examples"
	// commands is the language of blocks with commands; blocks without one are output.
	commands = "sh"
	// serves is how the command begins that runs in the first terminal until Ctrl-C.
	serves = "bin/paragon serve "
)

// Example is a subsection of the page.
type Example struct {
	Title string
	Steps []Step
}

// Step is either a server that is started, in place of the one before, or a question to it.
type Step struct {
	Prepare string // the commands before Serve
	Serve   string // the command that serves; empty for a question
	Ask     string // the commands of a question
	Answer  string // what they print, with … for what may differ
}

// Examples reads the examples of the page.
func Examples(page string) (all []Example, err error) {
	_, text, found := strings.Cut(page, "\n"+section+"\n")
	if !found {
		return nil, fmt.Errorf("%s has no section %q", Page, section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for _, part := range strings.Split(text, "\n### ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		steps, err := stepsOf(body)
		if err != nil {
			return nil, fmt.Errorf("%s, %q: %w", Page, title, err)
		}
		all = append(all, Example{title, steps})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no examples in the section %q", Page, section)
	}
	return all, nil
}

func stepsOf(body string) (steps []Step, err error) {
	for i, block := range strings.Split(body, "```") {
		if i%2 == 0 {
			continue
		}
		language, text, _ := strings.Cut(block, "\n")
		last := len(steps) - 1
		switch {
		case language != commands && language != "":
			return nil, fmt.Errorf("a block of code is %q, not %q or output", language, commands)
		case language == "" && (last < 0 || steps[last].Ask == "" || steps[last].Answer != ""):
			return nil, errors.New("output follows no question")
		case language == "":
			steps[last].Answer = text
		case strings.HasPrefix(text, serves) || strings.Contains(text, "\n"+serves):
			at := strings.LastIndex("\n"+text, "\n"+serves)
			steps = append(steps, Step{Prepare: text[:at], Serve: text[at:]})
		case last < 0:
			return nil, fmt.Errorf("a question comes before %q", serves)
		default:
			steps = append(steps, Step{Ask: text})
		}
	}
	unanswered := func(s Step) bool { return s.Ask != "" && s.Answer == "" }
	asks := func(s Step) bool { return s.Ask != "" }
	if slices.ContainsFunc(steps, unanswered) || !slices.ContainsFunc(steps, asks) {
		return nil, errors.New("a question lacks its output")
	}
	return steps, nil
}

// matches reports whether commands printed what the page says. There, … stands for the rest
// of a number if it follows a digit, and for anything else elsewhere; spaces and lines may
// be broken otherwise.
func matches(answer, printed string) bool {
	var p strings.Builder
	p.WriteString("(?s)")
	parts := strings.Split(answer, "…")
	for i, part := range parts {
		words := strings.Fields(part)
		for j, w := range words {
			words[j] = regexp.QuoteMeta(w)
		}
		p.WriteString(`\s*` + strings.Join(words, `\s*`) + `\s*`)
		switch {
		case i == len(parts)-1:
		case part != "" && strings.ContainsRune("0123456789", rune(part[len(part)-1])):
			p.WriteString("[0-9e+-]*")
		default:
			p.WriteString(".*?")
		}
	}
	return regexp.MustCompile(p.String()).MatchString(printed)
}
