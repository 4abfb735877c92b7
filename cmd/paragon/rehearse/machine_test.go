//go:build rehearse

package rehearse

import (
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/environment"
)

// metadata is an EC2 instance's, by IMDSv2.
func metadata(t *testing.T, id, kind string, target func() string) string {
	const token = "secret"
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
		_, _ = io.WriteString(w, token)
	})
	known := map[string]string{"instance-id": id, "instance-type": kind}
	mux.HandleFunc("GET /latest/meta-data/{path...}", func(w http.ResponseWriter, r *http.Request) {
		v := known[r.PathValue("path")]
		if r.PathValue("path") == "autoscaling/target-lifecycle-state" {
			v = target()
		}
		switch {
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != token:
			w.WriteHeader(http.StatusUnauthorized)
		case v == "":
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = io.WriteString(w, v)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// heredoc is where the user data says what a worker's environment is.
var heredoc = regexp.MustCompile(`(?s)<<'ENV'\n(.*?)ENV\n`)

// userData is the script out of the launch template that was made.
func (p *play) userData() []byte {
	p.t.Helper()
	said := callStand(p.t, p.moto, "ec2", form("Action", "DescribeLaunchTemplateVersions", "Version", "2016-11-15",
		"LaunchTemplateName", stackName+"-general", "LaunchTemplateVersion.1", "$Latest"))
	_, rest, _ := strings.Cut(said, "<userData>")
	encoded, _, _ := strings.Cut(rest, "</userData>")
	script, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	must(p.t, err)
	return script
}

// process is the worker on its machine.
type process struct {
	cmd  *exec.Cmd
	said bytes.Buffer
	done chan error // what became of it, once, and closed
}

// freeAddress is where nobody listens.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// listening is the environment with another address in place of a machine's port, and
// with callbacks that may go to this machine.
func listening(env []string, address string) []string {
	for i, v := range env {
		name, value, _ := strings.Cut(v, "=")
		env[i] = name + "=" + loopback(name, value)
		if name == environment.Listen {
			env[i] = environment.Listen + "=" + address
		}
	}
	return env
}

// target is the state that a group brings an instance to.
func (p *play) target(id string) string {
	switch {
	case p.stand.scaling.Leaving(id):
		return "Terminated"
	case p.stand.scaling.InWarmPool(id):
		return "Warmed:Stopped"
	}
	return "InService"
}

// startWorker runs the worker's binary as the machine would, with more of an
// environment where that is given.
func (p *play) startWorker(id string, more ...string) *process {
	p.t.Helper()
	w := &process{done: make(chan error, 1)}
	script := p.userData()
	m := heredoc.FindSubmatch(script)
	if m == nil {
		p.t.Fatalf("no environment in the user data:\n%s", script)
	}
	address := freeAddress(p.t)
	p.stand.belongs(id, stackName+"-"+pool, address)
	w.cmd = exec.Command(p.workerBinary(script))
	w.cmd.Env = append(append(p.env("worker"), listening(strings.Fields(string(m[1])), address)...), "XDG_CACHE_HOME="+p.t.TempDir(), "AWS_EC2_METADATA_DISABLED=false",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT="+metadata(p.t, id, "c5.large", func() string { return p.target(id) }))
	w.cmd.Env = append(w.cmd.Env, more...)
	w.cmd.Stderr = &w.said
	must(p.t, w.cmd.Start())
	go func() {
		w.done <- w.cmd.Wait()
		close(w.done)
	}()
	p.t.Cleanup(func() {
		if !p.t.Failed() {
			_ = w.cmd.Process.Kill()
			return
		}
		_ = w.cmd.Process.Signal(syscall.SIGCONT)
		_ = w.cmd.Process.Signal(syscall.SIGQUIT) // it prints what it was doing
		select {
		case <-w.done:
		case <-time.After(5 * time.Second):
			_ = w.cmd.Process.Kill()
			<-w.done
		}
		p.t.Logf("the worker said:\n%s", w.said.String())
	})
	return w
}
