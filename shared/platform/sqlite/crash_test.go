package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// victimVariable makes the test binary the process that is killed.
const victimVariable = "PARAGON_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victimVariable); path != "" {
		fmt.Fprintln(os.Stderr, hammer(path, os.Getenv(victimVariable+"_RUN")))
		os.Exit(1) // it should have been killed
	}
	os.Exit(m.Run())
}

// hammer sends queries and ends them for ever and says on stdout what was
// acknowledged, each line once the call had returned.
func hammer(path, run string) error {
	ctx := context.Background()
	h, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	c := h.Platform()
	broken := make(chan error)
	for p := range 3 {
		go func() {
			for {
				m, err := makeMessage(time.Now(), time.Hour)
				if err == nil {
					m.Input.Data = inputOf(m.ID)
					err = c.Queues.Send(ctx, queue, m)
				}
				if err != nil {
					broken <- err
				}
				fmt.Println("sent", m.ID, "")
			}
		}()
		go func() {
			for {
				ds, err := c.Queues.Receive(ctx, queue, 2, time.Hour, time.Hour)
				if err != nil {
					broken <- err
				}
				for _, d := range ds {
					if !bytes.Equal(d.Message.Input.Data, inputOf(d.Message.ID)) {
						broken <- fmt.Errorf("%s came with another input, of %d bytes", d.Message.ID, len(d.Message.Input.Data))
					}
					label := fmt.Sprintf("%s/%d", run, p)
					o := query.Outcome{State: query.Succeeded, Result: &query.Result{Label: label}}
					_, won, err := c.Records.PutRecord(ctx, d.Message.Ended(o))
					if err != nil {
						broken <- err
					}
					if won {
						fmt.Println("ended", d.Message.ID, label)
					}
				}
				if err := c.Queues.Delete(ctx, ds...); err != nil {
					broken <- err
				}
			}
		}()
	}
	return <-broken
}

// inputOf is the input of a query, every second one of 1 KB.
func inputOf(id string) []byte {
	large := int(crc32.ChecksumIEEE([]byte(id)) % 2)
	return bytes.Repeat([]byte(id), 1+large*1024/len(id))
}

// TestKilledAnywhereLosesNothing kills a process of the backend again and again
// on one file, and holds what it had acknowledged against what is there.
func TestKilledAnywhereLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	draw := rand.New(rand.NewPCG(2, 3))
	sent, ended := map[string]bool{}, map[string]string{}
	for run := range 6 {
		runVictim(t, path, fmt.Sprint("r", run), 50+draw.IntN(400), sent, ended)
		h := openAt(t, path, Options{})
		checkAcknowledged(t, h, sent, ended)
		checkFiles(t, h)
		must(t, h.Close())
	}
	h := openAt(t, path, Options{})
	endRest(t, h, sent, ended)
	if fs := inputFiles(t, h); len(fs) != 0 {
		t.Errorf("%d inputs are left of no message", len(fs))
	}
}

// checkFiles holds that each file has its row.
func checkFiles(t *testing.T, h *Backend) {
	t.Helper()
	var rows int
	_, err := h.reads.one(`SELECT count(*) FROM messages WHERE input <> ''`, nil, &rows)
	must(t, err)
	if fs := inputFiles(t, h); len(fs) != rows {
		t.Errorf("%d files are there for %d messages", len(fs), rows)
	}
}

// runVictim kills a process once it has acknowledged some calls.
func runVictim(t *testing.T, path, run string, lines int, sent map[string]bool, ended map[string]string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+path, victimVariable+"_RUN="+run)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	scan := bufio.NewScanner(out)
	for n := 1; scan.Scan(); n++ {
		words := strings.Split(scan.Text(), " ")
		if len(words) == 3 && words[0] == "sent" {
			sent[words[1]] = true
		} else if len(words) == 3 && words[0] == "ended" {
			if earlier, twice := ended[words[1]]; twice {
				t.Errorf("%s was ended as %s and as %s", words[1], earlier, words[2])
			}
			ended[words[1]] = words[2]
		}
		if n == lines {
			must(t, cmd.Process.Kill()) // what it still wrote is read as well
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

// checkAcknowledged holds that all that was acknowledged is there: each query
// that was sent has its message or its record, and each that ended its record.
func checkAcknowledged(t *testing.T, h *Backend, sent map[string]bool, ended map[string]string) {
	t.Helper()
	queued := map[string]bool{}
	must(t, h.reads.each(scanNames(func(id string) { queued[id] = true }), `SELECT message ->> 'id' FROM messages`))
	for id := range sent {
		if _, err := h.Platform().Records.GetRecord(t.Context(), id); err != nil && !queued[id] {
			t.Errorf("query %s was sent, and has neither a message nor a record: %v", id, err)
		}
	}
	for id, label := range ended {
		r, err := h.Platform().Records.GetRecord(t.Context(), id)
		if err != nil || r.State != query.Succeeded || r.Outcome.Result.Label != label {
			t.Errorf("query %s, ended as %s, is %s %+v, %v", id, label, r.State, r.Outcome, err)
		}
	}
	t.Logf("%d were sent, %d ended, %d are queued", len(sent), len(ended), len(queued))
}

// endRest lets the queries that the crashes left go on, at once, to their end.
func endRest(t *testing.T, h *Backend, sent map[string]bool, ended map[string]string) {
	t.Helper()
	c := h.Platform()
	for {
		ds, err := c.Queues.Receive(t.Context(), queue, 10, time.Hour, 0)
		must(t, err)
		if len(ds) == 0 {
			break
		}
		for _, d := range ds {
			if !bytes.Equal(d.Message.Input.Data, inputOf(d.Message.ID)) {
				t.Errorf("%s came with another input, of %d bytes", d.Message.ID, len(d.Message.Input.Data))
			}
			r, won, err := c.Records.PutRecord(t.Context(), d.Message.Ended(query.Outcome{State: query.Succeeded}))
			must(t, err)
			if label, was := ended[d.Message.ID]; was && (won || r.Outcome.Result.Label != label) {
				t.Errorf("query %s ended twice", d.Message.ID)
			}
		}
		must(t, c.Queues.Delete(t.Context(), ds...))
	}
	for id := range sent {
		if r, err := c.Records.GetRecord(t.Context(), id); err != nil || r.State != query.Succeeded {
			t.Errorf("query %s ended as %s, %v", id, r.State, err)
		}
	}
}
