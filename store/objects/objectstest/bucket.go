// Package objectstest holds the suites that every bucket, and every store on
// top of one, passes: a folder and S3 alike.
package objectstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sekikura/sekikura/store/objects"
)

// Bucket runs the suite of a bucket. Every call of open returns an empty bucket.
func Bucket(t *testing.T, open func(testing.TB) objects.Bucket) {
	t.Run("what is committed is read back", func(t *testing.T) {
		b := open(t)
		for _, size := range []int{0, 1, 4096, 20 << 20} {
			want := random(size)
			name := fmt.Sprintf("a/b-%d.age", size)
			write(t, b, name, want)
			if got := read(t, b, name); !bytes.Equal(got, want) {
				t.Errorf("reading back %d bytes: got %d other ones", size, len(got))
			}
			e, err := b.Stat(t.Context(), name)
			if err != nil || e.Size != int64(size) || e.Name != name || e.Time.IsZero() {
				t.Errorf("Stat(%s) = %+v, %v; want its name, size %d and a time", name, e, err, size)
			}
		}
	})
	t.Run("what is absent is ErrNotFound", func(t *testing.T) {
		b := open(t)
		write(t, b, "there/one", []byte("1"))
		for _, name := range []string{"absent", "there", "there/one/below", "there/on", "there/one2"} {
			if r, err := b.Open(t.Context(), name); !errors.Is(err, objects.ErrNotFound) {
				t.Errorf("Open(%s) = %v, %v; want ErrNotFound", name, r, err)
			}
			if _, err := b.Stat(t.Context(), name); !errors.Is(err, objects.ErrNotFound) {
				t.Errorf("Stat(%s) = %v, want ErrNotFound", name, err)
			}
			if err := b.Delete(t.Context(), "absent"); err != nil {
				t.Errorf("deleting what is absent: %v, want no error", err)
			}
		}
	})
	t.Run("nothing is seen before the commit", func(t *testing.T) {
		b := open(t)
		p, err := b.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if got := list(t, b, ""); len(got) != 0 {
			t.Errorf("before the commit the bucket shows %q, want nothing", got)
		}
		if err := p.Discard(); err != nil {
			t.Errorf("Discard: %v", err)
		}
		if err := p.Discard(); err != nil {
			t.Errorf("second Discard: %v, want nothing to happen", err)
		}
	})
	t.Run("a cancelled commit leaves the old entry", func(t *testing.T) {
		b := open(t)
		write(t, b, "name", []byte("old"))
		ctx, cancel := context.WithCancel(t.Context())
		p, err := b.Create(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("new")); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := p.Commit(ctx, "name", objects.Terms{}); !errors.Is(err, context.Canceled) {
			t.Errorf("Commit of a cancelled context = %v, want context.Canceled", err)
		}
		if got := read(t, b, "name"); string(got) != "old" {
			t.Errorf("after the cancelled commit the entry is %q, want %q", got, "old")
		}
	})
	t.Run("once means once", func(t *testing.T) {
		b := open(t)
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Go(func() {
				_, results[i] = objects.WriteEntry(t.Context(), b, "one", strings.NewReader(fmt.Sprint(i)), objects.Terms{Once: true})
			})
		}
		wg.Wait()
		won := -1
		for i, err := range results {
			switch {
			case err == nil && won < 0:
				won = i
			case err == nil:
				t.Errorf("writers %d and %d both believe that they were first", won, i)
			case !errors.Is(err, objects.ErrExists):
				t.Errorf("writer %d: %v, want ErrExists", i, err)
			}
		}
		if got := string(read(t, b, "one")); got != fmt.Sprint(won) {
			t.Errorf("the entry holds %q, want what writer %d wrote", got, won)
		}
	})
	t.Run("lists by prefix", func(t *testing.T) {
		b := open(t)
		for _, name := range []string{"p/1", "p/2/x", "p2/3", "q"} {
			write(t, b, name, []byte(name))
		}
		for _, tt := range []struct {
			prefix string
			want   []string
		}{
			{"", []string{"p/1", "p/2/x", "p2/3", "q"}},
			{"p", []string{"p/1", "p/2/x", "p2/3"}},
			{"p/", []string{"p/1", "p/2/x"}},
			{"p/2/x", []string{"p/2/x"}},
			{"none/", nil},
		} {
			if got := list(t, b, tt.prefix); !slices.Equal(got, tt.want) {
				t.Errorf("List(%q) = %q, want %q", tt.prefix, got, tt.want)
			}
		}
		if err := b.Delete(t.Context(), "p/1"); err != nil {
			t.Fatal(err)
		}
		if got := list(t, b, "p/"); !slices.Equal(got, []string{"p/2/x"}) {
			t.Errorf("after Delete(p/1): List(p/) = %q, want only p/2/x", got)
		}
	})
	t.Run("names that could leave the bucket are refused", func(t *testing.T) {
		b := open(t)
		for _, name := range []string{"", "/", "/etc/x", "../x", "a/../x", "a//b", "a/", ".pending/x", "a\\b", "a b", "あ", strings.Repeat("a", 600)} {
			if _, err := objects.WriteEntry(t.Context(), b, name, strings.NewReader("x"), objects.Terms{}); err == nil {
				t.Errorf("an entry named %.20q was written, want an error", name)
			}
			if r, err := b.Open(t.Context(), name); err == nil {
				t.Errorf("an entry named %.20q was opened: %v", name, r)
			}
			if err := b.Delete(t.Context(), name); err == nil {
				t.Errorf("an entry named %.20q was deleted, want an error", name)
			}
		}
		if got := list(t, b, ""); len(got) != 0 {
			t.Errorf("refused names left %q", got)
		}
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck // never fails
	return b
}

func write(t testing.TB, b objects.Bucket, name string, data []byte) {
	t.Helper()
	if _, err := objects.WriteEntry(t.Context(), b, name, bytes.NewReader(data), objects.Terms{}); err != nil {
		t.Fatalf("writing %s: %v", name, err)
	}
}

func read(t testing.TB, b objects.Bucket, name string) []byte {
	t.Helper()
	r, err := b.Open(t.Context(), name)
	if err != nil {
		t.Fatalf("opening %s: %v", name, err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return data
}

func list(t testing.TB, b objects.Bucket, prefix string) []string {
	t.Helper()
	var names []string
	for e, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("listing %q: %v", prefix, err)
		}
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}
