// Package filetype tells what a file is from its bytes, never from its name or
// from what a sender declares.
//
// Detect reads little of a file and follows none of it: every table it walks has
// a bound, and a lying length costs at most a wrong answer. What fits nothing is
// Unknown, which a policy holds back; it is never "probably harmless". A file
// that is two things at once names the second in Also.
package filetype

import (
	"bytes"
	"errors"
	"io"
)

// Result is what a file is.
type Result struct {
	Type      Type   `json:"type"`
	Family    Family `json:"family"`
	MIME      string `json:"mime"`
	Charset   string `json:"charset,omitempty"`   // of text: utf-8, shift_jis, euc-jp, iso-2022-jp, utf-16le, …
	Macros    bool   `json:"macros,omitempty"`    // it carries VBA, Excel 4 or Basic macros
	Encrypted bool   `json:"encrypted,omitempty"` // its content cannot be read without a password
	Damaged   bool   `json:"damaged,omitempty"`   // it begins as Type, but its structure does not hold
	Also      []Type `json:"also,omitempty"`      // what other programs would take it for
}

// Fits tells whether ext, with or without a dot and in any case, is a usual end
// of the name of such a file. Unknown files fit no name.
func (r Result) Fits(ext string) bool { return r.Type.fits(ext) }

const (
	headSize = 64 << 10
	tailSize = 64<<10 + 22 // an end of a ZIP directory with the longest comment
	budget   = 16 << 20    // bytes that are read of one file, whatever its tables say
)

// Detect tells what the size bytes of r are. The error is r's own; a file that
// cannot be understood is no error.
func Detect(r io.ReaderAt, size int64) (Result, error) {
	f := &file{from: r, size: size, left: budget}
	if size <= 0 {
		return finish(Result{Type: Empty}), nil
	}
	f.head = f.bytes(0, headSize)
	result := f.look()
	if f.err != nil {
		return Result{}, f.err
	}
	return finish(result), nil
}

// DetectBytes is Detect for a file in memory.
func DetectBytes(b []byte) Result {
	result, _ := Detect(bytes.NewReader(b), int64(len(b))) //nolint:errcheck // memory has no errors
	return result
}

func finish(r Result) Result {
	known := types[r.Type]
	r.Family, r.MIME = known.family, known.mime
	if r.Charset != "" {
		r.MIME += "; charset=" + r.Charset
	}
	return r
}

// file is one file under detection.
type file struct {
	from io.ReaderAt
	size int64
	head []byte
	left int64 // of the budget
	err  error // the first of from's own errors
}

// bytes returns up to n bytes from offset at: fewer at the end of the file, none
// for an offset outside of it or once the budget is spent.
func (f *file) bytes(at, n int64) []byte {
	if at < 0 || at >= f.size || n <= 0 || f.err != nil {
		return nil
	}
	n = min(n, f.size-at, f.left)
	f.left -= n
	b := make([]byte, n)
	got, err := f.from.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
		return nil
	}
	return b[:got]
}

// look tries what has a signature first, then text.
func (f *file) look() Result {
	r := f.signature()
	if r.Type == "" {
		r = f.text()
	}
	if r.Type == "" {
		r.Type = Unknown
	}
	for _, also := range f.also() {
		if also != r.Type && types[r.Type].container != also {
			r.Also = append(r.Also, also)
		}
	}
	return r
}

// also names what readers that search for their beginning or start from the end
// would see: a PDF header within the first kilobyte, and a ZIP directory at the
// end behind something else. A compound file that holds a ZIP is no second file
// unless the directory is the very end.
func (f *file) also() []Type {
	var found []Type
	if bytes.Contains(f.head[:min(len(f.head), 1024)], []byte("%PDF-")) {
		found = append(found, PDF)
	}
	if !bytes.HasPrefix(f.head, []byte("PK")) && len(f.zipEntries(1)) > 0 {
		if !bytes.HasPrefix(f.head, []byte(oleMagic)) || string(f.bytes(f.size-22, 4)) == "PK\x05\x06" {
			found = append(found, ZIP)
		}
	}
	return found
}
