package profiles

import (
	"bytes"
	_ "embed"
	"fmt"
	"path"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is the JSON Schema of every profile file.
//
//go:embed schema.json
var Schema []byte

// compiled is the schema, compiled on first use: a cold start of an inference
// function reads embedded files and never comes here.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		return nil, fmt.Errorf("add the schema: %w", err)
	}
	return c.Compile("schema.json")
})

// checkSchema holds a file to the part of the schema that is for its kind.
func checkSchema(file string, raw []byte) error {
	schema, err := compiled()
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	// The schema is one object a kind of file, keyed by the file's base name.
	if err := schema.Validate(map[string]any{path.Base(file): doc}); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
