package cli

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// IsTerminal reports whether what is written goes to a terminal.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Progress is a progress bar over the steps of a task. Its zero value draws nothing.
type Progress struct{ bar *progressbar.ProgressBar }

// Progress returns a bar on the standard error, or a silent one where that is no
// terminal.
func (t *Terminal) Progress(steps int) Progress {
	if !IsTerminal(t.Err) {
		return Progress{}
	}
	return Progress{progressbar.NewOptions(steps, progressbar.OptionSetWriter(t.Err), progressbar.OptionFullWidth(),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))}
}

// Step draws one step more, with what it was.
func (p Progress) Step(what string) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(what)
	_ = p.bar.Add(1) // it only draws
}

// Finish ends the drawing.
func (p Progress) Finish() {
	if p.bar != nil {
		_ = p.bar.Finish() // likewise
	}
}
