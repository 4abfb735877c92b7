package stage

import (
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/environment"
)

func TestProfilesAreAFolderOrAPrefix(t *testing.T) {
	for where, says := range map[string]string{"": "", "/a/folder": "", "s3://No/x": environment.Profiles} {
		env := func(key string) string { return map[string]string{environment.Profiles: where}[key] }
		dir, err := Figures(t.Context(), env)
		if says == "" && (err != nil || dir != where) || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: folder %q, error %v", where, dir, err)
		}
	}
}
