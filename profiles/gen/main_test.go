package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The generated files are those in the repository: run go generate in
// profiles/ when this fails.
func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what the tables and measurements give", name)
		}
	}
}
