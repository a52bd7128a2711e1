package objectstest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

const (
	village tenant.ID = "994413" // 若葉村
	city    tenant.ID = "992011" // 花見市
)

// Store runs the suite of a store on the kind of bucket that open returns, empty
// each time.
func Store(t *testing.T, open func(testing.TB) objects.Bucket) {
	fresh := func(t testing.TB) (*objects.Store, objects.Bucket) {
		b := open(t)
		return &objects.Store{Bucket: b, Keys: []objects.OperatorKey{objects.NewOperatorKey()}, Now: time.Now}, b
	}
	t.Run("an object of any size is read back", func(t *testing.T) {
		s, _ := fresh(t)
		for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20} {
			want := random(size)
			o := put(t, s, village, want)
			if o.Size != int64(size) {
				t.Errorf("Put of %d bytes says %d", size, o.Size)
			}
			got, err := get(t, s, village, o.Address)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("reading back %d bytes: got %d bytes, %v", size, len(got), err)
			}
			described, err := s.Stat(t.Context(), village, o.Address)
			if err != nil || described.Size != o.Size || described.Stored != o.Stored {
				t.Errorf("Stat = %+v, %v; want the sizes of %+v", described, err, o)
			}
		}
		n := 0
		for _, err := range s.List(t.Context(), village) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 6 {
			t.Errorf("List shows %d objects, want 6", n)
		}
	})
	t.Run("the bucket shows neither bytes nor that two bodies hold the same", func(t *testing.T) {
		s, b := fresh(t)
		secret := []byte(strings.Repeat("若葉村の住民台帳", 100))
		first, again := put(t, s, village, secret), put(t, s, village, secret)
		other := put(t, s, city, secret)
		if first.Address != again.Address {
			t.Error("the same bytes of one body are two objects, want one")
		}
		if first.Address == other.Address {
			t.Error("two bodies share an address, want none in common")
		}
		for _, name := range list(t, b, "") {
			if bytes.Contains(read(t, b, name), secret[:24]) {
				t.Errorf("%s holds the plain text", name)
			}
		}
	})
	t.Run("one body's objects are not another's", func(t *testing.T) {
		s, b := fresh(t)
		mine := put(t, s, village, []byte("mine"))
		put(t, s, city, []byte("theirs"))
		if _, err := get(t, s, city, mine.Address); !errors.Is(err, objects.ErrNotFound) {
			t.Errorf("reading 若葉村's object as 花見市: %v, want ErrNotFound", err)
		}
		// Somebody with the bucket in his hands moves the object over.
		name := list(t, b, "objects/"+string(village))[0]
		write(t, b, strings.Replace(name, string(village), string(city), 1), read(t, b, name))
		if got, err := get(t, s, city, mine.Address); !errors.Is(err, objects.ErrAltered) {
			t.Errorf("reading a moved object: %q, %v; want ErrAltered", got, err)
		}
	})
	t.Run("altered, truncated, lengthened and swapped objects are errors", func(t *testing.T) {
		s, b := fresh(t)
		one, two := put(t, s, village, random(200_000)), put(t, s, village, random(200_000))
		nameOf := func(a objects.Address) string {
			return "objects/" + string(village) + "/" + string(a[:2]) + "/" + string(a[2:])
		}
		whole := read(t, b, nameOf(one.Address))
		flip := func(at int) []byte {
			c := bytes.Clone(whole)
			c[at] ^= 1
			return c
		}
		for name, bad := range map[string][]byte{
			"a flipped bit in the header":         flip(60),
			"a flipped bit in the first chunk":    flip(400),
			"a flipped bit in the last byte":      flip(len(whole) - 1),
			"its end missing":                     whole[:len(whole)-1],
			"its last chunk missing":              whole[:len(whole)-(200_000-3*65536)-16],
			"nothing in it":                       {},
			"only its header":                     whole[:150],
			"a byte more":                         append(bytes.Clone(whole), 0),
			"another object of the body under it": read(t, b, nameOf(two.Address)),
		} {
			write(t, b, nameOf(one.Address), bad)
			if _, err := get(t, s, village, one.Address); !errors.Is(err, objects.ErrAltered) {
				t.Errorf("an object with %s: %v, want ErrAltered", name, err)
			}
		}
	})
	t.Run("a foreign operator's key opens nothing", func(t *testing.T) {
		s, b := fresh(t)
		o := put(t, s, village, []byte("x"))
		thief := &objects.Store{Bucket: b, Keys: []objects.OperatorKey{objects.NewOperatorKey()}, Now: time.Now}
		if _, err := get(t, thief, village, o.Address); !errors.Is(err, objects.ErrKey) {
			t.Errorf("reading with another operator's key: %v, want ErrKey", err)
		}
		if _, err := thief.Put(t.Context(), village, strings.NewReader("y")); !errors.Is(err, objects.ErrKey) {
			t.Errorf("writing with another operator's key: %v, want ErrKey", err)
		}
	})
	t.Run("a swapped key record is refused", func(t *testing.T) {
		s, b := fresh(t)
		put(t, s, village, []byte("x"))
		put(t, s, city, []byte("x"))
		write(t, b, "keys/"+string(village), read(t, b, "keys/"+string(city)))
		again := &objects.Store{Bucket: b, Keys: s.Keys, Now: time.Now}
		if _, err := again.Put(t.Context(), village, strings.NewReader("y")); !errors.Is(err, objects.ErrKey) {
			t.Errorf("writing under 花見市's key as 若葉村: %v, want ErrKey", err)
		}
	})
	t.Run("erasing a body's key erases its objects and nobody else's", func(t *testing.T) {
		s, b := fresh(t)
		mine, theirs := put(t, s, village, []byte("mine")), put(t, s, city, []byte("theirs"))
		name := list(t, b, "objects/"+string(village))[0]
		copied := read(t, b, name)
		done, err := s.Erase(t.Context(), village)
		if err != nil || done.Objects != 1 || done.Tenant != village || len(done.Key) != 64 {
			t.Fatalf("Erase = %+v, %v; want one object of 若葉村", done, err)
		}
		write(t, b, name, copied) // from a copy of the bucket
		if _, err := get(t, s, village, mine.Address); !errors.Is(err, objects.ErrNotFound) {
			t.Errorf("reading after the erasure: %v, want ErrNotFound", err)
		}
		put(t, s, village, []byte("anew"))
		if _, err := get(t, s, village, mine.Address); !errors.Is(err, objects.ErrAltered) {
			t.Errorf("reading the copy under the body's next key: %v, want ErrAltered", err)
		}
		if _, err := get(t, s, city, theirs.Address); err != nil {
			t.Errorf("花見市's object after 若葉村's erasure: %v", err)
		}
		if _, _, err := s.Remains(t.Context(), city); err == nil {
			t.Error("Remains of a living body is not refused")
		}
	})
	t.Run("a store that does not know of an erasure keeps nothing under the old key", func(t *testing.T) {
		s, b := fresh(t)
		put(t, s, village, []byte("mine"))
		other := &objects.Store{Bucket: b, Keys: s.Keys, Now: time.Now}
		if _, err := other.Erase(t.Context(), village); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), village, strings.NewReader("late")); err == nil {
			t.Error("Put under an erased key is reported as kept, want an error")
		}
		if got := list(t, b, "objects/"); len(got) != 0 {
			t.Errorf("unreadable objects stay behind: %q", got)
		}
		o := put(t, s, village, []byte("late"))
		if got, err := get(t, s, village, o.Address); err != nil || string(got) != "late" {
			t.Errorf("the second try: %q, %v; want it stored under a new key", got, err)
		}
	})
	t.Run("keys are wrapped anew", func(t *testing.T) {
		s, b := fresh(t)
		o := put(t, s, village, []byte("x"))
		next := objects.NewOperatorKey()
		change := &objects.Store{Bucket: b, Keys: []objects.OperatorKey{next, s.Keys[0]}, Now: time.Now}
		if n, err := change.Rewrap(t.Context()); n != 1 || err != nil {
			t.Fatalf("Rewrap = %d, %v; want 1", n, err)
		}
		after := &objects.Store{Bucket: b, Keys: []objects.OperatorKey{next}, Now: time.Now}
		if got, err := get(t, after, village, o.Address); err != nil || string(got) != "x" {
			t.Errorf("with only the new key: %q, %v", got, err)
		}
		if _, err := s.Put(t.Context(), village, strings.NewReader("y")); err == nil {
			t.Log("a store with the old key only still held the body's key in memory") // allowed: the key itself is the same
		}
	})
	t.Run("a sweep leaves what is held and what is new", func(t *testing.T) {
		s, _ := fresh(t)
		held, loose := put(t, s, village, []byte("held")), put(t, s, village, []byte("loose"))
		keep := func(a objects.Address) bool { return a == held.Address }
		if n, err := s.Sweep(t.Context(), village, time.Now().Add(-time.Hour), keep); n != 0 || err != nil {
			t.Errorf("sweeping what is older than an hour: %d, %v; want 0", n, err)
		}
		if n, err := s.Sweep(t.Context(), village, time.Now().Add(time.Hour), keep); n != 1 || err != nil {
			t.Errorf("sweeping everything loose: %d, %v; want 1", n, err)
		}
		if _, err := s.Stat(t.Context(), village, loose.Address); !errors.Is(err, objects.ErrNotFound) {
			t.Errorf("the loose object: %v, want ErrNotFound", err)
		}
	})
	t.Run("what is no address or no body is refused", func(t *testing.T) {
		s, _ := fresh(t)
		for _, a := range []objects.Address{"", "../../etc/passwd", objects.Address(strings.Repeat("A", 64)), objects.Address(strings.Repeat("a", 63))} {
			if _, err := s.Get(t.Context(), village, a); err == nil {
				t.Errorf("Get(%.10q) is no error", a)
			}
			if err := s.Delete(t.Context(), village, a); err == nil {
				t.Errorf("Delete(%.10q) is no error", a)
			}
		}
		for _, id := range []tenant.ID{"", "994414", "../x", "x-"} {
			if _, err := s.Put(t.Context(), id, strings.NewReader("x")); err == nil {
				t.Errorf("Put for body %q is no error", id)
			}
		}
	})
	t.Run("a reader that fails stores nothing", func(t *testing.T) {
		s, b := fresh(t)
		broken := io.MultiReader(bytes.NewReader(random(300_000)), failing{})
		if _, err := s.Put(t.Context(), village, broken); !errors.Is(err, errBroken) {
			t.Errorf("Put of a broken reader = %v, want its error", err)
		}
		if got := list(t, b, "objects/"); len(got) != 0 {
			t.Errorf("a broken Put left %q", got)
		}
	})
}

var errBroken = errors.New("the line went dead")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func put(t testing.TB, s *objects.Store, id tenant.ID, data []byte) objects.Object {
	t.Helper()
	o, err := s.Put(t.Context(), id, bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Put of %d bytes for %s: %v", len(data), id, err)
	}
	return o
}

func get(t testing.TB, s *objects.Store, id tenant.ID, a objects.Address) ([]byte, error) {
	t.Helper()
	r, err := s.Get(t.Context(), id, a)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}
