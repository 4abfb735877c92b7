package stage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Sizes returns the catalogue with the sizes of inference functions that the
// stage has, of those that the catalogue knows.
func Sizes(env func(string) string, c *profile.Catalogue) (*profile.Catalogue, error) {
	if env(names.FunctionMemory) == "" {
		return c, nil
	}
	var sizes []int
	for part := range strings.SplitSeq(env(names.FunctionMemory), ",") {
		mb, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no number of megabytes", names.FunctionMemory, part)
		}
		sizes = append(sizes, mb)
	}
	of, err := c.WithFunctionSizes(sizes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", names.FunctionMemory, err)
	}
	return of, nil
}
