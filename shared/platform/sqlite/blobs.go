package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	blobFolder = "blobs"
	blobScheme = "paragon-blob:"
	uploadPath = "/v1/uploads/"
	keepBlobs  = 24 * time.Hour
)

// NewUpload implements platform.Blobs. Its URL is a path of this backend's own API;
// the random id in it is what entitles to the upload.
func (c *consumer) NewUpload(ctx context.Context, owner, contentType string, limit int) (platform.Upload, error) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	id := hex.EncodeToString(b[:])
	expires := c.now().Add(keepBlobs)
	err := c.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO blobs (id, owner, content_type, max_bytes, expires_at) VALUES (?, ?, ?, ?, ?)`,
			id, owner, contentType, limit, expires.UnixNano())
		return err
	})
	if err != nil {
		return platform.Upload{}, fmt.Errorf("make an upload: %w", err)
	}
	return platform.Upload{
		URI: blobScheme + id, URL: uploadPath + id, Method: http.MethodPut,
		Headers: map[string]string{"Content-Type": contentType}, Expires: expires,
	}, nil
}

// PutBlob stores the content of an upload. ErrNotFound when there is no such
// upload, or it expired; ErrTooLarge above its limit, with nothing stored.
func (h *Backend) PutBlob(_ context.Context, id string, r io.Reader) error {
	var limit int64
	found, err := h.reads.one(`SELECT max_bytes FROM blobs WHERE id = ? AND expires_at > ?`, []any{id, h.now().UnixNano()}, &limit)
	if err == nil && !found {
		err = platform.ErrNotFound
	}
	if err == nil {
		err = h.health.failed(writeBlob(h.blobPath(id), r, limit))
	}
	if err == nil {
		err = h.health.displaced() // its row would be lost; the next start removes the file
	}
	if err != nil {
		return fmt.Errorf("store an upload: %w", err)
	}
	return nil
}

// blobPath is where a blob's content lies. The id was found in the file
// before: it is never a caller's text.
func (h *Backend) blobPath(id string) string { return filepath.Join(h.dir, blobFolder, id) }

// writeBlob writes next to the path and renames, so that no reader sees half a blob.
func writeBlob(path string, r io.Reader, limit int64) (err error) {
	dir := filepath.Dir(path)
	f, err := makeIn(dir, func() (*os.File, error) { return os.CreateTemp(dir, "upload-*") })
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	n, err := io.Copy(f, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("more than %d bytes: %w", limit, platform.ErrTooLarge)
	}
	if err == nil {
		err = f.Sync() // or a power cut could leave the name without the content
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Blob implements platform.Blobs.
func (c *consumer) Blob(_ context.Context, owner, uri string, limit int) ([]byte, error) {
	data, err := c.readBlob(owner, strings.TrimPrefix(uri, blobScheme), limit)
	if err != nil {
		return nil, fmt.Errorf("read an upload: %w", err)
	}
	return data, nil
}

func (h *Backend) readBlob(owner, id string, limit int) ([]byte, error) {
	var one int
	found, err := h.reads.one(`SELECT 1 FROM blobs WHERE id = ? AND owner = ? AND expires_at > ?`,
		[]any{id, owner, h.now().UnixNano()}, &one)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, platform.ErrNotFound
	}
	f, err := os.Open(h.blobPath(id))
	if errors.Is(err, fs.ErrNotExist) { // not uploaded yet
		return nil, platform.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(data) > limit {
		return nil, fmt.Errorf("more than %d bytes: %w", limit, platform.ErrTooLarge)
	}
	return data, err
}

// PruneBlobs deletes what expired and what a crash left half written, and
// returns how many blobs that were.
func (h *Backend) PruneBlobs(ctx context.Context, now time.Time) (int, error) {
	var ids []string
	err := h.write(ctx, func(t *tx) error {
		return t.each(func(row *sql.Rows) error {
			var id string
			err := row.Scan(&id)
			ids = append(ids, id)
			return err
		}, `DELETE FROM blobs WHERE expires_at <= ? RETURNING id`, now.UnixNano())
	})
	if err != nil {
		return 0, fmt.Errorf("prune the uploads: %w", err)
	}
	return len(ids), h.removeOrphans(now)
}

// removeOrphans removes files that are as old as an upload may get and whose
// row is gone: those just deleted, and those of a run that died in between.
func (h *Backend) removeOrphans(now time.Time) error {
	entries, err := os.ReadDir(filepath.Join(h.dir, blobFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the uploads: %w", err)
	}
	var errs []error
	for _, e := range entries {
		var one int
		known, err := h.reads.one(`SELECT 1 FROM blobs WHERE id = ?`, []any{e.Name()}, &one)
		if err == nil && !known && !(strings.HasPrefix(e.Name(), "upload-") && young(e, now)) {
			err = os.Remove(h.blobPath(e.Name()))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// young reports whether a file may still be in the writing.
func young(e fs.DirEntry, now time.Time) bool {
	info, err := e.Info()
	return err == nil && now.Sub(info.ModTime()) < time.Hour
}
