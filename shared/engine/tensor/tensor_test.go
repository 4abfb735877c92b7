package tensor

import (
	"math"
	"strings"
	"testing"
)

func TestElements(t *testing.T) {
	for _, c := range []struct {
		shape []int64
		want  int
		fails string
	}{
		{nil, 1, ""},
		{[]int64{2, 3, 4}, 24, ""},
		{[]int64{1 << 31}, 1 << 31, ""},
		{[]int64{2, 0}, 0, "dimension 1 of shape [2 0] is 0, below 1"},
		{[]int64{-1}, 0, "is -1, below 1"},
		{[]int64{1 << 30, 3}, 0, "more than 2147483648 elements"},
		{[]int64{1 << 32, 1 << 32}, 0, "more than 2147483648 elements"},
	} {
		got, err := Elements(c.shape)
		if c.fails == "" && (err != nil || got != c.want) {
			t.Errorf("%v: %d, %v", c.shape, got, err)
		}
		if c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%v: %v, want %s", c.shape, err, c.fails)
		}
	}
}

func TestCheckFinite(t *testing.T) {
	fine := Tensor{Data: []float32{0, -1, math.MaxFloat32, math.SmallestNonzeroFloat32}}
	if err := fine.CheckFinite(); err != nil {
		t.Error(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		err := Tensor{Data: []float32{0, 1, float32(bad)}}.CheckFinite()
		if err == nil || !strings.Contains(err.Error(), "element 2 is") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestFiniteAtEveryPlace puts one number that is not finite at every place of data of every
// length up to a few of the blocks that are read at once, among numbers whose bits are
// next to those of infinity.
func TestFiniteAtEveryPlace(t *testing.T) {
	largest := []float32{math.MaxFloat32, -math.MaxFloat32}
	for length := range 40 {
		data := make([]float32, length)
		for i := range data {
			data[i] = largest[i%2]
		}
		if !finite(data) {
			t.Errorf("%d finite numbers are not", length)
		}
		for i, was := range data {
			for _, bad := range []uint32{0x7f800000, 0xff800000, 0x7f800001, 0xffffffff} {
				if data[i] = math.Float32frombits(bad); finite(data) {
					t.Errorf("%#x at %d of %d is finite", bad, i, length)
				}
			}
			data[i] = was
		}
	}
}

func TestCheckShape(t *testing.T) {
	if err := CheckShape([]int64{7, 3}, []int64{-1, 3}); err != nil {
		t.Error(err)
	}
	for _, shape := range [][]int64{{3}, {7, 4}, {1, 7, 3}, nil} {
		if CheckShape(shape, []int64{-1, 3}) == nil {
			t.Errorf("%v fits [-1 3]", shape)
		}
	}
}
