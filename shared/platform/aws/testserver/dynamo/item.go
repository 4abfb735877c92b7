package dynamo

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
)

// row is an item as DynamoDB's JSON has it: {"pk":{"S":"x"},"n":{"N":"1"}}.
type row map[string]map[string]any

// bytes is the size of an item by which it is billed: its names and values.
func (r row) bytes() (n int) {
	for name, v := range r {
		n += len(name) + valueBytes(v)
	}
	return n
}

func valueBytes(v map[string]any) int {
	for kind, in := range v {
		switch in := in.(type) {
		case string:
			if kind == "B" {
				return base64.StdEncoding.DecodedLen(len(in))
			}
			return len(in)
		case bool:
			return 1
		}
	}
	return 1
}

// key names the item of a key: its partition, and the item in it.
func (r row) key(partition, sort string) (part, whole string) {
	return fmt.Sprint(r[partition]["S"]), fmt.Sprint(r[partition]["S"], "\x00", r[sort]["S"])
}

// writeUnits are those of an item of the given number of bytes, and readUnits likewise: a unit a
// begun KB, and one for each 4 KB, or half of one where the read need not be consistent.
func writeUnits(bytes int) float64 { return max(1, math.Ceil(float64(bytes)/1024)) }

func readUnits(bytes int, consistent bool) float64 {
	units := max(1, math.Ceil(float64(bytes)/4096))
	if !consistent {
		units /= 2
	}
	return units
}

// number is a number attribute; false for another.
func number(v map[string]any) (float64, bool) {
	text, ok := v["N"].(string)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// sum adds two numbers, exactly where both are whole.
func sum(a, b map[string]any) map[string]any {
	x, errX := strconv.ParseInt(fmt.Sprint(a["N"]), 10, 64)
	y, errY := strconv.ParseInt(fmt.Sprint(b["N"]), 10, 64)
	if errX == nil && errY == nil {
		return map[string]any{"N": strconv.FormatInt(x+y, 10)}
	}
	p, _ := number(a)
	q, _ := number(b)
	return map[string]any{"N": strconv.FormatFloat(p+q, 'g', -1, 64)}
}

// compare orders two values of one kind: below 0 when a is less; false for others.
func compare(a, b map[string]any) (int, bool) {
	if p, ok := number(a); ok {
		q, ok := number(b)
		if p < q {
			return -1, ok
		}
		if p > q {
			return 1, ok
		}
		return 0, ok
	}
	for _, kind := range []string{"S", "B"} {
		p, isP := a[kind].(string)
		q, isQ := b[kind].(string)
		if isP && isQ {
			if p < q {
				return -1, true
			}
			if p > q {
				return 1, true
			}
			return 0, true
		}
	}
	return 0, false
}
