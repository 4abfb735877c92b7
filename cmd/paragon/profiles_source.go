package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"paragon/shared/cloud/aws/prefix"
)

// What a command needs of the profiles that --profiles names.
type profilesNeed string

const (
	figuresAlone profilesNeed = "figures"
	andNetworks  profilesNeed = "networks"
)

const profilesName = "profiles"

// profilesFlag adds --profiles. findProfiles has made a folder of it by the
// time that the command runs.
func profilesFlag(fs *pflag.FlagSet, into *string, need profilesNeed) {
	fs.StringVar(into, profilesName, "", "folder, or s3://bucket/prefix, of profiles (default PARAGON_PROFILES, else those that come with the product)")
	fs.Lookup(profilesName).Annotations = map[string][]string{string(need): nil}
}

// findProfiles puts a folder into a command's --profiles: that of the
// environment where none was named, a copy where a prefix of a bucket was.
func (a *app) findProfiles(c *cobra.Command, _ []string) error {
	flag := c.Flags().Lookup(profilesName)
	if flag == nil {
		return nil
	}
	want := prefix.Figures
	if _, all := flag.Annotations[string(andNetworks)]; all {
		want = nil
	}
	dir, err := prefix.Folder(c.Context(), cmp.Or(flag.Value.String(), a.env("PARAGON_PROFILES")), want)
	if err != nil {
		return fmt.Errorf("find the profiles: %w", err)
	}
	return flag.Value.Set(dir)
}
