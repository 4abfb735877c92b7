package intake

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/platform"
)

var (
	sixteenMegapixels = image.Rect(0, 0, 4096, 4096)
	blackAndWhite     = color.Palette{color.Black, color.White} // a bit a pixel: quick to encode
)

// blankPicture is a PNG of one color, m: a small file, however many pixels it has.
func blankPicture(t testing.TB, m image.Image) query.Input {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return query.Input{ContentType: preprocess.PNG, Data: b.Bytes()}
}

// apartInputs keeps nothing: nobody reads it.
type apartInputs struct{}

func (apartInputs) PutInput(context.Context, string, string, []byte) (string, error) {
	return "paragon-input:one", nil
}

// A picture of 16 megapixels in 130 KB is refused for a model of a few pixels, with the
// bound; where the setting allows it, its decoding is in the service time, the price,
// the forecast and the function's memory.
func TestWorkIsPricedAsItIs(t *testing.T) {
	set := settings.Defaults()
	d := newTestService(t, func(c *Config) {
		c.Settings = func() settings.Settings { return set }
		cat := catalogue()
		cat.Functions[0].MemoryMB = []int{128, 512}
		cat.Models[0].Latency = cat.Models[0].Latency[:1]
		more := cat.Models[0].Latency[0]
		more.Resource = "reference"
		cat.Models[0].Latency = append(cat.Models[0].Latency, more)
		c.Catalogue = cat
	})
	d.publish(t, 2)
	large := request(5000)
	large.Input = blankPicture(t, image.NewNRGBA(sixteenMegapixels))
	_, err := d.Take(t.Context(), "me", large, Terms{})
	no, ok := err.(*Refusal)
	if !ok || no.Kind != BadInput {
		t.Fatalf("a picture of 16 megapixels for a model of 2 x 2: %v", err)
	}
	set.MaxPixels = 4096 * 4096
	terms := Terms{}
	small, err := d.prepare(t.Context(), "me", request(5000), terms, set)
	if err != nil {
		t.Fatal(err)
	}
	q, err := d.prepare(t.Context(), "me", large, terms, set)
	if err != nil {
		t.Fatal(err)
	}
	if q.asks.WorkMS < small.asks.WorkMS+200 || q.ask.ServiceMS < small.ask.ServiceMS+200 {
		t.Errorf("planned at %v ms of a runner, p99 %v ms; a small one at %v", q.asks.WorkMS, q.ask.ServiceMS, small.asks.WorkMS)
	}
	if q.chosen.PriceUSD < 5*small.chosen.PriceUSD || q.asks.FunctionUSD < 5*small.asks.FunctionUSD {
		t.Errorf("priced at $%v and on a function at $%v; a small one at $%v and $%v",
			q.chosen.PriceUSD, q.asks.FunctionUSD, small.chosen.PriceUSD, small.asks.FunctionUSD)
	}
	all, err := d.candidates(q)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Resource.MemoryMB == 128 {
			t.Errorf("a function of 128 MB is offered for a picture of 64 MB and a model of 100 MB")
		}
	}
	if small.m.Input.Decoding.Pixels != 0 || q.m.Input.Decoding.Pixels != 4096*4096 {
		t.Errorf("the messages say %+v and %+v", small.m.Input.Decoding, q.m.Input.Decoding)
	}
}

// A bound that the model alone keeps, and not with the picture decoded, is refused.
func TestABoundThatDecodingBreaksIsRefused(t *testing.T) {
	set := settings.Defaults()
	set.MaxPixels = 4096 * 4096
	d := newTestService(t, func(c *Config) { c.Settings = func() settings.Settings { return set } })
	d.publish(t, 2)
	r := request(100)
	d.submit(t, r)
	r.Input = blankPicture(t, image.NewPaletted(sixteenMegapixels, blackAndWhite))
	if _, err := d.Take(t.Context(), "me", r, Terms{}); err == nil {
		t.Error("taken")
	} else if no, ok := err.(*Refusal); !ok || no.Kind != Unsatisfiable {
		t.Error(err)
	}
}

// What decoding takes goes with the message, also where the input is kept apart.
func TestDecodingGoesWithTheMessage(t *testing.T) {
	for _, apart := range []bool{false, true} {
		set := settings.Defaults()
		set.MaxPixels = 4096 * 4096
		d := newTestService(t, func(c *Config) {
			c.Settings = func() settings.Settings { return set }
			if apart {
				c.Inputs = apartInputs{}
			}
		})
		r := request(8000)
		r.Input = blankPicture(t, image.NewPaletted(sixteenMegapixels, blackAndWhite))
		if apart { // above what a message holds
			r.Input.Data = append(r.Input.Data, make([]byte, platform.MessageInputBytes)...)
		}
		rec := d.submit(t, r)
		ds, err := d.Backend.Queues.Receive(t.Context(), platform.QueueName(rec.Placement), 1, time.Minute, 0)
		if err != nil || len(ds) != 1 || ds[0].Message.Input.Decoding.Pixels != 4096*4096 || (ds[0].Message.Input.URI != "") != apart {
			t.Errorf("apart %v: %d messages, %+v, error %v", apart, len(ds), ds[0].Message.Input.Decoding, err)
		}
	}
}
