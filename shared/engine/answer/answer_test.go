package answer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

const model = "cnn-small"

// models gives one model's file as another's, or none.
type models func(name string) ([]byte, error)

func (m models) ONNX(name string) ([]byte, error) { return m(name) }

func open(t testing.TB) (*engine.Engine, *profiles.Set, *profile.Catalogue) {
	t.Helper()
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	set, c := profilestest.Loaded(t)
	return e, set, c
}

func picture(t testing.TB, set *profiles.Set, nth int) query.Input {
	t.Helper()
	names, err := fs.Glob(set.Samples("fashion"), "*.png")
	if err != nil || len(names) <= nth {
		t.Fatalf("%d sample pictures, error %v", len(names), err)
	}
	data, err := fs.ReadFile(set.Samples("fashion"), names[nth])
	if err != nil {
		t.Fatal(err)
	}
	return query.Input{ContentType: preprocess.PNG, Data: data}
}

// A raw tensor gives, bit for bit, what a bare session gives, and the picture
// it is of gives the same.
func TestAnswersAreTheSessionsOwn(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{})
	onnx, err := set.ONNX(model)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := e.Load(t.Context(), "bare", onnx, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := c.Model(model)
	for nth := range 20 {
		in := picture(t, set, nth)
		x, err := preprocess.Decode(in.ContentType, in.Data, preprocess.Spec(*p.Input), preprocess.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := bare.Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		raw := query.Input{ContentType: preprocess.RawTensor, Data: make([]byte, 4*len(x.Data))}
		for i, v := range x.Data {
			binary.LittleEndian.PutUint32(raw.Data[4*i:], math.Float32bits(v))
		}
		for _, input := range []query.Input{in, raw} {
			got, err := a.Answer(t.Context(), model, []query.Input{input})
			if err != nil || got[0].Err != nil {
				t.Fatal(err, got)
			}
			sameBits(t, got[0].Result, want.Data, c.LabelsOf(p))
		}
	}
}

func sameBits(t *testing.T, r query.Result, want []float32, labels []string) {
	t.Helper()
	if len(r.Scores) != len(want) || r.Label != labels[r.Index] {
		t.Fatalf("result %+v, want %v", r, want)
	}
	for i := range want {
		if math.Float32bits(r.Scores[i]) != math.Float32bits(want[i]) {
			t.Errorf("score %d is %v, the bare session's %v", i, r.Scores[i], want[i])
		}
		if want[i] > want[r.Index] {
			t.Errorf("class %d is not the best", r.Index)
		}
	}
}

// One bad input of a batch fails alone.
func TestBadInputFailsAlone(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{})
	good, bad := picture(t, set, 0), query.Input{ContentType: preprocess.PNG, Data: []byte("not a picture")}
	alone, err := a.Answer(t.Context(), model, []query.Input{good})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Answer(t.Context(), model, []query.Input{bad, good, bad, good})
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range got {
		if i%2 == 0 {
			if f := answer.Failure(g.Err); f.Code != query.BadInput || f.Detail == "" {
				t.Errorf("input %d: %+v", i, f)
			}
		} else if g.Err != nil || g.Result.Label != alone[0].Result.Label {
			t.Errorf("input %d: %+v", i, g)
		}
	}
}

func TestModelFaults(t *testing.T) {
	e, set, c := open(t)
	away := errors.New("the disk is away")
	for _, tc := range []struct {
		name, model string
		models      models
		want        string
	}{
		{"unknown", "unknown", set.ONNX, "unknown"},
		{"another file", model, func(string) ([]byte, error) { return set.ONNX("mlp") }, "digest"},
		{"no file", model, func(string) ([]byte, error) { return nil, away }, away.Error()},
	} {
		_, err := answer.New(e, c, tc.models, answer.Memory{}).Answer(t.Context(), tc.model, []query.Input{picture(t, set, 0)})
		if f := answer.Failure(err); f.Code != query.ModelFault || !strings.Contains(f.Detail, tc.want) {
			t.Errorf("%s: %+v", tc.name, f)
		}
	}
}

func TestWarmRunsEveryModel(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{})
	var names []string
	for _, m := range c.Models {
		if m.File != "" {
			names = append(names, m.Name)
		}
	}
	if err := a.Warm(t.Context(), names...); err != nil || len(names) == 0 {
		t.Errorf("%d models: %v", len(names), err)
	}
	if err := a.Warm(t.Context(), "unknown"); err == nil {
		t.Error("warmed an unknown model")
	}
}

func TestRespond(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{})
	in := picture(t, set, 0)
	want, err := a.Answer(t.Context(), model, []query.Input{in})
	if err != nil {
		t.Fatal(err)
	}
	got := a.Respond(t.Context(), model, inference.Request{Model: model, Input: in})
	if got.Error != nil || got.Label != want[0].Result.Label || got.ComputeMS <= 0 || len(got.Top) != query.TopScores || got.Scores != nil {
		t.Errorf("got %+v", got)
	}
	all := a.Respond(t.Context(), model, inference.Request{Model: model, Input: in, AllScores: true})
	if !slices.Equal(all.Scores, want[0].Result.Scores) || !slices.Equal(all.Top, got.Top) {
		t.Errorf("asked for all scores: %+v", all)
	}
	for want, req := range map[query.FailureCode]inference.Request{
		query.BadInput:   {Model: model, Input: query.Input{ContentType: preprocess.PNG}},
		query.ModelFault: {Model: "mlp", Input: in},
	} {
		if got := a.Respond(t.Context(), model, req); got.Error == nil || got.Error.Code != want {
			t.Errorf("got %+v, want %s", got.Error, want)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	e, set, c := open(b)
	a := answer.New(e, c, set, answer.Memory{})
	in := []query.Input{picture(b, set, 0)}
	for _, m := range c.Models {
		if m.File == "" {
			continue
		}
		b.Run(m.Name, func(b *testing.B) {
			for b.Loop() {
				if out, err := a.Answer(b.Context(), m.Name, in); err != nil || out[0].Err != nil {
					b.Fatal(err, out)
				}
			}
		})
	}
}

// A limit above the default one takes effect where a picture is decoded, as intake
// says how many pixels it let through; without its word the default one holds.
func TestTheLimitOfPixelsIsTheAcceptedOne(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{})
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2000, 1000))); err != nil {
		t.Fatal(err)
	}
	in := query.Input{ContentType: preprocess.PNG, Data: b.Bytes()}
	got, err := a.Answer(t.Context(), model, []query.Input{in})
	if err != nil || answer.Failure(got[0].Err).Code != query.BadInput {
		t.Errorf("2 megapixels, above the default limit: %+v, error %v", got, err)
	}
	in.Decoding.Pixels = 2_000_000
	if got, err = a.Answer(t.Context(), model, []query.Input{in}); err != nil || got[0].Err != nil {
		t.Errorf("2 megapixels that intake let through: %+v, error %v", got, err)
	}
}
