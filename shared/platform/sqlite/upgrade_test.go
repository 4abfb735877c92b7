package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// writeFile makes a file by statements, as another process did.
func writeFile(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "paragon.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	must(t, db.Close())
	return path
}

// ofVersion makes a file of a former schema version, with a row in each of the tables of
// that version whose rows outlive a process.
func ofVersion(t *testing.T, version int) (path string, has func(table string) bool) {
	t.Helper()
	schema := strings.Join(migrations[:version], "\n")
	has = func(table string) bool { return strings.Contains(schema, "CREATE TABLE "+table+" ") }
	far := time.Now().Add(time.Hour).UnixNano()
	m, err := json.Marshal(query.Message{ID: "waiting", Owner: "o", ExpiresAt: time.Now().Add(time.Hour)})
	must(t, err)
	r, err := json.Marshal(query.Record{ID: "ended", State: query.Succeeded})
	must(t, err)
	statements := append(append([]string{}, migrations[:version]...), fmt.Sprintf("PRAGMA user_version = %d", version),
		fmt.Sprintf(`INSERT INTO messages (queue, visible_at, sent_at, lease, holder, receives, message, data) VALUES ('%s', %d, 1, 7, 'w', 1, '%s', X'0102')`, queue, far, m))
	for table, values := range map[string]string{
		"query_records": fmt.Sprintf(`(id, owner, kind, accepted_at, forget_at, state, record) VALUES ('ended', 'o', 'stored', 1, %d, 'succeeded', '%s')`, far, r),
		"attempts":      fmt.Sprintf(`VALUES ('o', 'key', %d, '{"id":"ended"}')`, far),
		"shared":        `VALUES ('value', 3, X'07')`,
		"settings":      `(name, value, set_at) VALUES ('max_workers', '7', 1)`,
	} {
		if has(table) {
			statements = append(statements, "INSERT INTO "+table+" "+values)
		}
	}
	return writeFile(t, statements...), has
}

// A file of each former schema version is brought to this one as it is opened, and keeps
// the messages that wait, how queries ended, keys, shared values and settings.
func TestFilesOfFormerVersionsAreOpened(t *testing.T) {
	for version := 1; version < len(migrations); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			path, has := ofVersion(t, version)
			must(t, openAt(t, path, Options{}).Close())
			h := openAt(t, path, Options{}) // what was brought to this version stays so
			p := h.Platform()
			var owner string
			if _, err := h.reads.one(`SELECT owner FROM messages`, nil, &owner); err != nil || owner != "o" {
				t.Errorf("owner %q, error %v", owner, err)
			}
			if d := receiveOne(t, h, queue); d.Message.ID != "waiting" || string(d.Message.Input.Data) != "\x01\x02" {
				t.Errorf("received %+v", d.Message)
			}
			if r, err := p.Records.GetRecord(t.Context(), "ended"); has("query_records") && (err != nil || r.State != query.Succeeded) {
				t.Errorf("record %+v, error %v", r, err)
			}
			if has("attempts") {
				mine := platform.Attempt{ID: "other", Owner: "o", Key: "key", ForgetAt: time.Now().Add(time.Hour)}
				if a, won, err := p.Attempts.ReserveKey(t.Context(), mine); err != nil || won || a.ID != "ended" {
					t.Errorf("the key stands for %+v, taken %v, error %v", a, won, err)
				}
			}
			if v, at, err := p.Shared.ReadShared(t.Context(), "value"); has("shared") && (err != nil || string(v) != "\x07" || at != 3) {
				t.Errorf("shared value %v of version %d, error %v", v, at, err)
			}
			if values, _, err := p.Settings.Raw(t.Context()); has("settings") && (err != nil || values["max_workers"] != "7") {
				t.Errorf("settings %v, error %v", values, err)
			}
			var now int
			if _, err := h.reads.one(`PRAGMA user_version`, nil, &now); err != nil || now != len(migrations) {
				t.Errorf("version %d, error %v", now, err)
			}
		})
	}
}

// The messages of a former version are their owners', whatever these are named. One that is
// damaged does not keep the file from opening.
func TestMessagesOfAFormerVersionHaveOwners(t *testing.T) {
	version := slices.IndexFunc(migrations, func(m string) bool { return strings.Contains(m, "messages_by_owner") })
	statements := append(slices.Clone(migrations[:version]), fmt.Sprintf("PRAGMA user_version = %d", version))
	put := func(seq int, message []byte) {
		statements = append(statements, fmt.Sprintf(`INSERT INTO messages (seq, queue, visible_at, sent_at, message) VALUES (%d, '%s', 1, 1, X'%x')`, seq, queue, message))
	}
	for i, o := range oddOwners {
		m, err := json.Marshal(query.Message{ID: "waiting", Owner: o, ExpiresAt: time.Now().Add(time.Hour)})
		must(t, err)
		put(1+i, m)
	}
	for i, damaged := range []string{"", "{", "\x00\xff", "7", `{"owner":null}`, `{"owner":7}`} {
		put(101+i, []byte(damaged))
	}
	h := openAt(t, writeFile(t, statements...), Options{})
	for i, o := range oddOwners {
		var got string
		if _, err := h.reads.one(`SELECT owner FROM messages WHERE seq = ?`, []any{1 + i}, &got); err != nil || got != o {
			t.Errorf("the message of %.20q is of %.20q, error %v", o, got, err)
		}
	}
}

// A file that is not Paragon's is refused as that, and stays as it was.
func TestFilesOfOthersAreRefused(t *testing.T) {
	for name, statements := range map[string][]string{
		"another's tables":    {`CREATE TABLE notes (text TEXT)`},
		"a table of our name": {`CREATE TABLE messages (id INTEGER)`},
		"a version below 0":   {`CREATE TABLE notes (text TEXT)`, `PRAGMA user_version = -3`},
	} {
		path := writeFile(t, statements...)
		for range 2 {
			if h, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "a database of another program") {
				t.Errorf("%s: opened %v, error %v", name, h != nil, err)
			}
		}
	}
}
