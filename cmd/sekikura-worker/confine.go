package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// heapShare leaves part of the memory limit to stacks and the runtime: the
// garbage collector works hard below it before the kernel says no above it.
const heapShare = 0.8

// confine limits this process and gives up every system call that parsing a
// file does not need, on every thread.
func confine(cpu, memory uint64) error {
	for _, limit := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"processor time", unix.RLIMIT_CPU, cpu},
		{"memory", unix.RLIMIT_DATA, memory},
		{"core files", unix.RLIMIT_CORE, 0},
		{"file size", unix.RLIMIT_FSIZE, 0},
		{"open files", unix.RLIMIT_NOFILE, 16},
	} {
		if err := unix.Setrlimit(limit.resource, &unix.Rlimit{Cur: limit.value, Max: limit.value}); err != nil {
			return fmt.Errorf("limiting %s: %w", limit.name, err)
		}
	}
	debug.SetMemoryLimit(int64(float64(memory) * heapShare))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	return allow(calls)
}

// calls are what the Go runtime and job.Serve need. Everything else is EPERM.
var calls = append([]uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_LSEEK,
	unix.SYS_FCNTL, unix.SYS_RECVMSG, unix.SYS_SENDMSG,
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MPROTECT, unix.SYS_BRK,
	unix.SYS_FUTEX, unix.SYS_CLONE, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_RESTART_SYSCALL,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_TGKILL,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
	unix.SYS_GETRANDOM, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}, archCalls...)

// allow installs a filter, seccomp(2), that lets only names pass. A call of
// another architecture's numbering ends the process. clone may make threads,
// which CLONE_THREAD says, and no processes.
func allow(names []uint32) error {
	const (
		number   = 0 // offsets in struct seccomp_data
		arch     = 4
		argument = 16
	)
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	answer := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
	}
	const errno = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	filter := []unix.SockFilter{
		load(arch),
		equal(auditArch, 1, 0),
		answer(unix.SECCOMP_RET_KILL_PROCESS),
		load(number),
		equal(unix.SYS_CLONE, 0, 4),
		load(argument),
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 0, Jf: 1, K: unix.CLONE_THREAD},
		answer(unix.SECCOMP_RET_ALLOW),
		answer(errno),
	}
	for _, name := range names {
		if name != unix.SYS_CLONE {
			filter = append(filter, equal(name, 0, 1), answer(unix.SECCOMP_RET_ALLOW))
		}
	}
	filter = append(filter, answer(errno))
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // a hundred
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program))) //nolint:gosec // what seccomp(2) takes
	runtime.KeepAlive(filter)
	if e != 0 {
		return fmt.Errorf("giving up system calls: %w", e)
	}
	return nil
}

// escape tries what a parser that was taken over would try, and says what the
// kernel answered; all of it must be refused.
func escape() map[string]string {
	says := func(err error) string {
		if err == nil {
			return "allowed"
		}
		return err.Error()
	}
	out := make(map[string]string)
	_, err := os.ReadFile("/etc/passwd")
	out["open"] = says(err)
	_, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	out["socket"] = says(err)
	_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	out["local"] = says(err)
	out["exec"] = says(unix.Exec("/proc/self/exe", []string{"x"}, nil))
	_, _, e := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0)
	out["fork"] = says(e) // zero would be the child, and EPERM is not
	out["kill"] = says(unix.Kill(1, 0))
	out["ptrace"] = says(unix.PtraceAttach(1))
	out["unshare"] = says(unix.Unshare(unix.CLONE_NEWUSER))
	return out
}
