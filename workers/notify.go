package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
)

// The environment by which systemd says to a service of Type=notify where to say
// how it is, and how often at least (sd_notify(3), sd_watchdog_enabled(3)).
const (
	notifySocket = "NOTIFY_SOCKET"
	watchdogUSec = "WATCHDOG_USEC"
)

// notifier reports this process's state to systemd; nil reports nothing.
type notifier struct {
	socket net.Conn
	every  time.Duration // between two signs of life; 0 when none is expected
}

// openNotifier connects to the socket that the environment names; nil without one.
func openNotifier(env func(string) string) (*notifier, error) {
	at := env(notifySocket)
	if at == "" {
		return nil, nil
	}
	if name, abstract := strings.CutPrefix(at, "@"); abstract {
		at = "\x00" + name
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", notifySocket, err)
	}
	n := &notifier{socket: c}
	if us, err := strconv.ParseInt(env(watchdogUSec), 10, 64); err == nil && us > 0 {
		n.every = time.Duration(us) * time.Microsecond / 6 // it may come late, and be missed twice
	}
	return n, nil
}

// run says that the worker is ready, and then that it lives for as long as it is
// well, until ctx ends. A worker that is not well, or hangs with this goroutine in
// it, is killed by the watchdog, so that its connections fail at once.
func (n *notifier) run(ctx context.Context, well func() error, log *slog.Logger) {
	if n == nil {
		return
	}
	defer n.socket.Close()
	n.say("READY=1", log)
	if n.every == 0 {
		return
	}
	tick := time.NewTicker(n.every)
	defer tick.Stop()
	for {
		if err := well(); err == nil {
			n.say("WATCHDOG=1", log)
		} else {
			log.Error("systemd's watchdog is not reset, because the worker is unhealthy", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *notifier) say(state string, log *slog.Logger) {
	if _, err := n.socket.Write([]byte(state)); err != nil {
		log.Warn("could not notify systemd", "state", state, "error", err)
	}
}
