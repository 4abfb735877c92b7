package preprocess

import (
	"bytes"
	"fmt"
	"strings"
)

// fullCheckPixels is up to what size Check decodes a picture whole: it takes
// about a millisecond at most.
const fullCheckPixels = 256 * 256

// Check tells whether Decode will take an input, at less cost: a raw tensor
// and a small picture are decoded whole, of a large picture the signature, the
// header and the size are looked at. A large picture that is damaged behind
// its header passes. An *InputError says what is wrong with the input.
func Check(contentType string, data []byte, s Spec, lim Limits) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("input spec of the model: %w", err)
	}
	lim = lim.orDefaults()
	name, _, _ := strings.Cut(contentType, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	for _, f := range formats {
		if f.contentType != name || !bytes.HasPrefix(data, f.signature) || len(data) > lim.MaxBytes {
			continue
		}
		config, err := f.config(bytes.NewReader(data))
		if err == nil && large(config.Width, config.Height) && config.Width <= lim.MaxPixels/config.Height {
			return nil
		}
	}
	_, err := Decode(contentType, data, s, lim)
	return err
}

func large(width, height int) bool {
	return width > 0 && height > 0 && width > fullCheckPixels/height
}
