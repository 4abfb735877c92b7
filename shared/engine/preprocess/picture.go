package preprocess

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/paragon-serving/paragon/shared/engine/preprocess/commonpng"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// format is an encoding of pictures.
type format struct {
	contentType string
	name        string
	signature   []byte // what every file of it begins with
	config      func(io.Reader) (image.Config, error)
	decode      func(io.Reader) (image.Image, error)
}

var formats = []format{
	{PNG, "PNG", []byte("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode},
	{JPEG, "JPEG", []byte("\xff\xd8\xff"), jpeg.DecodeConfig, jpeg.Decode},
}

// header is what stands before a picture's pixels, and how many scans a JPEG has.
type header struct {
	pixels int
	colors color.Model
	scans  int
}

// inspect checks a picture of the format against the limits by what stands before
// its pixels, without decoding them, and returns that.
func (f format) inspect(data []byte, lim Limits) (header, error) {
	if err := f.checkSignature(data); err != nil {
		return header{}, err
	}
	config, err := f.config(bytes.NewReader(data))
	if err != nil {
		return header{}, inputError(fieldData, "not a %s picture: %v", f.name, err)
	}
	w, h := config.Width, config.Height
	if w < 1 || h < 1 {
		return header{}, inputError(fieldData, "picture of %dx%d pixels is empty", w, h)
	}
	if w > lim.MaxPixels/h {
		return header{}, inputError(fieldData, "picture of %dx%d pixels is above the limit of %d", w, h, lim.MaxPixels)
	}
	out := header{pixels: w * h, colors: config.ColorModel}
	if f.contentType == JPEG {
		if out.scans = countScans(data); out.scans > maxScans {
			return header{}, inputError(fieldData, "picture of %d scans is above the limit of %d", out.scans, maxScans)
		}
	}
	return out, nil
}

// decodePicture reads a picture of the format, within limits, and turns it as its
// EXIF says: a photograph is cropped and seen as people see it.
func (f format) decodePicture(data []byte, s Spec, lim Limits) (tensor.Tensor, error) {
	if _, err := f.inspect(data, lim); err != nil {
		return tensor.Tensor{}, err
	}
	as, stored := f.orientationOf(data), s
	if lying(as) {
		stored.Width, stored.Height = s.Height, s.Width
	}
	picture, err := f.decodeSized(data, stored, lim.Yield)
	if err != nil {
		return tensor.Tensor{}, inputError(fieldData, "not a %s picture: %v", f.name, err)
	}
	defer picture.free()
	return s.fill(sized{turned(picture.RGBA, as), picture.chroma}), nil
}

// decodeSized reads a picture in the model's size.
func (f format) decodeSized(data []byte, s Spec, yield func()) (sized, error) {
	if f.contentType == JPEG {
		if picture, ok := resizeJPEG(data, s, yield); ok {
			return picture, nil
		}
	}
	if f.contentType == PNG {
		if picture, ok := commonpng.Decode(data, yield); ok {
			defer picture.Free()
			return resize(picture.Image, s, yield), nil
		}
	}
	picture, err := f.decode(&yieldingReader{bytes.NewReader(data), yield})
	if err != nil {
		return sized{}, err
	}
	return resize(picture, s, yield), nil
}

// yieldingReader reads in small pieces, with a call of yield before each, so that a decoder which
// cannot be interrupted calls it as it goes.
type yieldingReader struct {
	from  io.Reader
	yield func()
}

// pieceBytes become some lines of pixels in most pictures.
const pieceBytes = 256

func (r *yieldingReader) Read(p []byte) (int, error) {
	r.yield()
	return r.from.Read(p[:min(len(p), pieceBytes)])
}

// formatOf is the format of pictures that a content type means, if it is one.
func formatOf(contentType string) (format, bool) {
	for _, f := range formats {
		if f.contentType == contentType {
			return f, true
		}
	}
	return format{}, false
}

// checkSignature finds out whether data is of another format than it is
// declared to be, which says more than that it is not of this one.
func (f format) checkSignature(data []byte) error {
	if bytes.HasPrefix(data, f.signature) {
		return nil
	}
	for _, other := range formats {
		if bytes.HasPrefix(data, other.signature) {
			return inputError(fieldType, "is %s, but the data is a %s picture", f.contentType, other.name)
		}
	}
	return inputError(fieldData, "not a %s picture: it does not begin like one", f.name)
}
