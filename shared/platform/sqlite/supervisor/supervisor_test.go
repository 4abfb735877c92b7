package supervisor

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
)

const boot = 20 * time.Second

// after lets time pass and waits until everything that it set off is over.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWorkersAppearAfterTheBootDelay(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush")
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, Options{BootDelay: boot, BaseURL: "http://backend/", Paced: true, Profiles: "p", Env: []string{"MORE=1"}})
		defer f.close()
		synctest.Wait()
		for _, r := range f.backend.there {
			if r.State != platform.Booting || r.Runners != 2 || r.Pool != "general" || r.InstanceType != "c5.large" || !r.Paced {
				t.Errorf("launched as %+v", r)
			}
		}
		after(boot - 1)
		if n := len(f.running()); n != 0 {
			t.Fatalf("%d workers before their time", n)
		}
		after(1)
		running := f.running()
		if len(running) != 2 || running[0].id() == running[1].id() {
			t.Fatalf("%d workers run", len(running))
		}
		c := running[0]
		for _, want := range []string{
			environment.LocalURL + "=http://backend/secret-of-" + c.id(), environment.Pool + "=general", environment.InstanceType + "=c5.large",
			environment.Runners + "=2", environment.Paced + "=1", environment.Profiles + "=p", "MORE=1",
		} {
			if !slices.Contains(c.spec.Env, want) {
				t.Errorf("a worker does not see %s", want)
			}
		}
		if slices.Contains(c.spec.Env, "AWS_SECRET_ACCESS_KEY=hush") {
			t.Error("a worker sees credentials")
		}
	})
}

func TestADeadWorkerIsGoneAtOnceAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, Options{BootDelay: boot})
		defer f.close()
		after(boot)
		dead := f.running()[0]
		dead.end(errors.New("signal: killed"))
		synctest.Wait()
		if !slices.Equal(f.backend.gone, []string{dead.id()}) || len(f.backend.ids()) != 2 {
			t.Errorf("gone %v, there %v", f.backend.gone, f.backend.ids())
		}
		after(boot - 1)
		if n := len(f.running()); n != 1 {
			t.Errorf("%d run before the successor's time", n)
		}
		after(1)
		if n := len(f.running()); n != 2 {
			t.Errorf("%d run after it", n)
		}
	})
}

// The ends that nobody asked for are kept: a worker that is to leave, or that is stopped
// with all, is none of them.
func TestUnexpectedEndsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, Options{BootDelay: boot, Fault: func(n int) Fault {
			if n == 2 {
				return Fault{DiesAfter: time.Minute}
			}
			return Fault{}
		}})
		defer f.close()
		after(boot)
		began, dead := time.Now(), f.running()[0]
		dead.end(errors.New("signal: killed"))
		f.running()[0].end(nil) // it drained
		after(time.Hour)
		ends := f.Ends(began)
		if len(ends) != 2 || ends[0] != (End{Worker: dead.id(), At: began, Why: "signal: killed", LastLine: "the last line"}) || ends[1].At.Sub(began) != boot+time.Minute {
			t.Errorf("%+v", ends)
		}
		if late := f.Ends(began.Add(time.Second)); len(late) != 1 || len(f.Ends(time.Now())) != 0 {
			t.Errorf("since a second later: %+v", late)
		}
	})
}

func TestScaleInKillsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3, Options{BootDelay: boot})
		defer f.close()
		after(boot)
		f.backend.change(func() { f.backend.desired = 1 })
		after(time.Hour)
		if n := len(f.running()); n != 3 {
			t.Fatalf("%d run, though none was drained", n)
		}
		leaving := f.running()[:2]
		f.backend.change(func() { f.backend.draining = []string{leaving[0].id(), leaving[1].id()} })
		after(time.Hour)
		for _, c := range leaving {
			if terminated, killed := c.signals(); terminated || killed {
				t.Error("a draining worker was not left alone")
			}
			c.end(nil)
		}
		after(time.Hour)
		if n, m := len(f.running()), len(f.children); n != 1 || m != 3 {
			t.Errorf("%d run, %d were started", n, m)
		}
	})
}

func TestWhoLeavesIsReplacedWhileItDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, Options{BootDelay: boot})
		defer f.close()
		after(boot)
		f.backend.change(func() { f.backend.there[0].State = platform.Draining }) // by its own hand: a spot notice
		after(boot)
		if n := len(f.running()); n != 2 {
			t.Errorf("%d run", n)
		}
	})
}

func TestWhoWasDeclaredDeadMustGo(t *testing.T) {
	for name, deaf := range map[string]bool{"hears": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 1, Options{BootDelay: boot, Grace: time.Second})
				defer f.close()
				f.behave(deaf, nil)
				after(boot)
				c := f.running()[0]
				if err := f.backend.MarkGone(t.Context(), c.id()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if terminated, killed := c.signals(); !terminated || killed {
					t.Errorf("terminated %v, killed %v", terminated, killed)
				}
				after(time.Second)
				if _, killed := c.signals(); killed != deaf {
					t.Errorf("killed %v", killed)
				}
				after(boot)
				if n := len(f.running()); n != 1 {
					t.Errorf("%d run", n)
				}
			})
		})
	}
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault  Fault
		starts []time.Duration // when processes start
		there  int             // in the roster, an hour later
	}{
		"none":         {Fault{}, []time.Duration{boot}, 1},
		"launch fails": {Fault{LaunchFails: true}, []time.Duration{2 * boot}, 1},
		"slow boot":    {Fault{SlowBoot: time.Minute}, []time.Duration{boot + time.Minute}, 1},
		"never ready":  {Fault{NeverReady: true}, nil, 1},
		"dies":         {Fault{DiesAfter: time.Minute}, []time.Duration{boot, 2*boot + time.Minute}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				f := newFleet(t, 1, Options{BootDelay: boot, Fault: func(n int) Fault {
					if n == 0 {
						return c.fault
					}
					return Fault{}
				}})
				defer f.close()
				after(time.Hour)
				var starts []time.Duration
				for _, c := range f.children {
					starts = append(starts, c.at.Sub(began))
				}
				if !slices.Equal(starts, c.starts) || len(f.backend.ids()) != c.there {
					t.Errorf("started after %v, want %v; %d in the roster", starts, c.starts, len(f.backend.ids()))
				}
			})
		})
	}
}

func TestOneThatNeverComesUpCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, Options{BootDelay: boot, Fault: func(n int) Fault { return Fault{NeverReady: n == 0} }})
		defer f.close()
		after(time.Hour)
		if err := f.backend.MarkGone(t.Context(), f.backend.ids()[0]); err != nil {
			t.Fatal(err)
		}
		after(boot)
		if n := len(f.running()); n != 1 {
			t.Errorf("%d run", n)
		}
	})
}

func TestWorkersThatCannotLiveComeEverSlower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, Options{BootDelay: time.Millisecond})
		defer f.close()
		f.behave(false, errors.New("exit status 1"))
		after(time.Minute)
		if n := len(f.children); n < 5 || n > 12 {
			t.Errorf("%d tries in a minute", n)
		}
		f.behave(false, nil)
		after(maxBackoff + healthyAfter)
		f.running()[0].end(errors.New("signal: killed"))
		after(time.Millisecond)
		if n := len(f.running()); n != 1 {
			t.Error("one that had lived was not replaced at once")
		}
	})
}

func TestABackendThatIsDownComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, Options{BootDelay: boot})
		defer f.close()
		after(boot)
		dead := f.running()[0]
		f.backend.change(func() { f.backend.down = true })
		dead.end(errors.New("signal: killed"))
		after(time.Minute)
		f.backend.change(func() { f.backend.down = false })
		after(time.Minute)
		if !slices.Equal(f.backend.gone, []string{dead.id()}) || len(f.running()) != 1 {
			t.Errorf("gone %v, %d run", f.backend.gone, len(f.running()))
		}
	})
}

func TestStop(t *testing.T) {
	for name, deaf := range map[string]bool{"drains": false, "kills": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 2, Options{BootDelay: boot, Fault: func(n int) Fault { return Fault{NeverReady: n == 1} }})
				f.behave(deaf, nil)
				after(boot)
				f.close()
				f.close()
				terminated, killed := f.children[0].signals()
				if !terminated || killed != deaf || len(f.running()) != 0 {
					t.Errorf("terminated %v, killed %v, %d run", terminated, killed, len(f.running()))
				}
				if there := f.backend.ids(); len(there) != 0 {
					t.Errorf("still in the roster: %v", there)
				}
			})
		})
	}
}

// Whatever happens, the fleet comes to what is desired, and nobody is killed
// whom no other declared dead.
func TestWhateverFails(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1<<32))
			f := newFleet(t, random.IntN(4), Options{BootDelay: boot, Fault: func(n int) Fault {
				random := rand.New(rand.NewPCG(seed, uint64(n))) // its own: it is asked while the test runs
				return Fault{LaunchFails: random.IntN(8) == 0, SlowBoot: time.Duration(random.IntN(3)) * time.Second}
			}})
			defer f.close()
			for range 40 {
				after(time.Duration(random.IntN(30)) * time.Second)
				f.occur(random)
			}
			f.backend.change(func() { f.backend.down = false })
			after(time.Hour)
			reports, _ := f.backend.Workers(t.Context(), "")
			if n := staying(reports, f.backend.draining); n < f.backend.desired || len(f.running()) != len(reports) {
				t.Errorf("seed %d: %d stay of %d desired; %d processes of %d there", seed, n, f.backend.desired, len(f.running()), len(reports))
			}
			for _, c := range f.children {
				if terminated, killed := c.signals(); terminated || killed {
					t.Errorf("seed %d: killed", seed)
				}
			}
		})
	}
}

// occur is one thing that happens to a fleet.
func (f *fleet) occur(random *rand.Rand) {
	running := f.running()
	switch what := random.IntN(5); {
	case what == 0:
		n := random.IntN(5)
		f.backend.change(func() { f.backend.desired = n })
	case what == 1:
		down := random.IntN(2) == 0
		f.backend.change(func() { f.backend.down = down })
	case len(running) == 0:
	case what == 2:
		id := running[random.IntN(len(running))].id()
		f.backend.change(func() { f.backend.draining = append(f.backend.draining, id) })
	case what == 3:
		running[random.IntN(len(running))].end(errors.New("signal: killed"))
	case what == 4:
		running[random.IntN(len(running))].end(nil)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	h := newFakeBackend(0)
	for name, o := range map[string]Options{
		"no backend": {},
		"no name":    {Wanted: h, Roster: h, Reporter: h, Pools: []Pool{{Runners: 1}}},
		"no runners": {Wanted: h, Roster: h, Reporter: h, Pools: []Pool{{Name: "p"}}},
	} {
		if _, err := Start(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A worker whose machine is not up has nobody who could hear the order to leave.
func TestOneThatBootsCanBeCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2, Options{BootDelay: boot})
		defer f.close()
		after(boot / 2)
		candidate := f.backend.ids()[0]
		f.backend.change(func() { f.backend.desired, f.backend.draining = 1, []string{candidate} })
		after(boot)
		if !slices.Equal(f.backend.gone, []string{candidate}) || len(f.running()) != 1 {
			t.Errorf("gone %v, %d run", f.backend.gone, len(f.running()))
		}
	})
}

// A spot instance that is taken back has its notice to leave by its own hand.
func TestASpotNoticeIsADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1, Options{BootDelay: boot, Fault: func(n int) Fault {
			if n == 0 {
				return Fault{SpotAfter: time.Minute}
			}
			return Fault{}
		}})
		defer f.close()
		after(boot)
		spot := f.running()[0]
		after(time.Minute)
		if !spot.terminated || spot.killed {
			t.Errorf("terminated %v, killed %v, want to be told to leave", spot.terminated, spot.killed)
		}
		after(boot)
		if running := f.running(); len(running) != 1 || running[0] == spot {
			t.Errorf("%d workers run, the one that was taken back is not replaced", len(running))
		}
	})
}
