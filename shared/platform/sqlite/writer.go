package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// maxBatch bounds how many writes one transaction holds.
const maxBatch = 256

// errPark is what an operation answers when there is nothing for it yet: it
// runs again when its queue holds something visible.
var errPark = errors.New("nothing there yet")

var errClosed = fmt.Errorf("the backend is closed: %w", platform.ErrUnavailable)

// op is one write, or one receive, on its way through the writer.
type op struct {
	run    func(*tx) error
	queue  platform.QueueName // where it parks
	cancel *op                // set alone: take that one out if it is parked
	done   chan error         // holds the one answer
	err    error              // until the commit
	tx     *tx
}

// tx is what one operation sees of the transaction that it shares with others.
type tx struct {
	*statements
	now     time.Time
	touched []platform.QueueName // queues whose visible messages may have changed
	after   []func()             // run once all is committed
}

func (t *tx) touch(q platform.QueueName) { t.touched = append(t.touched, q) }
func (t *tx) then(f func())              { t.after = append(t.after, f) }

// writer is the one goroutine that writes. It commits all that waits in one
// transaction (group commit), each operation in a savepoint, so that the fault
// of one does not undo its neighbors.
type writer struct {
	db     *sql.DB
	conn   *sql.Conn // the one that writes
	stmts  *statements
	now    func() time.Time
	ops    chan *op
	stop   chan struct{}
	ended  chan struct{}
	parked parked
	last   time.Time // of the last commit; zero before the first
	health *health
	lost   error // why SQLite rolled the transaction back that is open; nil when it did not
	saved  bool  // whether the log was written back since a file was displaced
}

func openWriter(ctx context.Context, path string, o Options, h *health, l *runLock) (*writer, error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	db, err := openDB(path, "journal_mode(WAL)", "synchronous("+string(o.Durability)+")", "wal_autocheckpoint(4000)", "secure_delete(1)")
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		err = migrate(ctx, conn)
	}
	if err == nil {
		h.mark, err = l.mark(ctx, conn)
	}
	if err == nil {
		err = h.watch()
	}
	if err != nil {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, damaged(err)), db.Close())
	}
	w := &writer{
		db: db, conn: conn, health: h, stmts: &statements{from: conn}, now: o.Now, parked: newParked(),
		ops: make(chan *op, maxBatch), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.loop()
	return w, nil
}

func (w *writer) close() error {
	close(w.stop)
	<-w.ended
	return errors.Join(w.health.beforeClose(), w.stmts.close(), w.conn.Close(), w.db.Close())
}

// write runs f in a transaction and returns once it is committed. The wait is
// not cut short by ctx: nobody should wonder whether a write took place.
func (h *Backend) write(ctx context.Context, f func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := &op{run: f, done: make(chan error, 1)}
	if err := h.writes.submit(o); err != nil {
		return err
	}
	return h.writes.answer(o)
}

func (w *writer) submit(o *op) error {
	select {
	case <-w.stop:
		return errClosed
	default:
	}
	select {
	case w.ops <- o:
		return nil
	case <-w.stop:
		return errClosed
	}
}

// answer waits for an operation's end.
func (w *writer) answer(o *op) error {
	select {
	case err := <-o.done:
		return err
	case <-w.ended:
	}
	select {
	case err := <-o.done: // answered just before the end
		return err
	default:
		return errClosed
	}
}

func (w *writer) loop() {
	defer close(w.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var batch []*op
		select {
		case <-w.stop:
			return
		case o := <-w.ops:
			batch = w.collect(o)
		case <-timer.C:
		}
		w.commit(batch)
		timer.Stop()
		if at, ok := w.parked.next(); ok {
			timer.Reset(at.Sub(w.now()))
		}
	}
}

// collect takes what waits together with the first operation.
func (w *writer) collect(first *op) []*op {
	batch := []*op{first}
	for len(batch) < maxBatch {
		select {
		case o := <-w.ops:
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch, then the receives that it or the clock woke, in one
// transaction, and answers.
func (w *writer) commit(batch []*op) {
	now := w.now()
	ended, err := batch, w.health.enter()
	if err == nil {
		ended, err = w.transact(batch, now)
	}
	if left := w.health.leave(); err == nil {
		err = left
	}
	if err != nil {
		w.checkAt(now)
		w.fail(ended, fmt.Errorf("commit: %w: %w", platform.ErrUnavailable, w.health.failed(damaged(err))))
		return
	}
	w.last, w.saved = now, false
	w.health.wrote()
	for _, o := range ended {
		o.finish()
	}
}

// transact runs a batch in one transaction and returns the operations that ended. An error
// means that nothing of them stays.
func (w *writer) transact(batch []*op, now time.Time) (ended []*op, err error) {
	if _, err := w.stmts.exec("BEGIN IMMEDIATE"); err != nil {
		return batch, fmt.Errorf("begin a transaction: %w", err)
	}
	w.lost = nil
	w.syncClock(now)
	for _, o := range batch {
		if o.cancel != nil {
			ended = append(ended, w.parked.cancel(o.cancel)...)
		} else if w.step(o, now) {
			ended = append(ended, o)
		}
	}
	ended = append(ended, w.serve(now)...)
	err = w.lost
	if err == nil {
		err = w.health.committable() // or what is acknowledged would be lost at the end of the process
	}
	if err == nil {
		_, err = w.stmts.exec("COMMIT")
	}
	if err != nil {
		_, _ = w.stmts.exec("ROLLBACK") // SQLite may have done so itself
		w.save()
	}
	return ended, err
}

// save writes the log back into the data file, once, when a file was displaced: if that
// is the log, what was acknowledged before would be lost if the process were killed.
func (w *writer) save() {
	if w.saved || w.health.gone() == nil || w.health.ruin() != nil {
		return
	}
	var busy, pages, written int
	_, err := w.stmts.one("PRAGMA wal_checkpoint(PASSIVE)", nil, &busy, &pages, &written) // waits for no reader
	w.saved = err == nil && busy == 0 && written == pages
}

// step runs one operation in a savepoint. It is false when the operation
// parked. Once SQLite has rolled the transaction back nothing runs: a savepoint
// would begin another one, whose writes stay though all operations report that
// they failed.
func (w *writer) step(o *op, now time.Time) bool {
	if w.lost != nil {
		return true // commit answers it
	}
	o.tx = &tx{statements: w.stmts, now: now}
	if _, err := w.stmts.exec("SAVEPOINT one"); err != nil {
		o.err = fmt.Errorf("set a savepoint: %w", err)
		return true
	}
	o.err = o.run(o.tx)
	if o.err != nil {
		o.err = w.health.failed(o.err)
		o.tx.after = nil
		if rolledBack(o.err) {
			w.lost = o.err
			return true
		}
		if _, err := w.stmts.exec("ROLLBACK TO one"); err != nil {
			o.err = errors.Join(o.err, err)
		}
	} else {
		for _, q := range o.tx.touched {
			w.parked.dirty[q] = true
		}
	}
	if _, err := w.stmts.exec("RELEASE one"); err != nil {
		o.err = errors.Join(o.err, err)
	}
	if errors.Is(o.err, errPark) {
		w.parked.add(o)
		return false
	}
	return true
}

func (o *op) finish() {
	if o.tx != nil {
		for _, f := range o.tx.after {
			f()
		}
	}
	o.done <- o.err
}

func (w *writer) fail(ops []*op, err error) {
	for _, o := range ops {
		if o.cancel == nil {
			o.done <- err
			continue
		}
		for _, c := range w.parked.cancel(o.cancel) {
			c.done <- err
		}
	}
}
