package intake

import (
	"errors"
	"fmt"
	"strings"

	"paragon/shared/core/profile"
	"paragon/shared/core/tensors"
)

// checkTensors holds an input to what a model takes by name.
func checkTensors(contentType string, data []byte, m *profile.Model) error {
	name, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(name), tensors.ContentType) {
		return refuse(UnsupportedInput, "input.content_type", "%q is not taken: the task takes tensors, as input.tensors or %s", clip(contentType), tensors.ContentType)
	}
	given, err := tensors.Unpack(data)
	if err != nil {
		return refuse(BadInput, "input.data", "%v", err)
	}
	return Misfit("input.tensors", tensors.Fit(given, m.Signature.Inputs))
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
