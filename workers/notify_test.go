package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// systemd hears that the worker is ready and then, for as long as it is well, that
// it lives: a worker that is not well is silent.
func TestTheWatchdogIsFedWhileTheWorkerIsWell(t *testing.T) {
	at := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	env := map[string]string{notifySocket: at, watchdogUSec: "6000"}
	n, err := openNotifier(func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var sick atomic.Bool
	var fed atomic.Int64
	asked := make(chan bool, 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.run(ctx, func() error {
			asked <- sick.Load()
			if sick.Load() {
				return errors.New("it hangs")
			}
			fed.Add(1)
			return nil
		}, slog.New(slog.DiscardHandler))
	}()
	hear := func() string {
		b := make([]byte, 64)
		k, err := systemd.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:k])
	}
	for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := hear(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	sick.Store(true)
	for heard := 0; heard < 3; { // it is asked, and found not well, three times
		if <-asked {
			heard++
		}
	}
	stop()
	<-ended
	// What was said before it was sick may still be read, and nothing since. A last word
	// of the test's own ends it: a read past its deadline would return nothing of it.
	if err := say(at, "END"); err != nil {
		t.Fatal(err)
	}
	said := 0
	for hear() != "END" {
		said++
	}
	if most := int(fed.Load()) - 2; said > most {
		t.Errorf("it said %d times more that it lives, want at most %d", said, most)
	}
}

// say writes one datagram to a socket.
func say(socket, text string) error {
	c, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(text))
	return err
}

func TestWithoutSystemdNothingIsNotified(t *testing.T) {
	n, err := openNotifier(func(string) string { return "" })
	if n != nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	n.run(t.Context(), nil, nil)
	if _, err := openNotifier(func(string) string { return "/nowhere/at/all" }); err == nil {
		t.Error("a socket that is not there is no error")
	}
}
