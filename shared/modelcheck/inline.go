package modelcheck

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"

	"github.com/paragon-serving/paragon/shared/engine/wire"
)

// Inline returns a model with the weights that lie in other files put into it, as
// a service that gets one file needs it; a model without any is returned as it is.
// The files are looked for in a folder, which they cannot lie outside of. limit
// bounds the whole, in bytes.
func Inline(onnx []byte, folder fs.FS, limit int64) ([]byte, error) {
	in := &inliner{folder: folder, left: limit - int64(len(onnx))}
	out, err := in.message(onnx, map[int]rewrite{modelGraph: in.graph, modelFunctions: in.function})
	if err != nil || !in.found {
		return onnx, err
	}
	return out, nil
}

// inliner rewrites a model.
type inliner struct {
	folder fs.FS
	left   int64 // bytes that may still be read
	found  bool
}

// rewrite makes a field's bytes anew.
type rewrite func([]byte) ([]byte, error)

// message writes a message anew, with some of its fields rewritten.
func (in *inliner) message(message []byte, with map[int]rewrite) ([]byte, error) {
	out := make([]byte, 0, len(message))
	err := wire.Each(message, func(f wire.Field) error {
		change, ok := with[f.Number]
		if !ok {
			out = append(out, f.Raw...)
			return nil
		}
		changed, err := change(f.Bytes)
		if err == nil {
			out = wire.AppendBytes(out, f.Number, changed)
		}
		return err
	})
	if errors.Is(err, wire.ErrFormat) {
		return message, nil // it is no ONNX model: who reads it next says so
	}
	return out, err
}

func (in *inliner) graph(message []byte) ([]byte, error) {
	return in.message(message, map[int]rewrite{graphInitializer: in.tensor, graphNode: in.node})
}

func (in *inliner) function(message []byte) ([]byte, error) {
	return in.message(message, map[int]rewrite{functionNode: in.node})
}

func (in *inliner) node(message []byte) ([]byte, error) {
	return in.message(message, map[int]rewrite{nodeAttribute: in.attribute})
}

func (in *inliner) attribute(message []byte) ([]byte, error) {
	return in.message(message, map[int]rewrite{
		attributeTensor: in.tensor, attributeTensors: in.tensor, attributeGraph: in.graph, attributeGraphs: in.graph})
}

// tensor puts the data of one that lies elsewhere into it.
func (in *inliner) tensor(message []byte) ([]byte, error) {
	w, err := readWeight(message)
	if err != nil || !w.external {
		return message, err
	}
	in.found = true
	data, err := in.read(w)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(message)+len(data))
	err = wire.Each(message, func(f wire.Field) error {
		if f.Number != tensorExternal && f.Number != tensorLocation {
			out = append(out, f.Raw...)
		}
		return nil
	})
	return wire.AppendBytes(out, tensorRaw, data), err
}

// read reads the data of a weight from its file.
func (in *inliner) read(w weight) ([]byte, error) {
	part := "weight " + quote(w.name)
	location := path.Clean(w.location) // "./weights" is next to the model
	if !fs.ValidPath(location) || location == "." {
		return nil, badf(part, "is stored in %s, which is outside the model's folder", quote(w.location))
	}
	f, err := in.folder.Open(location)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, badf(part, "is stored in %s, which is not in the model's folder", quote(w.location))
	}
	if err != nil {
		return nil, badf(part, "is stored in %s, which cannot be read: %v", quote(w.location), err)
	}
	defer f.Close()
	offset, length, err := span(w)
	if err != nil {
		return nil, badf(part, "%v", err)
	}
	if err := skip(f, offset); err != nil {
		return nil, badf(part, "begins at byte %d of %s, but this file is shorter", offset, quote(w.location))
	}
	data, err := io.ReadAll(io.LimitReader(f, min(length, in.left+1)))
	switch {
	case err != nil:
		return nil, badf(part, "is stored in %s, which cannot be read: %v", quote(w.location), err)
	case int64(len(data)) > in.left:
		return nil, badf("file", "and its external weights together exceed the size limit of a model")
	case w.length != "" && int64(len(data)) < length:
		return nil, badf(part, "needs %d bytes of %s, but this file is shorter", length, quote(w.location))
	}
	in.left -= int64(len(data))
	return data, nil
}

// skip goes to a byte of a file, which must not end before it. Each weight opens its file
// anew: what lies before it is not read.
func skip(f fs.File, offset int64) error {
	s, ok := f.(io.Seeker)
	if !ok {
		_, err := io.CopyN(io.Discard, f, offset)
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < offset {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	_, err = s.Seek(offset, io.SeekStart)
	return err
}

// span is which bytes of its file a weight is; without a length, all that follow.
func span(w weight) (offset, length int64, err error) {
	length = 1 << 62
	if w.offset != "" {
		if offset, err = strconv.ParseInt(w.offset, 10, 64); err != nil || offset < 0 {
			return 0, 0, fmt.Errorf("has the offset %s, which is not a whole number of 0 or more", quote(w.offset))
		}
	}
	if w.length != "" {
		if length, err = strconv.ParseInt(w.length, 10, 64); err != nil || length < 0 {
			return 0, 0, fmt.Errorf("has the length %s, which is not a whole number of 0 or more", quote(w.length))
		}
	}
	return offset, length, nil
}
