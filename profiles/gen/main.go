// Command gen writes the catalogues and the resources they share from the
// published tables and the measurement files beside them, so that every figure
// of a catalogue names the row it comes from. Run it with go generate in
// profiles/ when a table, a measurement or a network changes.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", ".", "folder of the profiles")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes every generated file of the folder.
func run(dir string) error {
	files, err := generate(dir)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write the generated %s: %w", name, err)
		}
	}
	return nil
}

// generate returns the generated files by name.
func generate(dir string) (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, build := range map[string]func(string) (any, error){
		"instances.json":          instances,
		"functions.json":          functions,
		"prices.json":             prices,
		"imagenet/catalogue.json": imagenet,
		"fashion/catalogue.json":  fashion,
	} {
		v, err := build(dir)
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", name, err)
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		out[name] = b.Bytes()
	}
	return out, nil
}
