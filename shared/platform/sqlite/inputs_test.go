package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// large is an input of 3 KB.
func large(n byte) []byte { return bytes.Repeat([]byte{n, 1, 2}, 1024) }

func withInput(id string, data []byte) query.Message {
	return query.Message{ID: id, Input: query.Input{ContentType: "image/png", Data: data}}
}

// inputFiles lists the inputs that lie in files.
func inputFiles(t *testing.T, h *Backend) []string {
	t.Helper()
	entries, err := os.ReadDir(h.inputs.dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// receiveOne leases the one message that is there.
func receiveOne(t *testing.T, h *Backend, q platform.QueueName) platform.Delivery {
	t.Helper()
	ds, err := h.Platform().Queues.Receive(t.Context(), q, 10, time.Hour, 0)
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("received %d messages", len(ds))
	}
	return ds[0]
}

// As many files are there as messages need, whatever is done with them, and each
// message keeps its own input.
func TestFilesComeAndGoWithTheirMessages(t *testing.T) {
	for _, tc := range []struct {
		name  string
		do    func(t *testing.T, h *Backend, d platform.Delivery)
		files int
		left  []byte // input of the message that is there afterwards
	}{
		{"received", func(t *testing.T, h *Backend, d platform.Delivery) {
			must(t, h.Platform().Queues.Release(t.Context(), d))
		}, 1, large(7)},
		{"deleted", func(t *testing.T, h *Backend, d platform.Delivery) {
			must(t, h.Platform().Queues.Delete(t.Context(), d))
		}, 0, nil},
		{"deleted twice", func(t *testing.T, h *Backend, d platform.Delivery) {
			must(t, h.Platform().Queues.Delete(t.Context(), d, d))
		}, 0, nil},
		{"moved", func(t *testing.T, h *Backend, d platform.Delivery) {
			must(t, h.Platform().Queues.Move(t.Context(), d, queue, d.Message))
		}, 1, large(7)},
		{"moved with another input", func(t *testing.T, h *Backend, d platform.Delivery) {
			must(t, h.Platform().Queues.Move(t.Context(), d, queue, withInput("a", large(8))))
		}, 1, large(8)},
		{"moved with a small input", func(t *testing.T, h *Backend, d platform.Delivery) {
			must(t, h.Platform().Queues.Move(t.Context(), d, queue, withInput("a", []byte("small"))))
		}, 1, []byte("small")},
		{"moved without its lease", func(t *testing.T, h *Backend, d platform.Delivery) {
			stale := d
			stale.Receipt = "1.99"
			for _, m := range []query.Message{d.Message, withInput("a", large(8))} {
				if err := h.Platform().Queues.Move(t.Context(), stale, queue, m); !errors.Is(err, platform.ErrLeaseLost) {
					t.Errorf("moved: %v", err)
				}
			}
			must(t, h.Platform().Queues.Release(t.Context(), d))
		}, 1, large(7)},
		{"a send that fails", func(t *testing.T, h *Backend, d platform.Delivery) {
			ended, end := context.WithCancel(t.Context())
			end()
			if err := h.Platform().Queues.Send(ended, queue, withInput("b", large(8)), withInput("c", large(9))); err == nil {
				t.Error("sent")
			}
			must(t, h.Platform().Queues.Release(t.Context(), d))
		}, 1, large(7)},
		{"pruned", func(t *testing.T, h *Backend, d platform.Delivery) {
			must(t, h.Platform().Queues.Release(t.Context(), d))
			n, err := h.PruneMessages(t.Context(), time.Now().Add(time.Hour))
			if n != 1 || err != nil {
				t.Errorf("pruned %d, error %v", n, err)
			}
		}, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := open(t, Options{})
			must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("a", large(7))))
			tc.do(t, h, receiveOne(t, h, queue))
			if fs := inputFiles(t, h); len(fs) != tc.files {
				t.Errorf("%d files are there, want %d", len(fs), tc.files)
			}
			if tc.left == nil {
				return
			}
			if d := receiveOne(t, h, queue); !bytes.Equal(d.Message.Input.Data, tc.left) {
				t.Errorf("an input of %d bytes came, want %d", len(d.Message.Input.Data), len(tc.left))
			}
		})
	}
}

func TestInputsAreTheirOwnersAlone(t *testing.T) {
	h := open(t, Options{Durability: SurvivesPowerCut})
	must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("a", large(7))))
	for path, want := range map[string]fs.FileMode{h.inputs.dir: fs.ModeDir | 0o700, h.inputs.path(inputFiles(t, h)[0]): 0o600} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

// Of an input nothing is left on the disk once its message is gone, however small
// it is and however the message went; nor of what a former version deleted, nor of
// records that are past their retention, once the log is written back.
func TestNothingOfAnInputIsLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	marked := func(n int) []byte { return bytes.Repeat([]byte("\xffmarked\xfe"), n) }
	for _, n := range []int{1, 80, 2000} {
		must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("moved", marked(n))))
		d := receiveOne(t, h, queue)
		must(t, h.Platform().Queues.Move(t.Context(), d, platform.DeadLetters, d.Message))
		d = receiveOne(t, h, platform.DeadLetters)
		must(t, h.Platform().Queues.Delete(t.Context(), d))
		must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("pruned", marked(n))))
		if n, err := h.PruneMessages(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Errorf("pruned %d, error %v", n, err)
		}
	}
	findNot(t, filepath.Dir(path), "marked")

	must(t, h.write(t.Context(), func(t *tx) error {
		_, err := t.exec(`INSERT INTO messages (queue, visible_at, sent_at, message, data) VALUES (?, 0, 0, '{}', ?)`, queue, marked(500))
		if err == nil {
			_, err = t.exec(`DELETE FROM messages`)
		}
		for _, undo := range []string{`DROP INDEX messages_by_owner`, `ALTER TABLE messages DROP COLUMN owner`, `PRAGMA user_version = 8`} {
			if err == nil {
				_, err = t.exec(undo)
			}
		}
		return err
	}))
	must(t, h.Close())
	h = openAt(t, path, Options{})
	findNot(t, filepath.Dir(path), "marked")

	for _, statement := range []string{`INSERT INTO attempts VALUES ('marked', 'k', 0, '{}')`, `DELETE FROM attempts`} {
		must(t, h.write(t.Context(), func(t *tx) error { _, err := t.exec(statement); return err }))
	}
	must(t, h.Close())
	findNot(t, filepath.Dir(path), "marked")
}

// findNot reports the files of a folder that hold a text.
func findNot(t *testing.T, dir, text string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			t.Errorf("%s holds a part of an input", path)
		}
		return err
	}))
}

// A process may die between any two lines: what it leaves is a message with its
// input, or nothing.
func TestStartSweepsWhatACrashLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("a", large(7))))
	kept := inputFiles(t, h)[0]
	for name, data := range map[string][]byte{"written": large(8), "half": large(8)[:5], "empty": nil} {
		must(t, os.WriteFile(h.inputs.path(name), data, 0o600))
	}
	must(t, h.Close())
	h = openAt(t, path, Options{})
	if fs := inputFiles(t, h); len(fs) != 1 || fs[0] != kept {
		t.Errorf("left are %v, want %s alone", fs, kept)
	}
	d := receiveOne(t, h, queue)
	if !bytes.Equal(d.Message.Input.Data, large(7)) {
		t.Error("a message has not its input")
	}
}

// An input that is not there as it was written, as a power cut may leave it, is
// given to nobody: its message names an upload that does not exist, so that its
// query ends.
func TestLostInputsAreGone(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"missing":   os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"short":     func(path string) error { return os.Truncate(path, 100) },
		"corrupted": func(path string) error { return os.WriteFile(path, large(8), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, Options{})
			must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("a", large(7))))
			must(t, spoil(h.inputs.path(inputFiles(t, h)[0])))
			d := receiveOne(t, h, queue)
			if in := d.Message.Input; len(in.Data) != 0 || in.ContentType != "image/png" {
				t.Errorf("came %d bytes of %s", len(in.Data), in.ContentType)
			}
			if _, err := h.Platform().Blobs.Blob(t.Context(), "", d.Message.Input.URI, 1); !errors.Is(err, platform.ErrNotFound) {
				t.Errorf("the upload is %v", err)
			}
			must(t, h.Platform().Queues.Delete(t.Context(), d))
		})
	}
}

// A file that cannot be read now is no lost input: the message goes back.
func TestUnreadableInputIsTriedAgain(t *testing.T) {
	h := open(t, Options{})
	must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("a", large(7))))
	path := h.inputs.path(inputFiles(t, h)[0])
	must(t, os.Rename(path, path+".aside"))
	must(t, os.Mkdir(path, 0o700))
	if ds, err := h.Platform().Queues.Receive(t.Context(), queue, 1, time.Hour, 0); err == nil {
		t.Fatalf("received %d", len(ds))
	}
	must(t, os.Remove(path))
	must(t, os.Rename(path+".aside", path))
	if d := receiveOne(t, h, queue); !bytes.Equal(d.Message.Input.Data, large(7)) || d.Receives != 1 {
		t.Errorf("came with %d bytes, received %d times", len(d.Message.Input.Data), d.Receives)
	}
}

// Copies that chaos makes end one by one.
func TestDuplicatesHaveFilesOfTheirOwn(t *testing.T) {
	h := open(t, Options{Chaos: &Chaos{Seed: 1, Duplicate: 1}})
	must(t, h.Platform().Queues.Send(t.Context(), queue, withInput("a", large(7))))
	ds, err := h.Platform().Queues.Receive(t.Context(), queue, 10, time.Hour, 0)
	must(t, err)
	if len(ds) != 2 {
		t.Fatalf("%d copies", len(ds))
	}
	must(t, h.Platform().Queues.Delete(t.Context(), ds[0]))
	must(t, h.Platform().Queues.Release(t.Context(), ds[1]))
	if d := receiveOne(t, h, queue); !bytes.Equal(d.Message.Input.Data, large(7)) {
		t.Error("the end of one copy took the other's input")
	}
}

// Messages of a version that kept inputs in rows still come with them.
func TestInputsOfAFormerVersionAreInRows(t *testing.T) {
	h := open(t, Options{})
	must(t, h.write(t.Context(), func(t *tx) error {
		_, err := t.exec(`INSERT INTO messages (queue, visible_at, sent_at, message, data) VALUES (?, 0, 0, '{"id":"a"}', ?)`, queue, large(7))
		return err
	}))
	d := receiveOne(t, h, queue)
	if !bytes.Equal(d.Message.Input.Data, large(7)) {
		t.Errorf("%d bytes came", len(d.Message.Input.Data))
	}
	must(t, h.Platform().Queues.Move(t.Context(), d, queue, d.Message))
	if d := receiveOne(t, h, queue); !bytes.Equal(d.Message.Input.Data, large(7)) {
		t.Errorf("%d bytes came after the move", len(d.Message.Input.Data))
	}
}
