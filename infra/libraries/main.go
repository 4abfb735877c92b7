// Command libraries holds folders of shared libraries that deploy to what they need:
// each library next to them or of Amazon Linux 2023 itself, whose GLIBC is 2.34.
//
//	go run ./infra/libraries dist/*/inference/lib
package main

import (
	"debug/elf"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// platform are the libraries of GLIBC, which every program there has.
var platform = []string{"libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}

// newest is the version of GLIBC there: 2.34.
var newest = version{2, 34}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: libraries FOLDER...")
	}
	for _, folder := range os.Args[1:] {
		needs, err := read(folder)
		if err != nil {
			log.Fatal(err)
		}
		if faults := check(needs); len(faults) > 0 {
			log.Fatalf("%s: %s", folder, strings.Join(faults, "; "))
		}
	}
}

// library is what one needs, and what it offers to those that need it.
type library struct {
	needs    []string
	versions map[string][]string // of the symbols, by the library that they are of
	offers   []string            // versions of its own symbols
	machine  elf.Machine
}

// read reads the libraries of a folder, by file name.
func read(folder string) (map[string]library, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.so*"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("folder %s has no libraries (*.so*)", folder)
	}
	all := map[string]library{}
	for _, file := range files {
		l, err := readOne(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		all[filepath.Base(file)] = l
	}
	return all, nil
}

func readOne(file string) (l library, err error) {
	f, err := elf.Open(file)
	if err != nil {
		return l, err
	}
	defer f.Close()
	l.machine, l.versions = f.Machine, map[string][]string{}
	if l.needs, err = f.ImportedLibraries(); err != nil {
		return l, err
	}
	needs, err := f.DynamicVersionNeeds()
	if err != nil {
		return l, err
	}
	for _, n := range needs {
		for _, v := range n.Needs {
			l.versions[n.Name] = append(l.versions[n.Name], v.Dep)
		}
	}
	offers, err := f.DynamicVersions()
	if err != nil {
		return l, err
	}
	for _, v := range offers {
		l.offers = append(l.offers, v.Name)
	}
	return l, nil
}

// check says what is wrong with the libraries of a folder.
func check(all map[string]library) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	machines := map[elf.Machine]bool{}
	for name, l := range all {
		machines[l.machine] = true
		for _, need := range l.needs {
			if _, packed := all[need]; !packed && !slices.Contains(platform, need) {
				fault("%s needs %s, which is not there", name, need)
			}
		}
		for of, versions := range l.versions {
			other, packed := all[of]
			for _, v := range versions {
				if packed && !slices.Contains(other.offers, v) {
					fault("%s needs %s of %s, which does not have it", name, v, of)
				}
				if got, ok := glibc(v); ok && newest.before(got) {
					fault("%s needs %s, and Amazon Linux 2023 has GLIBC_2.34", name, v)
				}
			}
		}
	}
	if len(machines) > 1 {
		fault("libraries of %d architectures", len(machines))
	}
	slices.Sort(faults)
	return faults
}

type version struct{ major, minor int }

func (v version) before(o version) bool {
	return v.major < o.major || v.major == o.major && v.minor < o.minor
}

// glibc reads a version of GLIBC's symbols; false for another library's.
func glibc(name string) (v version, ok bool) {
	number, ok := strings.CutPrefix(name, "GLIBC_")
	if !ok {
		return v, false
	}
	parts := strings.Split(number, ".")
	if len(parts) < 2 {
		return version{999, 0}, true // GLIBC_PRIVATE and the like are nobody's to rest on
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		return version{999, 0}, true
	}
	return version{major, minor}, true
}
