package machine

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Library finds ONNX Runtime and checks that it is the one that is known.
// Without it no worker would ever come up and no function answer, which is
// better said at once than by each of them.
func Library() (string, error) {
	path, err := onnxruntime.Locate()
	if err == nil {
		err = onnxruntime.VerifyDigest(path)
	}
	if err != nil {
		return "", fmt.Errorf("find the ONNX Runtime library: %w", err)
	}
	return path, nil
}

// childEnv is the environment that workers and functions share.
func (m *Machine) childEnv() []string {
	env := []string{environment.Catalogue + "=" + m.catalogue.Name, environment.Arch + "=" + inference.Arch(), environment.Models + "=" + m.modelsDir(), onnxruntime.EnvLibrary + "=" + m.library, debug.Env + "=" + debug.Child(m.cfg.DebugAddr)}
	if m.traces == nil { // off, or the file cannot be opened
		return append(env, "OTEL_SDK_DISABLED=true")
	}
	return append(env, tracing.ChildEnv(m.traceEnv, os.Environ())...)
}

// traceEnv is the environment that says where spans go.
func (m *Machine) traceEnv(name string) string {
	if name == tracing.File {
		return m.cfg.Traces
	}
	return os.Getenv(name)
}

// openTraces finds where spans go. Children get the same.
func (m *Machine) openTraces() (err error) {
	if m.cfg.Traces != "" { // children have working folders of their own
		if m.cfg.Traces, err = filepath.Abs(m.cfg.Traces); err != nil {
			return fmt.Errorf("find the file for traces: %w", err)
		}
	}
	m.traces = tracing.Open(m.traceEnv, "machine", m.log)
	m.onClose(func() {
		if err := m.traces.Close(); err != nil {
			m.log.Warn("the last spans were not written", "error", err)
		}
	})
	return nil
}

func instanceTypes(c *profile.Catalogue) []string {
	var names []string
	for _, in := range c.Instances {
		names = append(names, in.Type)
	}
	return names
}
