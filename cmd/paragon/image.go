package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/images"
)

const imageLong = `Pin the machine image (AMI) of the workers in an account. The command writes the ids of the newest
Amazon Linux 2023 AMIs of your AWS region into cdk.json. Deployments in this region then use these
AMIs. If cdk.json already has AMI ids for the region, the command changes them only with --update.

If the ids change, the next deployment replaces the workers.`

// newImageCommand is `paragon image`.
func newImageCommand(term *cli.Terminal) *cobra.Command {
	file, update := "cdk.json", false
	c := &cobra.Command{
		Use: "image", Short: "Pin the machine image of the workers, or update it to the newest", Long: imageLong,
		Example: "  paragon image\n  AWS_REGION=eu-west-1 paragon image --update",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return pinImage(c.Context(), term, file, update) },
	}
	c.Flags().StringVar(&file, "cdk-json", file, "path of cdk.json, which has the options of the deployment")
	c.Flags().BoolVar(&update, "update", false, "replace AMI ids that cdk.json already has")
	return c
}

// pinImage writes the newest images of the region into a deployment's file.
func pinImage(ctx context.Context, term *cli.Terminal, file string, update bool) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	pinned, err := pinnedImages(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	keys, err := discovery.Find(ctx, "")
	if err != nil {
		return err
	}
	region := keys.Config().Region
	if have := pinned[region]; have != nil && !update {
		term.Printf("%s: x86_64 %s, arm64 %s\n", region, have["x86_64"], have["arm64"])
		return nil
	}
	newest, err := images.Newest(ctx, ssm.NewFromConfig(keys.Config()))
	if err != nil {
		return err
	}
	was := pinned[region]
	pinned[region] = newest
	changed, err := replaceImages(raw, pinned)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.WriteFile(file, changed, 0o644); err != nil {
		return err
	}
	for _, arch := range []string{"x86_64", "arm64"} {
		term.Printf("%s: %s %s -> %s\n", region, arch, cmp.Or(was[arch], "none"), newest[arch])
	}
	term.Printf("%s is changed: review it and commit it\n", file)
	return nil
}

// pinnedImages reads which images a deployment's file pins, by region and architecture.
func pinnedImages(raw []byte) (map[string]map[string]string, error) {
	var file struct {
		Context struct {
			Images map[string]map[string]string `json:"images"`
		} `json:"context"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, err
	}
	if file.Context.Images == nil {
		file.Context.Images = map[string]map[string]string{}
	}
	return file.Context.Images, nil
}

// replaceImages writes images into a deployment's file and leaves the rest of it to the
// byte: people keep its order.
func replaceImages(raw []byte, pinned map[string]map[string]string) ([]byte, error) {
	from, to, err := findImages(raw)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(pinned, "    ", "  ")
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{raw[:from], text, raw[to:]}, nil), nil
}

// findImages is where the value of the key images in the context begins and ends.
func findImages(raw []byte) (from, to int64, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	var path []string
	for {
		token, err := d.Token()
		if err != nil {
			return 0, 0, errors.New("the context has no key \"images\"; write `\"images\": {},` there")
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' {
				path = append(path, "")
			} else if v == '}' {
				path = path[:len(path)-1]
			} else {
				return 0, 0, errors.New("a list comes before the key \"images\" of the context: move \"images\" before the list")
			}
			continue
		case string:
			path[len(path)-1] = v
		}
		var value json.RawMessage
		if len(path) == 1 && path[0] == "context" {
			continue
		}
		if err := d.Decode(&value); err != nil {
			return 0, 0, err
		}
		if len(path) == 2 && path[1] == "images" {
			return d.InputOffset() - int64(len(value)), d.InputOffset(), nil
		}
	}
}
