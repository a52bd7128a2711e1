package journal

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestATornRecordEndsASegmentWherever(t *testing.T) {
	whole := appendRecord(nil, record{"ev.990001.994413", "id-1", false, []byte("first\n")})
	both := appendRecord(bytes.Clone(whole), record{"ev.990001.994413", "id-2", true, []byte("second\n")})
	for cut := len(whole); cut < len(both); cut++ {
		r, rest, err := readRecord(both[:cut])
		if err != nil || r.id != "id-1" || string(r.data) != "first\n" {
			t.Fatalf("the record before the torn one: %+v, %v", r, err)
		}
		_, _, err = readRecord(rest)
		if cut == len(whole) && !errors.Is(err, io.EOF) || cut > len(whole) && !errors.Is(err, errTorn) {
			t.Errorf("cut at %d: %v, want a torn record", cut, err)
		}
	}
}

// Whatever the bytes are, reading ends, and what it returns was written so.
func FuzzReadingASpoolReturnsOnlyWhatWasWritten(f *testing.F) {
	one := appendRecord(nil, record{"ev.990001.994413", "id", true, []byte("data\n")})
	f.Add(one)
	f.Add(append(bytes.Clone(one), one[:20]...))
	f.Add(append(bytes.Clone(one), make([]byte, 64)...))
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, content []byte) {
		rest := content
		for {
			r, after, err := readRecord(rest)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errTorn) && !errors.Is(err, errDamaged) {
					t.Fatalf("an error nobody knows: %v", err)
				}
				return
			}
			if len(after) >= len(rest) {
				t.Fatal("reading does not go on")
			}
			if again := appendRecord(nil, r); !bytes.Equal(again, rest[:len(rest)-len(after)]) {
				t.Fatalf("the record %+v was not written so", r)
			}
			rest = after
		}
	})
}
