package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

// The flag stands before the environment, and each names where it looked.
func TestProfilesAreFoundByFlagAndEnvironment(t *testing.T) {
	for _, tt := range []struct{ flag, env, says string }{
		{"/nowhere/flag", "/nowhere/env", "/nowhere/flag"},
		{"", "/nowhere/env", "/nowhere/env"},
		{"s3://Not-A-Bucket!/x", "", "s3://bucket/prefix"},
		{"", "s3://", "s3://bucket/prefix"},
	} {
		term := newTerminal(t, http.NotFoundHandler())
		term.Env = map[string]string{"PARAGON_PROFILES": tt.env}
		args := []string{"select", "--task", "fashion"}
		if tt.flag != "" {
			args = append(args, "--profiles", tt.flag)
		}
		if code := term.Run(t.Context(), args); code == cli.ExitOK || !strings.Contains(term.Err.String(), tt.says) {
			t.Errorf("flag %q, environment %q: exit status %d, %s", tt.flag, tt.env, code, &term.Err)
		}
	}
}
