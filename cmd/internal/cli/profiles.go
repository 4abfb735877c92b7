package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/aws/prefix"
)

// ProfilesNeed is what a command needs of the profiles that --profiles names.
type ProfilesNeed string

// Figures alone, or the networks with them.
const (
	FiguresAlone ProfilesNeed = "figures"
	AndNetworks  ProfilesNeed = "networks"
)

const profilesName = "profiles"

// ProfilesFlag adds --profiles. findProfiles has made a folder of it by the
// time that the command runs.
func ProfilesFlag(fs *pflag.FlagSet, into *string, need ProfilesNeed) {
	fs.StringVar(into, profilesName, "", "folder or s3://bucket/prefix with profiles (accuracy and service times of models) (default PARAGON_PROFILES, else those of Paragon)")
	fs.Lookup(profilesName).Annotations = map[string][]string{string(need): nil}
}

// findProfiles puts a folder into a command's --profiles: that of the
// environment where none was named, a copy where a prefix of a bucket was.
func (t *Terminal) findProfiles(c *cobra.Command, _ []string) error {
	flag := c.Flags().Lookup(profilesName)
	if flag == nil {
		return nil
	}
	want := prefix.Figures
	if _, all := flag.Annotations[string(AndNetworks)]; all {
		want = nil
	}
	dir, err := prefix.Folder(c.Context(), cmp.Or(flag.Value.String(), t.Env(environment.Profiles)), want)
	if err != nil {
		return fmt.Errorf("find the profiles: %w", err)
	}
	return flag.Value.Set(dir)
}
