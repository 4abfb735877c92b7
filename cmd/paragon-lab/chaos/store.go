package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver by which the data file is locked
)

// ballast fills a disk.
const ballast = "ballast"

// fill writes a file into a folder until its disk has no room for a byte.
func fill(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, ballast), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 { // the rest by smaller and smaller blocks
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return nil
}

// empty makes room again.
func empty(dir string) error {
	if err := os.Remove(filepath.Join(dir, ballast)); err != nil {
		return fmt.Errorf("make room on the disk again: %w", err)
	}
	return nil
}

// lockStore keeps the write lock of a data file for a time, as a program would that
// makes a copy of it. Who writes meanwhile waits.
func lockStore(ctx context.Context, file string, hold func(context.Context) error) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return fmt.Errorf("open the data file: %w", err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open the data file: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("lock the data file: %w", err)
	}
	held := hold(ctx)
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := conn.ExecContext(done, "ROLLBACK"); err != nil {
		return fmt.Errorf("unlock the data file: %w", err)
	}
	return held
}
