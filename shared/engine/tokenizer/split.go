package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// whole takes a text for one word.
func whole(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// bertSplit cuts at white space, which it drops, and around each mark of
// punctuation.
func bertSplit(text string) []string {
	var out []string
	for _, word := range strings.FieldsFunc(text, unicode.IsSpace) {
		out = isolate(out, word, punctuation)
	}
	return out
}

// isolate cuts out each character of a kind as a word of its own.
func isolate(out []string, word string, kind func(rune) bool) []string {
	start := 0
	for i, r := range word {
		if !kind(r) {
			continue
		}
		if i > start {
			out = append(out, word[start:i])
		}
		start = i + utf8.RuneLen(r)
		out = append(out, word[i:start])
	}
	if start < len(word) {
		out = append(out, word[start:])
	}
	return out
}

// punctuation is ASCII's and Unicode's categories P.
func punctuation(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= '!' && r <= '/' || r >= ':' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~'
	}
	return in8(r, unicode.P, changedPunctuation)
}

// whitespaceSplit is the regular expression \w+|[^\w\s]+.
func whitespaceSplit(text string) []string {
	var out []string
	start, kind := 0, 0
	flush := func(end int) {
		if kind != 0 && end > start {
			out = append(out, text[start:end])
		}
		start = end
	}
	for i, r := range text {
		k := 2
		switch {
		case wordRune(r):
			k = 1
		case unicode.IsSpace(r):
			k = 0
		}
		if k != kind {
			flush(i)
			kind = k
		}
	}
	flush(len(text))
	return out
}

// byteLevel is GPT-2's: words by its regular expression, and each byte as a
// character that can be printed.
type byteLevel struct{ prefixSpace, regex bool }

func (b byteLevel) split(text string) []string {
	if b.prefixSpace && text != "" && text[0] != ' ' {
		text = " " + text
	}
	words := whole(text)
	if b.regex {
		words = gpt2Split(text)
	}
	for i, w := range words {
		words[i] = printable(w)
	}
	return words
}

// byteRunes are the characters that stand for bytes: itself for what is printed,
// and the next free ones from 256 on for the others.
var byteRunes = func() (out [256]rune) {
	next := rune(256)
	for b := range out {
		r := rune(b)
		if r >= '!' && r <= '~' || r >= 0xA1 && r <= 0xAC || r >= 0xAE {
			out[b] = r
			continue
		}
		out[b] = next
		next++
	}
	return out
}()

func printable(word string) string {
	var b strings.Builder
	for i := range len(word) {
		b.WriteRune(byteRunes[word[i]])
	}
	return b.String()
}

// contractions are cut off whatever they follow.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// gpt2Split cuts by the regular expression of GPT-2,
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// whose look-ahead Go's regexp does not have.
func gpt2Split(text string) []string {
	var out []string
	for text != "" {
		n := gpt2Word(text)
		out, text = append(out, text[:n]), text[n:]
	}
	return out
}

// gpt2Word is the length in bytes of the first word.
func gpt2Word(text string) int {
	for _, c := range contractions {
		if strings.HasPrefix(text, c) {
			return len(c)
		}
	}
	rest := strings.TrimPrefix(text, " ")
	skipped := len(text) - len(rest)
	if first, size := utf8.DecodeRuneInString(rest); size > 0 && !unicode.IsSpace(first) {
		kind := runeKind(first)
		if end := strings.IndexFunc(rest, func(r rune) bool { return runeKind(r) != kind }); end >= 0 {
			return skipped + end
		}
		return len(text)
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsSpace(r) })
	if end < 0 {
		return len(text)
	}
	// The last space goes with the word that follows, unless it is the only one.
	if _, size := utf8.DecodeLastRuneInString(text[:end]); size < end {
		return end - size
	}
	return end
}

// runeKind is letter, number, white space or neither.
func runeKind(r rune) int {
	switch {
	case unicode.IsLetter(r):
		return 1
	case unicode.IsNumber(r):
		return 2
	case unicode.IsSpace(r):
		return 3
	}
	return 0
}
