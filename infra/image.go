package infra

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
)

// makeImages lists the images that are pinned, by region: a stack is of no region until
// it is deployed. A deployment to another region fails, and names the missing entry.
func (s *stack) makeImages() {
	if len(s.Images) == 0 {
		awscdk.Annotations_Of(s.Stack).AddWarningV2(text("paragon:image"),
			text("no machine image is pinned: each deployment uses the newest image, and replaces all workers if it is a new one; `paragon image` pins an image"))
		return
	}
	table := map[string]*map[string]any{}
	for _, region := range sorted(s.Images) {
		of := map[string]any{}
		for arch, id := range s.Images[region] {
			of[mapped(arch)] = id
		}
		table[region] = &of
	}
	s.images = awscdk.NewCfnMapping(s.Stack, text("Images"), &awscdk.CfnMappingProps{Mapping: &table})
}

// mapped is an architecture as a key of a mapping, which takes letters and digits alone.
func mapped(arch string) string { return strings.ReplaceAll(arch, "_", "") }

// newestImage is that of Amazon Linux 2023 at the time of a deployment; nil where
// images are pinned.
func (s *stack) newestImage(arch string) awsec2.IMachineImage {
	if len(s.Images) > 0 {
		return nil
	}
	return awsec2.MachineImage_LatestAmazonLinux2023(&awsec2.AmazonLinux2023ImageSsmParameterProps{CpuType: cpu(arch)})
}

// pinImage has a template take the image that is pinned for its region.
func (s *stack) pinImage(t awsec2.LaunchTemplate, arch string) {
	if s.images != nil {
		t.Node().DefaultChild().(awsec2.CfnLaunchTemplate).AddPropertyOverride(text("LaunchTemplateData.ImageId"),
			s.images.FindInMap(awscdk.Aws_REGION(), text(mapped(arch)), nil))
	}
}

func cpu(arch string) awsec2.AmazonLinuxCpuType {
	if arch == "arm64" {
		return awsec2.AmazonLinuxCpuType_ARM_64
	}
	return awsec2.AmazonLinuxCpuType_X86_64
}
