package preprocess

// Check tells whether an input may be decoded, without decoding it: the content
// type, the length of a raw tensor, and what the header of a picture says. What
// is wrong behind that, a damaged picture or a number that is not finite, is
// found where the input is decoded. An *InputError says what is wrong. It returns
// a picture's pixels, by its header, and 0 of a tensor.
func Check(contentType string, data []byte, s Spec, lim Limits) (pixels int, err error) {
	name, lim, err := admit(contentType, data, s, lim)
	if err != nil {
		return 0, err
	}
	if f, ok := formatOf(name); ok {
		return f.inspect(data, lim)
	}
	return 0, checkRaw(data, s)
}
