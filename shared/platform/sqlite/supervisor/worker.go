package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// worker is one worker, from its launch until it is marked as gone.
type worker struct {
	id    string
	fault Fault
	pool  *pool
	s     *Supervisor

	started   atomic.Bool // its machine is up
	once      sync.Once
	dismissed chan struct{} // closed when others declared it dead
	warn      sync.Once
	noticed   chan struct{} // closed when its machine is to be taken back
}

func (w *worker) dismiss() { w.once.Do(func() { close(w.dismissed) }) }
func (w *worker) notice()  { w.warn.Do(func() { close(w.noticed) }) }

// live boots the worker, runs its process and marks it as gone at its end.
func (w *worker) live(delay time.Duration) {
	defer w.pool.ended(w)
	defer w.markGone()
	if !w.boot(delay) {
		return
	}
	began := w.s.opts.Now()
	c, err := w.s.start(w.spec())
	if err == nil {
		w.s.opts.Logger.Info("worker started", "worker", w.id, "pool", w.pool.Name, "pid", c.PID())
		asked := w.run(c)
		if err = c.Err(); err != nil && !asked {
			w.s.ended(End{Worker: w.id, At: w.s.opts.Now(), Why: err.Error(), LastLine: c.LastLine()})
		}
	}
	lived := w.s.opts.Now().Sub(began)
	w.pool.count(lived, err)
	w.s.opts.Logger.Info("worker ended", "worker", w.id, "pool", w.pool.Name, "lived", lived.Round(time.Millisecond), "error", err)
}

// boot waits as long as the machine would take; false means that it never came up.
func (w *worker) boot(delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	up := timer.C
	if w.fault.NeverReady {
		up = nil
	}
	select {
	case <-up:
		w.started.Store(true)
		return true
	case <-w.dismissed:
	case <-w.s.quit:
	}
	return false
}

// run returns when the process has ended, and whether it was asked to end.
func (w *worker) run(c child) (asked bool) {
	dies, stop := timerOf(w.fault.DiesAfter)
	defer stop()
	taken, stop := timerOf(w.fault.SpotAfter)
	defer stop()
	select {
	case <-c.Done():
		return false
	case <-dies:
		c.Kill()
		<-c.Done()
		return false
	case <-taken:
		w.expel(c, SpotNotice)
	case <-w.noticed:
		w.expel(c, SpotNotice)
	case <-w.dismissed:
		w.expel(c, w.s.opts.Grace)
	case <-w.s.quit:
		c.Stop(w.s.stop)
	}
	return true
}

// timerOf is a timer's channel, or nil for no time, and what stops it.
func timerOf(d time.Duration) (<-chan time.Time, func()) {
	if d <= 0 {
		return nil, func() {}
	}
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}

// expel ends a worker that was declared dead, or is taken back. It may be
// about to leave by itself, so it has some time to.
func (w *worker) expel(c child, grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	c.Terminate()
	select {
	case <-c.Done():
		return
	case <-timer.C:
	case <-w.s.quit:
	}
	c.Kill()
	<-c.Done()
}

// markGone declares the worker dead, so that what it held goes to others. It
// insists: nobody else knows of its end as soon.
func (w *worker) markGone() {
	for {
		err := w.s.opts.Roster.NoteEnd(context.Background(), w.id)
		if err == nil {
			return
		}
		w.s.opts.Logger.Warn("worker cannot be marked as gone", "worker", w.id, "error", err)
		if !w.s.sleep(retryAfter) {
			return // the next run takes over from this one
		}
	}
}

func (w *worker) spec() process.Spec {
	o := &w.s.opts
	paced := "0"
	if o.Paced {
		paced = "1"
	}
	return process.Spec{
		Name: w.id, Path: o.Path, Args: o.Args, Logger: o.Logger,
		Env: slices.Concat(w.s.parentEnv, []string{
			environment.LocalURL + "=" + strings.TrimSuffix(o.BaseURL, "/") + "/" + o.Roster.Register(w.id),
			environment.WorkerID + "=" + w.id,
			environment.Pool + "=" + w.pool.Name,
			environment.InstanceType + "=" + w.pool.InstanceType,
			fmt.Sprintf("%s=%d", environment.Runners, w.pool.Runners),
			environment.Paced + "=" + paced,
			environment.Profiles + "=" + o.Profiles,
			environment.Listen + "=unix:" + socketPath(w.s.sockets, w.id),
		}, o.Env),
	}
}
