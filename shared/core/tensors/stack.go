package tensors

import "slices"

// Stack joins the inputs of several queries along their first dimension, for one run of a
// model, and returns how many rows each query has. It is false unless all have the same
// names, datatypes and shapes but for the first dimension, which is the same in all inputs
// of a query and at least 1.
func Stack(each [][]Tensor) (all []Tensor, rows []int64, ok bool) {
	if len(each) == 0 || len(each[0]) == 0 {
		return nil, nil, false
	}
	for _, given := range each {
		if len(given) != len(each[0]) || len(given[0].Shape) == 0 || given[0].Shape[0] < 1 {
			return nil, nil, false
		}
		rows = append(rows, given[0].Shape[0])
	}
	for _, first := range each[0] {
		if len(first.Shape) == 0 {
			return nil, nil, false
		}
		joined := Tensor{Name: first.Name, Datatype: first.Datatype, Shape: slices.Clone(first.Shape)}
		joined.Shape[0] = 0
		parts := make([]Tensor, len(each))
		for i, given := range each {
			t, found := Find(given, first.Name)
			if !found || t.Datatype != first.Datatype || len(t.Shape) != len(first.Shape) || t.Shape[0] != rows[i] || !slices.Equal(t.Shape[1:], first.Shape[1:]) {
				return nil, nil, false
			}
			parts[i] = t
			joined.Shape[0] += rows[i]
		}
		size := 0
		for _, t := range parts {
			size += len(t.Data)
		}
		joined.Data = make([]byte, 0, size)
		for _, t := range parts {
			joined.Data = append(joined.Data, t.Data...)
		}
		all = append(all, joined)
	}
	return all, rows, true
}

// Split is the reverse of Stack for the outputs of the run: it cuts each into the rows of
// the queries, which share its data. It is false for an output that has another number of
// rows.
func Split(outputs []Tensor, rows []int64) (each [][]Tensor, ok bool) {
	total := int64(0)
	for _, n := range rows {
		total += n
	}
	each = make([][]Tensor, len(rows))
	for _, t := range outputs {
		if len(t.Shape) == 0 || t.Shape[0] != total || total == 0 {
			return nil, false
		}
		rest := t.Data
		for i, n := range rows {
			part := Tensor{Name: t.Name, Datatype: t.Datatype, Shape: slices.Clone(t.Shape)}
			part.Shape[0] = n
			size, whole := sizeOf(part, rest)
			if !whole {
				return nil, false
			}
			part.Data, rest = rest[:size:size], rest[size:]
			each[i] = append(each[i], part)
		}
	}
	return each, true
}

// sizeOf is how many bytes of data the elements of a tensor take; false if data has fewer.
func sizeOf(t Tensor, data []byte) (size int, ok bool) {
	n, err := Elements(t.Shape)
	if err != nil {
		return 0, false
	}
	if t.Datatype != Bytes {
		size = n * t.Datatype.Size()
		return size, size <= len(data)
	}
	for range n {
		end, whole := endOfString(data[size:])
		if !whole {
			return 0, false
		}
		size += end
	}
	return size, true
}
