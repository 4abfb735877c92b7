package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxID is the highest id that a vocabulary may have.
const maxID = 1 << 24

// modelFile is the vocabulary of a tokenizer.json.
type modelFile struct {
	Type         string
	Unknown      *string           `json:"unk_token"`
	Prefix       *string           `json:"continuing_subword_prefix"`
	Suffix       *string           `json:"end_of_word_suffix"`
	MaxRunes     int               `json:"max_input_chars_per_word"`
	Vocabulary   map[string]int64  `json:"vocab"`
	Merges       []json.RawMessage `json:"merges"`
	Dropout      *float64          `json:"dropout"`
	Fuse         bool              `json:"fuse_unk"`
	ByteFallback bool              `json:"byte_fallback"`
	IgnoreMerges bool              `json:"ignore_merges"`
}

func parseModel(raw json.RawMessage) (wordModel, error) {
	kind := typeOf(raw)
	if kind == "Unigram" {
		return parseUnigram(raw)
	}
	if kind != "" && kind != "WordPiece" && kind != "BPE" { // others have other fields
		return nil, unknownPart("model", kind, "WordPiece", "BPE", "Unigram")
	}
	var m modelFile
	if err := json.Unmarshal(raw, &m); err != nil || len(m.Vocabulary) == 0 {
		return nil, fmt.Errorf("model.vocab is missing or cannot be read: %v", err)
	}
	for token, id := range m.Vocabulary {
		if id < 0 || id > maxID {
			return nil, fmt.Errorf("model.vocab has id %d for token %.40q; ids must be within 0 to %d", id, token, maxID)
		}
	}
	if kind == "WordPiece" || kind == "" && m.Merges == nil {
		return m.wordPiece()
	}
	return m.bytePairs()
}

func (m modelFile) wordPiece() (wordModel, error) {
	w := &wordPiece{vocabulary: m.Vocabulary, prefix: "##", maxRunes: 100}
	if m.Prefix != nil {
		w.prefix = *m.Prefix
	}
	if m.MaxRunes > 0 {
		w.maxRunes = m.MaxRunes
	}
	token := "[UNK]"
	if m.Unknown != nil {
		token = *m.Unknown
	}
	var ok bool
	if w.unknown, ok = m.Vocabulary[token]; !ok {
		return nil, fmt.Errorf("model.unk_token is %.40q, which model.vocab does not have", token)
	}
	for entry := range m.Vocabulary {
		w.longest = max(w.longest, len(entry))
	}
	return w, nil
}

func (m modelFile) bytePairs() (wordModel, error) {
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return nil, fmt.Errorf("model.dropout is %v; it must be 0, because dropout makes the ids of a text random", *m.Dropout)
	case m.Prefix != nil && *m.Prefix != "" || m.Suffix != nil && *m.Suffix != "":
		return nil, fmt.Errorf("model.continuing_subword_prefix and model.end_of_word_suffix are not supported for BPE")
	}
	b := &bytePairs{vocabulary: m.Vocabulary, merges: make(map[[2]int64]merge, len(m.Merges)), unknown: -1, fuse: m.Fuse, ignore: m.IgnoreMerges, fallback: m.ByteFallback}
	for c := 0; c < 256 && m.ByteFallback; c++ {
		if token := fmt.Sprintf("<0x%02X>", c); !m.has(token) {
			return nil, fmt.Errorf("model.byte_fallback is true, but model.vocab lacks the token %s", token)
		}
	}
	if m.Unknown != nil {
		id, ok := m.Vocabulary[*m.Unknown]
		if !ok {
			return nil, fmt.Errorf("model.unk_token is %.40q, which model.vocab does not have", *m.Unknown)
		}
		b.unknown = id
	}
	for i, raw := range m.Merges {
		left, right, ok := mergeOf(raw)
		l, okL := m.Vocabulary[left]
		r, okR := m.Vocabulary[right]
		id, okM := m.Vocabulary[left+right]
		if !ok || !okL || !okR || !okM {
			return nil, fmt.Errorf("model.merges[%d] must be two tokens of model.vocab that together form a third token of model.vocab", i)
		}
		b.merges[[2]int64{l, r}] = merge{i, id}
	}
	return b, nil
}

func (m modelFile) has(token string) bool { _, ok := m.Vocabulary[token]; return ok }

// mergeOf reads a merge, "a b" or ["a", "b"].
func mergeOf(raw json.RawMessage) (left, right string, ok bool) {
	var both []string
	if json.Unmarshal(raw, &both) == nil && len(both) == 2 {
		return both[0], both[1], true
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "", "", false
	}
	left, right, ok = strings.Cut(text, " ")
	return left, right, ok
}
