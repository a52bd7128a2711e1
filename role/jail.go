package role

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	llsyscall "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// enterJail puts the sandbox on this thread and starts the program again inside:
// the kernel keeps these attributes per thread and hands them on through execve,
// so that afterwards every thread of the Go runtime has them. It returns only
// with an error.
func enterJail(b *bootstrap, memory *os.File, signs io.Writer) error {
	runtime.LockOSThread()
	if !b.Survives {
		// The supervisor asked for this already, but of the thread that it forked.
		// The one that executes takes that one's place and has a setting of its own,
		// none: without this a group would survive kill -9 of its supervisor whenever
		// the Go scheduler has moved us. A supervisor that died before shows below,
		// where writing to it fails.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return fmt.Errorf("binding the process's life to its supervisor: %w", err)
		}
	}
	if err := b.Limits.apply(); err != nil {
		return err
	}
	said, err := dropCaps(b.Caps)
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	said = append(said, 'P')
	sign, err := b.Sandbox.landlock()
	if err != nil {
		return err
	}
	said = append(said, sign)
	if sign, err = b.Sandbox.seccomp(); err != nil {
		return err
	}
	said = append(said, sign)
	if _, err := memory.WriteAt([]byte{bootJailed}, 0); err != nil {
		return err
	}
	if _, err := signs.Write(said); err != nil {
		return err
	}
	return fmt.Errorf("starting inside the sandbox: %w", unix.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// apply sets the process's limits. A core file could hold everybody's secrets.
func (l Limits) apply() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core files: %w", err)
	}
	if l.Files == 0 {
		return nil
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	want := unix.Rlimit{Cur: l.Files, Max: l.Files}
	if l.Files > now.Max && !permitted(unix.CAP_SYS_RESOURCE) {
		want = unix.Rlimit{Cur: now.Max, Max: now.Max}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &want); err != nil {
		return fmt.Errorf("limiting open files to %d: %w", l.Files, err)
	}
	return nil
}

// dropCaps leaves nothing but keep in every capability set of this thread.
func dropCaps(keep []Cap) (said []byte, err error) {
	keep = slices.DeleteFunc(slices.Clone(keep), func(c Cap) bool { return !permitted(c) })
	sign := byte('B')
	if permitted(unix.CAP_SETPCAP) {
		for c := Cap(0); c <= 63; c++ {
			if slices.Contains(keep, c) {
				continue
			}
			err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
			if errors.Is(err, unix.EINVAL) {
				break // the kernel knows no more
			}
			if err != nil {
				return nil, fmt.Errorf("dropping %s from the bounding set: %w", c, err)
			}
		}
	} else {
		sign = 'b'
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, c := range keep {
		data[c/32].Permitted |= 1 << (c % 32)
	}
	for i := range data {
		data[i].Effective, data[i].Inheritable = data[i].Permitted, data[i].Permitted
	}
	// What leaves the permitted set leaves the ambient set with it, capabilities(7).
	if err := unix.Capset(&header, &data[0]); err != nil {
		return nil, fmt.Errorf("dropping capabilities: %w", err)
	}
	return []byte{sign}, nil
}

// What every group's process may read: libraries, certificates, time zones,
// names, and what the kernel tells about this process and machine.
var system = []string{"/etc", "/usr", "/lib", "/lib64", "/proc", "/sys", "/run/systemd/resolve"}

// devices are harmless and expected everywhere.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

const (
	readFiles = landlock.AccessFSSet(llsyscall.AccessFSReadFile | llsyscall.AccessFSReadDir)
	execute   = landlock.AccessFSSet(llsyscall.AccessFSExecute | llsyscall.AccessFSReadFile)
	readFile  = landlock.AccessFSSet(llsyscall.AccessFSReadFile)
	writeFile = landlock.AccessFSSet(llsyscall.AccessFSReadFile | llsyscall.AccessFSWriteFile | llsyscall.AccessFSTruncate)
)

// landlock restricts this thread to the sandbox's files.
func (s Sandbox) landlock() (sign byte, err error) {
	if s.Jails {
		return 'j', nil
	}
	if abi, err := llsyscall.LandlockGetABIVersion(); err != nil || abi < 1 {
		return 'l', nil //nolint:nilerr // the kernel has none, or it is switched off
	}
	rules := []landlock.Rule{
		landlock.PathAccess(readFiles, system...).IgnoreIfMissing(),
		landlock.PathAccess(writeFile, devices...).IgnoreIfMissing(),
		landlock.PathAccess(execute, append(interpreter(), "/proc/self/exe")...),
		landlock.RWDirs(s.Write...).WithRefer(),
	}
	for _, path := range s.Read {
		rules = append(rules, pathRule(path, readFile, readFiles))
	}
	for _, path := range s.Exec {
		rules = append(rules, pathRule(path, execute, execute|readFiles))
	}
	for _, path := range s.Share {
		info, err := os.Stat(path)
		switch {
		case err != nil: // what is absent cannot be shared
		case info.IsDir():
			rules = append(rules, landlock.RWDirs(path).IgnoreIfMissing())
		default:
			rules = append(rules, landlock.PathAccess(writeFile, path).IgnoreIfMissing())
		}
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return 0, fmt.Errorf("restricting the file system: %w", err)
	}
	return 'L', nil
}

// pathRule grants ofFile or ofDir. Landlock refuses rights that make sense only
// for folders when path is a file.
func pathRule(path string, ofFile, ofDir landlock.AccessFSSet) landlock.Rule {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return landlock.PathAccess(ofDir, path).IgnoreIfMissing()
	}
	return landlock.PathAccess(ofFile, path).IgnoreIfMissing()
}

// interpreter is the loader that a dynamically linked build of this program needs.
func interpreter() []string {
	program, err := elf.Open("/proc/self/exe")
	if err != nil {
		return nil
	}
	defer program.Close() //nolint:errcheck // read only
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			if name, err := io.ReadAll(part.Open()); err == nil {
				return []string{strings.TrimRight(string(name), "\x00")}
			}
		}
	}
	return nil
}

// denied are system calls that none of our services makes and that kernel
// exploits and escapes like: loading code into the kernel, looking into other
// processes, changing mounts, clock, swap and keys.
var denied = []string{
	"acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "delete_module",
	"fanotify_init", "finit_module", "init_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "kexec_load", "keyctl",
	"lookup_dcookie", "move_pages", "name_to_handle_at", "open_by_handle_at",
	"perf_event_open", "personality", "process_vm_readv", "process_vm_writev",
	"ptrace", "quotactl", "reboot", "request_key", "settimeofday", "swapoff",
	"swapon", "syslog", "userfaultfd", "vhangup",
}

// deniedWithoutJails are what bubblewrap needs besides.
var deniedWithoutJails = []string{
	"chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "move_mount",
	"open_tree", "pivot_root", "setns", "umount2", "unshare",
}

func (s Sandbox) calls() []string {
	names := slices.Clone(denied)
	if !s.Jails {
		names = append(names, deniedWithoutJails...)
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(s.Calls, name) })
}

func (s Sandbox) policy() seccomp.Policy {
	p := seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls:      []seccomp.SyscallGroup{{Action: seccomp.ActionErrno, Names: s.calls()}},
	}
	if !s.Jails {
		// A user namespace gives no right outside it, but opens much of the
		// kernel to whoever is inside. clone3 hides its flags from a filter;
		// with ENOSYS its callers fall back to clone.
		p.Syscalls = append(p.Syscalls,
			seccomp.SyscallGroup{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
			seccomp.SyscallGroup{Action: seccomp.ActionErrno, NamesWithCondtions: []seccomp.NameWithConditions{{
				Name:       "clone",
				Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_NEWUSER}},
			}}})
	}
	return p
}

// seccomp answers the denied calls of this thread with EPERM.
func (s Sandbox) seccomp() (sign byte, err error) {
	if !seccomp.Supported() {
		return 's', nil
	}
	if err := seccomp.LoadFilter(seccomp.Filter{Policy: s.policy()}); err != nil {
		return 0, fmt.Errorf("forbidding system calls: %w", err)
	}
	if !s.Bits32 {
		if err := onlyNative(); err != nil {
			return 0, err
		}
	}
	return 'S', nil
}

// onlyNative ends this thread's process when it makes a call by another
// architecture's numbers. The library's filter lets those pass, and any program
// of 64 bits can make them with int 0x80.
func onlyNative() error {
	native, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("forbidding foreign system calls: %w", err)
	}
	const architecture = 4 // its offset in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: architecture},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: uint32(native.ID)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}                                          //nolint:gosec // four
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))) //nolint:gosec // what seccomp(2) takes
	runtime.KeepAlive(filter)
	if e != 0 {
		return fmt.Errorf("forbidding foreign system calls: %w", e)
	}
	return nil
}
