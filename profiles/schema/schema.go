// Package schema holds profile files to their JSON Schema. It is apart from
// package profiles because the schema's library takes 4 ms to come up, which an
// inference function would pay at each cold start.
package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/paragon-serving/paragon/profiles"
)

// Load is profiles.Load for those who start from a folder that nobody has
// looked at: what is in it is validated by the schema first.
func Load(dir string) (*profiles.Set, error) {
	if dir == "" {
		return profiles.Load("")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open profiles: %w", err)
	}
	if err := errors.Join(checkFolder(root.FS()), root.Close()); err != nil {
		return nil, fmt.Errorf("profiles in %s: %w", dir, err)
	}
	return profiles.Load(dir)
}

// maxBytes bounds a file, as profiles does.
const maxBytes = 16 << 20

// checkFolder holds every profile file of a folder to the schema. Errors name the
// file and the place in it.
func checkFolder(files fs.FS) error {
	names, err := fs.Glob(files, "*/catalogue.json")
	if err != nil {
		return fmt.Errorf("list catalogues: %w", err)
	}
	var errs []error
	for _, name := range append(names, "instances.json", "functions.json", "prices.json") {
		errs = append(errs, check(files, name))
	}
	return errors.Join(errs...)
}

// address is what errors call the schema.
const address = "urn:paragon:profiles"

// compiled is the schema, compiled on first use.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(profiles.Schema))
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(address, doc); err != nil {
		return nil, fmt.Errorf("add the schema: %w", err)
	}
	return c.Compile(address)
})

// check holds one file to the part of the schema that is for its kind.
func check(files fs.FS, name string) error {
	schema, err := compiled()
	if err != nil {
		return err
	}
	info, err := fs.Stat(files, name)
	if err != nil {
		return fmt.Errorf("find a profile: %w", err)
	}
	if info.Size() > maxBytes {
		return fmt.Errorf("%s: larger than %d bytes", name, maxBytes)
	}
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	// The schema is one object a kind of file, keyed by the file's base name.
	if err := schema.Validate(map[string]any{path.Base(name): doc}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
