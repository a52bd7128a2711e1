package job

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestARequestComesBackAsItWas(t *testing.T) {
	for _, r := range []Request{
		{Engine: "filetype"},
		{Engine: strings.Repeat("x", MaxEngine), Options: bytes.Repeat([]byte{7}, MaxOptions)},
	} {
		text, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		in := bytes.NewReader(append(text, "rest"...))
		got, err := ReadRequest(in)
		if err != nil || got.Engine != r.Engine || !bytes.Equal(got.Options, r.Options) {
			t.Errorf("got %q and %d bytes, %v", got.Engine, len(got.Options), err)
		}
		if in.Len() != 4 {
			t.Errorf("%d bytes are left, want the 4 that follow", in.Len())
		}
	}
}

func TestARequestBeyondItsBoundsIsRefusedOnBothSides(t *testing.T) {
	for _, r := range []Request{{}, {Engine: strings.Repeat("x", MaxEngine+1)}, {Engine: "a", Options: make([]byte, MaxOptions+1)}} {
		if _, err := r.Append(nil); err == nil {
			t.Errorf("a name of %d and options of %d bytes can be sent", len(r.Engine), len(r.Options))
		}
	}
	head := func(mark string, name, options uint32) string {
		b := binary.BigEndian.AppendUint32([]byte(mark), name)
		return string(binary.BigEndian.AppendUint32(b, options))
	}
	for _, text := range []string{
		"", "SKJ1", head("SKJ2", 1, 0) + "a", head("SKJ1", 0, 0), head("SKJ1", MaxEngine+1, 0) + strings.Repeat("a", 100),
		head("SKJ1", 1, MaxOptions+1), head("SKJ1", 1, 1<<32-1), head("SKJ1", 4, 4) + "fil",
	} {
		if r, err := ReadRequest(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as %+v", text, r)
		}
	}
}

// frames builds an answer by hand.
func frames(parts ...any) []byte {
	var b bytes.Buffer
	for i := 0; i < len(parts); i += 2 {
		body := []byte(parts[i+1].(string))
		if err := writeFrame(&b, parts[i].(byte), body); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func count(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func TestOnlyACompleteAnswerCounts(t *testing.T) {
	kind := func(b byte) byte { return b }
	o, r, e, d := kind(frameOutput), kind(frameReport), kind(frameReason), kind(frameEnd)
	whole := frames(o, "abc", r, "{}", d, count(3))
	for n := range whole {
		if _, err := ReadAnswer(bytes.NewReader(whole[:n]), io.Discard, 10); !errors.Is(err, ErrMalformed) && !errors.Is(err, io.EOF) {
			t.Errorf("the first %d bytes of an answer: %v, want an error", n, err)
		}
	}
	for _, tt := range []struct {
		name string
		text []byte
		want error // nil for any EngineError or success, see below
		good bool
	}{
		{"whole", whole, nil, true},
		{"report only", frames(r, "{}", d, count(0)), nil, true},
		{"no report", frames(d, count(0)), ErrMalformed, false},
		{"two reports", frames(r, "{}", r, "{}", d, count(0)), ErrMalformed, false},
		{"report and reason", frames(r, "{}", e, "x", d, count(0)), ErrMalformed, false},
		{"output after report", frames(r, "{}", o, "a", d, count(1)), ErrMalformed, false},
		{"wrong count", frames(o, "abc", r, "{}", d, count(4)), ErrMalformed, false},
		{"short end", frames(r, "{}", d, "1234"), ErrMalformed, false},
		{"empty output", frames(o, "", r, "{}", d, count(0)), ErrMalformed, false},
		{"unknown kind", frames(byte('X'), "", r, "{}", d, count(0)), ErrMalformed, false},
		{"hello again", frames(byte(frameHello), "", r, "{}", d, count(0)), ErrMalformed, false},
		{"too much output", frames(o, "0123456789a", r, "{}", d, count(11)), ErrOutputLimit, false},
		{"huge length", []byte{frameReport, 0xff, 0xff, 0xff, 0xff}, ErrMalformed, false},
		{"plain text", []byte("segmentation fault\n"), ErrMalformed, false},
	} {
		var out bytes.Buffer
		report, err := ReadAnswer(bytes.NewReader(tt.text), &out, 10)
		if tt.good && (err != nil || string(report) != "{}") {
			t.Errorf("%s: %q, %v; want the report", tt.name, report, err)
		}
		if !tt.good && (!errors.Is(err, tt.want) || report != nil) {
			t.Errorf("%s: %q, %v; want %v", tt.name, report, err, tt.want)
		}
	}
	_, err := ReadAnswer(bytes.NewReader(frames(e, "bad\nxref\x1b[31m\u202e", d, count(0))), io.Discard, 0)
	var given *EngineError
	if !errors.As(err, &given) || given.Reason != "bad·xref·[31m·" {
		t.Errorf("a reason with control characters: %v", err)
	}
}

func TestServeTakesOneFileAndAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		engine Engine
		report string // or
		reason string // or
		output string
	}{
		{"report", func(f File, size int64, options []byte, out io.Writer) (any, error) {
			text, err := io.ReadAll(f)
			if err != nil || int64(len(text)) != size {
				return nil, errors.New("the file cannot be read")
			}
			if _, err := out.Write(bytes.ToUpper(text)); err != nil {
				return nil, err
			}
			return map[string]string{"options": string(options)}, nil
		}, `{"options":"strict"}`, "", "HELLO"},
		{"gives up", func(File, int64, []byte, io.Writer) (any, error) { return nil, errors.New("bad xref") }, "", "bad xref", ""},
		{"unknown", nil, "", `there is no engine "it"`, ""},
		{"no JSON", func(File, int64, []byte, io.Writer) (any, error) { return func() {}, nil }, "", "json: unsupported type: func()", ""},
		{"too long", func(File, int64, []byte, io.Writer) (any, error) { return strings.Repeat("x", MaxReport), nil }, "", "the report has 1048578 bytes; 1048576 are allowed", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := pair(t)
			served := make(chan error, 1)
			go func() { served <- Serve(theirs, map[string]Engine{"it": tt.engine}) }()
			if err := AwaitHello(ours); err != nil {
				t.Fatal(err)
			}
			file, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.WriteAt([]byte("hello"), 0); err != nil {
				t.Fatal(err)
			}
			if err := Send(int(ours.Fd()), Request{Engine: "it", Options: []byte("strict")}, file); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			report, err := ReadAnswer(ours, &out, 100)
			var gave *EngineError
			switch {
			case tt.reason != "" && (!errors.As(err, &gave) || gave.Reason != tt.reason):
				t.Errorf("got %q, %v; want the reason %q", report, err, tt.reason)
			case tt.reason == "" && (err != nil || string(report) != tt.report || out.String() != tt.output):
				t.Errorf("got %q, %q, %v; want %q, %q", report, &out, err, tt.report, tt.output)
			}
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
}

func TestAJobWithoutItsFileIsRefused(t *testing.T) {
	ours, theirs := pair(t)
	text, err := Request{Engine: "it"}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Write(text); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Receive(theirs); !errors.Is(err, ErrNoFile) {
		t.Errorf("got %v, want that there is no file", err)
	}
}

func TestAnAskerThatGoesAwayIsNoError(t *testing.T) {
	ours, theirs := pair(t)
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Receive(theirs); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
}

// pair returns both ends of a socket, closed with the test.
func pair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

func FuzzReadRequest(f *testing.F) {
	good, err := Request{Engine: "filetype", Options: []byte("{}")}.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("SKJ1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ReadRequest(bytes.NewReader(text))
		if err != nil {
			return
		}
		again, err := r.Append(nil)
		if err != nil || !bytes.HasPrefix(text, again) {
			t.Errorf("%q is read as %+v, which is written as %q (%v)", text, r, again, err)
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(frames(byte(frameOutput), "abc", byte(frameReport), "{}", byte(frameEnd), count(3)))
	f.Add(frames(byte(frameReason), "no", byte(frameEnd), count(0)))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out bytes.Buffer
		report, err := ReadAnswer(bytes.NewReader(text), &out, 1000)
		if out.Len() > 1000 {
			t.Errorf("%d bytes of output pass a limit of 1000", out.Len())
		}
		if err != nil {
			if report != nil {
				t.Errorf("an error comes with a report: %q", report)
			}
			return
		}
		// The second opinion: a good answer ends with its count of output.
		end := append([]byte{frameEnd, 0, 0, 0, 8}, count(uint64(out.Len()))...)
		if !bytes.Contains(text, end) {
			t.Errorf("%q counts as complete", text)
		}
		if _, err := json.Marshal(string(report)); err != nil {
			t.Error(err)
		}
	})
}
