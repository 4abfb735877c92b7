package main

import (
	"regexp"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
)

func TestUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		has  []string
	}{
		"of all":             {nil, cli.ExitOK, []string{`local +fashion +200 +25 +12\.5 % +0 +0 +10\.0 % +\$0\.500`, `key-1 +fashion +105 +0 +0\.0 % +3 +2`, `\(others\) +fashion +1 `, `all +306 +25 +8\.3 %.*\$0\.750`, `counted at most heartbeat_seconds \+ 5 s`}},
		"one's own":          {[]string{"--mine"}, cli.ExitOK, []string{`all +200 `}},
		"as JSON":            {[]string{"--json"}, cli.ExitOK, []string{`"owner":"key-1".*"refused":2`}},
		"of too long a time": {[]string{"--since", "337h"}, cli.ExitUsage, []string{`1h to 336h`}},
	} {
		t.Run(name, func(t *testing.T) {
			term := newTerminal(t, &clienttest.API{})
			code := term.Run(t.Context(), append([]string{"usage"}, c.args...))
			text := term.Out.String() + term.Err.String()
			if code != c.code {
				t.Fatalf("exit status %d: %s", code, text)
			}
			for _, want := range c.has {
				if !regexp.MustCompile(want).MatchString(text) {
					t.Errorf("no %s in\n%s", want, text)
				}
			}
		})
	}
}
