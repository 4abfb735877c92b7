package preprocess

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// fill turns a picture of the model's size into the model's tensor.
func (s Spec) fill(picture sized) tensor.Tensor {
	t := s.newTensor()
	if s.Channels == 1 {
		t.Finite = s.fillGray(t.Data, picture)
		return t
	}
	var tables [3]*table      // of red, green and blue
	var channels [3][]float32 // of red, green and blue, from the first element on
	step, between := 1, s.Width*s.Height
	if s.Layout == profile.NHWC {
		step, between = s.Channels, 1
	}
	t.Finite = true
	for c := range tables {
		from := c
		if s.ChannelOrder == profile.BGR {
			from = 2 - c
		}
		tables[from], channels[from] = s.table(c), t.Data[c*between:]
		t.Finite = t.Finite && tables[from].isFinite()
	}
	fillColors(picture, tables, channels, step)
	return t
}

// fillColors writes every step-th element of the channels.
func fillColors(picture sized, tables [3]*table, channels [3][]float32, step int) {
	pix, red, green, blue := picture.Pix, tables[0], tables[1], tables[2]
	n := len(pix) / 4
	if step == 1 {
		toRed, toGreen, toBlue := channels[0][:n], channels[1][:n], channels[2][:n]
		for i := range toRed {
			r, g, b := colors((*[4]byte)(pix[4*i:]), picture.chroma)
			toRed[i], toGreen[i], toBlue[i] = red[r], green[g], blue[b]
		}
		return
	}
	for i := range n {
		r, g, b := colors((*[4]byte)(pix[4*i:]), picture.chroma)
		channels[0][i*step], channels[1][i*step], channels[2][i*step] = red[r], green[g], blue[b]
	}
}

// fillGray writes one channel, and reports whether all of it is finite.
func (s Spec) fillGray(to []float32, picture sized) bool {
	table := s.table(0)
	if !picture.chroma {
		for i := range to {
			p := (*[4]byte)(picture.Pix[4*i:])
			to[i] = table[darkest+int(luma(p[0], p[1], p[2]))]
		}
		return table.isFinite()
	}
	for i := range to {
		r, g, b := colors((*[4]byte)(picture.Pix[4*i:]), true)
		to[i] = table[darkest+int(luma(within(r), within(g), within(b)))]
	}
	return table.isFinite()
}

// Red, green and blue of a pixel in luma and chroma may lie beyond 0 and 255, by no
// more than darkest. They are counted from -darkest on.
const (
	darkest = 256
	colored = 3 * darkest
)

// within moves a value into the range of a byte.
func within(color int) byte { return byte(min(max(color-darkest, 0), 255)) }

// colors are red, green and blue of a pixel, from luma and chroma as JFIF defines them.
func colors(p *[4]byte, isChroma bool) (red, green, blue int) {
	if !isChroma {
		return darkest + int(p[0]), darkest + int(p[1]), darkest + int(p[2])
	}
	y, cb, cr := darkest+int(p[0]), &ofBlue[p[1]], &ofRed[p[2]]
	return y + int(cr.own), y + int(cb.green+cr.green)>>chromaBits, y + int(cb.own)
}

// chroma is what a value of chroma adds to luma in its own channel, and in green with
// chromaBits after the point.
type chroma struct{ own, green int32 }

const chromaBits = 16

var ofBlue, ofRed = chromaOf(116130, -22554), chromaOf(91881, -46802)

// chromaOf is what the values of a channel of chroma add, by factors with chromaBits.
func chromaOf(own, green int32) (out [256]chroma) {
	const half = 1 << (chromaBits - 1)
	for i := range out {
		v := int32(i) - 128
		out[i] = chroma{(v*own + half) >> chromaBits, v*green + half/2}
	}
	return out
}

// luma is the brightness of an RGB pixel by ITU-R BT.601, rounded to nearest;
// gray stays what it is.
func luma(red, green, blue byte) byte {
	return byte((19595*uint32(red) + 38470*uint32(green) + 7471*uint32(blue) + 1<<15) >> 16)
}
