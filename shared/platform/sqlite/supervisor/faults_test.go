package supervisor

import (
	"testing"
	"testing/synctest"
	"time"
)

// What the fleet is faults while it runs holds for the launches from then on, as
// often as was said, and no longer than until it is cleared.
func TestFaultsAreSetWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := &Faults{}
		f := newFleet(t, 1, Options{BootDelay: boot, Faults: faults})
		defer f.close()
		after(boot)
		faults.Set(ActiveFault{Name: "none", Fault: Fault{LaunchFails: true}})
		f.backend.change(func() { f.backend.desired = 2 })
		after(time.Hour)
		if n := len(f.running()); n != 1 || len(f.backend.ids()) != 1 {
			t.Fatalf("%d run although nothing can be launched", n)
		}
		faults.Clear("none")
		faults.Set(ActiveFault{Name: "slow", Fault: Fault{SlowBoot: time.Minute}, Launches: 1})
		after(boot) // the next attempt
		after(boot + time.Minute - 1)
		if n := len(f.running()); n != 1 {
			t.Errorf("%d run before the slow one's time", n)
		}
		after(boot)
		if n := len(f.running()); n != 2 || len(faults.List()) != 0 {
			t.Errorf("%d run after it, with the faults %+v", n, faults.List())
		}
	})
}

func TestFaultsJoin(t *testing.T) {
	faults := &Faults{}
	faults.Set(ActiveFault{Name: "a", Fault: Fault{DiesAfter: time.Minute, SlowBoot: time.Second}})
	faults.Set(ActiveFault{Name: "b", Fault: Fault{DiesAfter: time.Second}, Launches: 2})
	want := Fault{DiesAfter: time.Second, SlowBoot: time.Second, NeverReady: true}
	for range 2 {
		if got := faults.Next(Fault{NeverReady: true}); got != want {
			t.Errorf("faults %+v, want %+v", got, want)
		}
	}
	if got := faults.Next(Fault{}); got.DiesAfter != time.Minute {
		t.Errorf("faults %+v after its launches", got)
	}
	faults.Clear("")
	if got := faults.Next(Fault{}); got != (Fault{}) {
		t.Errorf("faults %+v when all was cleared", got)
	}
}

// A notice has the worker leave by its own hand, and another come.
func TestSpotNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, Options{BootDelay: boot})
		defer f.close()
		synctest.Wait()
		booting := f.backend.ids()[0]
		for _, id := range []string{booting, "w-nobody", ""} {
			if f.Notice(id) == nil {
				t.Errorf("%q took a notice, and is not up", id)
			}
		}
		f.behave(true, nil) // it takes its time to drain
		after(boot)
		if err := f.Notice(booting); err != nil {
			t.Fatal(err)
		}
		f.behave(false, nil)
		after(SpotNotice - 1)
		c := f.children[0]
		if terminated, killed := c.signals(); !terminated || killed {
			t.Errorf("before its time: asked to leave %v, killed %v", terminated, killed)
		}
		after(1 + boot)
		if _, killed := c.signals(); !killed {
			t.Error("it outlived its notice")
		}
		if n := len(f.running()); n != 1 {
			t.Errorf("%d run, want its successor", n)
		}
	})
}
