package infra

import (
	"debug/elf"
	"fmt"
	"path/filepath"
)

// machines are the architectures of binaries, as AWS and the folders of `make dist`
// name them.
var machines = map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64}

// checkBinaries holds every binary of a folder that `make dist` built to the
// architecture that its path names: one for another would deploy, and never start.
func checkBinaries(root string) error {
	for _, arch := range sorted(machines) {
		files, err := filepath.Glob(filepath.Join(root, arch, "*", "bootstrap"))
		if err != nil {
			return fmt.Errorf("asset_root %q: %w", root, err)
		}
		for _, file := range files {
			got, err := machineOf(file)
			if err != nil {
				return err
			}
			if got != machines[arch] {
				return fmt.Errorf("%s is a binary for %v, not for %s: run `make dist` to build it again", file, got, arch)
			}
		}
	}
	return nil
}

// machineOf is the architecture of a binary.
func machineOf(file string) (elf.Machine, error) {
	f, err := elf.Open(file)
	if err != nil {
		return 0, fmt.Errorf("%s is not a binary: %w; run `make dist` to build it again", file, err)
	}
	defer f.Close()
	return f.Machine, nil
}
