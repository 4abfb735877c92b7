package tutorial

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The page has an example of each kind of model, each with a server, a question and its answer.
func TestThePageHasTheExamples(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("../../..", Page))
	if err != nil {
		t.Fatal(err)
	}
	all, err := Examples(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	var served strings.Builder
	for _, e := range all {
		if e.Steps[0].Serve == "" || e.Steps[0].Prepare == "" || e.Steps[1].Ask == "" {
			t.Errorf("%+v", e)
		}
		for _, s := range e.Steps {
			served.WriteString(s.Serve)
		}
	}
	for _, what := range []string{"iris.onnx", "resnet50.onnx", "minilm.onnx", "efficientnet-lite0.onnx", "pools/imagenet ", "pools/mail\n"} {
		if !strings.Contains(served.String(), "bin/paragon serve ") || !strings.Contains(served.String(), what) {
			t.Errorf("%q is not served: %s", what, &served)
		}
	}
	if len(all) != 5 {
		t.Errorf("%d examples", len(all))
	}
}

func TestPagesThatAreNoTutorial(t *testing.T) {
	const fence = "```"
	block := func(language, text string) string { return fence + language + "\n" + text + "\n" + fence + "\n" }
	server, question, answer := block("sh", "bin/paragon serve x"), block("sh", "ask"), block("", "it")
	for body, want := range map[string]string{
		question + answer:                            "a question comes before",
		server:                                       "lacks its output",
		server + question:                            "lacks its output",
		server + question + question + answer:        "lacks its output",
		server + answer:                              "follows no question",
		server + question + answer + answer:          "follows no question",
		server + question + answer + block("go", ""): `"go"`,
	} {
		if all, err := Examples("\n" + section + "\n\n### One\n" + body + "\n## Next\n"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"One"`) {
			t.Errorf("%s: %+v, %v", body, all, err)
		}
	}
	for _, page := range []string{"", "\n" + section + "\nnothing\n## Next\n### Other\n"} {
		if _, err := Examples(page); err == nil {
			t.Errorf("%q has examples", page)
		}
	}
}

func TestAnswersMatch(t *testing.T) {
	for _, c := range []struct {
		answer, printed string
		want            bool
	}{
		{"spam 100.0 % · bag · …", "spam 100.0 % · bag · on worker w-1 · 3 ms\n", true},
		{"spam 100.0 % · bag · …", "ham 100.0 % · bag · on worker w-1\n", false},
		{"one …\ntwo …\n", "one 1\ntwo 2\n", true},
		{"one …\ntwo …\n", "two 2\none 1\n", false},
		{`"a":1,… "b":2`, `{"a":1,"x":0,"b":2}`, true},
		{`"a":1,… "b":2`, `{"b":2,"a":1}`, false},
		{`[0.12…,-0.3…,`, `[0.1234e-5,-0.31,5]`, true},
		{`[0.12…,-0.3…,`, `[0.1234,5,-0.31,5]`, false},
		{"a.c", "abc", false},
	} {
		if got := matches(c.answer, c.printed); got != c.want {
			t.Errorf("%q, %q: %v", c.answer, c.printed, got)
		}
	}
}

// repository has one commit, with a program that serves until it is ended and answers what
// was prepared.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := "#!/bin/bash\n" + `case $1 in
serve) [[ $2 != broken ]] || { echo "no model" >&2; exit 2; }; echo "paragon serves $2 at http://$4; Ctrl-C stops it."; exec tail -f /dev/null ;;
submit) echo "$(cat made) $PARAGON_ENDPOINT" ;;
esac
`
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/paragon"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "bin/paragon"},
		{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "one"}} {
		c := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	return dir
}

func TestExamplesAreDoneInAClone(t *testing.T) {
	t.Setenv("PARAGON_TOKEN", "of this shell")
	dir := repository(t)
	const ask, answer = "bin/paragon submit", "cat http://127.0.0.1:9\n"
	server := Step{Prepare: "echo cat > made\n[[ -z ${PARAGON_TOKEN:-} && $GOCACHE == \"$(dirname $PWD)\"* ]]\n", Serve: "bin/paragon serve x\n"}
	for name, c := range map[string]struct {
		steps []Step
		limit time.Duration
		error string // part of it; empty where the answers are right
	}{
		"right":           {[]Step{server, {Ask: ask, Answer: answer}}, time.Hour, ""},
		"another server":  {[]Step{server, {Ask: ask, Answer: answer}, {Prepare: "echo dog > made\n", Serve: "bin/paragon serve y\n"}, {Ask: ask, Answer: "dog"}}, time.Hour, ""},
		"wrong":           {[]Step{server, {Ask: ask, Answer: "dog"}}, time.Hour, "and not\ndog"},
		"cannot be made":  {[]Step{{Prepare: "echo no tool >&2; exit 3\n", Serve: "bin/paragon serve x\n"}}, time.Hour, "no tool"},
		"does not serve":  {[]Step{{Serve: "bin/paragon serve broken\n"}}, time.Hour, "no model"},
		"is never made":   {[]Step{{Prepare: "tail -f /dev/null\n", Serve: "bin/paragon serve x\n"}}, 100 * time.Millisecond, "limit of 100ms"},
		"question is bad": {[]Step{server, {Ask: "exit 4", Answer: "x"}}, time.Hour, "exit status 4"},
	} {
		var log bytes.Buffer
		took := Walk{Repository: dir, Commit: "HEAD", Addr: "127.0.0.1:9", Limit: c.limit, Log: &log}.Do(t.Context(), Example{name, c.steps})
		if (took.Error == "") != (c.error == "") || !strings.Contains(took.Error, c.error) || !strings.Contains(log.String(), c.error) {
			t.Errorf("%s: %+v\n%s", name, took, &log)
		}
		if right := c.error == ""; right != (took.FirstAnswerSeconds > 0) || right && (took.PreparedSeconds <= 0 || !strings.HasPrefix(took.Answer, "cat ")) {
			t.Errorf("%s: %+v", name, took)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	took := Walk{Repository: dir, Commit: "HEAD", Addr: DefaultAddr, Limit: time.Hour, Log: &bytes.Buffer{}}.Do(over, Example{Steps: []Step{server}})
	if took.Error != "interrupted" {
		t.Errorf("%+v", took)
	}
}
