package modelstore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// What can be wrong with a change. Nothing has changed then.
var (
	ErrTaken    = errors.New("a model with this name exists already")
	ErrNotAdded = errors.New("no such model was added")
	ErrVersion  = errors.New("is a version")
	ErrTooLarge = errors.New("the file is larger than the limit")
)

// draftName is the pattern of the names of drafts.
const draftName = "draft-*"

// Draft is a model's file on its way into the folder.
type Draft struct {
	Path   string
	Bytes  int64
	SHA256 string
}

// Discard removes a draft that is not used; of one that was, nothing is left.
func (d Draft) Discard() error {
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a draft: %w", err)
	}
	return nil
}

// Receive writes a file into the folder, to be added or discarded. ErrTooLarge of
// one above MaxONNXBytes, of which nothing stays.
func (s *Store) Receive(from io.Reader) (d Draft, err error) {
	dir, err := s.place.Drafts()
	if err != nil {
		return d, err
	}
	f, err := os.CreateTemp(dir, draftName+".onnx")
	if err != nil {
		return d, fmt.Errorf("write a draft: %w", err)
	}
	d.Path = f.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Discard())
		}
	}()
	sum := sha256.New()
	d.Bytes, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(from, MaxONNXBytes+1))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return d, fmt.Errorf("write a draft: %w", err)
	}
	if d.Bytes > MaxONNXBytes {
		return d, fmt.Errorf("%w of %d bytes", ErrTooLarge, MaxONNXBytes)
	}
	d.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return d, nil
}

// DropDrafts removes drafts that were last written before a time: their processes were
// killed.
func (s *Store) DropDrafts(before time.Time) error {
	dir, err := s.place.Drafts()
	if err != nil {
		return err
	}
	drafts, err := filepath.Glob(filepath.Join(dir, draftName))
	if err != nil {
		return fmt.Errorf("list the drafts: %w", err)
	}
	var errs []error
	for _, path := range drafts {
		if info, err := os.Stat(path); err == nil && info.ModTime().Before(before) {
			errs = append(errs, Draft{Path: path}.Discard())
		}
	}
	return errors.Join(errs...)
}

// Addition is a model with what belongs to it.
type Addition struct {
	Task  profile.Task // used where there is none of the name yet
	Model profile.Model
	// Measured is the file that the model's sources name.
	Measured []byte
	// Withheld is why the model is not offered yet; empty for one that is.
	Withheld string
}

// MeasuredFile is where what was measured of a model is kept, below the folder.
func MeasuredFile(sha256 string) string { return sha256 + ".measured.json" }

// StageFile is where what functions and a worker of a stage measured of a model is kept,
// below the folder.
func StageFile(sha256 string) string { return sha256 + ".stage.json" }

// networkFile is where a model's file is kept, below the folder.
func networkFile(sha256 string) string { return sha256 + ".onnx" }

// Add puts a model into the catalogue in force, with a draft as its file. ErrTaken
// when another is served under its name; else an error names the field that does
// not fit the catalogue.
func (s *Store) Add(d Draft, a Addition) error {
	return s.retried(func() error { return s.add(d, a) })
}

// changeTries bounds the tries of a change, while others change the catalogue too.
const changeTries = 10

// retried makes a change of what is there, again where another came before it.
func (s *Store) retried(change func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for try := 1; ; try++ {
		err := s.refresh()
		if err == nil {
			err = change()
		}
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return err
		}
	}
}

// add is Add for who holds the lock.
func (s *Store) add(d Draft, a Addition) error {
	next := s.copied()
	if had, ok := s.Current().Model(s.Current().Version(a.Model.Name)); ok {
		if had.RetiredAt == "" {
			return fmt.Errorf("model %q of task %s: %w", had.Name, had.Task, ErrTaken)
		}
		next.Models = slices.DeleteFunc(next.Models, func(m profile.Model) bool { return m.Name == had.Name })
	}
	return s.keep(d, a, next)
}

// keep puts a model into what the folder is to hold, and that in force, for who holds
// the lock.
func (s *Store) keep(d Draft, a Addition, next changed) error {
	a.Model.File, a.Model.SHA256, a.Model.FileBytes = networkFile(d.SHA256), d.SHA256, d.Bytes
	if _, ok := s.Current().Task(a.Task.Name); !ok {
		next.Tasks = append(next.Tasks, a.Task)
	}
	next.Models = append(next.Models, a.Model)
	next.withhold(a.Model.Name, a.Withheld)
	dropUnused(&next.Added)
	if _, err := s.base.With(next.Added); err != nil {
		return err
	}
	if err := s.place.Put(MeasuredFile(d.SHA256), a.Measured); err != nil {
		return err
	}
	if err := s.place.Keep(d, a.Model.File); err != nil {
		return err
	}
	return s.write(next.Added)
}

// Retire gives a model, with all its versions, no query any more from now on. What was
// given to it is still answered. ErrNotAdded of one that did not come with the folder,
// ErrVersion of one version of a model.
func (s *Store) Retire(model string, at time.Time) (m profile.Model, err error) {
	err = s.retried(func() (err error) {
		m, err = s.remove(model, at)
		return err
	})
	return m, err
}

// remove is Retire for who holds the lock.
func (s *Store) remove(model string, at time.Time) (profile.Model, error) {
	next := s.copied()
	version := s.Current().Version(model)
	i := slices.IndexFunc(next.Models, func(m profile.Model) bool { return m.Name == version && m.RetiredAt == "" })
	if i < 0 {
		return profile.Model{}, fmt.Errorf("model %.64q: %w", model, ErrNotAdded)
	}
	if of, _ := profile.ParseVersion(model); of != model {
		return profile.Model{}, fmt.Errorf("%s %w of model %s, and a single version cannot be removed; `paragon model rollback %s` withdraws the version on trial, or else the version that is served", model, ErrVersion, of, of)
	}
	for _, m := range next.Models {
		if of, _ := profile.ParseVersion(m.Name); of == model {
			next.retire(at, m.Name)
		}
	}
	next.Rollouts = slices.DeleteFunc(next.Rollouts, func(r profile.Rollout) bool { return r.Model == model })
	return next.Models[i], s.write(next.Added)
}

// changedError is the name of a model that is not there any more with the file that was run.
type changedError string

func (e changedError) Error() string {
	return fmt.Sprintf("model %.64q was removed, or its file was replaced, while it was run; the result of the run is not stored", string(e))
}

func (changedError) Is(target error) bool { return target == ErrNotAdded }

// Proof is how the run of a model went where it is to serve.
type Proof struct {
	Why string // it gave no answer; empty when it did
	// Latency is what was measured by the run, in place of what was known of the same
	// resources, and Measured the file that its sources name; empty for nothing.
	Latency  []profile.Latency
	Measured []byte
}

// Prove stores how a run of a model's file went, and offers the model if it passed.
// ErrNotAdded when the model is not there with that file any more.
func (s *Store) Prove(model, sha256 string, p Proof) error {
	return s.retried(func() error {
		next := s.copied()
		i := slices.IndexFunc(next.Models, func(m profile.Model) bool { return m.Name == model && m.SHA256 == sha256 && m.RetiredAt == "" })
		if i < 0 {
			return changedError(model)
		}
		m := &next.Models[i]
		m.Latency = slices.DeleteFunc(slices.Clone(m.Latency), func(l profile.Latency) bool {
			return slices.ContainsFunc(p.Latency, func(o profile.Latency) bool { return o.Resource == l.Resource && o.MemoryMB == l.MemoryMB })
		})
		m.Latency = append(m.Latency, p.Latency...)
		next.withhold(model, p.Why)
		if _, err := s.base.With(next.Added); err != nil {
			return err
		}
		if len(p.Measured) > 0 {
			if err := s.place.Put(StageFile(sha256), p.Measured); err != nil {
				return err
			}
		}
		return s.write(next.Added)
	})
}

// Prune forgets models that were retired before a time, with their files.
func (s *Store) Prune(before time.Time) error {
	return s.retried(func() error { return s.forget(before) })
}

// forget is Prune for who holds the lock.
func (s *Store) forget(before time.Time) error {
	next := s.copied()
	next.Models = nil
	var old []profile.Model
	for _, m := range s.added.Models {
		at, err := time.Parse(time.RFC3339, m.RetiredAt)
		if m.RetiredAt != "" && err == nil && at.Before(before) {
			old = append(old, m)
			continue
		}
		next.Models = append(next.Models, m)
	}
	if len(old) == 0 {
		return nil
	}
	dropUnused(&next.Added)
	if err := s.write(next.Added); err != nil {
		return err
	}
	var errs []error
	for _, m := range old {
		if slices.ContainsFunc(next.Models, func(o profile.Model) bool { return o.SHA256 == m.SHA256 }) {
			continue
		}
		errs = append(errs, s.place.Delete(m.File), s.place.Delete(MeasuredFile(m.SHA256)), s.place.Delete(StageFile(m.SHA256)))
	}
	return errors.Join(errs...)
}

// Withhold has the models that are named not be offered, with why by name, and all
// others be so.
func (s *Store) Withhold(models map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refresh(); err != nil || maps.Equal(models, s.added.Withheld) {
		return err
	}
	if _, err := s.place.Drafts(); err != nil {
		return err
	}
	next := s.copied()
	next.Withheld = models
	return s.write(next.Added)
}

// dropUnused leaves out added tasks that no added model does.
func dropUnused(a *profile.Added) {
	a.Tasks = slices.DeleteFunc(a.Tasks, func(t profile.Task) bool {
		return !slices.ContainsFunc(a.Models, func(m profile.Model) bool { return m.Task == t.Name })
	})
}

// write puts a catalogue in force, for who holds the lock.
func (s *Store) write(next profile.Added) error {
	raw, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the added models: %w", err)
	}
	if err := s.place.Write(append(raw, '\n'), s.version); err != nil {
		return err
	}
	return s.refresh()
}
