package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// metaspace is SentencePiece's: blanks become a character that can be seen, each word
// begins with it, and so does the text.
type metaspace struct {
	mark  string
	where string // the mark is put in front of: "always" each piece, "first" the text, "never" none
	cut   bool   // into words, before each mark
}

func parseMetaspace(field string, raw json.RawMessage) (splitter, error) {
	var m struct {
		Replacement string `json:"replacement"`
		Prefix      *bool  `json:"add_prefix_space"`
		Scheme      string `json:"prepend_scheme"`
		Split       *bool  `json:"split"`
	}
	if err := json.Unmarshal(raw, &m); err != nil || utf8.RuneCountInString(m.Replacement) != 1 {
		return nil, fmt.Errorf("%s.replacement is %.32q; it must be one character", field, m.Replacement)
	}
	s := metaspace{mark: m.Replacement, where: "always", cut: m.Split == nil || *m.Split}
	if m.Scheme != "" {
		s.where = m.Scheme
	}
	switch {
	case s.where != "always" && s.where != "first" && s.where != "never":
		return nil, fmt.Errorf("%s.prepend_scheme is %.32q; it must be always, first or never", field, s.where)
	case m.Prefix != nil && !*m.Prefix && m.Scheme != "" && s.where != "never":
		return nil, fmt.Errorf("%s.add_prefix_space is false, so prepend_scheme must be never, and is %s", field, s.where)
	case m.Prefix != nil && !*m.Prefix:
		s.where = "never"
	}
	return s.split, nil
}

func (m metaspace) split(text string, first bool) []string {
	text = strings.ReplaceAll(text, " ", m.mark)
	if text == "" {
		return nil
	}
	if (m.where == "always" || m.where == "first" && first) && !strings.HasPrefix(text, m.mark) {
		text = m.mark + text
	}
	if !m.cut {
		return []string{text}
	}
	var out []string
	for text != "" {
		end := strings.Index(text[1:], m.mark) + 1
		if end == 0 {
			end = len(text)
		}
		out, text = append(out, text[:end]), text[end:]
	}
	return out
}
