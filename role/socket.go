package role

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

func (s Socket) check() error {
	if !plain(s.Name) {
		return fmt.Errorf("%q is no name for a socket: use a-z, 0-9 and -", s.Name)
	}
	switch s.Network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
		if _, _, err := net.SplitHostPort(s.Address); err != nil {
			return fmt.Errorf("socket %s: %w", s.Name, err)
		}
	case "unix", "unixgram":
		if !strings.HasPrefix(s.Address, "/") {
			return fmt.Errorf("socket %s: %q is not an absolute path", s.Name, s.Address)
		}
		if len(s.Address) > 107 { // sun_path, unix(7)
			return fmt.Errorf("socket %s: the path %q is longer than 107 bytes", s.Name, s.Address)
		}
	default:
		return fmt.Errorf("socket %s: %q is not one of tcp, udp, unix and unixgram", s.Name, s.Network)
	}
	return nil
}

func (s Socket) stream() bool { return strings.HasPrefix(s.Network, "tcp") || s.Network == "unix" }
func (s Socket) local() bool  { return strings.HasPrefix(s.Network, "unix") }

// held is a socket that the supervisor keeps open from its first start until
// the supervisor ends.
type held struct {
	Socket
	file *os.File
	addr string
}

// hold opens s. The error names network and address.
func (s Socket) hold(ctx context.Context, gid uint32) (*held, error) {
	if s.local() {
		if err := clearSocket(ctx, s); err != nil {
			return nil, err
		}
	}
	var (
		filer interface{ File() (*os.File, error) }
		addr  net.Addr
		shut  func() error
	)
	if s.stream() {
		l, err := new(net.ListenConfig).Listen(ctx, s.Network, s.Address)
		if err != nil {
			return nil, err
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		filer, addr, shut = l.(interface{ File() (*os.File, error) }), l.Addr(), l.Close
	} else {
		p, err := new(net.ListenConfig).ListenPacket(ctx, s.Network, s.Address)
		if err != nil {
			return nil, err
		}
		filer, addr, shut = p.(interface{ File() (*os.File, error) }), p.LocalAddr(), p.Close
	}
	file, err := filer.File()
	if err := errors.Join(err, shut()); err != nil {
		return nil, err
	}
	h := &held{Socket: s, file: file, addr: addr.String()}
	if s.local() {
		if err := h.access(gid); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	return h, nil
}

// access lets the socket's group use it.
func (h *held) access(gid uint32) error {
	mode := h.Mode
	if mode == 0 {
		mode = 0o660
	}
	if h.GID != 0 {
		gid = h.GID
	}
	if gid != 0 && os.Geteuid() == 0 {
		if err := os.Chown(h.Address, -1, int(gid)); err != nil {
			return err
		}
	}
	return os.Chmod(h.Address, mode)
}

func (h *held) close() error {
	err := h.file.Close()
	if h.local() {
		err = errors.Join(err, os.Remove(h.Address))
	}
	return err
}

// clearSocket removes a socket file that a killed supervisor left behind. One
// that somebody answers on is in use, and anything else at that path stays.
func clearSocket(ctx context.Context, s Socket) error {
	info, err := os.Lstat(s.Address)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listening on %s %s: a file that is no socket is in the way", s.Network, s.Address)
	}
	conn, err := new(net.Dialer).DialContext(ctx, s.Network, s.Address)
	if err == nil {
		return errors.Join(fmt.Errorf("listening on %s %s: %w", s.Network, s.Address, syscall.EADDRINUSE), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(s.Address)
}

// privileged tells whether err comes from a port that needs a privilege.
func privileged(err error) bool { return errors.Is(err, fs.ErrPermission) }
