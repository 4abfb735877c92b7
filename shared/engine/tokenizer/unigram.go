package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// unknownPenalty is how much below the least likely token an unknown character is.
const unknownPenalty = 10

// unigram takes the tokens of a word whose scores, logarithms of probabilities, have
// the highest sum: SentencePiece's Unigram, by the algorithm of Viterbi.
type unigram struct {
	tokens   []scored // sorted by token
	ids      map[string]int64
	unknown  int64
	score    float64 // of an unknown character
	fallback bool    // what is unknown is encoded by its bytes
}

// scored is a token of the vocabulary.
type scored struct {
	token string
	id    int64
	score float64
}

func parseUnigram(raw json.RawMessage) (wordModel, error) {
	var m struct {
		Unknown      *int64               `json:"unk_id"`
		Vocabulary   [][2]json.RawMessage `json:"vocab"`
		ByteFallback bool                 `json:"byte_fallback"`
	}
	if err := json.Unmarshal(raw, &m); err != nil || len(m.Vocabulary) == 0 {
		return nil, fmt.Errorf("model.vocab is missing or cannot be read: %v", err)
	}
	u := &unigram{ids: make(map[string]int64, len(m.Vocabulary)), score: math.Inf(1), fallback: m.ByteFallback}
	for i, pair := range m.Vocabulary {
		t := scored{id: int64(i)}
		if json.Unmarshal(pair[0], &t.token) != nil || json.Unmarshal(pair[1], &t.score) != nil {
			return nil, fmt.Errorf("model.vocab[%d] must be a token and its score", i)
		}
		u.ids[t.token] = t.id // of equal tokens the last one counts
		u.score = min(u.score, t.score)
		if t.token != "" {
			u.tokens = append(u.tokens, t)
		}
	}
	if m.Unknown == nil {
		return nil, fmt.Errorf("model.unk_id is missing")
	}
	if u.unknown = *m.Unknown; u.unknown < 0 || u.unknown >= int64(len(m.Vocabulary)) {
		return nil, fmt.Errorf("model.unk_id is %d, but model.vocab has %d tokens", u.unknown, len(m.Vocabulary))
	}
	u.score -= unknownPenalty
	slices.SortStableFunc(u.tokens, func(a, b scored) int { return strings.Compare(a.token, b.token) })
	u.tokens = u.lastOfEach()
	return u, nil
}

// lastOfEach leaves of equal tokens the last one.
func (u *unigram) lastOfEach() []scored {
	out := u.tokens[:0]
	for i, t := range u.tokens {
		if i+1 == len(u.tokens) || u.tokens[i+1].token != t.token {
			out = append(out, t)
		}
	}
	return out
}

func (u *unigram) id(token string) (int64, bool) { id, ok := u.ids[token]; return id, ok }

// ending is the best way to a place of a word: the token that ends there, where it
// starts, and the sum of the scores.
type ending struct {
	id    int64
	start int // -1: no way leads here
	score float64
}

func (u *unigram) encode(ids []int64, word string) []int64 {
	best := u.best(word)
	var cuts []int
	for at := len(word); at > 0; at = best[at].start {
		cuts = append(cuts, at)
	}
	for i := len(cuts) - 1; i >= 0; i-- {
		end := cuts[i]
		start := best[end].start
		for best[end].id == u.unknown && i > 0 && best[cuts[i-1]].id == u.unknown { // neighbors are one
			i--
			end = cuts[i]
		}
		ids = u.append(ids, word[start:end])
	}
	return ids
}

// best is the best way to each place of a word at which a character ends.
func (u *unigram) best(word string) []ending {
	best := make([]ending, len(word)+1)
	for i := range best {
		best[i].start = -1
	}
	offer := func(start, end int, id int64, score float64) {
		score += best[start].score
		if e := &best[end]; e.start < 0 || score > e.score {
			*e = ending{id, start, score}
		}
	}
	for start := 0; start < len(word); {
		_, size := utf8.DecodeRuneInString(word[start:])
		single := false
		u.prefixes(word[start:], func(t scored) {
			offer(start, start+len(t.token), t.id, t.score)
			single = single || len(t.token) == size
		})
		if !single {
			offer(start, start+size, u.unknown, u.score)
		}
		start += size
	}
	return best
}

// prefixes visits the tokens that a text begins with, the shortest first.
func (u *unigram) prefixes(text string, visit func(scored)) {
	among := u.tokens
	for at := 0; at < len(text) && len(among) > 0; at++ {
		c := text[at]
		from := sort.Search(len(among), func(i int) bool { return len(among[i].token) > at && among[i].token[at] >= c })
		among = among[from:]
		to := sort.Search(len(among), func(i int) bool { return among[i].token[at] > c })
		among = among[:to]
		if to > 0 && len(among[0].token) == at+1 {
			visit(among[0])
		}
	}
}

// append adds the id of a token, or of what stands for it.
func (u *unigram) append(ids []int64, token string) []int64 {
	if id, ok := u.ids[token]; ok {
		return append(ids, id)
	}
	if bytes, ok := byteTokens(u.ids, token); u.fallback && ok {
		return append(ids, bytes...)
	}
	return append(ids, u.unknown)
}

// byteTokens are the tokens of a text's bytes, <0x0A> and the like; false where the
// vocabulary lacks one.
func byteTokens(vocabulary map[string]int64, text string) ([]int64, bool) {
	out := make([]int64, len(text))
	for i := range len(text) {
		id, ok := vocabulary[fmt.Sprintf("<0x%02X>", text[i])]
		if !ok {
			return nil, false
		}
		out[i] = id
	}
	return out, true
}
