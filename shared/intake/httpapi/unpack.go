package httpapi

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// acceptedCodings is what Content-Encoding may name, as Accept-Encoding of a
// refusal says it (RFC 7694).
const acceptedCodings = "gzip, deflate"

// packedBytes is what a packed body may have besides what it unpacks to.
const packedBytes = 1 << 10

// maxCodings bounds how often a body may be packed.
const maxCodings = 2

// codingsOf returns the codings of a body in the order in which they were
// applied, without identity, which is none.
func codingsOf(h http.Header) []string {
	var out []string
	for _, line := range h.Values("Content-Encoding") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if name != "" && name != "identity" {
				out = append(out, name)
			}
		}
	}
	return out
}

// unpacked returns the body of a request as it was before its Content-Encoding.
// One that says that it is larger than limit
// bytes, and reading more of one, fails with *http.MaxBytesError: it is the
// unpacked size that counts, so that a small body cannot fill the memory.
func unpacked(w http.ResponseWriter, r *http.Request, limit int) (body io.ReadCloser, packed bool, err error) {
	codings := codingsOf(r.Header)
	if r.ContentLength > packedLimit(r, limit) { // before its caller is asked to go on (Expect: 100-continue)
		return nil, false, &http.MaxBytesError{Limit: int64(limit)}
	}
	if len(codings) == 0 {
		return http.MaxBytesReader(w, r.Body, int64(limit)), false, nil
	}
	if len(codings) > maxCodings {
		return nil, true, refuse(wrongType, "Content-Encoding", "names %d codings; at most %d are allowed", len(codings), maxCodings)
	}
	from := io.Reader(http.MaxBytesReader(w, r.Body, packedLimit(r, limit)))
	for _, name := range slices.Backward(codings) {
		if from, err = unpack(w, name, from); err != nil {
			return nil, true, err
		}
	}
	return http.MaxBytesReader(w, io.NopCloser(from), int64(limit)), true, nil
}

// packedLimit is the most bytes of a body as it is sent that unpacks to limit: what
// cannot be packed grows by less than a hundredth.
func packedLimit(r *http.Request, limit int) int64 {
	if len(codingsOf(r.Header)) == 0 {
		return int64(limit)
	}
	return int64(limit) + int64(limit)/100 + packedBytes
}

// unpack undoes one coding.
func unpack(w http.ResponseWriter, name string, from io.Reader) (io.Reader, error) {
	switch name {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, unreadable(err)
		}
		return z, nil
	case "deflate":
		return inflate(from)
	}
	w.Header().Set("Accept-Encoding", acceptedCodings)
	return nil, refuse(wrongType, "Content-Encoding", "%q is not accepted, only %s", clip(name), acceptedCodings)
}

// inflate reads deflate: with zlib's header, as HTTP means it, or bare, as some
// clients send it. A bare stream never begins like that header: its first byte
// would name a stored block with bits set that are padding.
func inflate(from io.Reader) (io.Reader, error) {
	b := bufio.NewReader(from)
	head, err := b.Peek(2)
	if err != nil {
		return nil, unreadable(err)
	}
	if head[0]&0x0f != 8 || (int(head[0])<<8|int(head[1]))%31 != 0 {
		return flate.NewReader(b), nil
	}
	z, err := zlib.NewReader(b)
	if err != nil {
		return nil, unreadable(err)
	}
	return z, nil
}

// unreadable says why a body could not be read. Too large a one keeps its error,
// which has the limit.
func unreadable(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	if notPacked(err) {
		return refuse(brokenBody, "Content-Encoding", "the body is not encoded as its Content-Encoding says: %v", err)
	}
	return brokenOff(err)
}

// notPacked reports whether unpacking failed for what the body holds.
func notPacked(err error) bool {
	for _, is := range []error{gzip.ErrHeader, gzip.ErrChecksum, zlib.ErrHeader, zlib.ErrChecksum, zlib.ErrDictionary} {
		if errors.Is(err, is) {
			return true
		}
	}
	return errors.As(err, new(flate.CorruptInputError))
}
