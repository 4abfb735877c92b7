package preprocess

import "github.com/paragon-serving/paragon/shared/core/profile"

// Check reports whether an input may be decoded, without decoding it: the content
// type, the length of a raw tensor, and what the header of a picture says. What
// is wrong behind that, a damaged picture or a number that is not finite, is
// found where the input is decoded. An *InputError says what is wrong. It returns
// what a picture takes beyond what the profile of a model of that input includes, by
// its header; nothing of one of about the model's size and of a tensor.
func Check(contentType string, data []byte, s Spec, lim Limits) (profile.Decoding, error) {
	name, lim, err := admit(contentType, data, s, lim)
	if err != nil {
		return profile.Decoding{}, err
	}
	f, ok := formatOf(name)
	if !ok {
		return profile.Decoding{}, checkRaw(data, s)
	}
	h, err := f.inspect(data, lim)
	if err != nil {
		return profile.Decoding{}, err
	}
	return f.weigh(h, len(data), s), nil
}
