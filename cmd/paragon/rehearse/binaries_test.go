//go:build rehearse

package rehearse

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// machines are the architectures of binaries, as AWS names them.
var machines = map[elf.Machine]string{elf.EM_AARCH64: "arm64", elf.EM_X86_64: "x86_64"}

// packageKey is where a worker's package lies, in its user data.
var packageKey = regexp.MustCompile(`s3://[^/']+/([0-9a-f]{64}\.zip)`)

// bootstraps are the binaries of the stack's functions, by name, out of the
// very assets that a deployment uploads.
func (p *play) bootstraps() map[string]string {
	p.t.Helper()
	out, ready := map[string]string{}, map[string]string{}
	for _, r := range p.stack.resources {
		if r.Type != "AWS::Lambda::Function" {
			continue
		}
		name, key := r.Properties["FunctionName"].(string), r.Properties["Code"].(map[string]any)["S3Key"].(string)
		if ready[key] == "" {
			ready[key] = p.runnable(key, r.Properties["Architectures"].([]any)[0].(string), strings.TrimPrefix(name, names.Prefix(stage)))
		}
		out[name] = ready[key]
	}
	return out
}

// changedBinaries names the folder of bootstraps that `make mends` puts in place of
// the stack's, by function.
const changedBinaries = "PARAGON_CHANGED_BINARIES"

// runnable is the bootstrap of an asset, which must be of the architecture that
// the stack says, or a script that runs it under an emulator where this machine
// is of another.
func (p *play) runnable(key, arch, name string) string {
	p.t.Helper()
	path := p.asset(key)
	if folder := os.Getenv(changedBinaries); folder != "" {
		if changed := filepath.Join(folder, name); isFile(changed) {
			path = changed
		}
	}
	f, err := elf.Open(path)
	must(p.t, err)
	defer f.Close()
	if got := machines[f.Machine]; got != arch {
		p.t.Fatalf("%s is for %s, and the stack says %s", path, got, arch)
	}
	if arch == map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH] {
		return path
	}
	qemu := "qemu-" + map[string]string{"arm64": "aarch64", "x86_64": "x86_64"}[arch] + "-static"
	emulator, err := exec.LookPath(qemu)
	if err != nil {
		p.t.Fatalf("%s is for %s and this machine is not: apt-get install qemu-user-static, or put %s into the path", path, arch, qemu)
	}
	script := filepath.Join(p.t.TempDir(), "bootstrap")
	must(p.t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nexec %s %s\n", emulator, path), 0o700))
	return script
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// asset is the bootstrap within an asset of the assembly.
func (p *play) asset(key string) string {
	p.t.Helper()
	for _, a := range p.stack.assets {
		if a.key == key {
			path, err := filepath.Abs(filepath.Join(a.path, "bootstrap"))
			must(p.t, err)
			return path
		}
	}
	p.t.Fatalf("the stack has no asset %s", key)
	return ""
}

// workerBinary is the worker out of the package that the user data fetches.
func (p *play) workerBinary(userData []byte) string {
	p.t.Helper()
	m := packageKey.FindSubmatch(userData)
	if m == nil {
		p.t.Fatalf("the user data fetches no package:\n%s", userData)
	}
	return p.runnable(string(m[1]), "x86_64", "worker") // as the pool's types are
}
