package waf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sekikura/sekikura/tenant"
)

// errStopped ends a body whose rest must not reach the origin.
var errStopped = errors.New("the request is stopped by the rules")

// Rest returns the whole body of an upload that was longer than Inspect saw, for
// passing on while it is judged; nil when there is nothing more to judge. Fields
// may stand behind files of any size, so each is collected as it passes, and the
// body's end is held back until all of them are judged: an upload that is
// stopped never becomes a complete request at the origin. Then the reader
// returns an error, and Outcome says why.
func (i *Inspection) Rest(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, body io.Reader) io.ReadCloser {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		return nil
	}
	in, out := io.Pipe()
	rest := &restReader{
		inspection: i, body: body, out: out, found: make(chan collected, 1),
		judge: func(fields []byte) *Inspection {
			return i.engine.Inspect(ctx, id, client, r, fields, true)
		},
	}
	limit := i.rules.policy.BodyLimitKB << 10
	go func() {
		c := collect(in, params["boundary"], limit)
		_, _ = io.Copy(io.Discard, in) // never holds up the body
		rest.found <- c
	}()
	return rest
}

// restReader is a body on its way. One goroutine reads it; Close ends its collector
// when nobody reads to the end.
type restReader struct {
	inspection *Inspection
	body       io.Reader
	out        *io.PipeWriter
	found      chan collected
	judge      func([]byte) *Inspection

	held, spare []byte // held is passed on only when more has arrived
	end         error  // what follows held
}

const restChunk = 16 << 10

func (r *restReader) Read(p []byte) (int, error) {
	for r.end == nil {
		if len(r.held) > 1 { // all but its last byte may pass
			n := copy(p, r.held[:len(r.held)-1])
			r.held = r.held[n:]
			return n, nil
		}
		if r.spare == nil {
			r.spare = make([]byte, restChunk)
		}
		n := copy(r.spare, r.held)
		m, err := r.body.Read(r.spare[n:])
		r.held = r.spare[:n+m]
		if _, werr := r.out.Write(r.spare[n : n+m]); werr != nil {
			return 0, fmt.Errorf("judging an upload: %w", werr)
		}
		switch {
		case errors.Is(err, io.EOF):
			r.end = io.EOF
			if !r.verdict() {
				r.held, r.end = nil, errStopped
			}
		case err != nil:
			r.out.CloseWithError(err)
			r.held, r.end = nil, err
		}
	}
	n := copy(p, r.held)
	r.held = r.held[n:]
	if n > 0 {
		return n, nil
	}
	return 0, r.end
}

// Close ends the collector. It may be called more than once, and while a Read
// is under way.
func (r *restReader) Close() error {
	return r.out.CloseWithError(io.ErrUnexpectedEOF)
}

// verdict judges what was collected and tells whether the end may pass.
func (r *restReader) verdict() bool {
	_ = r.out.Close() // of a pipe: always nil
	c := <-r.found
	i := r.inspection
	if c.err != nil || c.tooLong {
		return i.unreadable(c)
	}
	return i.adopt(r.judge(c.fields))
}

// collected is a multipart form without the contents of its files.
type collected struct {
	fields  []byte
	tooLong bool
	err     error
}

// collect reads a multipart form to its end or first error, and writes anew what
// the rules are to see of it: at most limit bytes.
func collect(in io.Reader, boundary string, limit int) collected {
	var out bytes.Buffer
	r := multipart.NewReader(in, boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			fmt.Fprintf(&out, "--%s--\r\n", boundary)
			return collected{fields: out.Bytes()}
		}
		if err != nil {
			return collected{err: err}
		}
		var head strings.Builder
		for _, name := range slices.Sorted(maps.Keys(part.Header)) {
			for _, value := range part.Header[name] {
				fmt.Fprintf(&head, "\r\n%s: %s", name, value)
			}
		}
		fmt.Fprintf(&out, "--%s%s\r\n\r\n", boundary, head.String())
		if !isFile(head.String()) {
			if _, err := io.Copy(&out, io.LimitReader(part, int64(limit+1))); err != nil {
				return collected{err: err}
			}
		}
		out.WriteString("\r\n")
		if out.Len() > limit {
			return collected{tooLong: true}
		}
	}
}
