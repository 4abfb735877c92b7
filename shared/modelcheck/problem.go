// Package modelcheck finds out what an ONNX file is before it is served: what it
// takes and gives, what kind of task it can do, whether it runs, how long that
// takes and how much memory. What is wrong with it is a sentence that names the
// file, the node or the field.
package modelcheck

import "fmt"

// Problem is why a model cannot be served as it was asked.
type Problem struct {
	Part   string `json:"part"`   // file, node, weight, input, output or option, with its name
	Reason string `json:"reason"` // goes on after the part
}

func (p *Problem) Error() string { return p.Part + " " + p.Reason }

// Of is the problem as a sentence about a file: one of the file as a whole goes on after its name.
func (p *Problem) Of(file string) string {
	if p.Part == "file" {
		return file + " " + p.Reason
	}
	return file + ": " + p.Error()
}

func badf(part, format string, args ...any) *Problem {
	return &Problem{Part: part, Reason: fmt.Sprintf(format, args...)}
}
