package answer_test

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// large is a picture with enough pixels that decoding it takes several times 5 ms,
// with what intake reads in its header.
func large(t *testing.T, p *profile.Model) query.Input {
	t.Helper()
	var data bytes.Buffer
	if err := png.Encode(&data, image.NewGray(image.Rect(0, 0, 2000, 2000))); err != nil {
		t.Fatal(err)
	}
	in := query.Input{ContentType: preprocess.PNG, Data: data.Bytes()}
	var err error
	in.Decoding, err = preprocess.Check(in.ContentType, in.Data, preprocess.Spec(*p.Input), preprocess.Limits{MaxPixels: 2000 * 2000})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// A large picture is decoded elsewhere, behind other callers' runs, and a small one with
// them.
func TestLargePicturesAreDecodedInTheBackground(t *testing.T) {
	e, set, c := open(t)
	a := answer.New(e, c, set, answer.Memory{})
	p, _ := c.Model(model)
	elsewhere := 0
	a.DecodeLarge(func(contentType string, data []byte, s preprocess.Spec, lim preprocess.Limits) (engine.Tensor, error) {
		elsewhere++
		return preprocess.Decode(contentType, data, s, lim)
	})
	for _, tc := range []struct {
		in   query.Input
		want int
	}{{picture(t, set, 0), 0}, {large(t, p), 1}} {
		elsewhere = 0
		out, err := a.Answer(t.Context(), model, []query.Input{tc.in})
		if err != nil || out[0].Err != nil {
			t.Fatal(err, out)
		}
		if elsewhere != tc.want {
			t.Errorf("%d pictures with %+v were decoded elsewhere, want %d", elsewhere, tc.in.Decoding, tc.want)
		}
	}
}
