// Package tokenizer turns text into the token ids of a language model, as a
// tokenizer.json of Hugging Face's "tokenizers" says: WordPiece with BERT's
// normalizer, BPE over bytes, and SentencePiece's Unigram. The ids are those of that library; whatever part
// of a file this package does not implement is refused by name, never approximated.
package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// MaxFileBytes bounds a tokenizer.json: vocabularies of 250,000 words take 10 MB.
const MaxFileBytes = 32 << 20

// Tokenizer encodes text. It is safe for concurrent use.
type Tokenizer struct {
	normalize normalizer
	split     splitter
	words     wordModel
	added     addedTokens
	template  template
	maxTokens int // the file's own truncation; 0 is none
	padID     int64
}

// Encoding is a text as token ids.
type Encoding struct {
	IDs   []int64
	Types []int64 // segment of each token
	Mask  []int64 // 1 for a token, 0 for padding
}

// normalizer rewrites text before it is split.
type normalizer func(text string) string

// splitter cuts text into words, each of which the model encodes by itself. first says
// that the text's beginning is the beginning of all that is encoded.
type splitter func(text string, first bool) []string

// wordModel encodes one word.
type wordModel interface {
	encode(ids []int64, word string) []int64
	id(token string) (int64, bool)
}

// MaxTokens is the file's own bound on the tokens of a text, 0 without one.
func (t *Tokenizer) MaxTokens() int { return t.maxTokens }

// PadID is the token that texts are padded with.
func (t *Tokenizer) PadID() int64 { return t.padID }

// Encode encodes a text with the tokens that the file puts around it, truncated on
// the right to maxTokens tokens in all (0: as the file says) and padded to padTo
// (0: not at all: a model that takes any length masks padding, which only costs it
// time). Text that is not UTF-8 is an error.
func (t *Tokenizer) Encode(text string, maxTokens, padTo int) (Encoding, error) {
	if !utf8.ValidString(text) {
		return Encoding{}, fmt.Errorf("the text is not UTF-8")
	}
	if maxTokens == 0 {
		maxTokens = t.maxTokens
	}
	var ids []int64
	for _, p := range t.added.pieces(text, t.normalize) {
		if p.added {
			ids = append(ids, p.id)
			continue
		}
		for _, word := range t.split(p.text, p.first) {
			ids = t.words.encode(ids, word)
		}
	}
	if room := maxTokens - t.template.size(); maxTokens > 0 && len(ids) > room {
		ids = ids[:max(0, room)]
	}
	e := t.template.around(ids)
	for range e.IDs {
		e.Mask = append(e.Mask, 1)
	}
	for len(e.IDs) < padTo {
		e.IDs, e.Types, e.Mask = append(e.IDs, t.padID), append(e.Types, 0), append(e.Mask, 0)
	}
	return e, nil
}
