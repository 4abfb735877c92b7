package stage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Sizes returns the catalogue with the sizes of inference functions that the
// stage has, of those that the catalogue knows, and with the functions that run models
// which are added.
func Sizes(env func(string) string, c *profile.Catalogue) (*profile.Catalogue, error) {
	generic, err := megabytes(env, names.GenericMemory)
	if err != nil {
		return nil, err
	}
	own, err := ownFunctions(env(names.OwnFunctions))
	if err != nil {
		return nil, err
	}
	if len(generic)+len(own) > 0 {
		with := *c
		with.Deployed = &profile.Deployed{GenericMB: generic, Own: own}
		c = &with
	}
	sizes, err := megabytes(env, names.FunctionMemory)
	if err != nil || len(sizes) == 0 {
		return c, err
	}
	of, err := c.WithFunctionSizes(sizes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", names.FunctionMemory, err)
	}
	return of, nil
}

// megabytes reads memory sizes, parted by commas.
func megabytes(env func(string) string, name string) (sizes []int, err error) {
	if env(name) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(env(name), ",") {
		mb, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || mb <= 0 {
			return nil, fmt.Errorf("%s: %q is not a whole number of MB above 0", name, part)
		}
		sizes = append(sizes, mb)
	}
	return sizes, nil
}

// ownFunctions reads which added models have functions of their own.
func ownFunctions(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	own := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		model, sha256, ok := strings.Cut(part, "=")
		if !ok || model == "" || sha256 == "" {
			return nil, fmt.Errorf("%s: %q is not of the form MODEL=SHA256", names.OwnFunctions, part)
		}
		own[model] = sha256
	}
	return own, nil
}
