package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/intake"
)

// The names of the tensors where models classify pictures: each takes one and
// gives its scores, and for convenience the best class by name and by index. A
// task whose models all have signatures has their names for the first two too.
const (
	inputName  = "input"
	scoresName = "scores"
	labelName  = "label"
	indexName  = "index"
)

// The protocol's extensions that are served: binary tensors, and the best
// classes as text.
const (
	binaryExtension = "binary_tensor_data"
	classExtension  = "classification"
)

// firstVersion is the version of models that have one, and of tasks.
const firstVersion = "1"

// versionOf is the version of what a path names: of a task the first.
func versionOf(name, model string) string {
	asked, _ := profile.ParseVersion(name)
	if of, number := profile.ParseVersion(model); of == asked {
		return strconv.Itoa(number)
	}
	return firstVersion
}

// askedName is the model or task that a path names, with the version if it names one:
// "net@2" of /v2/models/net/versions/2.
func askedName(r *http.Request) string {
	if v := r.PathValue("version"); v != "" {
		return r.PathValue("model") + profile.VersionMark + v
	}
	return r.PathValue("model")
}

// failOIP answers an error as the Open Inference Protocol has it. An unknown
// model is a path that does not exist there.
func (a *server) failOIP(w http.ResponseWriter, status int, ref *intake.Refusal) {
	if ref.Kind == intake.UnknownModel && ref.Field == "" {
		status = http.StatusNotFound
	}
	detail := ref.Detail
	if ref.Field != "" {
		detail = ref.Field + ": " + detail
	}
	w.Header().Set("Content-Type", "application/json")
	a.write(w, status, oipError{detail})
}

type oipError struct {
	Error string `json:"error"`
}

type oipServer struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Extensions []string `json:"extensions"`
}

// oipServer is GET /v2.
func (a *server) oipServer(w http.ResponseWriter, _ *http.Request) error {
	version := a.Version
	if version == "" {
		version = "unknown"
	}
	a.write(w, http.StatusOK, oipServer{"paragon", version, []string{binaryExtension, classExtension}})
	return nil
}

// oipLive is GET /v2/health/live.
func (a *server) oipLive(w http.ResponseWriter, _ *http.Request) error {
	a.write(w, http.StatusOK, map[string]bool{"live": true})
	return nil
}

// oipReadiness says whether something answers now, and why not.
type oipReadiness struct {
	Name   string `json:"name,omitempty"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// writeReadiness answers with a readiness: 503 when something is in the way.
func (a *server) writeReadiness(w http.ResponseWriter, name string, fault error) {
	status, out := http.StatusOK, oipReadiness{Name: name, Ready: fault == nil}
	if fault != nil {
		status, out.Reason = http.StatusServiceUnavailable, fault.Error()
	}
	a.write(w, status, out)
}

// oipReady is GET /v2/health/ready: every task has something to answer it.
func (a *server) oipReady(w http.ResponseWriter, r *http.Request) error {
	var fault error
	for _, task := range a.svc.Tasks() {
		if fault = a.svc.NotReady(r.Context(), task); fault != nil {
			break
		}
	}
	a.writeReadiness(w, "", fault)
	return nil
}

// named returns the models that the path's name stands for, in the version that
// the path names, if it does.
func (a *server) named(r *http.Request) ([]api.Model, error) {
	name := r.PathValue("model")
	ms := a.svc.ModelsFor(name)
	if len(ms) == 0 {
		return nil, a.svc.NotOffered(name, refuse(intake.UnknownModel, "", "there is no model or task %q; GET /v1/models lists the models", clip(name)))
	}
	v := r.PathValue("version")
	if v == "" || v == versionOf(name, ms[0].Name) {
		return ms, nil
	}
	if other := a.svc.ModelsFor(askedName(r)); len(other) == 1 && v == versionOf(name, other[0].Name) {
		return other, nil
	}
	return nil, refuse(intake.UnknownModel, "", "%q has no version %q that answers queries; the version that answers is %s", name, clip(v), versionOf(name, ms[0].Name))
}

// isModel says whether a path's name is a model's, and not a task's.
func isModel(ms []api.Model, name string) bool {
	asked, _ := profile.ParseVersion(name)
	of, _ := profile.ParseVersion(ms[0].Name)
	return asked == of
}

// oipModelReady is GET /v2/models/{model}/ready.
func (a *server) oipModelReady(w http.ResponseWriter, r *http.Request) error {
	ms, err := a.named(r)
	if err != nil {
		return err
	}
	model := r.PathValue("model")
	if !isModel(ms, model) { // a task's name
		a.writeReadiness(w, model, a.svc.NotReady(r.Context(), ms[0].Task))
		return nil
	}
	a.writeReadiness(w, model, a.svc.ModelNotReady(r.Context(), ms[0].Task, ms[0].Name))
	return nil
}

type oipMetadata struct {
	Name     string         `json:"name"`
	Versions []string       `json:"versions"`
	Platform string         `json:"platform"`
	Inputs   []tensors.Spec `json:"inputs"`
	Outputs  []tensors.Spec `json:"outputs"`
}

// oipModel is GET /v2/models/{model}.
func (a *server) oipModel(w http.ResponseWriter, r *http.Request) error {
	ms, err := a.named(r)
	if err != nil {
		return err
	}
	out := oipMetadata{Name: r.PathValue("model"), Versions: []string{versionOf(r.PathValue("model"), ms[0].Name)}, Platform: "onnx_onnxv1"}
	if sig, ok := signatureOf(ms); ok && !answersByClass(ms) {
		out.Inputs, out.Outputs = sig.Inputs, sig.Outputs
		if ms[0].Takes == profile.Picture {
			out.Inputs = []tensors.Spec{{Name: sig.Inputs[0].Name, Datatype: tensors.FP32, Shape: inputShape(ms)}}
		}
	} else {
		names := namesOf(ms)
		out.Inputs = []tensors.Spec{{Name: names.input, Datatype: tensors.FP32, Shape: inputShape(ms)}}
		if ms[0].Takes == profile.TextIn {
			out.Inputs = []tensors.Spec{profile.TextSpec()}
		}
		out.Outputs = []tensors.Spec{
			{Name: names.scores, Datatype: tensors.FP32, Shape: []int64{1, int64(len(ms[0].Labels))}},
			{Name: labelName, Datatype: tensors.Bytes, Shape: []int64{1}}, {Name: indexName, Datatype: tensors.Int64, Shape: []int64{1}},
		}
	}
	a.write(w, http.StatusOK, out)
	return nil
}

// inputShape is the shape that all models take, with -1 where they differ.
func inputShape(ms []api.Model) []int64 {
	if ms[0].Takes == profile.TextIn {
		return profile.TextSpec().Shape
	}
	shape := specShape(ms[0].Input)
	for _, m := range ms[1:] {
		for i, d := range specShape(m.Input) {
			if shape[i] != d {
				shape[i] = -1
			}
		}
	}
	return shape
}

func specShape(in *profile.Input) []int64 { return preprocess.Spec(*in).Shape() }

// ignored reports whether a parameter is meant for other servers: Triton's
// reserved names and MLServer's content type.
func ignored(name string) bool {
	return slices.Contains([]string{"priority", "timeout", "headers", "content_type"}, name) ||
		strings.HasPrefix(name, "sequence_") || strings.HasPrefix(name, "triton_")
}
