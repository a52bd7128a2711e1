package objects_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/store/objects/objectstest"
	"github.com/sekikura/sekikura/store/objects/s3test"
)

// buckets opens an empty bucket of the same server at each call.
func buckets(server *s3test.Server, lock bool) func(testing.TB) objects.Bucket {
	n := 0
	return func(t testing.TB) objects.Bucket {
		t.Helper()
		n++
		conf := server.Bucket(t, fmt.Sprintf("bucket-%t-%d", lock, n), lock)
		conf.Prefix = "sekikura"
		b, err := objects.OpenS3(t.Context(), conf)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestS3IsABucket(t *testing.T) { objectstest.Bucket(t, buckets(s3test.Start(t), false)) }

func TestStoreWorksInS3(t *testing.T) { objectstest.Store(t, buckets(s3test.Start(t), false)) }

func TestALockedEntryOutlivesTheAdministrator(t *testing.T) {
	server := s3test.Start(t)
	conf := server.Bucket(t, "locked", true)
	b, err := objects.OpenS3(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	if locks, err := b.Locks(t.Context()); !locks || err != nil {
		t.Fatalf("Locks = %v, %v; want true", locks, err)
	}
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	if _, err := objects.WriteEntry(t.Context(), b, "part", strings.NewReader("original"), objects.Terms{LockUntil: until}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.LockedUntil(t.Context(), "part"); err != nil || !got.Equal(until) {
		t.Errorf("LockedUntil = %v, %v; want %v", got, err, until)
	}
	later := until.Add(time.Hour)
	if err := b.Lock(t.Context(), "part", later); err != nil {
		t.Errorf("prolonging the lock: %v", err)
	}
	if got, err := b.LockedUntil(t.Context(), "part"); err != nil || !got.Equal(later) {
		t.Errorf("LockedUntil after prolonging = %v, %v; want %v", got, err, later)
	}
	if err := b.Delete(t.Context(), "part"); !errors.Is(err, objects.ErrLocked) {
		t.Errorf("our own Delete of a locked entry = %v, want ErrLocked", err)
	}

	// The administrator tries everything that S3 offers him.
	admin := server.Client(t)
	var version string
	for o := range admin.ListObjectsIter(t.Context(), "locked", minio.ListObjectsOptions{Prefix: "part", WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		version = o.VersionID
	}
	for name, opts := range map[string]minio.RemoveObjectOptions{
		"the version":                       {VersionID: version},
		"the version, bypassing governance": {VersionID: version, GovernanceBypass: true},
	} {
		if err := admin.RemoveObject(t.Context(), "locked", "part", opts); err == nil {
			t.Errorf("the administrator deleted %s, want a refusal", name)
		}
	}
	mode, sooner := minio.Compliance, time.Now().Add(time.Second).UTC()
	if err := admin.PutObjectRetention(t.Context(), "locked", "part", minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &sooner, VersionID: version, GovernanceBypass: true}); err == nil {
		t.Error("the administrator shortened the lock, want a refusal")
	}
	if _, err := admin.PutObject(t.Context(), "locked", "part", strings.NewReader("forged"), 6, minio.PutObjectOptions{}); err != nil {
		t.Logf("the server refuses a newer version: %v", err)
	}
	if err := admin.RemoveObject(t.Context(), "locked", "part", minio.RemoveObjectOptions{}); err != nil {
		t.Logf("the server refuses a delete marker: %v", err)
	}

	r, err := b.Open(t.Context(), "part")
	if err != nil {
		t.Fatalf("after all that, opening: %v", err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || string(got) != "original" {
		t.Errorf("after all that, the entry reads %q, %v; want %q", got, err, "original")
	}
	found := false
	for e, err := range b.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		found = found || e.Name == "part" && e.Size == int64(len("original"))
	}
	if !found {
		t.Error("after all that, the entry is not listed")
	}
	if err := admin.RemoveObject(t.Context(), "locked", "part", minio.RemoveObjectOptions{VersionID: version}); err == nil {
		t.Error("with a newer version on top, the administrator deleted the original")
	}
}

func TestS3WithoutBucketOrWithAWrongSecretIsAnError(t *testing.T) {
	server := s3test.Start(t)
	conf := server.Bucket(t, "there", false)
	absent := conf
	absent.Bucket = "absent"
	if _, err := objects.OpenS3(t.Context(), absent); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("opening an absent bucket: %v, want ErrNotFound", err)
	}
	conf.SecretKey = "wrong"
	if _, err := objects.OpenS3(t.Context(), conf); err == nil {
		t.Error("opening with a wrong secret is no error")
	}
}

func TestWithoutObjectLockALockIsRefused(t *testing.T) {
	b := buckets(s3test.Start(t), false)(t)
	_, err := objects.WriteEntry(t.Context(), b, "x", strings.NewReader("x"), objects.Terms{LockUntil: time.Now().Add(time.Hour)})
	if !errors.Is(err, objects.ErrNoLock) {
		t.Errorf("committing with a lock = %v, want ErrNoLock", err)
	}
}
