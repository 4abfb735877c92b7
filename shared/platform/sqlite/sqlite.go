package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// readers is how many reads run at the same time, and while the writer writes.
const readers = 4

// preparer is a connection, or a pool of them.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// statements prepares every statement once.
type statements struct {
	from   preparer
	failed func(error) error // explains an error of a read; nil leaves it as it is
	all    sync.Map          // text to *sql.Stmt
}

// explained is an error with its cause.
func (s *statements) explained(err error) error {
	if err == nil || s.failed == nil {
		return err
	}
	return s.failed(err)
}

func (s *statements) get(query string) (*sql.Stmt, error) {
	if have, ok := s.all.Load(query); ok {
		return have.(*sql.Stmt), nil
	}
	made, err := s.from.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	have, lost := s.all.LoadOrStore(query, made)
	if lost {
		made.Close()
	}
	return have.(*sql.Stmt), nil
}

func (s *statements) close() error {
	var errs []error
	s.all.Range(func(_, stmt any) bool {
		errs = append(errs, stmt.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(errs...)
}

// exec runs a statement. No context: a statement takes microseconds, and
// watching one costs more.
func (s *statements) exec(query string, args ...any) (sql.Result, error) {
	stmt, err := s.get(query)
	if err != nil {
		return nil, err
	}
	return stmt.Exec(args...)
}

// each calls scan once a row.
func (s *statements) each(scan func(row *sql.Rows) error, query string, args ...any) error {
	stmt, err := s.get(query)
	if err != nil {
		return s.explained(err)
	}
	rows, err := stmt.Query(args...)
	if err != nil {
		return s.explained(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return s.explained(err)
		}
	}
	return s.explained(rows.Err())
}

// one reads the first row into targets. It is false when there is none.
func (s *statements) one(query string, args []any, targets ...any) (bool, error) {
	stmt, err := s.get(query)
	if err != nil {
		return false, s.explained(err)
	}
	err = stmt.QueryRow(args...).Scan(targets...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.explained(err)
}

// openDB opens the file for one kind of use: extra are the driver's options.
func openDB(path string, extra ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", path, err)
	}
	q := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, extra...)}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	return sql.Open("sqlite", u.String())
}

// openReaders opens the pool that reads go through: WAL lets them run at the same time as
// the writer, each seeing the last commit.
func openReaders(ctx context.Context, path string) (*sql.DB, error) {
	db, err := openDB(path, "query_only(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s to read: %w", path, err), db.Close())
	}
	return db, nil
}
