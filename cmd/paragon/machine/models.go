package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/modelstore"
)

// ownModels is the path at which a machine is given models.
const ownModels = "/local/models"

// maxOrderBytes bounds what comes before a model's file.
const maxOrderBytes = 8 << 20

// keepRetired is how long a retired model is still run: longer than any query may
// wait, whose bound is an hour and which expires after three times its bound.
const keepRetired = 4 * time.Hour

// modelsDir is the folder of the models that the machine was given.
func (m *Machine) modelsDir() string { return filepath.Join(m.cfg.DataDir, "models") }

// openStore reads the models that the machine was given before.
func (m *Machine) openStore() (err error) {
	if m.cfg.DataDir, err = filepath.Abs(m.cfg.DataDir); err != nil { // children have working folders of their own
		return fmt.Errorf("find the data folder: %w", err)
	}
	m.store, err = modelstore.Open(m.modelsDir(), m.catalogue)
	return err
}

// forgetRetired deletes models that were retired long ago.
func (m *Machine) forgetRetired() {
	if err := m.store.Prune(time.Now().Add(-keepRetired)); err != nil {
		m.log.Error("delete retired models", "error", err)
	}
	if err := m.functions.SetFunctions(m.functionsNow()); err != nil {
		m.log.Error("forget the functions of retired models", "error", err)
	}
}

// chooser says what would be chosen.
type chooser interface {
	Preview(ctx context.Context, r intake.Request) (selection.Candidate, error)
}

// checkedAtOnce is how many models are checked at once: each takes a process and its memory.
const checkedAtOnce = 2

// modelHandler takes models over HTTP, lists them and retires them.
type modelHandler struct {
	m       *Machine
	chooser chooser
	checks  *semaphore.Weighted // of checkedAtOnce; first come, first served
	// measuring is held by the one that is measured.
	measuring *semaphore.Weighted
}

func (m *Machine) modelsAt(c chooser) http.Handler {
	return &modelHandler{m: m, chooser: c, checks: semaphore.NewWeighted(checkedAtOnce), measuring: semaphore.NewWeighted(1)}
}

// ServeHTTP answers at /local/models and below.
func (d *modelHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, ownModels), "/")
	var out any
	var err error
	switch {
	case name == "" && r.Method == http.MethodGet:
		out = d.list()
	case name == "" && r.Method == http.MethodPost:
		out, err = d.add(r)
	case strings.HasSuffix(name, rolloutSuffix) && r.Method == http.MethodPost:
		out, err = d.change(name, r)
	case name != "" && r.Method == http.MethodDelete:
		out, err = d.retire(name)
	default:
		err = unusable(http.StatusMethodNotAllowed, "", "this path does not support the method %s: list models with GET, add one with POST, remove one with DELETE and its name, and change its versions with POST to its name and %s", r.Method, rolloutSuffix)
	}
	if err != nil {
		writeWrong(w, err)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", out)
}

// unusable is why a model cannot be had.
func unusable(status int, field, format string, args ...any) error {
	return problemOf(api.BadModel, "The model cannot be served", status, field, format, args...)
}

// list is the models that came with the folder.
func (d *modelHandler) list() api.OwnModels {
	out := api.OwnModels{Models: []profile.Model{}}
	for _, m := range d.m.store.Current().Models {
		if d.m.store.Has(m.Name) {
			out.Models = append(out.Models, m)
		}
	}
	out.Rollouts = d.m.store.Current().Rollouts
	return out
}

// retire gives a model no query any more.
func (d *modelHandler) retire(name string) (profile.Model, error) {
	m, err := d.m.store.Retire(name, time.Now())
	if errors.Is(err, modelstore.ErrNotAdded) {
		if _, shipped := d.m.catalogue.Model(name); shipped {
			return m, unusable(http.StatusConflict, "name", "model %q came with the catalogue: only models that were added can be removed", name)
		}
		return m, unusable(http.StatusNotFound, "name", "no model %.64q was added; `paragon model list` lists the added models", name)
	}
	if errors.Is(err, modelstore.ErrVersion) {
		return m, unusable(http.StatusConflict, "name", "%v", err)
	}
	return m, err
}

// add takes a model in: nothing changes before it is found to be good.
func (d *modelHandler) add(r *http.Request) (*api.AddedModel, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != api.ModelType {
		return nil, unusable(http.StatusUnsupportedMediaType, "Content-Type", "a model must be sent as %s", api.ModelType)
	}
	if err := d.checks.Acquire(r.Context(), 1); err != nil {
		return nil, fmt.Errorf("wait for the checks of other models: %w", err)
	}
	defer d.checks.Release(1)
	body := bufio.NewReaderSize(r.Body, 1<<16)
	order, err := readOrder(body)
	if err != nil {
		return nil, err
	}
	if err := CheckOrder(d.m.store.Current(), order); err != nil {
		return nil, err
	}
	if r.ContentLength > modelstore.MaxONNXBytes+maxOrderBytes {
		return nil, tooLarge(order, float64(r.ContentLength))
	}
	draft, err := d.m.store.Receive(body)
	if errors.Is(err, modelstore.ErrTooLarge) {
		return nil, tooLarge(order, modelstore.MaxONNXBytes)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = draft.Discard() }() // of what was added nothing is left to remove
	if order.SHA256 == "" {
		return nil, unusable(http.StatusUnprocessableEntity, "sha256", "the first line of the body does not name the SHA-256 of %s", order.File)
	}
	if draft.SHA256 != order.SHA256 {
		return nil, unusable(http.StatusUnprocessableEntity, "sha256", "%s was damaged on the way: it arrived with SHA-256 %s, and was sent with %.64s; send it again", order.File, draft.SHA256, order.SHA256)
	}
	return d.accept(r.Context(), order, draft)
}

func tooLarge(o api.ModelOrder, bytes float64) error {
	return unusable(http.StatusRequestEntityTooLarge, "", "%s has %.1f GiB or more: a model may have at most %.1f GiB, including weights in other files",
		o.File, bytes/(1<<30), float64(modelstore.MaxONNXBytes)/(1<<30))
}

// readOrder reads the line of JSON before a model's file.
func readOrder(body *bufio.Reader) (o api.ModelOrder, err error) {
	var line []byte
	for len(line) <= maxOrderBytes {
		part, err := body.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return o, unusable(http.StatusBadRequest, "", "the body does not begin with a line of JSON")
		}
	}
	if len(line) > maxOrderBytes {
		return o, unusable(http.StatusRequestEntityTooLarge, "labels", "the first line of the body is longer than %d bytes", maxOrderBytes)
	}
	in := json.NewDecoder(strings.NewReader(string(line)))
	in.DisallowUnknownFields()
	if err := in.Decode(&o); err != nil {
		return o, unusable(http.StatusBadRequest, "", "the first line of the body does not describe a model: %v", err)
	}
	if o.File == "" {
		o.File = o.Name
	}
	return o, nil
}

// word is what models and tasks may be called.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckOrder finds out what is wrong before the file is read.
func CheckOrder(c *profile.Catalogue, o api.ModelOrder) error {
	for field, value := range map[string]string{"name": o.Name, "task": o.Task} {
		if !word.MatchString(value) {
			return unusable(http.StatusUnprocessableEntity, field, "%.64q is not a name: use 1 to 64 letters, digits, dots, dashes and underscores, and begin with a letter or a digit", value)
		}
	}
	if err := checkVersion(c, o); err != nil {
		return err
	}
	if _, ok := c.Task(o.Name); ok && o.Name != o.Task {
		return unusable(http.StatusConflict, "name", "there is a task %q, and a model cannot have the name of a task", o.Name)
	}
	if _, ok := c.Model(o.Task); ok && o.Name != o.Task {
		return unusable(http.StatusConflict, "task", "there is a model %q, and a task cannot have the name of a model: choose another --task, or add the file as a version of that model with --name %s", o.Task, o.Task)
	}
	if t, ok := c.Task(o.Task); ok && o.Kind != "" && o.Kind != t.AnswerKind() {
		return unusable(http.StatusUnprocessableEntity, "kind", "is %q, but the kind of task %s is %s", o.Kind, t.Name, t.AnswerKind())
	}
	if !slices.Contains([]profile.InputKind{"", profile.Picture, profile.TextIn, profile.TensorsIn}, o.Input) {
		return unusable(http.StatusUnprocessableEntity, "input", "%.64q is not picture, text or tensor", o.Input)
	}
	if o.Preprocess != nil {
		if err := o.Preprocess.Check(); err != nil {
			return unusable(http.StatusUnprocessableEntity, "preprocess", "%v", err)
		}
	}
	if !(o.Accuracy >= 0 && o.Accuracy <= 100) {
		return unusable(http.StatusUnprocessableEntity, "accuracy", "%v is not within 0 to 100 percent", o.Accuracy)
	}
	if o.MaxTokens < 0 || o.MaxTokens > profile.MaxTokens {
		return unusable(http.StatusUnprocessableEntity, "max_tokens", "%d is not within 0 to %d", o.MaxTokens, profile.MaxTokens)
	}
	if o.Share != nil && !(*o.Share >= 0 && *o.Share <= 1) {
		return unusable(http.StatusUnprocessableEntity, "share", "%v is not within 0 to 1", *o.Share)
	}
	if t := o.Test; t != nil && (o.Accuracy != 0 || t.Correct < 1 || t.Correct > t.Total) {
		return unusable(http.StatusUnprocessableEntity, "test", "has %d right answers of %d, and accuracy is %v: at least one answer must be right, and only one of test and accuracy may be given", t.Correct, t.Total, o.Accuracy)
	}
	return nil
}

// needs are those for which what would be chosen is shown.
var needs = []struct {
	words     string
	optimize  query.Dimension
	latencyMS float64
}{
	{"no bound", "", 0}, {"the best accuracy", query.Accuracy, 0}, {"the least cost", query.Cost, 0}, {"within 500 ms", "", 500},
}

// Choices is what would be chosen for some needs of a task, by a function that chooses.
func Choices(task string, choose func(query.Need) (selection.Candidate, error)) (out []api.Choice) {
	for _, n := range needs {
		c := api.Choice{Need: n.words}
		chosen, err := choose(query.Need{Task: task, Optimize: n.optimize, Constraints: query.Constraints{LatencyMS: n.latencyMS}})
		if err != nil {
			c.Why = err.Error()
		} else {
			c.Chosen, c.Why = &chosen, chosen.Reason
		}
		out = append(out, c)
	}
	return out
}

// choices is what would be chosen for some needs of a task now.
func (d *modelHandler) choices(ctx context.Context, task string) []api.Choice {
	return Choices(task, func(n query.Need) (selection.Candidate, error) {
		r := intake.Request{Task: n.Task, Optimize: n.Optimize}
		if n.Constraints.LatencyMS > 0 {
			r.Bounds.LatencyMS = &n.Constraints.LatencyMS
		}
		return d.chooser.Preview(ctx, r)
	})
}
