package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
)

// template is what stands around the tokens of a text.
type template struct {
	before, after         []int64
	beforeType, afterType []int64
	textType              int64
}

func (t template) size() int { return len(t.before) + len(t.after) }

func (t template) around(ids []int64) Encoding {
	var e Encoding
	e.IDs = append(append(append(e.IDs, t.before...), ids...), t.after...)
	e.Types = append(e.Types, t.beforeType...)
	for range ids {
		e.Types = append(e.Types, t.textType)
	}
	e.Types = append(e.Types, t.afterType...)
	return e
}

// parseTemplate reads what stands around a text.
func (t *Tokenizer) parseTemplate(field string, raw json.RawMessage) (out template, err error) {
	if null(raw) {
		return out, nil
	}
	switch kind := typeOf(raw); kind {
	case "ByteLevel":
		return out, nil
	case "BertProcessing", "RobertaProcessing":
		var p struct {
			Sep []any `json:"sep"`
			Cls []any `json:"cls"`
		}
		if err := json.Unmarshal(raw, &p); err != nil || len(p.Sep) != 2 || len(p.Cls) != 2 {
			return out, fmt.Errorf("%s needs sep and cls, each a token and its id", field)
		}
		sep, okS := p.Sep[1].(float64)
		cls, okC := p.Cls[1].(float64)
		if !okS || !okC {
			return out, fmt.Errorf("%s.sep or %[1]s.cls has no id", field)
		}
		return template{before: []int64{int64(cls)}, after: []int64{int64(sep)}, beforeType: []int64{0}, afterType: []int64{0}}, nil
	case "TemplateProcessing":
		return parseSingle(field, raw)
	case "Sequence":
		return t.parseTemplates(field, raw)
	default:
		return out, unknownPart(field, kind, "ByteLevel", "BertProcessing", "RobertaProcessing", "TemplateProcessing", "Sequence")
	}
}

// parseTemplates reads a sequence, in which one part may put something around.
func (t *Tokenizer) parseTemplates(field string, raw json.RawMessage) (out template, err error) {
	var s struct{ Processors []json.RawMessage }
	if err := json.Unmarshal(raw, &s); err != nil {
		return out, fmt.Errorf("%s.processors cannot be read: %w", field, err)
	}
	for i, part := range s.Processors {
		one, err := t.parseTemplate(fmt.Sprintf("%s.processors[%d]", field, i), part)
		if err != nil {
			return out, err
		}
		if one.size() > 0 && out.size() > 0 {
			return out, fmt.Errorf("%s.processors has two processors that add special tokens; only one is supported", field)
		}
		if one.size() > 0 {
			out = one
		}
	}
	return out, nil
}

// parseSingle reads the template of a text alone.
func parseSingle(field string, raw json.RawMessage) (out template, err error) {
	type token struct {
		ID   string
		Type int64 `json:"type_id"`
	}
	var p struct {
		Single []struct {
			SpecialToken *token
			Sequence     *token
		} `json:"single"`
		Special map[string]struct{ IDs []int64 } `json:"special_tokens"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return out, fmt.Errorf("%s cannot be read: %w", field, err)
	}
	seen := false
	for i, part := range p.Single {
		switch {
		case part.Sequence != nil && !seen:
			seen, out.textType = true, part.Sequence.Type
		case part.SpecialToken != nil:
			ids := p.Special[part.SpecialToken.ID].IDs
			types := slices.Repeat([]int64{part.SpecialToken.Type}, len(ids))
			if seen {
				out.after, out.afterType = append(out.after, ids...), append(out.afterType, types...)
			} else {
				out.before, out.beforeType = append(out.before, ids...), append(out.beforeType, types...)
			}
		default:
			return out, fmt.Errorf("%s.single[%d] must be a special token or the place of the text (Sequence), which may appear only once", field, i)
		}
	}
	if !seen {
		return out, fmt.Errorf("%s.single has no place for the text (Sequence)", field)
	}
	return out, nil
}
