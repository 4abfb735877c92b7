package preprocess

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"pgregory.net/rapid"
)

// grey is the spec of a 28x28 grey model, as Fashion-MNIST's are.
var grey = Spec{Width: 28, Height: 28, Channels: 1}

// rgb is the spec of a small color model.
var rgb = Spec{Width: 16, Height: 16, Channels: 3}

func encodePNG(t rapid.TB, picture image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeJPEG(t rapid.TB, picture image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// paint makes a picture of which each pixel is what f says.
func paint(w, h int, f func(x, y int) color.RGBA) *image.RGBA {
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			picture.SetRGBA(x, y, f(x, y))
		}
	}
	return picture
}

// ramp has each byte value somewhere, in every channel another.
func ramp(x, y int) color.RGBA {
	return color.RGBA{R: uint8(x * 7), G: uint8(y * 5), B: uint8(x*3 + y*11), A: 255}
}

// pngHeader is the beginning of a PNG that claims to have a size and has no pixels.
func pngHeader(w, h uint32) []byte {
	chunk := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	chunk = binary.BigEndian.AppendUint32(chunk, h)
	chunk = append(chunk, 8, 6, 0, 0, 0) // 8 bits, RGBA
	header := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return binary.BigEndian.AppendUint32(header, crc32.ChecksumIEEE(chunk))
}

// floats is a raw tensor's bytes.
func floats(values ...float32) []byte {
	data, err := binary.Append(nil, binary.LittleEndian, values)
	if err != nil {
		panic(err)
	}
	return data
}
