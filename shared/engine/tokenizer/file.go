package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// file is a tokenizer.json.
type file struct {
	Truncation *struct {
		Direction string `json:"direction"`
		MaxLength int    `json:"max_length"`
	} `json:"truncation"`
	Padding *struct {
		Direction string `json:"direction"`
		ID        int64  `json:"pad_id"`
	} `json:"padding"`
	Added         []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Model         json.RawMessage `json:"model"`
}

// Parse reads a tokenizer.json. The error names the field that cannot be used.
func Parse(raw []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("is not a tokenizer.json file: %w", err)
	}
	t := &Tokenizer{}
	var err error
	if t.words, err = parseModel(f.Model); err != nil {
		return nil, err
	}
	if t.normalize, err = parseNormalizer("normalizer", f.Normalizer); err != nil {
		return nil, err
	}
	if t.split, err = parseSplitter("pre_tokenizer", f.PreTokenizer); err != nil {
		return nil, err
	}
	t.addTokens(f.Added)
	if t.template, err = t.parseTemplate("post_processor", f.PostProcessor); err != nil {
		return nil, err
	}
	return t, t.bounds(f)
}

// bounds reads truncation and padding.
func (t *Tokenizer) bounds(f file) error {
	if c := f.Truncation; c != nil {
		if c.Direction != "" && c.Direction != "Right" {
			return fmt.Errorf("truncation.direction is %.32q; only Right is supported", c.Direction)
		}
		t.maxTokens = c.MaxLength
		if t.maxTokens <= t.template.size() {
			return fmt.Errorf("truncation.max_length is %d; it must be above %d, the number of special tokens added to each text", t.maxTokens, t.template.size())
		}
	}
	if p := f.Padding; p != nil {
		if p.Direction != "" && p.Direction != "Right" {
			return fmt.Errorf("padding.direction is %.32q; only Right is supported", p.Direction)
		}
		t.padID = p.ID
	} else if id, ok := t.words.id("[PAD]"); ok {
		t.padID = id
	} else if id, ok := t.words.id("<pad>"); ok {
		t.padID = id
	}
	if t.maxTokens > profile.MaxTokens {
		return fmt.Errorf("truncation.max_length is %d; at most %d tokens are supported", t.maxTokens, profile.MaxTokens)
	}
	return nil
}

func (t *Tokenizer) addTokens(all []addedToken) {
	var raw, normalized []addedToken
	for _, a := range all {
		if a.Normalized {
			a.Content = t.normalize(a.Content)
			normalized = append(normalized, a)
			continue
		}
		raw = append(raw, a)
	}
	t.added = addedTokens{newMatcher(raw), newMatcher(normalized)}
}

// typeOf is what kind of part a field describes; empty for null.
func typeOf(raw json.RawMessage) string {
	var kind struct{ Type string }
	if len(raw) == 0 || json.Unmarshal(raw, &kind) != nil {
		return ""
	}
	return kind.Type
}

// unknownPart refuses a part that is not implemented.
func unknownPart(field, kind string, known ...string) error {
	return fmt.Errorf("%s.type is %.40q; supported types: %s", field, kind, strings.Join(known, ", "))
}

func null(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func parseNormalizer(field string, raw json.RawMessage) (normalizer, error) {
	if null(raw) {
		return same, nil
	}
	var n struct {
		Normalizers        []json.RawMessage
		CleanText          *bool   `json:"clean_text"`
		HandleChineseChars *bool   `json:"handle_chinese_chars"`
		StripAccents       *bool   `json:"strip_accents"`
		Lowercase          *bool   `json:"lowercase"`
		Prepend            string  `json:"prepend"`
		Pattern            pattern `json:"pattern"`
		Content            string  `json:"content"`
		StripLeft          bool    `json:"strip_left"`
		StripRight         bool    `json:"strip_right"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", field, err)
	}
	on := func(b *bool, otherwise bool) bool {
		if b == nil {
			return otherwise
		}
		return *b
	}
	switch kind := typeOf(raw); kind {
	case "BertNormalizer":
		low := on(n.Lowercase, true)
		return bertNormalizer{on(n.CleanText, true), on(n.HandleChineseChars, true), on(n.StripAccents, low), low}.normalize, nil
	case "Lowercase":
		return lower, nil
	case "StripAccents":
		return stripAccents, nil
	case "NFC":
		return norm.NFC.String, nil
	case "NFD":
		return norm.NFD.String, nil
	case "NFKC":
		return norm.NFKC.String, nil
	case "NFKD":
		return norm.NFKD.String, nil
	case "Replace":
		return n.Pattern.replace(field, n.Content)
	case "Strip":
		return strip{n.StripLeft, n.StripRight}.normalize, nil
	case "Nmt":
		return nmt, nil
	case "Precompiled":
		return parsePrecompiled(field, raw)
	case "Prepend":
		return func(text string) string {
			if text == "" {
				return text
			}
			return n.Prepend + text
		}, nil
	case "Sequence":
		var all []normalizer
		for i, part := range n.Normalizers {
			one, err := parseNormalizer(fmt.Sprintf("%s.normalizers[%d]", field, i), part)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		return sequenceOf(all), nil
	default:
		return nil, unknownPart(field, kind, "BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Replace", "Prepend", "Strip", "Nmt", "Precompiled", "Sequence")
	}
}

func parseSplitter(field string, raw json.RawMessage) (splitter, error) {
	if null(raw) {
		return anywhere(whole), nil
	}
	var s struct {
		PreTokenizers  []json.RawMessage `json:"pretokenizers"`
		AddPrefixSpace *bool             `json:"add_prefix_space"`
		UseRegex       *bool             `json:"use_regex"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", field, err)
	}
	switch kind := typeOf(raw); kind {
	case "BertPreTokenizer":
		return anywhere(bertSplit), nil
	case "Whitespace":
		return anywhere(whitespaceSplit), nil
	case "WhitespaceSplit":
		return anywhere(strings.Fields), nil
	case "ByteLevel":
		return anywhere(byteLevel{s.AddPrefixSpace == nil || *s.AddPrefixSpace, s.UseRegex == nil || *s.UseRegex}.split), nil
	case "Metaspace":
		return parseMetaspace(field, raw)
	case "Sequence":
		var all []splitter
		for i, part := range s.PreTokenizers {
			one, err := parseSplitter(fmt.Sprintf("%s.pretokenizers[%d]", field, i), part)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		return inTurn(all), nil
	default:
		return nil, unknownPart(field, kind, "BertPreTokenizer", "Whitespace", "WhitespaceSplit", "ByteLevel", "Metaspace", "Sequence")
	}
}

// anywhere is a splitter for which it does not matter where in the text a piece is.
func anywhere(split func(text string) []string) splitter {
	return func(text string, _ bool) []string { return split(text) }
}

// inTurn splits by each splitter what those before it have left whole.
func inTurn(all []splitter) splitter {
	return func(text string, first bool) []string {
		words := whole(text)
		for _, split := range all {
			var next []string
			for i, w := range words {
				next = append(next, split(w, first && i == 0 && strings.HasPrefix(text, w))...)
			}
			words = next
		}
		return words
	}
}
