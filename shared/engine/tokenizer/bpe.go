package tokenizer

import "container/heap"

// bytePairs merges neighboring tokens, the pair that was learned first first.
type bytePairs struct {
	vocabulary map[string]int64
	merges     map[[2]int64]merge
	unknown    int64 // -1: what is not in the vocabulary is left out
	fuse       bool  // neighboring unknown tokens are one
	ignore     bool  // a word that is in the vocabulary is not merged
	fallback   bool  // a character that is not in the vocabulary is encoded by its bytes
}

// merge is what a pair becomes, and how early it was learned.
type merge struct {
	rank int
	id   int64
}

func (b *bytePairs) id(token string) (int64, bool) { id, ok := b.vocabulary[token]; return id, ok }

func (b *bytePairs) encode(ids []int64, word string) []int64 {
	if id, ok := b.vocabulary[word]; ok && b.ignore {
		return append(ids, id)
	}
	parts := b.parts(word)
	var queue pairQueue
	for i := range len(parts) - 1 {
		b.offer(&queue, parts, i)
	}
	heap.Init(&queue)
	for len(queue) > 0 {
		p := heap.Pop(&queue).(pair)
		left, next := &parts[p.at], parts[p.at].next
		if next < 0 || left.id != p.left || parts[next].id != p.right || left.gone {
			continue // one of them was merged in the meantime
		}
		left.id = p.id
		left.next = parts[next].next
		parts[next].gone = true
		if left.next >= 0 {
			parts[left.next].before = p.at
			b.push(&queue, parts, p.at)
		}
		if left.before >= 0 {
			b.push(&queue, parts, left.before)
		}
	}
	for at := 0; at >= 0 && at < len(parts); at = parts[at].next {
		ids = append(ids, parts[at].id)
	}
	return ids
}

// part is a token of a word in the making, with its neighbors.
type part struct {
	id           int64
	before, next int // -1 at the ends
	gone         bool
}

// parts are the characters of a word.
func (b *bytePairs) parts(word string) []part {
	var out []part
	unknown := false
	add := func(id int64) { out = append(out, part{id: id, before: len(out) - 1, next: len(out) + 1}) }
	for _, r := range word {
		id, ok := b.vocabulary[string(r)]
		if !ok && b.fallback {
			bytes, _ := byteTokens(b.vocabulary, string(r)) // which has all of them
			for _, id := range bytes {
				add(id)
			}
			continue
		}
		if !ok && (b.unknown < 0 || unknown && b.fuse) {
			continue
		}
		if !ok {
			id = b.unknown
		}
		unknown = !ok
		add(id)
	}
	if len(out) > 0 {
		out[len(out)-1].next = -1
	}
	return out
}

// pair is two neighbors that can be merged.
type pair struct {
	merge
	at          int
	left, right int64
}

func (b *bytePairs) pair(parts []part, at int) (pair, bool) {
	left, right := parts[at].id, parts[parts[at].next].id
	m, ok := b.merges[[2]int64{left, right}]
	return pair{m, at, left, right}, ok
}

func (b *bytePairs) offer(q *pairQueue, parts []part, at int) {
	if p, ok := b.pair(parts, at); ok {
		*q = append(*q, p)
	}
}

func (b *bytePairs) push(q *pairQueue, parts []part, at int) {
	if p, ok := b.pair(parts, at); ok {
		heap.Push(q, p)
	}
}

// pairQueue has the pair that was learned first at its head, of equals the leftmost.
type pairQueue []pair

func (q pairQueue) Len() int      { return len(q) }
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(pair)) }
func (q pairQueue) Less(i, j int) bool {
	if q[i].rank != q[j].rank {
		return q[i].rank < q[j].rank
	}
	return q[i].at < q[j].at
}

func (q *pairQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
