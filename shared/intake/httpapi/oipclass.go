package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
)

// classification is the scores as the protocol's extension of that name has
// them: of each item the best classes, the best first, as "score:index:label".
func classification(name string, results []query.Result, labels []string, top int) (oipOutput, []byte) {
	var texts []string
	var data []byte
	for _, r := range results {
		for _, i := range best(r.Scores, top) {
			text := fmt.Sprintf("%f:%d", r.Scores[i], i)
			if i < len(labels) {
				text += ":" + labels[i]
			}
			texts, data = append(texts, text), appendText(data, text)
		}
	}
	n := int64(len(results))
	return oipOutput{Name: name, Shape: []int64{n, int64(len(texts)) / n}, Datatype: bytesType, Data: texts}, data
}

// checkClasses refuses the best classes of an output that is not the scores.
func (c inferCall) checkClasses() error {
	for _, want := range c.outputs {
		if want.top > 0 && (c.own != nil || want.name != scoresName && want.name != c.names.scores) {
			return refuse(intake.BadInput, "outputs.parameters.classification", "applies to the scores of a classification task, not to output %q", clip(want.name))
		}
	}
	return nil
}

// best returns the indexes of the highest scores, the highest first, at most n.
func best(scores []float32, n int) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order[:min(n, len(order))]
}

// labelsOf returns the labels of the model that answered, by index.
func (a *server) labelsOf(rec query.Record) []string {
	for _, m := range a.svc.ModelsFor(rec.Model) {
		if m.Name == rec.Model {
			return m.Labels
		}
	}
	return nil
}

// flattenTexts reads the strings of a JSON list, flat or nested as shape says.
func flattenTexts(data json.RawMessage, shape []int64) ([]string, bool) {
	var flat []*string
	if json.Unmarshal(data, &flat) == nil {
		return textsOf(flat)
	}
	if len(shape) < 2 {
		return nil, false
	}
	var lists []json.RawMessage
	if json.Unmarshal(data, &lists) != nil || int64(len(lists)) != shape[0] {
		return nil, false
	}
	var out []string
	for _, raw := range lists {
		inner, ok := flattenTexts(raw, shape[1:])
		if !ok || int64(len(inner)) != elements(shape[1:]) {
			return nil, false
		}
		out = append(out, inner...)
	}
	return out, true
}

// textsOf are strings that are all there: null is none.
func textsOf(list []*string) ([]string, bool) {
	out := make([]string, len(list))
	for i, text := range list {
		if text == nil {
			return nil, false
		}
		out[i] = *text
	}
	return out, true
}

// elements is how many elements a shape has, whose product was checked before.
func elements(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}
