// Package job is the language between the product and a process that parses one
// hostile file.
//
// Each process takes one [Request] with one open file, answers with one report
// and perhaps some bytes, and exits. Neither side believes the other: every
// length has a bound, and an answer counts only when its last frame says that it
// is complete. Anything else is an error for that file, never a verdict.
package job

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Bounds of what either side takes from the other.
const (
	MaxEngine  = 64       // bytes of an engine's name
	MaxOptions = 64 << 10 // bytes of an engine's options
	MaxReport  = 1 << 20  // bytes of a report
	MaxReason  = 1 << 10  // bytes of an engine's reason for giving up
	maxChunk   = 64 << 10 // bytes of output in one frame
)

// Request names the engine and what it is told. The file itself travels beside
// it as an open descriptor.
type Request struct {
	Engine  string
	Options []byte // the engine's own language; usually JSON
}

var errRequest = errors.New("not a job request")

const requestMark = "SKJ1"

// Append adds r's bytes to b.
func (r Request) Append(b []byte) ([]byte, error) {
	if r.Engine == "" || len(r.Engine) > MaxEngine {
		return b, fmt.Errorf("the engine's name has %d bytes; 1 to %d are allowed", len(r.Engine), MaxEngine)
	}
	if len(r.Options) > MaxOptions {
		return b, fmt.Errorf("the engine's options have %d bytes; %d are allowed", len(r.Options), MaxOptions)
	}
	b = append(b, requestMark...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Engine)))  //nolint:gosec // bounded above
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Options))) //nolint:gosec // bounded above
	b = append(b, r.Engine...)
	return append(b, r.Options...), nil
}

// ReadRequest reads what Append made, and not a byte more.
func ReadRequest(in io.Reader) (Request, error) {
	var head [len(requestMark) + 8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return Request{}, fmt.Errorf("reading a job request: %w", err)
	}
	name := binary.BigEndian.Uint32(head[4:])
	options := binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != requestMark || name == 0 || name > MaxEngine || options > MaxOptions {
		return Request{}, errRequest
	}
	body := make([]byte, name+options)
	if _, err := io.ReadFull(in, body); err != nil {
		return Request{}, fmt.Errorf("reading a job request: %w", err)
	}
	return Request{Engine: string(body[:name]), Options: body[name:]}, nil
}

// The frames of an answer: one byte for the kind, four for the length, and the
// bytes. Output frames come first, then one report or one reason, then the end,
// whose eight bytes count the output.
const (
	frameHello  = 'H' // the process is ready for its job; no bytes
	frameOutput = 'O'
	frameReport = 'R'
	frameReason = 'E'
	frameEnd    = 'D'
)

func writeFrame(out io.Writer, kind byte, body []byte) error {
	frame := make([]byte, 0, 5+len(body))
	frame = append(frame, kind)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(body))) //nolint:gosec // callers bound it
	_, err := out.Write(append(frame, body...))
	return err
}

// Hello says that the process is ready for its job.
func Hello(out io.Writer) error { return writeFrame(out, frameHello, nil) }

// ErrHello is a process that said something else.
var ErrHello = errors.New("the worker did not say that it is ready")

// AwaitHello reads what Hello wrote.
func AwaitHello(in io.Reader) error {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return fmt.Errorf("waiting for a worker to be ready: %w", err)
	}
	if head != [5]byte{frameHello} {
		return ErrHello
	}
	return nil
}

// Output is the writer for an engine's bytes, such as a cleaned file.
type Output struct {
	to  io.Writer
	sum uint64
}

// Write sends b on.
func (o *Output) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		chunk := b[:min(len(b), maxChunk)]
		if err := writeFrame(o.to, frameOutput, chunk); err != nil {
			return n, err
		}
		n += len(chunk)
		o.sum += uint64(len(chunk))
		b = b[len(chunk):]
	}
	return n, nil
}

func (o *Output) finish(kind byte, body []byte) error {
	if err := writeFrame(o.to, kind, body); err != nil {
		return err
	}
	return writeFrame(o.to, frameEnd, binary.BigEndian.AppendUint64(nil, o.sum))
}

// EngineError is an engine's own word that it could not finish the file.
type EngineError struct{ Reason string }

// Error is the engine's reason.
func (e *EngineError) Error() string { return "the engine gave up: " + e.Reason }

// ErrMalformed is an answer that breaks the protocol.
var ErrMalformed = errors.New("malformed answer")

// ErrOutputLimit is an answer with more output than was allowed.
var ErrOutputLimit = errors.New("the output is larger than allowed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// ReadAnswer reads one answer. Output goes to out, at most limit bytes; what was
// written there means nothing unless the error is nil. A report that is missing,
// too long or followed by more than the end is ErrMalformed.
func ReadAnswer(in io.Reader, out io.Writer, limit int64) (report []byte, err error) {
	var (
		head   [5]byte
		sum    uint64
		result error
		done   bool
	)
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, fmt.Errorf("%w: it ends before its end: %w", ErrMalformed, err)
		}
		size := binary.BigEndian.Uint32(head[1:])
		switch kind := head[0]; kind {
		case frameOutput:
			if done || size == 0 || size > maxChunk {
				return nil, malformed("an output frame of %d bytes", size)
			}
			if sum += uint64(size); sum > uint64(max(limit, 0)) {
				return nil, ErrOutputLimit
			}
			if _, err := io.CopyN(out, in, int64(size)); err != nil {
				return nil, fmt.Errorf("reading output of a worker: %w", err)
			}
		case frameReport, frameReason:
			most := uint32(MaxReport)
			if kind == frameReason {
				most = MaxReason
			}
			if done || size > most {
				return nil, malformed("a report of %d bytes", size)
			}
			done = true
			body := make([]byte, size)
			if _, err := io.ReadFull(in, body); err != nil {
				return nil, fmt.Errorf("%w: it ends within its report: %w", ErrMalformed, err)
			}
			if kind == frameReason {
				result = &EngineError{Reason: printable(body)}
			}
			report = body
		case frameEnd:
			var total [8]byte
			if !done || size != 8 {
				return nil, malformed("an end without a report")
			}
			if _, err := io.ReadFull(in, total[:]); err != nil {
				return nil, fmt.Errorf("%w: it ends within its end: %w", ErrMalformed, err)
			}
			if got := binary.BigEndian.Uint64(total[:]); got != sum {
				return nil, malformed("it counts %d bytes of output, and %d came", got, sum)
			}
			if result != nil {
				return nil, result
			}
			return report, nil
		default:
			return nil, malformed("a frame of kind %#02x", kind)
		}
	}
}

// printable makes a hostile process's words safe for a log and a screen.
func printable(b []byte) string {
	out := make([]rune, 0, len(b))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		b = b[size:]
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			r = '·'
		}
		out = append(out, r)
	}
	return string(out)
}
