package onnxruntime

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// element returns an element of a sequence, or the keys (0) or values (1) of a
// map, for the caller to release.
func (l *Library) element(v uintptr, i int) (uintptr, error) {
	var out uintptr
	err := l.api.do(getValue, v, uintptr(i), l.allocator, uintptr(unsafe.Pointer(&out)))
	return out, err
}

// oneMap is a map as a row of its values.
func (l *Library) oneMap(v uintptr) (Value, error) {
	keys, err := l.part(v, 0)
	if err != nil {
		return Value{}, fmt.Errorf("get keys: %w", err)
	}
	values, err := l.part(v, 1)
	if err != nil {
		return Value{}, fmt.Errorf("get values: %w", err)
	}
	names, err := texts(keys)
	return Value{Tensor: values, Keys: names}, err
}

func (l *Library) part(v uintptr, i int) (tensors.Tensor, error) {
	p, err := l.element(v, i)
	if err != nil {
		return tensors.Tensor{}, err
	}
	defer l.api.release(releaseValue, p)
	return l.tensor(p)
}

// texts are the keys of a map, which are strings or whole numbers.
func texts(keys tensors.Tensor) ([]string, error) {
	var out []string
	switch keys.Datatype {
	case tensors.Bytes:
		all, err := keys.Strings()
		for _, text := range all {
			out = append(out, string(text))
		}
		return out, err
	case tensors.Int64:
		for i := 0; i < len(keys.Data); i += 8 {
			out = append(out, strconv.FormatInt(int64(uint64At(keys.Data, i)), 10))
		}
		return out, nil
	}
	return nil, fmt.Errorf("the map's keys are %s, neither strings nor INT64", keys.Datatype)
}

func uint64At(data []byte, at int) (n uint64) {
	for i, b := range data[at : at+8] {
		n |= uint64(b) << (8 * i)
	}
	return n
}

// sequence makes a sequence of maps with the same keys, as scikit-learn's
// classifiers end with, one tensor: a row a map, a column a key.
func (l *Library) sequence(v uintptr) (Value, error) {
	var n uintptr
	if err := l.api.do(getValueCount, v, uintptr(unsafe.Pointer(&n))); err != nil {
		return Value{}, fmt.Errorf("count the sequence: %w", err)
	}
	var out Value
	for i := range int(n) {
		row, err := l.row(v, i)
		if err != nil {
			return Value{}, fmt.Errorf("element %d of the sequence: %w", i, err)
		}
		if i == 0 {
			out = row
			continue
		}
		if !slices.Equal(row.Keys, out.Keys) || row.Datatype != out.Datatype {
			return Value{}, fmt.Errorf("element %d of the sequence has other keys than the first: only maps with the same ones make a table", i)
		}
		out.Data = append(out.Data, row.Data...)
	}
	if n == 0 {
		return Value{}, errors.New("the sequence is empty")
	}
	out.Shape = []int64{int64(n), int64(len(out.Keys))}
	return out, nil
}

// row is one map of a sequence.
func (l *Library) row(v uintptr, i int) (Value, error) {
	e, err := l.element(v, i)
	if err != nil {
		return Value{}, err
	}
	defer l.api.release(releaseValue, e)
	var kind int32
	if err := l.api.do(getValueType, e, uintptr(unsafe.Pointer(&kind))); err != nil {
		return Value{}, err
	}
	if kind != typeMap {
		return Value{}, errors.New("a sequence in an output may contain only maps")
	}
	return l.oneMap(e)
}
