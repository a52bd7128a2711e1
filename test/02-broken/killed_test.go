package broken

import (
	"net/http"
	"slices"
	"syscall"
	"testing"

	"github.com/sekikura/sekikura/test/harness"
)

func TestKilledAtOnceOrWithoutItsSupervisorTheProductLosesNothing(t *testing.T) {
	t.Parallel()
	i := harness.Install(t, harness.Plan{Dir: harness.Folder(t)})
	i.Start()
	i.FirstLogin()
	origin, reachable := harness.Origin(t)
	i.Protect(origin)

	// loaded runs what happens to the product while attacks are being stopped.
	var numbers []string
	loaded := func(what func()) {
		end := i.Attack(harness.Host)
		numbers = append(numbers, stops(t, i, reachable, 20)...)
		what()
		numbers = append(numbers, end()...)
	}

	loaded(i.Kill) // returns when every group has gone with its supervisor
	i.Start()

	// As when the power fails: all at the same moment, and the supervisor may
	// start nothing again.
	loaded(func() {
		kill(t, syscall.SIGSTOP, i.Cmd.Process.Pid)
		kill(t, syscall.SIGKILL, pids(i)...)
		i.Kill()
	})
	i.Start()

	// And with a supervisor that lives.
	old := pids(i)
	loaded(func() { kill(t, syscall.SIGKILL, old...) })
	i.Await("every group has a new process", func() bool {
		for n, pid := range pids(i) {
			if pid == 0 || pid == old[n] {
				return false
			}
		}
		return true
	})
	i.AwaitReady()
	i.ExactlyOnce(i.Token, numbers)
	stops(t, i, reachable, 1)
}

// pids are the processes of all groups, in the order of the status; 0 for one
// that has none just now.
func pids(i *harness.Installation) []int {
	var all []int
	for _, g := range i.Groups() {
		all = append(all, g.PID)
	}
	return all
}

func kill(t *testing.T, signal syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if pid == 0 {
			continue
		}
		if err := syscall.Kill(pid, signal); err != nil {
			t.Errorf("sending %v to process %d: %v", signal, pid, err)
		}
	}
}

func TestAGroupThatHangsIsKilledAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	i := harness.Install(t, harness.Plan{Dir: harness.Folder(t)})
	i.Start()
	i.FirstLogin()
	origin, reachable := harness.Origin(t)
	i.Protect(origin)

	var numbers []string
	// Two at a time, for the test's own time: the edge and the control group need
	// neither each other nor the bus and the log store to go on.
	for _, hung := range [][]string{{"control"}, {"bus", "logs"}, {"edge"}} {
		before := make(map[string]harness.Group)
		for _, g := range i.Groups() {
			before[g.Name] = g
		}
		for _, name := range hung {
			kill(t, syscall.SIGSTOP, before[name].PID)
		}
		if hung[0] != "edge" {
			numbers = append(numbers, stops(t, i, reachable, 10)...)
		} else if status, err := i.Ask(i.Token, "/tenants", nil); err != nil || status != http.StatusOK {
			t.Errorf("while the edge hangs the portal answers %d, %v, want 200", status, err)
		}
		for _, name := range hung {
			i.Await(name+" is killed and started again", func() bool {
				g := i.Group(name)
				return g.State == "ready" && g.PID != before[name].PID && !harness.Runs(before[name].PID)
			})
		}
		for _, g := range i.Groups() {
			if !slices.Contains(hung, g.Name) && g.PID != before[g.Name].PID {
				t.Errorf("%s was restarted while %v hung", g.Name, hung)
			}
		}
	}
	numbers = append(numbers, stops(t, i, reachable, 1)...)
	i.ExactlyOnce(i.Token, numbers)
}
