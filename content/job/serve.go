package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// File is what an engine gets to read.
type File interface {
	io.Reader
	io.ReaderAt
}

// Engine works on one file of size bytes. Bytes for the asker go to out, and the
// report is sent as JSON. It may panic, leak and hang: the process is its own.
type Engine func(file File, size int64, options []byte, out io.Writer) (report any, err error)

// ErrNoFile is a job that came without its file.
var ErrNoFile = errors.New("the job came without a file")

// maxFiles is how many descriptors are taken from one message; more than one is
// refused, and the kernel closes what does not fit.
const maxFiles = 2

// Receive reads one request and the open file beside it from the stream socket
// conn. The caller closes the file.
func Receive(conn *os.File) (Request, *os.File, error) {
	body := make([]byte, len(requestMark)+8+MaxEngine+MaxOptions)
	rights := make([]byte, unix.CmsgSpace(4*maxFiles))
	var n, m, flags int
	err := retry(func() (err error) {
		n, m, flags, _, err = unix.Recvmsg(int(conn.Fd()), body, rights, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return Request{}, nil, fmt.Errorf("receiving a job: %w", err)
	}
	files, err := descriptors(rights[:m])
	if err != nil {
		return Request{}, nil, err
	}
	if n == 0 || len(files) != 1 || flags&unix.MSG_CTRUNC != 0 {
		for _, f := range files {
			unix.Close(f) //nolint:errcheck,gosec // not ours to keep
		}
		if n == 0 {
			return Request{}, nil, io.EOF
		}
		return Request{}, nil, ErrNoFile
	}
	file := os.NewFile(uintptr(files[0]), "job")
	request, err := ReadRequest(io.MultiReader(&bytesOnce{body[:n]}, conn))
	if err != nil {
		return Request{}, nil, errors.Join(err, file.Close())
	}
	return request, file, nil
}

// bytesOnce reads the bytes that came with the file; the rest comes from the socket.
type bytesOnce struct{ left []byte }

func (b *bytesOnce) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

func descriptors(rights []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("receiving a job's file: %w", err)
	}
	var files []int
	for i := range messages {
		some, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // some other kind of message
		}
		files = append(files, some...)
	}
	return files, nil
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Serve says hello on conn, takes one job and answers it with the engine it
// names. The error says that no answer could be given; an engine's error is part
// of the answer.
func Serve(conn *os.File, engines map[string]Engine) error {
	if err := Hello(conn); err != nil {
		return err
	}
	request, file, err := Receive(conn)
	if errors.Is(err, io.EOF) {
		return nil // the asker needs no more jobs done
	}
	if err != nil {
		return err
	}
	return errors.Join(answer(conn, request, file, engines), file.Close())
}

func answer(conn io.Writer, request Request, file *os.File, engines map[string]Engine) error {
	out := &Output{to: conn}
	engine := engines[request.Engine]
	if engine == nil {
		return out.giveUp(fmt.Errorf("there is no engine %q", request.Engine))
	}
	info, err := file.Stat()
	if err != nil {
		return out.giveUp(err)
	}
	report, err := engine(file, info.Size(), request.Options, out)
	if err != nil {
		return out.giveUp(err)
	}
	text, err := json.Marshal(report)
	if err != nil {
		return out.giveUp(err)
	}
	if len(text) > MaxReport {
		return out.giveUp(fmt.Errorf("the report has %d bytes; %d are allowed", len(text), MaxReport))
	}
	return out.finish(frameReport, text)
}

func (o *Output) giveUp(reason error) error {
	text := reason.Error()
	return o.finish(frameReason, []byte(text[:min(len(text), MaxReason)]))
}

// Send sends r and file on the socket conn; it is Receive's other end. The
// caller keeps file.
func Send(conn int, r Request, file *os.File) error {
	body, err := r.Append(nil)
	if err != nil {
		return err
	}
	rights := unix.UnixRights(int(file.Fd()))
	var sent int
	err = retry(func() (err error) {
		sent, err = unix.SendmsgN(conn, body, rights, nil, unix.MSG_NOSIGNAL)
		return err
	})
	for err == nil && sent < len(body) {
		body = body[sent:]
		err = retry(func() (err error) {
			sent, err = unix.SendmsgN(conn, body, nil, nil, unix.MSG_NOSIGNAL)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("sending a job: %w", err)
	}
	return nil
}
