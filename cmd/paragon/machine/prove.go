package machine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

const (
	// provers is how many models are run at once, each in a process of its own.
	provers = 2
	// provePatience is how long a start waits until every model was run. From then on
	// one of each task is enough, and the others are offered as they pass.
	provePatience = 20 * time.Second
	// proveAgain is how long a model that failed is left alone: the machine may have
	// been short of memory.
	proveAgain = 5 * time.Minute
	// filesEvery is how often the models' files are looked for, which somebody may remove
	// while the machine runs.
	filesEvery = 3 * time.Second
	// notRunYet is why a model is not offered before its run.
	notRunYet = "the model has not run on this machine yet"
)

// prover runs each model once by this build of the engine on this platform, before it
// is offered. What passed is remembered in the user's cache, by the digest of the file
// and of how the catalogue describes it, so that each is run once.
type prover struct {
	m        *Machine
	passed   string        // folder with an empty file for each that passed; empty remembers nothing
	engine   string        // the library's digest
	progress chan struct{} // a model was run

	mu       sync.Mutex
	withheld map[string]string // why, by model
	open     bool              // results are put in force as they come
}

// proveModels has every model that is served run once, and returns when all have, or
// after a while as soon as each task has one that passed. Those that fail are withheld.
func (m *Machine) proveModels(ctx context.Context) error {
	engine, err := onnxruntime.Digest()
	if err != nil {
		return err
	}
	p := &prover{m: m, engine: engine, progress: make(chan struct{}, 1), withheld: map[string]string{}}
	if cache, err := os.UserCacheDir(); err == nil {
		p.passed = filepath.Join(cache, "paragon", "passed")
	}
	var all []profile.Model
	for _, model := range m.store.Current().Models {
		if model.Runnable() && model.RetiredAt == "" {
			all = append(all, model)
			p.withheld[model.Name] = notRunYet
		}
	}
	slices.SortStableFunc(all, func(a, b profile.Model) int { return cmp.Compare(a.MemoryMB, b.MemoryMB) })
	done := make(chan struct{})
	m.background(func(ctx context.Context) {
		p.run(ctx, all)
		close(done)
		p.repeat(ctx)
	})
	p.wait(ctx, done)
	return p.publish()
}

// wait returns when all models were run, or enough of them after provePatience.
func (p *prover) wait(ctx context.Context, done <-chan struct{}) {
	patience := time.NewTimer(provePatience)
	defer patience.Stop()
	for late := false; !late || !p.enough(); {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-patience.C:
			late = true
		case <-p.progress:
		}
	}
}

// enough says whether each task has a model that passed.
func (p *prover) enough() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	has := map[string]bool{}
	for _, m := range p.m.store.Current().Models {
		if m.Runnable() && m.RetiredAt == "" {
			has[m.Task] = has[m.Task] || p.withheld[m.Name] == ""
		}
	}
	return !slices.Contains(slices.Collect(maps.Values(has)), false)
}

// publish puts what is known in force, and what becomes known later.
func (p *prover) publish() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = true
	return p.m.store.Withhold(maps.Clone(p.withheld))
}

// run runs models, some at once.
func (p *prover) run(ctx context.Context, all []profile.Model) {
	var g errgroup.Group
	g.SetLimit(provers)
	for _, model := range all {
		g.Go(func() error {
			why := p.prove(ctx, &model)
			if ctx.Err() == nil {
				p.put(model.Name, why)
			}
			return nil
		})
	}
	_ = g.Wait() // no error comes from the above
	if len(all) > 0 {
		debug.FreeOSMemory() // the files were read whole, and this process needs no such memory again
	}
}

// put notes how a run went; why is empty of one that passed.
func (p *prover) put(model, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.withheld, model)
	if why != "" {
		p.withheld[model] = query.WithoutFolders(why) // callers read it
		p.m.log.Error("a model cannot be run and is not offered", "model", model, "error", why)
	}
	if p.open {
		if err := p.m.store.Withhold(maps.Clone(p.withheld)); err != nil {
			p.m.log.Error("store which models get no queries", "error", err)
		}
	}
	select {
	case p.progress <- struct{}{}:
	default: // who waits looks anyway
	}
}

// repeat runs those that failed again from time to time, and withholds those whose files
// are gone until they are back.
func (p *prover) repeat(ctx context.Context) {
	tick, files := time.NewTicker(proveAgain), time.NewTicker(filesEvery)
	defer tick.Stop()
	defer files.Stop()
	gone := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-files.C:
			p.run(ctx, p.findFiles(gone))
			continue
		case <-tick.C:
		}
		p.mu.Lock()
		failed := maps.Clone(p.withheld)
		p.mu.Unlock()
		var again []profile.Model
		for _, model := range p.m.store.Current().Models {
			if failed[model.Name] != "" && model.RetiredAt == "" {
				again = append(again, model)
			}
		}
		p.run(ctx, again)
	}
}

// findFiles withholds models whose files are gone, which it notes by the models' names, and
// returns those whose files are back.
func (p *prover) findFiles(gone map[string]bool) (back []profile.Model) {
	for _, model := range p.m.store.Current().Models {
		if !model.Runnable() || model.RetiredAt != "" {
			continue
		}
		path := p.m.networkPath(&model)
		_, err := os.Stat(path)
		switch missing := path != "" && errors.Is(err, fs.ErrNotExist); {
		case missing && !gone[model.Name]:
			gone[model.Name] = true
			p.put(model.Name, fmt.Sprintf("its file %s is missing; put it back, or remove the model", path))
		case !missing && gone[model.Name]:
			delete(gone, model.Name)
			back = append(back, model)
		}
	}
	return back
}

// networkPath is where a model's file is on this machine; empty for one that is part of
// this program or in a bucket.
func (m *Machine) networkPath(model *profile.Model) string {
	switch {
	case m.store.Has(model.Name):
		return filepath.Join(m.modelsDir(), model.File)
	case m.cfg.ProfilesDir == "" || s3url.Is(m.cfg.ProfilesDir):
		return ""
	}
	return filepath.Join(m.cfg.ProfilesDir, m.catalogue.Name, model.File)
}

// prove says why a model cannot be run; empty when it can.
func (p *prover) prove(ctx context.Context, model *profile.Model) string {
	if err := p.m.checkNetwork(model); err != nil {
		return err.Error()
	}
	mark := p.mark(model)
	if mark != "" {
		if _, err := os.Stat(mark); err == nil {
			return ""
		}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if err := p.m.runOnce(ctx, model.Name); err != nil {
		return err.Error()
	}
	if mark != "" { // what cannot be remembered is run again by the next start
		_ = os.MkdirAll(p.passed, 0o700)
		_ = os.WriteFile(mark, nil, 0o600)
	}
	return ""
}

// mark is the file that says that a model passed; empty where nothing is remembered.
func (p *prover) mark(model *profile.Model) string {
	if p.passed == "" {
		return ""
	}
	digest, err := proof.Digest(p.m.store.Current(), model)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(digest + p.engine + runtime.GOOS + runtime.GOARCH))
	return filepath.Join(p.passed, hex.EncodeToString(sum[:]))
}

// checkNetwork says whether a model's file is there, and is the catalogue's.
func (m *Machine) checkNetwork(model *profile.Model) (err error) {
	if m.store.Has(model.Name) {
		_, err = m.store.ONNX(model)
	} else {
		_, err = m.set.NetworkOf(m.catalogue.Name, model)
	}
	return err
}

// runOnce runs a model in a process of its own, which a bad one may take down.
func (m *Machine) runOnce(ctx context.Context, model string) error {
	path, err := m.cfg.binary("paragon")
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, path, "model-run", model)
	c.Env = append(os.Environ(), append(m.childEnv(), environment.Profiles+"="+m.cfg.ProfilesDir)...)
	_, err = modelcheck.RunProcess(c)
	return err
}
