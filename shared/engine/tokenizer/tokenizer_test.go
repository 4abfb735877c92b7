package tokenizer

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is not implemented is refused by the name of its field.
func TestWhatIsNotServedIsRefused(t *testing.T) {
	const piece = `"model":{"type":"WordPiece","unk_token":"[UNK]","vocab":{"[UNK]":0}}`
	pair := `"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]%s}`
	for _, tc := range []struct{ name, file, says string }{
		{"no JSON", `a poem`, "not a tokenizer.json"},
		{"no vocabulary", `{"model":{"type":"WordPiece"}}`, "model.vocab"},
		{"another model", `{"model":{"type":"WordLevel","vocab":{"a":0}}}`, `model.type is "WordLevel"`},
		{"no unknown token of Unigram", `{"model":{"type":"Unigram","vocab":[["a",-0.5]]}}`, "unk_id"},
		{"an unknown token beyond Unigram's vocabulary", `{"model":{"type":"Unigram","unk_id":1,"vocab":[["a",-0.5]]}}`, "unk_id"},
		{"a score that is none", `{"model":{"type":"Unigram","unk_id":0,"vocab":[["a","b"]]}}`, "vocab[0]"},
		{"no unknown token", `{"model":{"type":"WordPiece","vocab":{"a":0}}}`, "unk_token"},
		{"an id below 0", `{"model":{"type":"WordPiece","vocab":{"[UNK]":-1}}}`, "vocab"},
		{"dropout", "{" + fmt.Sprintf(pair, `,"dropout":0.1`) + "}", "dropout"},
		{"byte fallback", "{" + fmt.Sprintf(pair, `,"byte_fallback":true`) + "}", "<0x00>"},
		{"suffix", "{" + fmt.Sprintf(pair, `,"end_of_word_suffix":"</w>"`) + "}", "end_of_word_suffix"},
		{"a merge of nothing", `{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`, "merges[0]"},
		{"normalizer", `{` + piece + `,"normalizer":{"type":"ByteLevel"}}`, `normalizer.type is "ByteLevel"`},
		{"no table", `{` + piece + `,"normalizer":{"type":"Precompiled"}}`, "precompiled_charsmap"},
		{"no base64", `{` + piece + `,"normalizer":{"type":"Precompiled","precompiled_charsmap":"?"}}`, "precompiled_charsmap"},
		{"an array beyond the table", `{` + piece + `,"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAAAAAA="}}`, "precompiled_charsmap"},
		{"normalizer within", `{` + piece + `,"normalizer":{"type":"Sequence","normalizers":[{"type":"Odd"}]}}`, "normalizers[0]"},
		{"a pattern", `{` + piece + `,"normalizer":{"type":"Replace","pattern":{"Regex":"\\s+"},"content":""}}`, "pattern"},
		{"pre-tokenizer", `{` + piece + `,"pre_tokenizer":{"type":"Digits"}}`, "pre_tokenizer.type"},
		{"a mark of two characters", `{` + piece + `,"pre_tokenizer":{"type":"Metaspace","replacement":"__"}}`, "replacement"},
		{"a scheme", `{` + piece + `,"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"odd"}}`, "prepend_scheme"},
		{"post-processor", `{` + piece + `,"post_processor":{"type":"Odd"}}`, "post_processor.type"},
		{"no place", `{` + piece + `,"post_processor":{"type":"TemplateProcessing","single":[]}}`, "single"},
		{"truncation on the left", `{` + piece + `,"truncation":{"direction":"Left","max_length":5}}`, "truncation.direction"},
		{"truncation to nothing", `{` + piece + `,"truncation":{"direction":"Right","max_length":0}}`, "truncation.max_length"},
		{"padding on the left", `{` + piece + `,"padding":{"direction":"Left","pad_id":0}}`, "padding.direction"},
	} {
		if _, err := Parse([]byte(tc.file)); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v does not name %q", tc.name, err, tc.says)
		}
	}
}

// Bounds on the tokens hold, whatever the text: what is cut is the text's end, and
// padding is masked.
func TestTruncationAndPadding(t *testing.T) {
	tok := load(t, "cased")
	rapid.Check(t, func(rt *rapid.T) {
		text, most, pad := rapid.String().Draw(rt, "text"), rapid.IntRange(2, 20).Draw(rt, "most"), rapid.IntRange(0, 30).Draw(rt, "pad")
		full, err := tok.Encode(text, 1<<20, 0)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := tok.Encode(text, most, pad)
		if err != nil {
			rt.Fatal(err)
		}
		n := min(most, len(full.IDs))
		want := append(slices.Clone(full.IDs[:n-1]), full.IDs[len(full.IDs)-1])
		for len(want) < pad {
			want = append(want, 0)
		}
		if !slices.Equal(got.IDs, want) || len(got.Mask) != len(want) || len(got.Types) != len(want) {
			rt.Fatalf("%v, want %v", got, want)
		}
		for i, m := range got.Mask {
			if (m == 1) != (i < n) {
				rt.Fatalf("mask %v, of %d tokens", got.Mask, n)
			}
		}
	})
}

func TestTextThatIsNotUTF8(t *testing.T) {
	if _, err := load(t, "gpt2").Encode("a\xffb", 0, 0); err == nil {
		t.Error("it was encoded")
	}
}

// FuzzParse wants an error or a tokenizer that works, of any file.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"uncased", "sequence", "unigram", "albert"} {
		raw, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, "Hello, wörld")
	}
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		tok, err := Parse(raw)
		if err != nil {
			return
		}
		if e, err := tok.Encode(text, 64, 0); err == nil && len(e.IDs) != len(e.Mask) {
			t.Errorf("%d ids, %d in the mask", len(e.IDs), len(e.Mask))
		}
	})
}
