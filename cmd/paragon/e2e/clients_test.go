package e2e_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// clientsPython is the Python that has the clients.
func clientsPython(t testing.TB) string {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(root, ".venv-clients", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: run `make clients`", err)
	}
	return python
}

// Clients of the Open Inference Protocol work as their packages are: Triton's over
// HTTP and gRPC, alone and side by side, and KServe's over both.
func TestForeignClientsWork(t *testing.T) {
	t.Parallel()
	stageOfClients(t).runPython(nil, "clients.py", "clients_grpc.py")
}

// Paragon's own Python client, as pip installs it from the repository, submits, waits,
// votes and cancels, alone and side by side, has a callback made when a query has ended, and
// tries again under the same key. Its types are strict, and programs that use it can be checked
// against them.
func TestThePythonClientWorks(t *testing.T) {
	t.Parallel()
	python, installed := clientsPython(t), t.TempDir()
	for _, args := range [][]string{
		// What builds it is in the environment, in the versions that it names: nothing is fetched.
		{"pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-compile", "--no-index", "--no-deps", "--no-build-isolation",
			"--check-build-dependencies", "--target", installed, filepath.Join(root, "shared", "client", "python")},
		{"mypy", "--strict", "--cache-dir", t.TempDir(), filepath.Join(installed, "paragon_client")},
	} {
		if out, err := exec.CommandContext(t.Context(), python, append([]string{"-m"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v:\n%s", args[0], err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(installed, "paragon_client", "py.typed")); err != nil {
		t.Errorf("the types are not installed: %v", err)
	}
	rec, address, flags := receiveCallbacks(t)
	s := stageOfClients(t, flags...)
	rec.trust(s)
	s.runPython([]string{"PYTHONPATH=" + installed, "CALLBACK=" + address}, "python_client.py")
	s.until("the callbacks arrive", func() bool { return rec.succeeded() == 3 })
	rec.check(t)
}

// stageOfClients is a stage with one worker, more flags and gRPC.
func stageOfClients(t *testing.T, flags ...string) *stage {
	t.Helper()
	s := up(t, t.TempDir(), append(flags, "--workers=1", "--boot-seconds=0", "--unpaced", "--grpc-addr=127.0.0.1:0")...)
	s.workersReady(1)
	return s
}

// runPython runs scripts of testdata, in the environment of the clients and with more variables.
// Their arguments are the addresses of the stage and of its gRPC, and a picture.
func (s *stage) runPython(environment []string, scripts ...string) {
	s.t.Helper()
	python := clientsPython(s.t)
	path := filepath.Join(s.t.TempDir(), "picture.png")
	if err := os.WriteFile(path, pictures(s.t)[0].data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	grpcAddr := ""
	s.until("the address of gRPC is printed", func() bool {
		if printed := regexp.MustCompile(`gRPC.* is at (\S+)\n`).FindStringSubmatch(s.log.String()); printed != nil {
			grpcAddr = printed[1]
		}
		return grpcAddr != ""
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, script := range scripts {
		c := exec.CommandContext(ctx, python, filepath.Join("testdata", script), s.URL, grpcAddr, path)
		c.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1"), environment...)
		if out, err := c.CombinedOutput(); err != nil {
			s.t.Errorf("%s: %v:\n%s", script, err, out)
		}
	}
}

// The generated code of the gRPC service is what its protocol file makes.
func TestTheGRPCServiceIsAsItsFileSays(t *testing.T) {
	t.Parallel()
	clientsPython(t)
	out := t.TempDir()
	generate := exec.CommandContext(t.Context(), "make", "proto", "OIP_OUT="+out)
	generate.Dir = root
	if text, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	for _, name := range []string{"inference.pb.go", "inference_grpc.pb.go"} {
		want, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, "shared", "intake", "grpcapi", "oip", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what inference.proto makes: run `make proto`", name)
		}
	}
}
