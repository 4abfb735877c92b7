package decision_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/decision"
)

// -update decides the stored cases again and writes the records anew.
var update = flag.Bool("update", false, "write testdata/records.jsonl anew")

const recordsFile = "testdata/records.jsonl"

// The file holds a record a line: ticks of each scheme, some that held, one in the
// safe mode, and nowcasts that were too high. Who changes what comes out raises
// procurement.Rules, so that a record says by which rules it was made, and runs this
// test with -update.
func TestStoredRecordsReplay(t *testing.T) {
	raw, err := os.ReadFile(recordsFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	if len(lines) < 20 {
		t.Fatalf("%d records", len(lines))
	}
	if *update {
		writeAgain(t, lines)
		return
	}
	for _, line := range lines {
		again, same, err := decision.Replay(line)
		if err != nil || !same {
			t.Errorf("replayed to other bytes (error %v)\n%s\n%s", err, line, again)
		}
	}
}

func writeAgain(t *testing.T, lines [][]byte) {
	t.Helper()
	var out bytes.Buffer
	for _, line := range lines {
		r, err := decision.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		if r, _, err = decision.Make(r.Case); err != nil {
			t.Fatal(err)
		}
		raw, err := r.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(raw, '\n'))
	}
	if err := os.WriteFile(recordsFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A record of other rules is not taken for a changed one.
func TestARecordOfOtherRulesIsRefused(t *testing.T) {
	r, _, err := decision.Make(steady())
	if err != nil {
		t.Fatal(err)
	}
	r.Rules--
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := decision.Replay(raw); err == nil || !strings.Contains(err.Error(), "the release that wrote it") {
		t.Errorf("error %v", err)
	}
}
