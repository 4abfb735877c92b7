package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// goldenCase is a text with what the library that the format is of makes of it.
type goldenCase struct {
	Tokenizer, Text string
	IDs, Types      []int64
}

// golden reads the cases that testdata/golden.py wrote.
func golden(t *testing.T) (out struct {
	Library string
	Cases   []goldenCase
}) {
	t.Helper()
	f, err := os.Open("testdata/cases.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err == nil {
		err = json.NewDecoder(unpacked).Decode(&out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func load(t *testing.T, name string) *Tokenizer {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("testdata/%s.json", name))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// Every text has the ids and the types that Hugging Face's library gives it.
func TestIDsAreTheLibrarys(t *testing.T) {
	all, loaded, wrong := golden(t), map[string]*Tokenizer{}, 0
	for _, c := range all.Cases {
		if loaded[c.Tokenizer] == nil {
			loaded[c.Tokenizer] = load(t, c.Tokenizer)
		}
		got, err := loaded[c.Tokenizer].Encode(c.Text, 0, 0)
		if err != nil || !slices.Equal(got.IDs, c.IDs) || !slices.Equal(got.Types, c.Types) {
			if wrong++; wrong <= 20 {
				t.Errorf("%s of %.80q: %v, %v; the library (%s) says %v, %v; error %v", c.Tokenizer, c.Text, got.IDs, got.Types, all.Library, c.IDs, c.Types, err)
			}
		}
	}
	if len(loaded) < 5 || wrong > 0 {
		t.Errorf("%d of %d cases of %d tokenizers are wrong", wrong, len(all.Cases), len(loaded))
	}
}
