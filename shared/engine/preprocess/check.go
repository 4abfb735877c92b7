package preprocess

// fullCheckPixels is up to what size Check decodes a picture whole: it takes
// about a millisecond at most.
const fullCheckPixels = 256 * 256

// Check tells whether Decode will take an input, at less cost: a raw tensor
// and a small picture are decoded whole; a large picture is only held to the
// limits, so that one that is damaged behind its header passes. An *InputError
// says what is wrong with the input.
func Check(contentType string, data []byte, s Spec, lim Limits) error {
	name, lim, err := admit(contentType, data, s, lim)
	if err != nil {
		return err
	}
	if f, ok := formatOf(name); ok {
		if pixels, err := f.inspect(data, lim); err != nil || pixels > fullCheckPixels {
			return err
		}
	}
	_, err = Decode(contentType, data, s, lim)
	return err
}
