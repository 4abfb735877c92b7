// Command gen writes the catalogues and the resources they share from the
// published tables and the measurement files next to them, so that every figure
// of a catalogue names the row it comes from. Run it with go generate in
// profiles/ when a table, a measurement or a network changes.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func main() {
	dir := flag.String("dir", ".", "folder of the profiles")
	pool := flag.String("pool", "", "folder of a converted pool, to be made one of profiles instead")
	flag.Parse()
	err := error(nil)
	if *pool != "" {
		err = writePool(context.Background(), *dir, *pool)
	} else {
		err = run(*dir)
	}
	if err != nil {
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
	return writeAll(dir, files)
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
		if out[name], err = encode(v); err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
	}
	return out, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
