package tokenizer

import "unicode/utf8"

// wordPiece takes the longest entry of the vocabulary that a word begins with, and
// again of what is left, where entries have a prefix ("##").
type wordPiece struct {
	vocabulary map[string]int64
	unknown    int64
	prefix     string
	maxRunes   int // of a word; a longer one is unknown
	longest    int // entry of the vocabulary, in bytes
}

func (w *wordPiece) id(token string) (int64, bool) { id, ok := w.vocabulary[token]; return id, ok }

func (w *wordPiece) encode(ids []int64, word string) []int64 {
	if utf8.RuneCountInString(word) > w.maxRunes {
		return append(ids, w.unknown)
	}
	known := len(ids)
	for at := 0; at < len(word); {
		id, end := w.first(word, at)
		if end == at {
			return append(ids[:known], w.unknown)
		}
		ids, at = append(ids, id), end
	}
	return ids
}

// first is the longest entry that stands at a place of a word; end is that place
// where there is none.
func (w *wordPiece) first(word string, at int) (id int64, end int) {
	prefix := ""
	if at > 0 {
		prefix = w.prefix
	}
	for end = min(len(word), at+w.longest); end > at; end-- {
		if end < len(word) && !utf8.RuneStart(word[end]) {
			continue
		}
		if id, ok := w.vocabulary[prefix+word[at:end]]; ok {
			return id, end
		}
	}
	return 0, at
}
