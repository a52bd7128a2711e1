package role

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAKilledChildIsStartedAnewAndItsSocketRefusesNobody(t *testing.T) {
	s := start(t, Group{Name: "edge", Sockets: onTCP, Settings: told(orders{})})
	s.ready(t)
	first := s.Status().Groups[0].PID
	// Clients come all the time; one that is inside the killed process may
	// lose its answer, but none may be refused.
	stop, refused := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(refused)
		for {
			select {
			case <-stop:
				return
			default:
			}
			conn, err := net.DialTimeout("tcp", s.Addr("edge", "tcp"), 5*time.Second)
			if err != nil {
				refused <- err
				return
			}
			conn.Close()
		}
	}()
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	now := s.until(t, "a new process is ready", func(st Status) bool {
		return st.Groups[0].State == Ready && st.Groups[0].PID != first
	})
	close(stop)
	if err := <-refused; err != nil {
		t.Errorf("a client was refused during the restart: %v", err)
	}
	if g := now.Groups[0]; g.Restarts != 1 || !strings.Contains(g.LastExit, "killed") {
		t.Errorf("restarts %d, last exit %q; want 1 and killed", g.Restarts, g.LastExit)
	}
	if _, err := ask(t, s.Addr("edge", "tcp"), "hello"); err != nil {
		t.Errorf("the new process does not answer: %v", err)
	}
}

func TestAConnectionMadeWhileNoProcessRunsIsServedByTheNext(t *testing.T) {
	s := start(t, Group{Name: "edge", Sockets: onTCP, Settings: told(orders{})})
	s.ready(t)
	first := s.Status().Groups[0].PID
	ask(t, s.Addr("edge", "tcp"), "die")
	got, err := ask(t, s.Addr("edge", "tcp"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if got.PID == first {
		t.Errorf("the dead process %d answers", first)
	}
}

func TestAPanicIsKeptInAFile(t *testing.T) {
	s := start(t, Group{Name: "edge", Sockets: onTCP, Settings: told(orders{})})
	s.ready(t)
	ask(t, s.Addr("edge", "tcp"), "panic")
	now := s.until(t, "the crash is known", func(st Status) bool { return st.Groups[0].Crash != "" })
	text, err := os.ReadFile(now.Groups[0].Crash)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "a test asked for it") || !strings.Contains(string(text), "goroutine") {
		t.Errorf("the crash file has no panic with stacks: %q", text)
	}
}

func TestAHungGroupIsKilledWithItsStacksKept(t *testing.T) {
	s := start(t, Group{Name: "edge", HangAfter: 200 * time.Millisecond, Settings: told(orders{Hang: true})})
	now := s.until(t, "the hang is known", func(st Status) bool { return st.Groups[0].LastExit != "" })
	g := now.Groups[0]
	if !strings.Contains(g.LastExit, "no sign of life") {
		t.Errorf("last exit %q; want no sign of life", g.LastExit)
	}
	text, err := os.ReadFile(g.Crash)
	if err != nil || !strings.Contains(string(text), "playChild") {
		t.Errorf("the stacks of the hung process are not kept: %q, %v", text, err)
	}
	s.until(t, "it is started anew", func(st Status) bool { return st.Groups[0].Restarts > 0 && st.Groups[0].State == Ready })
}

func TestAStoppedProcessIsKilled(t *testing.T) {
	s := start(t, Group{Name: "edge", HangAfter: 200 * time.Millisecond, Sockets: onTCP, Settings: told(orders{})})
	s.ready(t)
	first := s.Status().Groups[0].PID
	if err := unix.Kill(first, unix.SIGSTOP); err != nil { // SIGQUIT does not reach it
		t.Fatal(err)
	}
	s.until(t, "a new process is ready", func(st Status) bool {
		return st.Groups[0].State == Ready && st.Groups[0].PID != first
	})
}

func TestAMuteGroupIsKilledAndTheOthersGoOn(t *testing.T) {
	s := start(t,
		Group{Name: "mute", StartWithin: 200 * time.Millisecond, Settings: told(orders{Mute: true})},
		Group{Name: "edge", Sockets: onTCP, Settings: told(orders{})})
	s.ready(t, "edge")
	s.until(t, "the mute one was tried twice", func(st Status) bool { return st.Groups[0].Restarts > 1 })
	if g := s.Status().Groups[1]; g.State != Ready || g.Restarts != 0 {
		t.Errorf("the other group is %s after %d restarts; want ready after none", g.State, g.Restarts)
	}
}

func TestAGroupThatFailsIsTriedAgainAndSaysWhy(t *testing.T) {
	s := start(t, Group{Name: "edge", Settings: told(orders{Fail: "no certificate"})})
	now := s.until(t, "three tries", func(st Status) bool { return st.Groups[0].Restarts > 1 })
	if got := now.Groups[0].LastExit; got != "exit status 1" {
		t.Errorf("last exit %q; want exit status 1", got)
	}
	if !strings.Contains(s.out.String(), `"msg":"no certificate"`) {
		t.Errorf("a plain line of the child is not passed on as JSON:\n%s", s.out)
	}
}

func TestAGroupThatIsNotReadyRunsOn(t *testing.T) {
	s := start(t, Group{Name: "edge", Settings: told(orders{Unready: true})})
	s.until(t, "it says so", func(st Status) bool { return st.Groups[0].State == NotReady })
	if g := s.Status().Groups[0]; g.Restarts != 0 {
		t.Errorf("a group that is not ready was started anew %d times", g.Restarts)
	}
}

func TestAStubbornGroupIsKilledAfterItsDrainTime(t *testing.T) {
	s := start(t, Group{Name: "edge", Drain: 100 * time.Millisecond, Settings: told(orders{Stubborn: true})})
	s.ready(t)
	pid := s.Status().Groups[0].PID
	s.stop()
	if err := unix.Kill(pid, 0); err == nil {
		t.Errorf("process %d lives after the end", pid)
	}
	if got := s.Status().Groups[0].LastExit; !strings.Contains(got, "killed") {
		t.Errorf("last exit %q; want killed", got)
	}
}

func TestPausesGrowToABoundAndStartAnewAfterAStableLife(t *testing.T) {
	var b Backoff // the defaults
	pause, total := time.Duration(0), time.Duration(0)
	for range 20 {
		before := pause
		pause = b.next(pause, 0)
		if total += pause; pause < before || pause > maxPause {
			t.Fatalf("after a pause of %v comes one of %v", before, pause)
		}
	}
	if pause != maxPause {
		t.Errorf("the longest pause is %v, want %v", pause, maxPause)
	}
	for _, tt := range []struct{ before, lived, want time.Duration }{
		{0, 0, minPause},
		{minPause, 0, 2 * minPause},
		{maxPause, stable - 1, maxPause},
		{maxPause, stable, minPause},
	} {
		if got := b.next(tt.before, tt.lived); got != tt.want {
			t.Errorf("after a pause of %v and a life of %v: %v, want %v", tt.before, tt.lived, got, tt.want)
		}
	}
	low, high := time.Hour, time.Duration(0)
	for range 1000 {
		d := jitter(time.Second)
		low, high = min(low, d), max(high, d)
	}
	if low < 750*time.Millisecond || high > 1250*time.Millisecond || high-low < 300*time.Millisecond {
		t.Errorf("a second spreads over %v to %v, want a quarter to both sides", low, high)
	}
}

func TestARestartGivesFreshSettingsAtOnce(t *testing.T) {
	unready := true
	s := start(t, Group{Name: "edge", Settings: func() ([]byte, error) {
		defer func() { unready = false }()
		return told(orders{Unready: unready})()
	}})
	s.until(t, "it says that it is not ready", func(st Status) bool { return st.Groups[0].State == NotReady })
	s.Restart("edge")
	s.Restart("nobody")
	s.ready(t)
}

func TestAGroupStartsAfterAnotherButNotWithoutEnd(t *testing.T) {
	s := start(t,
		Group{Name: "edge", After: []string{"logs"}, Settings: told(orders{})},
		Group{Name: "logs", Settings: told(orders{})})
	s.ready(t)
	now := s.Status()
	if edge, logs := now.Groups[0].Started, now.Groups[1].Started; edge.Before(logs) {
		t.Errorf("edge started at %v, before logs at %v", edge, logs)
	}
	s.stop()
	if edge, logs := s.Status().Groups[0].LastAt, s.Status().Groups[1].LastAt; edge.After(logs) {
		t.Errorf("edge ended at %v, after logs at %v, which it needs", edge, logs)
	}
}

func TestADependencyThatNeverComesDelaysOnly(t *testing.T) {
	run := startWith(t, func(s *Supervisor) { s.AfterWait = 50 * time.Millisecond },
		Group{Name: "edge", After: []string{"logs"}, Settings: told(orders{})},
		Group{Name: "logs", Settings: told(orders{Unready: true})})
	run.ready(t, "edge")
	if !strings.Contains(run.out.String(), "starts although") {
		t.Errorf("nothing says that logs was not awaited:\n%s", run.out)
	}
}

func TestUDPIsPassedToo(t *testing.T) {
	s := start(t, Group{Name: "dns", Sockets: []Socket{{Name: "udp", Network: "udp", Address: "127.0.0.1:0"}}, Settings: told(orders{})})
	s.ready(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "udp", s.Addr("dns", "udp"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("who")); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 16)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "who" {
		t.Errorf("got %q, %v; want the echo", buf[:n], err)
	}
}
