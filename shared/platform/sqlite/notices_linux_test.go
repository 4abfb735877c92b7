package sqlite

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// The data file was touched, but not changed: it is written to as before, and all that was
// stored is there after an end of either kind.
func TestATouchedFileLosesNothing(t *testing.T) {
	h, path, sent := running(t)
	must(t, os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0)))
	must(t, h.WriteFault())
	must(t, os.Chtimes(path, time.Unix(2e9, 0), time.Unix(2e9, 0)))
	send(t, h, "late")
	sent = append(sent, "late")
	dead := killed(t, path)
	must(t, h.Close())
	for name, p := range map[string]string{"stopped": path, "killed": dead} {
		if got := ids(t, openAt(t, p, Options{})); fmt.Sprint(got) != fmt.Sprint(sent) {
			t.Errorf("%s: %v are there", name, got)
		}
	}
}

// What another wrote to the data file is not taken for a touch, whichever came first.
func TestATouchHidesNoWrite(t *testing.T) {
	touch := func(t *testing.T, path string) { must(t, os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0))) }
	write := func(t *testing.T, path string) { overwrite(t, path, []byte("not of SQLite"), 8192, false) }
	for name, do := range map[string][]func(*testing.T, string){
		"touched first": {touch, write}, "written first": {write, touch}, "touched before and after": {touch, write, touch},
	} {
		t.Run(name, func(t *testing.T) {
			h, path, _ := running(t)
			for _, f := range do {
				f(t, path)
			}
			wantFault(t, h.WriteFault(), overwritten(path))
			wantFault(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: "late"}), overwritten(path))
		})
	}
}
