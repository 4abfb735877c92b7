package e2e_test

import (
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

// A process that reaches the API and cannot read the token asks queries and sees the
// stage, and changes nothing of it. The command line finds the token wherever the data
// folder is, after a restart too.
func TestOnlyWhoHasTheTokenOperates(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "elsewhere")
	s := up(t, folder, "--workers=0")
	old := operator.InFolder(folder)()
	s.kill()
	s.restart()
	for name, token := range map[string]func() string{"none": nil, "a wrong one": func() string { return "x" }, "an earlier one": func() string { return old }} {
		c, err := client.New(client.Config{Endpoint: s.URL, Operator: token, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, tune := c.Set(t.Context(), "max_workers", "3")
		_, settings := c.Settings(t.Context())
		_, letters := c.DeadLetters(t.Context(), "", 1)
		_, redrive := c.Redrive(t.Context(), "", 1)
		_, fault := c.SetFault(t.Context(), api.Fault{Kind: api.NoCapacity})
		_, models := c.OwnModels(t.Context())
		_, usage := c.Usage(t.Context(), time.Hour, false)
		_, remove := c.RemoveModel(t.Context(), "mine")
		_, add := c.AddModel(t.Context(), api.ModelOrder{Name: "mine", Task: "mine"}, strings.NewReader("x"), 1)
		for what, err := range map[string]error{"tune": tune, "settings": settings, "letters": letters, "redrive": redrive, "fault": fault, "models": models, "usage": usage, "remove": remove, "add": add} {
			if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusForbidden {
				t.Errorf("with %s, %s: %v", name, what, err)
			}
		}
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("with %s the status: %v", name, err)
		}
		if _, err := c.Decisions(t.Context(), api.DecisionQuery{Limit: 1}); err != nil {
			t.Errorf("with %s the decisions: %v", name, err)
		}
	}
	for _, args := range []string{"tune set max_workers 3", "tune get max_workers", "fault no-capacity", "fault clear", "redrive --dry-run", "model list", "usage", "usage --mine"} {
		args := append(strings.Fields(args), "--endpoint", s.URL)
		if out, err := exec.CommandContext(t.Context(), built(t, "paragon"), args...).CombinedOutput(); err != nil {
			t.Errorf("paragon %v: %v\n%s", args, err, out)
		}
	}
}
