package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// folderOf writes files, by their paths; one that ends in a slash is a folder.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o700)
		default:
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The items of a folder are the files in the folder of each label. Hidden files and folders,
// files next to the folders and folders without files are none, and do not change the digest.
func TestALabeledFolderIsRead(t *testing.T) {
	plain := folderOf(t, map[string]string{"no/a.txt": "no", "yes/b.txt": "yes", "yes/c": "no"})
	dir := folderOf(t, map[string]string{
		"no/a.txt": "no", "yes/b.txt": "yes", "yes/c": "no", "yes/.hidden": "yes", "yes/.cache/d.txt": "yes", ".git/e.txt": "yes", "none/": "",
		"labels.csv": "no,no\n", "readme.txt": "yes",
	})
	items, digest, err := labeled(dir, profile.TextIn)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range items {
		in, err := item.Load()
		if err != nil || in.ContentType != query.TextType {
			t.Errorf("%s is %+v, error %v", item.Name, in, err)
		}
		name, err := filepath.Rel(dir, item.Name)
		if err != nil {
			t.Error(err)
		}
		got = append(got, name+" "+item.Label+" "+string(in.Data))
	}
	if want := []string{"no/a.txt no no", "yes/b.txt yes yes", "yes/c yes no"}; !slices.Equal(got, want) {
		t.Errorf("the items are %q, want %q", got, want)
	}
	if _, same, err := labeled(plain, profile.TextIn); err != nil || same != digest {
		t.Errorf("the same items elsewhere have the digest %s, error %v, want %s", same, err, digest)
	}
	for name, files := range map[string]map[string]string{
		"another label": {"no/a.txt": "no", "yes/b.txt": "yes", "no/c": "no"}, "another content": {"no/a.txt": "no", "yes/b.txt": "yes", "yes/c": "yes"},
	} {
		if _, other, err := labeled(folderOf(t, files), profile.TextIn); err != nil || other == digest {
			t.Errorf("%s has the digest %s, error %v", name, other, err)
		}
	}
}

// Labels and items may be links, as where a part of a larger data set is chosen.
func TestALabeledFolderOfLinks(t *testing.T) {
	of, dir := folderOf(t, map[string]string{"all/a.txt": "yes", "b.txt": "no"}), folderOf(t, map[string]string{"no/": ""})
	for from, to := range map[string]string{"yes": "all", "no/b.txt": "b.txt"} {
		if err := os.Symlink(filepath.Join(of, to), filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	items, _, err := labeled(dir, profile.TextIn)
	if err != nil || len(items) != 2 || items[0].Label != "no" || items[1].Label != "yes" {
		t.Errorf("the items are %v, error %v", items, err)
	}
}

// A folder without an item, one with folders in the folder of a label, and an item whose kind is
// not known are refused by name.
func TestALabeledFolderIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{"empty", nil, []string{"no labeled item", "subfolder for each label"}},
		{"files without labels", map[string]string{"a.txt": "yes"}, []string{"no labeled item"}},
		{"folders without files", map[string]string{"yes/": "", "no/": ""}, []string{"no labeled item"}},
		{"nested", map[string]string{"yes/a.txt": "yes", "no/more/b.txt": "no"}, []string{filepath.Join("no", "more"), "is a folder"}},
	} {
		if _, _, err := labeled(folderOf(t, tc.files), profile.TextIn); err == nil || !says(err, tc.says) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.says)
		}
	}
	items, _, err := labeled(folderOf(t, map[string]string{"red/a.bin": "\xff\xfe\x00"}), profile.Picture)
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	if _, err := items[0].Load(); err == nil || !says(err, []string{filepath.Join("red", "a.bin"), "neither a PNG nor a JPEG"}) {
		t.Errorf("an item of no kind: %v", err)
	}
}

// says reports whether an error has all the words.
func says(err error, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(err.Error(), word) })
}
