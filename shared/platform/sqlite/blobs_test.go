package sqlite

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// files lists what lies in the blobs' folder.
func files(t *testing.T, h *Backend) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(h.dir, blobFolder))
	must(t, err)
	return list
}

func TestRefusedUploadsLeaveNothing(t *testing.T) {
	h := open(t, Options{})
	u, err := h.Platform().Blobs.NewUpload(t.Context(), "ann", "image/png", 4)
	must(t, err)
	id := strings.TrimPrefix(u.URI, blobScheme)
	for _, c := range []struct {
		name, id string
		r        io.Reader
		want     error
	}{
		{"too large", id, strings.NewReader("12345"), platform.ErrTooLarge},
		{"cut short", id, iotest.ErrReader(io.ErrUnexpectedEOF), io.ErrUnexpectedEOF},
		{"unknown", "0", strings.NewReader("1"), platform.ErrNotFound},
		{"a path", "../" + id, strings.NewReader("1"), platform.ErrNotFound},
	} {
		if err := h.PutBlob(t.Context(), c.id, c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if left := files(t, h); len(left) != 0 {
		t.Errorf("left is %v", left)
	}
}

func TestBlobsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		put := func() platform.Upload {
			u, err := h.Platform().Blobs.NewUpload(t.Context(), "ann", "image/png", 4)
			must(t, err)
			must(t, h.PutBlob(t.Context(), strings.TrimPrefix(u.URI, blobScheme), strings.NewReader("1234")))
			return u
		}
		old := put()
		must(t, os.WriteFile(h.blobPath("0123"), nil, 0o600)) // of a run that died before it removed it
		<-time.After(keepBlobs)
		fresh := put()
		if _, err := h.Platform().Blobs.Blob(t.Context(), "ann", old.URI, 4); !errors.Is(err, platform.ErrNotFound) {
			t.Errorf("an expired blob: %v, want ErrNotFound", err)
		}
		n, err := h.PruneBlobs(t.Context(), time.Now())
		must(t, err)
		left := files(t, h)
		if n != 1 || len(left) != 1 || blobScheme+left[0].Name() != fresh.URI {
			t.Errorf("pruned %d and left %v, want only %s left", n, left, fresh.URI)
		}
	})
}
