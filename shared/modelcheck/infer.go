package modelcheck

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

// smallestPicture is the least side of an input that is taken for a picture's
// when nobody says so, in pixels.
const smallestPicture = 8

// takes finds out what kind of input the model wants, and of text how it becomes
// the model's inputs.
func (r *Report) takes(m *engine.Model, onnx []byte, asked Request) (*answer.Text, error) {
	picture, why := pictureOf(m.Inputs())
	text, textErr := answer.NewText(m.Takes(), onnx, profile.Text{MaxTokens: asked.MaxTokens})
	file, err := tokenizer.Attached(onnx)
	if err != nil {
		return nil, err
	}
	r.Input = asked.Input
	if r.Input == "" {
		r.inferInput(m, asked, picture, text != nil || file != nil)
	}
	switch {
	case r.Input != profile.Picture && asked.Preprocess != nil:
		return nil, badf("option preprocess", "is for pictures, and the model takes %s", r.Input)
	case r.Input != profile.TextIn && asked.MaxTokens > 0:
		return nil, badf("option max-tokens", "is for text, and the model takes %s", r.Input)
	case r.Input != profile.TextIn && file != nil:
		return nil, badf("option tokenizer", "is for text, and the input is %s", r.Input)
	case r.Input == profile.Picture && picture == nil:
		return nil, r.wrongInput(asked, fmt.Sprintf("the model takes %s: %s", m.Takes(), why))
	case r.Input == profile.TextIn && textErr != nil:
		return nil, r.wrongInput(asked, textErr.Error())
	case r.Input == profile.TextIn:
		r.Text, r.Signature.Inputs = &profile.Text{MaxTokens: asked.MaxTokens}, []tensors.Spec{profile.TextSpec()}
		return text, nil
	case r.Input == profile.Picture:
		return nil, r.pictures(m.Inputs()[0], *picture, asked.Preprocess)
	}
	return nil, nil
}

// pictures notes how pictures become the model's input.
func (r *Report) pictures(p engine.Port, file profile.Input, asked *profile.Preprocess) (err error) {
	given := profile.Preprocess{}
	if asked != nil {
		given = *asked
	}
	if r.Picture, err = preprocessed(file, p, given); err != nil {
		return err
	}
	r.note("%s", describe(*r.Picture))
	if asked == nil && p.Datatype != tensors.Uint8 {
		r.note("--preprocess imagenet crops the center and normalizes the channels, as torchvision does for networks trained on ImageNet; --preprocess also takes other values, as JSON.")
	}
	return nil
}

// inferInput is the kind of input that a model looks like.
func (r *Report) inferInput(m *engine.Model, asked Request, picture *profile.Input, text bool) {
	switch {
	case text:
		r.Input = profile.TextIn
		r.note("It takes text (%s); --input tensor takes its own inputs instead.", m.Takes()[0])
	case picture != nil && asked.Kind != profile.Tensors && picture.Width >= smallestPicture && picture.Height >= smallestPicture && fixed(m.Inputs()[0]):
		r.Input = profile.Picture
		r.note("It takes pictures (its input is %s); --input tensor takes the numbers instead.", m.Takes()[0])
	default:
		r.Input = profile.TensorsIn
		r.note("It takes tensors, by the names of its inputs.")
	}
}

// wrongInput is that the model does not take the kind of input that was asked for, or
// that its task has.
func (r *Report) wrongInput(asked Request, why string) *Problem {
	if asked.TaskInput {
		return badf("option task", "is a task whose models take the input %s; name another task for this model: %s", r.Input, why)
	}
	return badf("option input", "is %s: %s", r.Input, why)
}

func fixed(p engine.Port) bool { return !slices.Contains(p.Shape[1:], -1) }

// pictureOf is the layout, the channels and the size of the model's input if that can be
// a picture, nil with the reason where it cannot. A width or height of 0 means any.
func pictureOf(inputs []engine.Port) (*profile.Input, string) {
	if len(inputs) != 1 {
		return nil, "a picture is one input"
	}
	p := inputs[0]
	if len(p.Shape) != 4 || !slices.Contains([]tensors.Datatype{tensors.FP32, tensors.FP16, tensors.Uint8}, p.Datatype) {
		return nil, "a picture is [any, channels, height, width] or [any, height, width, channels], of FP32, FP16 or UINT8"
	}
	in := &profile.Input{Layout: profile.NCHW}
	channels, height, width := p.Shape[1], p.Shape[2], p.Shape[3]
	if channels != 1 && channels != 3 {
		in.Layout, channels, height, width = profile.NHWC, p.Shape[3], p.Shape[1], p.Shape[2]
	}
	if channels != 1 && channels != 3 {
		return nil, "neither its second nor its last dimension is 1 or 3 channels"
	}
	in.Channels, in.Height, in.Width = int(channels), int(max(0, height)), int(max(0, width))
	return in, ""
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// gives describes the outputs, by what the model says and by what came of a run.
func (r *Report) gives(m *engine.Model, values []engine.Value) {
	for i, p := range m.Outputs() {
		v := values[i]
		s := tensors.Spec{Name: p.Name, Datatype: v.Datatype, Shape: slices.Clone(p.Shape)}
		if p.Kind != "tensor" || len(p.Shape) != len(v.Shape) {
			s.Shape = slices.Repeat([]int64{-1}, len(v.Shape))
		}
		if v.Keys != nil {
			s.Shape[len(s.Shape)-1] = int64(len(v.Keys))
		}
		r.Signature.Outputs = append(r.Signature.Outputs, s)
	}
}

// answers finds out the kind of the task, and which output it reads.
func (r *Report) answers(asked Request, values []engine.Value, c *contents) error {
	r.Kind = asked.Kind
	if r.Kind == "" {
		r.Kind = r.infer(asked, values, c)
	}
	switch r.Kind {
	case profile.Classify:
		return r.classes(asked, values)
	case profile.Embed, profile.Tensors:
		if len(asked.Labels) > 0 {
			return badf("option labels", "are for classify, and the kind is %s", r.Kind)
		}
		if r.Kind == profile.Embed {
			return r.vector(values)
		}
		return nil
	}
	return badf("option kind", "is %s, none of classify, embed, tensor", quote(string(r.Kind)))
}

// infer is the kind that a model looks like.
func (r *Report) infer(asked Request, values []engine.Value, c *contents) profile.TaskKind {
	why := ""
	scores := slices.ContainsFunc(values, func(v engine.Value) bool { return rowOf(v) > 1 })
	switch {
	case len(asked.Labels) > 0:
		why = "labels are given"
	case slices.ContainsFunc(values, func(v engine.Value) bool { return v.Keys != nil }):
		why = "it gives a map from label to score"
	case scores && slices.ContainsFunc(values, func(v engine.Value) bool { return c.lastOps[v.Name] == "Softmax" }):
		why = "it ends with a softmax"
	case scores && r.Input == profile.Picture && len(values) == 1:
		why = "it takes pictures and gives one row of numbers"
	case scores && len(values) == 2 && (values[0].Datatype == tensors.Int64 || values[0].Datatype == tensors.Bytes):
		why = "it gives a label and scores"
	default:
		r.note("The answer has all of its outputs, by name (kind tensor); --kind embed or classify makes the answer from one output.")
		return profile.Tensors
	}
	r.note("It classifies: %s; --kind tensor or embed changes that.", why)
	return profile.Classify
}

// rowOf is the length of a row of numbers that a value of one row is, 0 where it
// is none.
func rowOf(v engine.Value) int {
	if _, ok := v.Floats(); !ok || len(v.Shape) < 1 || len(v.Shape) > 2 || len(v.Shape) == 2 && v.Shape[0] != 1 {
		return 0
	}
	return int(v.Shape[len(v.Shape)-1])
}

// classes finds the output that holds the scores, and the labels of its columns.
func (r *Report) classes(asked Request, values []engine.Value) error {
	at := -1
	for i, v := range values {
		if rowOf(v) > 0 && (at < 0 || v.Keys != nil && values[at].Keys == nil) {
			at = i
		}
	}
	if at < 0 {
		return badf("option kind", "is classify, but no output is one row of scores for each input: %s", r.Signature.Outputs)
	}
	v := values[at]
	if err := finite(v); err != nil {
		return err
	}
	r.Signature.Answer = v.Name
	n := rowOf(v)
	switch {
	case len(asked.Labels) > 0:
		r.Labels = asked.Labels
	case v.Keys != nil:
		r.Labels = v.Keys
	case len(asked.TaskLabels) > 0:
		r.Labels = asked.TaskLabels
	default:
		for i := range n {
			r.Labels = append(r.Labels, strconv.Itoa(i))
		}
		r.note("Its classes have the names 0 to %d; a file of --labels gives other names, one per line.", n-1)
	}
	if len(r.Labels) != n {
		return badf("output "+quote(v.Name), "has %d scores, and there are %d labels", n, len(r.Labels))
	}
	return distinct(r.Labels)
}

// distinct wants each label once, and none empty.
func distinct(labels []string) error {
	seen := map[string]int{}
	for i, l := range labels {
		if l == "" {
			return badf("option labels", "have an empty label on line %d", i+1)
		}
		if before, ok := seen[l]; ok {
			return badf("option labels", "have %s twice, on lines %d and %d", quote(l), before+1, i+1)
		}
		seen[l] = i
	}
	return nil
}

// vector finds the output that is the embedding.
func (r *Report) vector(values []engine.Value) error {
	for _, v := range values {
		if rowOf(v) > 0 {
			r.Signature.Answer = v.Name
			return finite(v)
		}
	}
	return badf("option kind", "is embed, but no output is one vector for each input: %s", r.Signature.Outputs)
}

// finite wants numbers of an answer.
func finite(v engine.Value) error {
	values, _ := v.Floats()
	for i, x := range values {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return badf("output "+quote(v.Name), "has %v as element %d, in the answer to the first input of the check", x, i)
		}
	}
	return nil
}
