// Package profiles holds what is known of the models and resources that ship
// with Paragon, embedded in the binary: one catalogue a folder, with the
// instance types, function sizes and prices that all of them share. A folder
// of the same layout stands in for the whole of it.
package profiles

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

//go:generate go run ./gen

// The most that is read of a file. The largest network that is in use, VGG19,
// takes 575 MB.
const (
	maxJSONBytes = 16 << 20
	maxONNXBytes = 1 << 30
)

// ErrNotFound is returned for a catalogue, model or model file that is not there.
var ErrNotFound = errors.New("not found")

// Set is all the catalogues of one folder, or those embedded. It may be used
// from many goroutines.
type Set struct {
	files fs.FS

	mu    sync.Mutex // guards known
	known map[string]*profile.Catalogue
}

// Schema is the JSON Schema of every profile file; package schema holds files
// to it. The embedded files are validated by it in a test.
//
//go:embed schema.json
var Schema []byte

// Load opens the embedded profiles, or a folder that stands in for the whole of
// them. A folder is read at once, every catalogue of it, and what cannot be
// meant is refused; links that lead out of it are too. The caller who starts from a
// folder that nobody has looked at uses schema.Load instead.
func Load(dir string) (*Set, error) {
	if dir == "" {
		return &Set{files: embedded, known: map[string]*profile.Catalogue{}}, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open profiles: %w", err)
	}
	s, err := loadFS(root.FS())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("profiles in %s: %w", dir, err), root.Close())
	}
	return s, nil
}

// loadFS is Load for files from anywhere, such as a prefix of a bucket.
func loadFS(files fs.FS) (*Set, error) {
	s := &Set{files: files, known: map[string]*profile.Catalogue{}}
	return s, s.validate()
}

// Embedded are the files that come with the product.
func Embedded() fs.FS { return embedded }

// validate reads every catalogue.
func (s *Set) validate() error {
	names, err := s.Names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("no folder with a catalogue.json: %w", ErrNotFound)
	}
	for _, name := range names {
		if _, err := s.Catalogue(name); err != nil {
			return err
		}
	}
	return nil
}

// Names lists the catalogues.
func (s *Set) Names() ([]string, error) {
	found, err := fs.Glob(s.files, "*/catalogue.json")
	if err != nil {
		return nil, fmt.Errorf("list catalogues: %w", err)
	}
	for i, file := range found {
		found[i] = path.Dir(file)
	}
	return found, nil
}

// Catalogue returns a catalogue by its folder's name, read once; it is shared
// and must not be changed. Errors name the file, the model and the field.
func (s *Set) Catalogue(name string) (*profile.Catalogue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.known[name]; ok {
		return c, nil
	}
	c, err := s.readCatalogue(name)
	if err == nil {
		s.known[name] = c
	}
	return c, err
}

func (s *Set) readCatalogue(name string) (*profile.Catalogue, error) {
	if strings.Contains(name, "/") || !fs.ValidPath(name) {
		return nil, fmt.Errorf("catalogue %q: %w", name, ErrNotFound)
	}
	var f profile.File
	file := path.Join(name, "catalogue.json")
	if err := s.read(file, &f); err != nil {
		return nil, err
	}
	r, err := s.resources()
	if err != nil {
		return nil, err
	}
	c, err := profile.Assemble(f, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if c.Name != name {
		return nil, fmt.Errorf("%s: name is %q; it must be the name of the folder", file, c.Name)
	}
	return c, nil
}

func (s *Set) resources() (profile.Resources, error) {
	var instances struct {
		Schema    string `json:"$schema"`
		Instances []profile.Instance
	}
	var functions struct {
		Schema    string `json:"$schema"`
		Functions []profile.FunctionSizes
	}
	var prices struct {
		Schema string `json:"$schema"`
		Prices []profile.Prices
	}
	err := errors.Join(s.read("instances.json", &instances), s.read("functions.json", &functions), s.read("prices.json", &prices))
	return profile.Resources{Instances: instances.Instances, Functions: functions.Functions, Prices: prices.Prices}, err
}

// Prices returns a price set by name, such as "us-east-1-2020". A copy of a
// catalogue with other prices reports what it would have cost then.
func (s *Set) Prices(name string) (profile.Prices, error) {
	r, err := s.resources()
	if err != nil {
		return profile.Prices{}, err
	}
	i := slices.IndexFunc(r.Prices, func(p profile.Prices) bool { return p.Name == name })
	if i < 0 {
		return profile.Prices{}, fmt.Errorf("prices.json: set %q: %w", name, ErrNotFound)
	}
	return r.Prices[i], nil
}

// Evaluation returns what schemes are compared with: the catalogue imagenet, the
// prices of the paper's time, and today's.
func (s *Set) Evaluation() (c *profile.Catalogue, then, now profile.Prices, err error) {
	c, err = s.Catalogue("imagenet")
	then, noThen := s.Prices("us-east-1-2020")
	now, noNow := s.Prices("us-east-1-2026")
	return c, then, now, errors.Join(err, noThen, noNow)
}

// read decodes a JSON file; a field that is not known is a fault.
func (s *Set) read(file string, into any) error {
	raw, err := s.bytes(file, maxJSONBytes)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// bytes reads a whole file of at most limit bytes.
func (s *Set) bytes(file string, limit int64) ([]byte, error) {
	f, err := s.files.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", file, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open profile: %w", err)
	}
	defer f.Close()
	var raw bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() <= limit {
		raw.Grow(int(info.Size()) + bytes.MinRead) // once, instead of by doubling
	}
	if _, err := raw.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if int64(raw.Len()) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", file, limit)
	}
	return raw.Bytes(), nil
}

// ONNX returns a model's network, from the file next to its catalogue, checked
// against the catalogue's SHA-256. The model is found by name in every
// catalogue; ErrNotFound when none has it with a file.
func (s *Set) ONNX(model string) ([]byte, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		c, err := s.Catalogue(name)
		if err != nil {
			return nil, err
		}
		if m, ok := c.Model(model); ok && m.File != "" {
			return s.NetworkOf(name, m)
		}
	}
	return nil, fmt.Errorf("network of model %q: %w", model, ErrNotFound)
}

// NetworkOf is ONNX for a model whose catalogue is known.
func (s *Set) NetworkOf(catalogue string, m *profile.Model) ([]byte, error) {
	if m.File == "" {
		return nil, fmt.Errorf("network of model %q: the catalogue has measurements only, and no network: %w", m.Name, ErrNotFound)
	}
	file := path.Join(catalogue, m.File)
	raw, err := s.bytes(file, maxONNXBytes)
	if err != nil {
		return nil, fmt.Errorf("network of model %q: %w", m.Name, err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, fmt.Errorf("network of model %q: %s has SHA-256 %x, not the catalogue's %s", m.Name, file, sum, m.SHA256)
	}
	return raw, nil
}

// samplesOf are the folders in which the sample pictures of a catalogue may be: next to it,
// or where a pool has them.
func samplesOf(catalogue string) []string { return []string{catalogue + "/testdata", "pictures"} }

// Samples holds the sample pictures of a catalogue, and nothing where it has none. Of the
// catalogue that ships they are a few hundred, with labels.csv next to them.
func (s *Set) Samples(catalogue string) fs.FS {
	for _, folder := range samplesOf(catalogue) {
		if info, err := fs.Stat(s.files, folder); err == nil && info.IsDir() {
			if sub, err := fs.Sub(s.files, folder); err == nil {
				return sub
			}
		}
	}
	return none{}
}

// none is a folder that holds nothing.
type none struct{}

// Open implements fs.FS.
func (none) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
