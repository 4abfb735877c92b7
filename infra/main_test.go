package infra

import (
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// The tests of this package run one after the other: jsii speaks to one
// process, in one conversation.
func TestMain(m *testing.M) {
	status := m.Run()
	jsii.Close()
	os.Exit(status)
}

// cdkJSON is the context that a deployment without flags has, with the CDK's features as
// the app chooses them.
func cdkJSON(t *testing.T) map[string]any {
	t.Helper()
	raw, err := os.ReadFile("../cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	maps.Copy(file.Context, FeatureFlags())
	return file.Context
}

// fakeDist stands in for what `make dist` builds: of a binary a template depends on the
// architecture alone.
func fakeDist(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, arch := range []string{"arm64", "x86_64"} {
		for _, name := range []string{"api", "authorizer", "callbacks", "controller", "dispatcher", "inference", "worker"} {
			dir := filepath.Join(root, arch, name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "bootstrap"), append(header(machines[arch]), name...), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// header is that of a binary for an architecture.
func header(of elf.Machine) []byte {
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(of), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	out, _ := binary.Append(nil, binary.LittleEndian, h) // its size is fixed
	return out
}

// assembly is what one synth wrote.
type assembly struct {
	raw    []byte // the template as it is
	t      synthesized
	notes  []byte                 // what the synth had to say of the stack
	assets map[string][]string    // files, by the hash in an asset's key
	of     map[string]elf.Machine // what bootstraps are for, by that hash
	cfg    Config
	plan   plan
}

// synthesize makes the stage with some of its context changed.
func synthesize(t *testing.T, dist string, changes map[string]any) assembly {
	t.Helper()
	context := cdkJSON(t)
	context["asset_root"] = dist
	maps.Copy(context, changes)
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(out), Context: &context, AnalyticsReporting: jsii.Bool(false)})
	if err := quietly(func() error { return Synth(app) }); err != nil {
		t.Fatal(err)
	}
	if bad := findings(t, out); len(bad) > 0 {
		t.Errorf("cdk-nag: %v", bad)
	}
	return read(t, out, contextOf(app))
}

// quietly turns the panics that constructs and rules fail with into errors.
func quietly(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return do()
}

// read reads an assembly back.
func read(t *testing.T, out string, context func(string) any) assembly {
	t.Helper()
	cfg, err := ReadConfig(context)
	if err != nil {
		t.Fatal(err)
	}
	a := assembly{cfg: cfg, assets: map[string][]string{}, of: map[string]elf.Machine{}}
	if a.plan, err = resolve(cfg); err != nil {
		t.Fatal(err)
	}
	if a.raw, err = os.ReadFile(filepath.Join(out, "paragon-"+cfg.Stage+".template.json")); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(a.raw, &a.t); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"manifest.json", "paragon-" + cfg.Stage + ".metadata.json"} {
		notes, err := os.ReadFile(filepath.Join(out, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		a.notes = append(a.notes, notes...)
	}
	dirs, err := filepath.Glob(filepath.Join(out, "asset.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		hash := strings.TrimPrefix(filepath.Base(dir), "asset.")
		for _, f := range files {
			a.assets[hash] = append(a.assets[hash], f.Name())
			if f.Name() == "bootstrap" {
				if a.of[hash], err = machineOf(filepath.Join(dir, f.Name())); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return a
}
