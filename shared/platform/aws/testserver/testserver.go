// Package testserver runs moto server, which stands in for AWS in tests: it holds
// the state of its services and runs nothing.
package testserver

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// Account and Region are those of the test server.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

const (
	patience  = 90 * time.Second // for a start on a busy machine
	pollEvery = 50 * time.Millisecond
)

// Start runs a server on a free port of loopback until the test ends, and
// returns its address. It is reached by the environment that Env lists. The server
// ends with this process, although a test that is stopped for its time cleans up nothing.
func Start(t testing.TB) string {
	t.Helper()
	binary, err := locate()
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	spawner := process.NewSpawner()
	t.Cleanup(spawner.Close)
	server, err := spawner.Start(process.Spec{
		Name: "moto", Path: binary, Args: []string{"-H", "127.0.0.1", "-p", port}, Env: append(os.Environ(), "AWS_ENDPOINT_URL="),
		Logger: slog.New(slog.NewTextHandler(&output, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	end := func() {
		server.Kill() // it keeps nothing
		<-server.Done()
	}
	t.Cleanup(end)
	url := "http://127.0.0.1:" + port
	if err := await(url, server); err != nil {
		end()
		t.Fatalf("start moto server: %v\n%s", err, output.String())
	}
	return url
}

// Env is the environment by which the SDK reaches a test server.
func Env(url string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + url, "AWS_REGION=" + Region, "AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// locate finds moto server in the repository's virtual environment.
func locate() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside the repository")
		}
	}
	path := filepath.Join(dir, ".venv", "bin", "moto_server")
	if _, err := os.Stat(path); err != nil {
		return "", errors.New("no moto server: run `make venv`")
	}
	return path, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// await returns once the server answers.
func await(url string, server *process.Child) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if r, err := http.Get(url + "/moto-api/"); err == nil {
			return r.Body.Close()
		}
		select {
		case <-server.Done():
			return fmt.Errorf("it ended: %v", server.Err())
		case <-late:
			return fmt.Errorf("no answer after %v", patience)
		case <-tick.C:
		}
	}
}
