package tally

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// document is a histogram as JSON. Buckets is the place of the first bucket
// that is not empty, then the counts from there on, with -k for k empty
// buckets: [40,1,3,-2,7] has 1 value in bucket 40, 3 in 41 and 7 in 44.
type document struct {
	Buckets []int64 `json:"buckets"`
	SumMS   float64 `json:"sum_ms"`
}

// mostCounted bounds a count: up to here a float64 holds every whole number, as
// readers of JSON in other languages need.
const mostCounted = 1 << 53

// MarshalJSON encodes the buckets that are not empty.
func (h Histogram) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 32+4*len(h.cells))
	out = append(out, `{"buckets":[`...)
	for i, c := range h.cells {
		switch {
		case i == 0:
			out = append(strconv.AppendInt(out, int64(c.place), 10), ',')
		case c.place > h.cells[i-1].place+1:
			gap := c.place - h.cells[i-1].place - 1
			out = append(strconv.AppendInt(append(out, ','), -int64(gap), 10), ',')
		default:
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, c.n, 10)
	}
	out = append(out, `],"sum_ms":`...)
	// Nine digits: sums are for means, and reports are paid by their size.
	out = strconv.AppendFloat(out, h.sumMS, 'g', sumDigits, 64)
	return append(out, '}'), nil
}

const sumDigits = 9

// rounded is a sum to as many digits as are encoded.
func rounded(sum float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(sum, 'g', sumDigits, 64), 64)
	if err != nil { // beyond any float64
		return sum
	}
	return out
}

// UnmarshalJSON decodes what MarshalJSON encodes, and refuses anything else.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	cells, err := decode(d.Buckets)
	if err != nil {
		return fmt.Errorf("histogram: buckets: %w", err)
	}
	if !(d.SumMS >= 0) || math.IsInf(d.SumMS, 0) || len(cells) == 0 && d.SumMS != 0 {
		return fmt.Errorf("histogram: sum_ms is %g, of %d buckets", d.SumMS, len(cells))
	}
	*h = Histogram{cells: cells, sumMS: d.SumMS}
	return nil
}

func decode(codes []int64) ([]cell, error) {
	if len(codes) == 0 {
		return nil, nil
	}
	if len(codes) < 2 || codes[0] < 0 || codes[len(codes)-1] <= 0 || len(codes) > bucketCount+1 {
		return nil, errors.New("a histogram is the index of its first bucket and then counts, the last of which is above 0")
	}
	cells := make([]cell, 0, len(codes)-1)
	at, total, skipped := codes[0], int64(0), true // a gap cannot follow the place, or a gap
	for _, code := range codes[1:] {
		switch {
		case code == 0 || code < 0 && skipped || code > mostCounted-total || code < -bucketCount || at >= bucketCount:
			return nil, fmt.Errorf("count %d is not valid in bucket %d of %d", code, at, bucketCount)
		case code < 0:
			at -= code
			skipped = true
		default:
			cells = append(cells, cell{int(at), code})
			total += code
			at++
			skipped = false
		}
	}
	return cells, nil
}
