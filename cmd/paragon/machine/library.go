package machine

import (
	"fmt"

	"paragon/shared/core/profile"
	"paragon/shared/engine/onnxruntime"
)

// library finds ONNX Runtime and checks that it is the one that is known.
// Without it no worker would ever come up and no function answer, which is
// better said at once than by each of them.
func library() (string, error) {
	path, err := onnxruntime.Locate()
	if err == nil {
		err = onnxruntime.VerifyDigest(path)
	}
	if err != nil {
		return "", fmt.Errorf("find what runs the models: %w", err)
	}
	return path, nil
}

// childEnv is what workers and functions are told alike.
func (m *Machine) childEnv() []string {
	return []string{"PARAGON_CATALOGUE=" + m.catalogue.Name, "PARAGON_ARCH=" + arch(), onnxruntime.EnvLibrary + "=" + m.library}
}

func instanceTypes(c *profile.Catalogue) []string {
	var names []string
	for _, in := range c.Instances {
		names = append(names, in.Type)
	}
	return names
}
