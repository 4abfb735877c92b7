package bodies

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// View is the memory as a target sees it: it can only be read.
type View struct{ memory []byte }

// Open maps the memory that a Pool names by its Path.
func Open(path string) (*View, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Env, err)
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Env, err)
	}
	memory, err := mapFile(file, int(about.Size()), false)
	if err != nil {
		return nil, fmt.Errorf("%s: map %s: %w", Env, path, err)
	}
	return &View{memory}, nil
}

// Close unmaps the memory. Nobody may read a body any more.
func (v *View) Close() error { return unmap(v.memory) }

// Handler gives next each request with its body, wherever that lies. A request
// that names no place has come with its body.
func (v *View) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := r.Header.Get(Header)
		if place == "" {
			next.ServeHTTP(w, r)
			return
		}
		data, err := v.at(place)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r = r.WithContext(r.Context())
		r.Body, r.ContentLength = &Body{data, *bytes.NewReader(data)}, int64(len(data))
		next.ServeHTTP(w, r)
	})
}

// at returns the bytes at a place.
func (v *View) at(place string) ([]byte, error) {
	from, length, _ := strings.Cut(place, " ")
	offset, wrongFrom := strconv.Atoi(from)
	n, wrongLength := strconv.Atoi(length)
	if wrongFrom != nil || wrongLength != nil || offset < 0 || n < 0 || offset > len(v.memory) || n > len(v.memory)-offset {
		return nil, fmt.Errorf("%s: %q is not a position within %d bytes of shared memory", Header, place, len(v.memory))
	}
	return v.memory[offset : offset+n : offset+n], nil
}

// Body is a request's body that is there as a whole.
type Body struct {
	data []byte
	bytes.Reader
}

// Whole returns all of the body. It may be read until the request is answered, or
// its connection closed, and never written to.
func (b *Body) Whole() []byte { return b.data }

// Close does nothing.
func (b *Body) Close() error { return nil }
