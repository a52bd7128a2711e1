package backup

import (
	"errors"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/store/objects/s3test"
)

func TestABackupInALockedBucketOutlivesItsAdministrator(t *testing.T) {
	server := s3test.Start(t)
	bucket, err := objects.OpenS3(t.Context(), server.Bucket(t, "backups", true))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlantOn(t, bucket, "")
	p.Now = time.Now
	p.Lock = 30 * 24 * time.Hour
	m := p.run(t)
	if m.LockedUntil.Before(time.Now().Add(p.Lock)) {
		t.Errorf("LockedUntil = %v, want at least 30 days from now", m.LockedUntil)
	}
	admin := server.Client(t)
	for o := range admin.ListObjectsIter(t.Context(), "backups", minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if err := admin.RemoveObject(t.Context(), "backups", o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID, GovernanceBypass: true}); err == nil {
			t.Errorf("the administrator deleted %s", o.Key)
		}
		if err := admin.RemoveObject(t.Context(), "backups", o.Key, minio.RemoveObjectOptions{}); err != nil {
			t.Logf("hiding %s: %v", o.Key, err) // a delete marker; some servers refuse
		}
	}
	if report := p.drill(t); !report.OK {
		t.Errorf("the drill after the administrator's visit: %+v", report.Problems)
	}
	prune := &Prune{Bucket: bucket, Verify: p.public, State: p.State, Log: p.Log, Now: time.Now}
	p.run(t)
	if done, err := prune.Run(t.Context()); err != nil || done.Backups != 0 || done.Locked != 1 {
		t.Errorf("pruning a locked backup = %+v, %v; want it counted and left", done, err)
	}
}

func TestASharedPartIsLockedAsLongAsItsLastBackup(t *testing.T) {
	server := s3test.Start(t)
	bucket, err := objects.OpenS3(t.Context(), server.Bucket(t, "backups", true))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlantOn(t, bucket, "")
	p.Now = time.Now
	p.Lock = 24 * time.Hour
	first := part(t, p.run(t), village, "a")
	later := time.Now().Add(10 * 24 * time.Hour)
	p.Now = func() time.Time { return later }
	second := part(t, p.run(t), village, "a")
	if second.Name != first.Name {
		t.Fatal("an unchanged slice was written again")
	}
	until, err := bucket.LockedUntil(t.Context(), second.Name)
	if err != nil || until.Before(later.Add(p.Lock)) {
		t.Errorf("the shared part is locked until %v, %v; want at least a day after the second backup (%v)", until, err, later.Add(p.Lock))
	}
}

func TestALockThatCannotBeHadIsRefused(t *testing.T) {
	p := newPlant(t)
	p.Lock = time.Hour
	if _, err := p.Run(t.Context()); !errors.Is(err, objects.ErrNoLock) {
		t.Errorf("Run with a lock on a folder = %v, want ErrNoLock", err)
	}
}

func TestTheS3ServerGoingAwayLeavesNoBackup(t *testing.T) {
	server := s3test.Start(t)
	bucket, err := objects.OpenS3(t.Context(), server.Bucket(t, "backups", false))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlantOn(t, bucket, "")
	p.shelf.fail = func(s Slice) error {
		if s.Tenant == village && s.Name == "b" {
			server.Stop()
		}
		return nil
	}
	if _, err := p.Run(t.Context()); err == nil {
		t.Error("a backup to a server that went away is no error")
	}
	server.Restart(t)
	if all, err := Sequences(t.Context(), bucket); len(all) != 0 || err != nil {
		t.Errorf("afterwards the bucket shows the backups %v, %v; want none", all, err)
	}
	p.shelf.fail, p.shelf.writes = nil, 0
	if report, _ := p.restore(t, p.run(t)); !report.OK {
		t.Errorf("the next backup: %+v", report.Problems)
	}
}
