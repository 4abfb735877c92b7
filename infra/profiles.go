package infra

import (
	"errors"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/s3url"
)

// checkProfiles reports what is wrong with where the profiles are.
func (c Config) checkProfiles() error {
	if c.ProfilesPrefix == "" {
		if c.Profiles != "" {
			return errors.New("context \"profiles\" is set without \"profiles_prefix\", so workers and functions could not read this folder: " +
				"upload it to S3, and set \"profiles_prefix\" to s3://bucket/prefix")
		}
		return nil
	}
	_, below, err := s3url.Split(c.ProfilesPrefix)
	if err == nil && below == "" {
		err = fmt.Errorf("%q names a whole bucket, and must be of the form s3://bucket/prefix", c.ProfilesPrefix)
	}
	if err != nil {
		return fmt.Errorf("context \"profiles_prefix\": %w", err)
	}
	return nil
}

// load reads the profiles that the stack is made from.
func (c Config) load() (*profiles.Set, error) {
	if c.Profiles == "" {
		return profiles.Load("")
	}
	set, err := schema.Load(c.Profiles)
	if err != nil {
		return nil, fmt.Errorf("context \"profiles\": %w", err)
	}
	return set, nil
}

// What is read below the prefix of the profiles.
const (
	figuresOnly = "*.json" // by who chooses and prices
	everything  = "*"      // by who runs the networks
)

// readProfiles lets the profiles be read where a prefix holds them; without one
// they are in the package.
func (s *stack) readProfiles(what string) []permission {
	if s.ProfilesPrefix == "" {
		return nil
	}
	bucket, below, err := s3url.Split(s.ProfilesPrefix)
	if err != nil {
		panic(err) // checked with the context
	}
	const why = "the author of a profile chooses the names of its files: the action is limited to the prefix"
	end := ":s3:::" + bucket + "/" + below + what
	list := allow(on(text("arn:"+*awscdk.Aws_PARTITION()+":s3:::"+bucket)), "s3:ListBucket")
	list.condition = map[string]any{"StringEquals": map[string]any{"s3:prefix": below}}
	return []permission{list,
		allow(on(text("arn:"+*awscdk.Aws_PARTITION()+end)), "s3:GetObject").excused("Resource::arn:<AWS::Partition>"+end, why)}
}

// addProfiles adds where the profiles are to an environment.
func (s *stack) addProfiles(env map[string]*string) map[string]*string {
	if s.ProfilesPrefix != "" {
		env[environment.Profiles] = text(s.ProfilesPrefix)
	}
	return env
}

// ownModels is where the models lie that operators add.
func (s *stack) ownModels() string {
	return s3url.Scheme + *s.data.models.BucketName() + "/" + names.ModelsPrefix
}

// readFigures lets the profiles and the catalogue of added models be read, and no
// network.
func (s *stack) readFigures() []permission {
	return append(s.readProfiles(figuresOnly), s.useModels(modelstore.CatalogueFile, "s3:GetObject")...)
}

// useModels lets something be done to the models that operators add. Without the
// listing S3 does not say that there is no catalogue yet, but that it must not be read.
func (s *stack) useModels(what string, actions ...string) []permission {
	return []permission{allow(on(s.data.models.BucketArn()), "s3:ListBucket"), s.ownFiles(what, actions...)}
}

// ownFiles is useModels for who is asked only for what is there.
func (s *stack) ownFiles(what string, actions ...string) permission {
	below := names.ModelsPrefix + "/" + what
	objects := allow(on(s.data.models.ArnForObjects(text(below))), actions...)
	if what == everything {
		bucket := *s.GetLogicalId(s.data.models.Node().DefaultChild().(awscdk.CfnElement))
		objects = objects.excused("Resource::<"+bucket+".Arn>/"+below, "models are named by their digests: the action is limited to their prefix")
	}
	return objects
}
