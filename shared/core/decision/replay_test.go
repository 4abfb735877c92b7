package decision_test

import (
	"bytes"
	_ "embed"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/decision"
)

// records were written by the version before the rules on signals and on the
// liveness of workers had one place each, a record a line: two ticks of each
// scheme, two that held and one in the safe mode. The last three
// are hedged's by the second version of the rules, with nowcasts that were too high.
//
//go:embed testdata/records.jsonl
var records []byte

// A record of an earlier version replays to the same bytes.
func TestEarlierRecordsReplay(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(records), []byte("\n"))
	if len(lines) < 20 {
		t.Fatalf("%d records", len(lines))
	}
	for _, line := range lines {
		again, same, err := decision.Replay(line)
		if err != nil || !same {
			t.Errorf("replayed to other bytes (error %v)\n%s\n%s", err, line, again)
		}
	}
}
