package intake

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// checkTensors holds an input to what a model takes by name.
func checkTensors(contentType string, data []byte, m *profile.Model) error {
	if !isType(contentType, tensors.ContentType) {
		return refuse(UnsupportedInput, "input.content_type", "%q is not accepted: the task takes tensors, as input.tensors or %s", clip(contentType), tensors.ContentType)
	}
	given, err := tensors.Unpack(data)
	if err != nil {
		return refuse(BadInput, "input.data", "%v", err)
	}
	return Misfit("input.tensors", tensors.Fit(given, m.Signature.Inputs))
}

// checkText holds an input to UTF-8 text.
func checkText(contentType string, data []byte) error {
	if !isType(contentType, query.TextType) {
		return refuse(UnsupportedInput, "input.content_type", "%q is not accepted: the task takes text, as input.text or %s", clip(contentType), query.TextType)
	}
	if !utf8.Valid(data) {
		return refuse(BadInput, "input.data", "is not text in UTF-8")
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return refuse(BadInput, "input.data", "contains a NUL character")
	}
	return nil
}

// isType says whether a content type is another, whatever its parameters.
func isType(contentType, want string) bool {
	name, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(name), want)
}

// Misfit refuses inputs that do not fit a model, at a path of the request; nil of
// those that do.
func Misfit(path string, err error) error {
	bad, ok := errors.AsType[*tensors.Misfit](err)
	if !ok {
		return err
	}
	if bad.Index >= 0 {
		path = fmt.Sprintf("%s[%d].%s", path, bad.Index, bad.Part)
	}
	return refuse(BadInput, path, "input %q: %s", bad.Name, bad.Reason)
}
