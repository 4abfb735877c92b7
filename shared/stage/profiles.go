package stage

import (
	"context"
	"fmt"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix"
)

// Figures returns the folder of the profiles that PARAGON_PROFILES names,
// empty for those embedded; of a prefix of a bucket only the figures are
// copied, which is all that choosing and pricing need.
func Figures(ctx context.Context, env func(string) string) (string, error) {
	dir, err := prefix.Folder(ctx, env(environment.Profiles), prefix.Figures)
	if err != nil {
		return "", fmt.Errorf("%s: %w", environment.Profiles, err)
	}
	return dir, nil
}
