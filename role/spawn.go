package role

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forker starts processes, all from one operating system thread. Pdeathsig is
// sent when the *thread* that forked ends (golang/go#27505), not the process;
// this thread lives as long as the supervisor.
type forker struct {
	calls chan func()
}

func newForker() *forker {
	f := &forker{calls: make(chan func())}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for call := range f.calls {
			call()
		}
	}()
	return f
}

func (f *forker) close() { close(f.calls) }

func (f *forker) start(name string, argv []string, attr *os.ProcAttr) (p *os.Process, err error) {
	done := make(chan struct{})
	f.calls <- func() {
		defer close(done)
		p, err = os.StartProcess(name, argv, attr)
	}
	<-done
	return p, err
}

// process is one running child.
type process struct {
	*os.Process
	signs *os.File // read end; the child's single bytes
	crash string   // file for its last words
	lines sync.WaitGroup
	birth uint64
}

// spawn starts one process for g with the sockets in held.
func (s *Supervisor) spawn(g *tended) (*process, error) {
	boot := &bootstrap{
		Group: g.Name, Beat: s.beat(), Caps: g.Caps, Sandbox: g.Sandbox,
		Limits: g.Limits, Survives: g.Survives, Absent: g.absentNow(),
	}
	if g.Settings != nil {
		settings, err := g.Settings()
		if err != nil {
			return nil, fmt.Errorf("making the settings of role group %s: %w", g.Name, err)
		}
		boot.Settings = settings
	}
	if err := s.folders(&g.Group); err != nil {
		return nil, err
	}
	boot.Sandbox.Write = append(slices.Clone(boot.Sandbox.Write), s.given(&g.Group)...)
	var shut []io.Closer // our copies of what the child inherits
	defer func() {
		for _, c := range shut {
			c.Close() //nolint:errcheck,gosec // copies
		}
	}()
	signs, signsChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	shut = append(shut, signsChild)
	lines, linesChild, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, signs.Close())
	}
	shut = append(shut, linesChild)
	fail := func(err error) (*process, error) {
		return nil, errors.Join(err, signs.Close(), lines.Close())
	}
	crash, err := os.OpenFile(s.crashFile(g.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640) //nolint:gosec // the portal's group reads it
	if err != nil {
		return fail(err)
	}
	shut = append(shut, crash)
	if os.Geteuid() == 0 && g.GID != 0 {
		if err := crash.Chown(-1, int(g.GID)); err != nil { // the portal's group too
			return fail(err)
		}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fail(errors.Join(err, os.Remove(crash.Name())))
	}
	shut = append(shut, null)

	files := []*os.File{null, linesChild, linesChild, nil, signsChild, crash}
	for _, h := range g.held {
		boot.Sockets = append(boot.Sockets, h.Name)
		files = append(files, h.file)
	}
	memory, err := boot.file()
	if err != nil {
		return fail(errors.Join(err, os.Remove(crash.Name())))
	}
	shut = append(shut, memory)
	files[fdBootstrap] = memory

	sys := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if g.Survives {
		sys = &syscall.SysProcAttr{Setsid: true}
	}
	if os.Geteuid() == 0 && (g.UID != 0 || g.GID != 0) {
		sys.Credential = &syscall.Credential{Uid: g.UID, Gid: g.GID}
	}
	if g.UID != 0 && permitted(unix.CAP_SETPCAP) {
		// SETPCAP lets the child empty its bounding set; it then drops it too.
		sys.AmbientCaps = append(sys.AmbientCaps, unix.CAP_SETPCAP)
	}
	for _, c := range g.Caps {
		if g.UID != 0 && permitted(c) || os.Geteuid() != 0 && permitted(c) {
			sys.AmbientCaps = append(sys.AmbientCaps, uintptr(c))
		}
	}
	p, err := s.forks.start(s.binary(), s.argv(g.Name), &os.ProcAttr{Env: s.Env, Files: files, Sys: sys})
	if err != nil {
		return fail(errors.Join(fmt.Errorf("starting role group %s: %w", g.Name, err), os.Remove(crash.Name())))
	}
	running := &process{Process: p, signs: signs, crash: crash.Name(), birth: birth(p.Pid)}
	running.lines.Go(func() { s.pass(g.Name, lines) })
	return running, nil
}

// folders makes the folders that g owns. One that belongs to another account,
// because the product ran without root before, is handed over with all in it.
func (s *Supervisor) folders(g *Group) error {
	for _, dir := range g.Sandbox.Write {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if os.Geteuid() != 0 || g.UID == 0 && g.GID == 0 {
			continue
		}
		var now unix.Stat_t
		if err := unix.Stat(dir, &now); err != nil {
			return fmt.Errorf("looking at folder %s of role group %s: %w", dir, g.Name, err)
		}
		if now.Uid == g.UID && now.Gid == g.GID {
			continue
		}
		if err := handOver(dir, int(g.UID), int(g.GID)); err != nil {
			return fmt.Errorf("handing folder %s to role group %s: %w", dir, g.Name, err)
		}
	}
	return nil
}

// given makes the folders that the operator named usable and returns those that
// are there. What is in them is never handed over: it may be anybody's.
func (s *Supervisor) given(g *Group) []string {
	var there []string
	for _, dir := range g.Sandbox.Given {
		err := os.MkdirAll(filepath.Dir(dir), 0o755) //nolint:gosec // the group passes through it
		if err == nil {
			err = os.Mkdir(dir, 0o700)
		}
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
		if err == nil && os.Geteuid() == 0 && (g.UID != 0 || g.GID != 0) {
			err = takeOver(dir, g.UID, g.GID)
		}
		if err != nil {
			s.Log.Error("a folder from the settings cannot be used", "group", g.Name, "folder", dir, "err", err)
		}
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			there = append(there, dir)
		}
	}
	return there
}

// takeOver makes an empty folder the account's own.
func takeOver(dir string, uid, gid uint32) error {
	var now unix.Stat_t
	if err := unix.Stat(dir, &now); err != nil {
		return err
	}
	if now.Uid == uid {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "lost+found" { // a new file system has that
			return fmt.Errorf("it belongs to account %d and is not empty, so it is left as it is; name a folder of its own for this, or: chown -R %d:%d %s", now.Uid, uid, gid, dir)
		}
	}
	return os.Chown(dir, int(uid), int(gid))
}

// handOver changes the owner of dir and everything in it, and follows no link.
// The folder itself comes last: a kill half way is made good at the next start.
func handOver(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		return root.Lchown(name, uid, gid)
	})
	if err := errors.Join(err, root.Close()); err != nil {
		return err
	}
	return os.Lchown(dir, uid, gid)
}

// maxLine bounds one passed line of a child; the rest of a longer one is cut.
const maxLine = 64 << 10

// pass copies a child's lines to our own output and puts the group's name into
// each. A line that is not JSON, such as a panic's, becomes the message of one.
func (s *Supervisor) pass(group string, from io.ReadCloser) {
	defer from.Close() //nolint:errcheck // read only
	in := bufio.NewReaderSize(from, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			s.output(group, line)
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a long line
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (s *Supervisor) output(group string, line []byte) {
	text := strings.TrimRight(string(line), "\r\n")
	if text == "" {
		return
	}
	var out []byte
	if strings.HasPrefix(text, `{"`) && strings.HasSuffix(text, "}") {
		out = append(out, `{"group":"`+group+`",`...)
		out = append(out, text[1:]...)
	} else {
		out = append(out, `{"group":"`+group+`","level":"INFO","msg":`...)
		quoted, err := json.Marshal(text)
		if err != nil {
			return // a string always has a JSON form
		}
		out = append(out, quoted...)
		out = append(out, '}')
	}
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.Output.Write(append(out, '\n')) //nolint:errcheck,gosec // nobody is left to tell
}

// end waits for p, ends whatever its process group left behind, and says how it
// ended. Its last words, if any, are in the returned file.
func (s *Supervisor) end(g *tended, p *process) (how, crash string) {
	// The group is killed before the leader is reaped: until then its number
	// cannot be given to anybody else.
	for errors.Is(unix.Waitid(unix.P_PID, p.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) { //nolint:revive // again
	}
	unix.Kill(-p.Pid, unix.SIGKILL) //nolint:errcheck,gosec // usually there is nobody
	state, err := p.Wait()
	p.lines.Wait()
	switch {
	case err != nil:
		how = err.Error()
	default:
		how = state.String()
	}
	return how, s.keepCrash(g.Name, p.crash)
}

// keptCrashes is how many crash files stay for each group.
const keptCrashes = 5

func (s *Supervisor) crashFile(group string) string {
	return filepath.Join(s.Dir, "crash", group+"."+strconv.FormatInt(s.now().UnixNano(), 10)+".txt")
}

// keepCrash removes an empty file and the oldest of the group's, and returns
// the name of one that holds something.
func (s *Supervisor) keepCrash(group, file string) string {
	info, err := os.Stat(file)
	if err != nil || info.Size() == 0 {
		os.Remove(file) //nolint:errcheck,gosec // empty
		file = ""
	}
	old, err := filepath.Glob(filepath.Join(s.Dir, "crash", group+".*.txt"))
	if err != nil {
		return file
	}
	slices.Sort(old)
	for i := 0; i < len(old)-keptCrashes; i++ {
		os.Remove(old[i]) //nolint:errcheck,gosec // tried again after the next crash
	}
	return file
}

// birth is when process pid started, in ticks after boot, or 0. A number and its
// birth name one process for ever.
func birth(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, after, found := strings.Cut(string(text), ") ") // the name may hold anything else
	fields := strings.Fields(after)
	if !found || len(fields) < 20 {
		return 0
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}

// replace ends a process that survived an earlier supervisor.
func replace(old GroupStatus) error {
	if old.PID <= 1 || old.Birth == 0 || birth(old.PID) != old.Birth {
		return nil
	}
	if err := unix.Kill(old.PID, unix.SIGTERM); err != nil {
		return err
	}
	for range 100 {
		if birth(old.PID) != old.Birth {
			return nil
		}
		time.Sleep(20 * time.Millisecond) // it is not our child: nothing else tells
	}
	return unix.Kill(old.PID, unix.SIGKILL)
}

// permitted tells whether this process may hand on c.
func permitted(c Cap) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[c/32].Permitted&(1<<(c%32)) != 0
}
