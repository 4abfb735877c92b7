// Package preprocess turns what a caller sends into the tensor that a model
// takes.
//
// A caller sends a PNG or JPEG picture, or the tensor itself as raw numbers.
// Pictures are decoded, the common kinds by the packages baseline and commonpng and all
// others by the standard library, brought to the model's size if they have another,
// and turned into numbers as the model's Spec says. Sizes are bounded before
// anything is decoded, so that a small file that unpacks to gigabytes costs nothing.
//
// A picture is turned and mirrored as the orientation in its EXIF says, as
// telephones store photographs. What else its file says besides the pixels is
// ignored: bytes after its end, color profiles and gamma. Transparent pixels are
// blended with black; 16-bit channels keep their upper 8 bits.
package preprocess

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// InputError says what is wrong with a caller's input, in which field.
type InputError = tensor.InputError

// Fields of a request that an InputError names.
const (
	fieldType = "input.content_type"
	fieldData = "input.data"
)

// Content types that Decode takes.
const (
	PNG  = "image/png"
	JPEG = "image/jpeg"
	// RawTensor is the model's input as it goes in, nothing scaled: little-
	// endian float32 in the order of the Spec's layout, one picture, no header.
	RawTensor = "application/vnd.paragon.tensor+float32"
)

// Limits bound what is decoded.
type Limits struct {
	MaxPixels int // width times height of a picture; 0 means the Spec's DefaultMaxPixels
	MaxBytes  int // of the encoded input; 0 means DefaultMaxBytes
	// Yield is called at the end of each line of pixels, or more often; nil for nothing. What
	// runs at idle priority gives its core away there.
	Yield func()
}

// defaultMaxBytes is the most bytes of an input unless Limits say otherwise.
const defaultMaxBytes = 16 << 20

// Decode turns data of a content type into the tensor that s describes, of one
// picture. Parameters of the content type ("; charset=binary") are ignored.
// An *InputError says what is wrong with the input: a content type that is not
// taken or does not match the bytes, a size above the limits, a broken
// picture, a tensor of another length or with a number that is not finite. Any
// other error is the spec's.
func Decode(contentType string, data []byte, s Spec, lim Limits) (tensor.Tensor, error) {
	name, lim, err := admit(contentType, data, s, lim)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if f, ok := formatOf(name); ok {
		return f.decodePicture(data, s, lim)
	}
	return decodeRaw(data, s)
}

// admit checks what can be checked without a look at the data, and returns the
// bare content type, which is one that is taken, and the limits that hold.
func admit(contentType string, data []byte, s Spec, lim Limits) (string, Limits, error) {
	if err := profile.Input(s).Validate(); err != nil {
		return "", lim, fmt.Errorf("input spec of the model: %w", err)
	}
	if lim.MaxPixels == 0 {
		lim.MaxPixels = s.DefaultMaxPixels()
	}
	if lim.MaxBytes == 0 {
		lim.MaxBytes = defaultMaxBytes
	}
	if lim.Yield == nil {
		lim.Yield = func() {}
	}
	if len(data) > lim.MaxBytes {
		return "", lim, inputError(fieldData, "%d bytes are above the limit of %d", len(data), lim.MaxBytes)
	}
	if !Takes(contentType) {
		return "", lim, inputError(fieldType, "%q is not accepted, only %s, %s and %s", contentType, PNG, JPEG, RawTensor)
	}
	return bare(contentType), lim, nil
}

// Takes reports whether a content type is one of pictures, or of the numbers of one.
func Takes(contentType string) bool {
	name := bare(contentType)
	_, ok := formatOf(name)
	return ok || name == RawTensor
}

// bare is a content type without parameters.
func bare(contentType string) string {
	name, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

// checkRaw reports whether data has the length of a raw tensor and is no picture.
func checkRaw(data []byte, s Spec) error {
	if want := 4 * s.elements(); len(data) != want {
		return inputError(fieldData, "%d bytes, not the %d of a float32 tensor of shape %v", len(data), want, s.Shape())
	}
	for _, f := range formats {
		// A picture that happens to have the tensor's length.
		if bytes.HasPrefix(data, f.signature) {
			return inputError(fieldType, "is %s, but the data is a %s picture", RawTensor, f.name)
		}
	}
	return nil
}

// decodeRaw reads a raw tensor.
func decodeRaw(data []byte, s Spec) (tensor.Tensor, error) {
	if err := checkRaw(data, s); err != nil {
		return tensor.Tensor{}, err
	}
	t := tensor.Tensor{Shape: s.Shape(), Data: tensor.Numbers(data)}
	if err := t.CheckFinite(); err != nil {
		return tensor.Tensor{}, inputError(fieldData, "%v", err)
	}
	t.Finite = true
	return t, nil
}

func inputError(field, format string, args ...any) error {
	return &InputError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
