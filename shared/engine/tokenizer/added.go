package tokenizer

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is found in the text as it stands, whatever the model
// would make of it: "[MASK]", "<s>".
type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
}

// addedTokens are looked for in two passes: those that are not normalized in the
// text as it came, the others in the normalized rest.
type addedTokens struct{ raw, normalized matcher }

// piece is an added token, or text between them.
type piece struct {
	text  string
	id    int64
	added bool
	first bool // it begins where the text that is encoded does
}

// pieces cuts a text at the added tokens, and normalizes what is between them.
func (a addedTokens) pieces(text string, normalize normalizer) []piece {
	var out []piece
	for _, p := range a.raw.cut(text) {
		if p.added {
			out = append(out, p)
			continue
		}
		parts := a.normalized.cut(normalize(p.text))
		if len(parts) > 0 {
			parts[0].first = len(out) == 0
		}
		out = append(out, parts...)
	}
	return out
}

// matcher finds tokens by their first byte, the longest first.
type matcher struct{ byFirst map[byte][]addedToken }

func newMatcher(tokens []addedToken) matcher {
	m := matcher{map[byte][]addedToken{}}
	for _, t := range tokens {
		if t.Content != "" {
			m.byFirst[t.Content[0]] = append(m.byFirst[t.Content[0]], t)
		}
	}
	for _, ts := range m.byFirst {
		sort.SliceStable(ts, func(i, j int) bool { return len(ts[i].Content) > len(ts[j].Content) })
	}
	return m
}

// cut returns the tokens that stand in a text and what is between them, leftmost
// and longest first.
func (m matcher) cut(text string) []piece {
	var out []piece
	start, at := 0, 0
	for at < len(text) {
		t, ok := m.at(text, at)
		if !ok {
			at++
			continue
		}
		from, to := at, at+len(t.Content)
		at = to // what stands in a word is skipped as a whole
		if t.SingleWord && !alone(text, from, to) {
			continue
		}
		if t.LStrip {
			from = max(start, len(strings.TrimRightFunc(text[:from], unicode.IsSpace)))
		}
		if t.RStrip {
			to = len(text) - len(strings.TrimLeftFunc(text[to:], unicode.IsSpace))
		}
		if from > start {
			out = append(out, piece{text: text[start:from]})
		}
		out = append(out, piece{id: t.ID, added: true})
		start, at = to, to
	}
	if start < len(text) {
		out = append(out, piece{text: text[start:]})
	}
	return out
}

func (m matcher) at(text string, at int) (addedToken, bool) {
	for _, t := range m.byFirst[text[at]] {
		if strings.HasPrefix(text[at:], t.Content) {
			return t, true
		}
	}
	return addedToken{}, false
}

// alone says whether no letter, digit or underscore stands next to a range.
func alone(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return (from == 0 || !wordRune(before)) && (to == len(text) || !wordRune(after))
}

// wordRune is a regular expression's \w.
func wordRune(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}
