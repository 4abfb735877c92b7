package tokenizer

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// bertNormalizer is BERT's: control characters out, spaces to one kind, spaces
// around Chinese characters, accents off and letters lowered.
type bertNormalizer struct{ clean, chinese, strip, lower bool }

func (n bertNormalizer) normalize(text string) string {
	if n.clean {
		text = strings.Map(cleanRune, text)
	}
	if n.chinese {
		text = spaceChinese(text)
	}
	if n.strip {
		text = without(norm.NFD.String(text), func(r rune) bool { return in8(r, unicode.Mn, changedMarks) })
	}
	if n.lower {
		text = lower(text)
	}
	return text
}

// cleanRune drops control characters and makes every white space a blank.
func cleanRune(r rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return ' '
	case r == 0 || r == unicode.ReplacementChar || other(r):
		return -1
	case unicode.IsSpace(r):
		return ' '
	}
	return r
}

// other is a control, format or private-use character.
func other(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Co) || in8(r, unicode.Cf, changedOther)
}

// chinese is the blocks of ideographs that BERT cuts into words of one character.
var chinese = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x3400, Hi: 0x4DBF, Stride: 1}, {Lo: 0x4E00, Hi: 0x9FFF, Stride: 1}, {Lo: 0xF900, Hi: 0xFAFF, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x20000, Hi: 0x2A6DF, Stride: 1}, {Lo: 0x2A700, Hi: 0x2B73F, Stride: 1},
		{Lo: 0x2B740, Hi: 0x2B81F, Stride: 1}, {Lo: 0x2B920, Hi: 0x2CEAF, Stride: 1}, {Lo: 0x2F800, Hi: 0x2FA1F, Stride: 1}},
}

func spaceChinese(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return unicode.Is(chinese, r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.Is(chinese, r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// stripAccents drops all marks, those that take room too, as the library's normalizer
// of that name does.
func stripAccents(text string) string {
	return without(text, func(r rune) bool { return unicode.Is(unicode.M, r) })
}

func without(text string, drop func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}, text)
}

// lower lowers character by character, as Unicode's full mapping has it: one
// character, the dotted capital I, becomes two.
func lower(text string) string {
	return strings.Map(unicode.ToLower, strings.ReplaceAll(text, "\u0130", "i\u0307"))
}

func sequenceOf(all []normalizer) normalizer {
	return func(text string) string {
		for _, n := range all {
			text = n(text)
		}
		return text
	}
}

func same(text string) string { return text }

// strip drops white space at the ends.
type strip struct{ left, right bool }

func (s strip) normalize(text string) string {
	if s.left {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	if s.right {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	}
	return text
}

// nmt drops control characters and makes blanks of white space and of what is not to
// be seen, as SentencePiece does for translation.
func nmt(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 1 && r <= 8, r == 0xB, r >= 0xE && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
			return -1
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, r >= 0x200B && r <= 0x200F, r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
			return ' '
		}
		return r
	}, text)
}

// pattern is what a Replace looks for.
type pattern struct {
	String *string
	Regex  *string
}

// simplePattern is the regular expressions that mean the same to every engine:
// characters, each once or a given number of times.
var simplePattern = regexp.MustCompile(`^(?:[^\\.\[\](){}*+?^$|](?:\{[1-9][0-9]{0,2}(?:,[0-9]{0,3})?\}|\+)?)+$`)

// replace is the normalizer of a Replace.
func (p pattern) replace(field, by string) (normalizer, error) {
	switch {
	case p.String != nil && *p.String != "":
		return func(text string) string { return strings.ReplaceAll(text, *p.String, by) }, nil
	case p.Regex == nil || !simplePattern.MatchString(*p.Regex):
		return nil, fmt.Errorf("%s.pattern is not supported; supported are a string, and a regular expression of single characters, each with an optional + or {m,n}", field)
	}
	r, err := regexp.Compile(*p.Regex)
	if err != nil {
		return nil, fmt.Errorf("%s.pattern cannot be read: %w", field, err)
	}
	return func(text string) string { return r.ReplaceAllLiteralString(text, by) }, nil
}
