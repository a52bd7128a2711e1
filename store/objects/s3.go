package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Config says where an S3 bucket is. Everything but Region, Prefix, Spool and
// Transport must be set.
type S3Config struct {
	Endpoint  string // host:port, without a scheme
	TLS       bool
	Region    string
	Bucket    string // must exist, with object lock when it is to lock
	Prefix    string // put before every name, such as "sekikura/"
	AccessKey string
	SecretKey string
	// Spool is a directory on this machine for what is being written: S3 wants
	// to know an object's name before its bytes. "" is the system's own.
	Spool     string
	Transport http.RoundTripper // nil is the client's default
}

// S3 is a bucket behind the S3 API. Where the bucket has object lock (and so
// versions), a name keeps what was committed under it first, whatever an
// administrator writes or deletes on top: S3 calls that a newer version or a
// delete marker, and neither is looked at here.
type S3 struct {
	client *minio.Client
	conf   S3Config
	locks  bool
}

// OpenS3 connects to the bucket and asks whether it locks.
func OpenS3(ctx context.Context, conf S3Config) (*S3, error) {
	if conf.Prefix != "" {
		if err := checkName(strings.TrimSuffix(conf.Prefix, "/")); err != nil {
			return nil, err
		}
		conf.Prefix = strings.TrimSuffix(conf.Prefix, "/") + "/"
	}
	client, err := minio.New(conf.Endpoint, &minio.Options{
		Creds:  credentials.NewStaticV4(conf.AccessKey, conf.SecretKey, ""),
		Secure: conf.TLS, Region: conf.Region, Transport: conf.Transport,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing for S3 at %s: %w", conf.Endpoint, err)
	}
	there, err := client.BucketExists(ctx, conf.Bucket)
	if err != nil {
		return nil, fmt.Errorf("looking for bucket %s at %s: %w", conf.Bucket, conf.Endpoint, err)
	}
	if !there {
		return nil, fmt.Errorf("bucket %s at %s: %w", conf.Bucket, conf.Endpoint, ErrNotFound)
	}
	s := &S3{client: client, conf: conf}
	enabled, _, _, _, err := client.GetObjectLockConfig(ctx, conf.Bucket)
	switch code := minio.ToErrorResponse(err).Code; {
	case err == nil:
		s.locks = enabled == "Enabled"
	case code == "ObjectLockConfigurationNotFoundError" || code == minio.NotImplemented || code == minio.MethodNotAllowed:
	default:
		return nil, fmt.Errorf("asking bucket %s for its object lock: %w", conf.Bucket, err)
	}
	return s, nil
}

// Locks implements [Locker].
func (s *S3) Locks(context.Context) (bool, error) { return s.locks, nil }

// Create implements [Bucket].
func (s *S3) Create(ctx context.Context) (Pending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(s.conf.Spool, "sekikura-upload-*")
	if err != nil {
		return nil, err
	}
	// Without a name nothing is left behind when we are killed.
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &upload{spool: file, s3: s}, nil
}

type upload struct {
	spool *os.File // nil once it ended
	s3    *S3
	size  int64
}

func (u *upload) Write(p []byte) (int, error) {
	n, err := u.spool.Write(p)
	u.size += int64(n)
	return n, err
}

func (u *upload) Commit(ctx context.Context, name string, terms Terms) error {
	err := u.commit(ctx, name, terms)
	if err := errors.Join(err, u.Discard()); err != nil {
		return fmt.Errorf("committing %s: %w", name, err)
	}
	return nil
}

func (u *upload) commit(ctx context.Context, name string, terms Terms) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	if _, err := u.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream"}
	if !terms.LockUntil.IsZero() {
		if !u.s3.locks {
			return ErrNoLock
		}
		opts.Mode, opts.RetainUntilDate = minio.Compliance, terms.LockUntil.UTC()
	}
	if terms.Once {
		// A server that does not know If-None-Match would replace: so look first.
		if _, err := u.s3.Stat(ctx, name); !errors.Is(err, ErrNotFound) {
			if err == nil {
				err = ErrExists
			}
			return err
		}
		opts.SetMatchETagExcept("*")
		opts.DisableMultipart = true // the condition belongs to one PUT
	}
	_, err := u.s3.client.PutObject(ctx, u.s3.conf.Bucket, u.s3.conf.Prefix+name, u.spool, u.size, opts)
	if status := minio.ToErrorResponse(err).StatusCode; terms.Once && (status == http.StatusPreconditionFailed || status == http.StatusConflict) {
		return ErrExists
	}
	return err
}

func (u *upload) Discard() error {
	if u.spool == nil {
		return nil
	}
	err := u.spool.Close()
	u.spool = nil
	return err
}

// first is the version of name that was committed first, "" without versions.
func (s *S3) first(ctx context.Context, name string) (Entry, string, error) {
	if err := checkName(name); err != nil {
		return Entry{}, "", err
	}
	if !s.locks {
		o, err := s.client.StatObject(ctx, s.conf.Bucket, s.conf.Prefix+name, minio.StatObjectOptions{})
		if err != nil {
			return Entry{}, "", s.explain(name, err)
		}
		return Entry{Name: name, Size: o.Size, Time: o.LastModified}, "", nil
	}
	var found Entry
	var version string
	for o := range s.versions(ctx, s.conf.Prefix+name) {
		if o.Err != nil {
			return Entry{}, "", s.explain(name, o.Err)
		}
		if o.Key > s.conf.Prefix+name {
			break
		}
		// Versions come newest first, and times only to the second.
		if o.Key == s.conf.Prefix+name && !o.IsDeleteMarker && (version == "" || !o.LastModified.After(found.Time)) {
			found, version = Entry{Name: name, Size: o.Size, Time: o.LastModified}, o.VersionID
		}
	}
	if version == "" {
		return Entry{}, "", fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return found, version, nil
}

func (s *S3) versions(ctx context.Context, prefix string) iter.Seq[minio.ObjectInfo] {
	return s.client.ListObjectsIter(ctx, s.conf.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: s.locks})
}

func (s *S3) explain(name string, err error) error {
	if response := minio.ToErrorResponse(err); response.StatusCode == http.StatusNotFound || response.Code == minio.NoSuchKey {
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Open implements [Bucket].
func (s *S3) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	opts := minio.GetObjectOptions{}
	if s.locks {
		_, version, err := s.first(ctx, name)
		if err != nil {
			return nil, err
		}
		opts.VersionID = version
	} else if err := checkName(name); err != nil {
		return nil, err
	}
	o, err := s.client.GetObject(ctx, s.conf.Bucket, s.conf.Prefix+name, opts)
	if err != nil {
		return nil, s.explain(name, err)
	}
	if _, err := o.Stat(); err != nil { // the request is made only now
		return nil, errors.Join(s.explain(name, err), o.Close())
	}
	return o, nil
}

// Stat implements [Bucket].
func (s *S3) Stat(ctx context.Context, name string) (Entry, error) {
	e, _, err := s.first(ctx, name)
	return e, err
}

// List implements [Bucket].
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var last Entry // versions of one name stand together: the oldest counts
		give := func() bool { return last.Name == "" || yield(last, nil) }
		for o := range s.versions(ctx, s.conf.Prefix+prefix) {
			if o.Err != nil {
				yield(Entry{}, fmt.Errorf("listing %s*: %w", prefix, o.Err))
				return
			}
			name := strings.TrimPrefix(o.Key, s.conf.Prefix)
			if o.IsDeleteMarker || strings.HasSuffix(name, "/") {
				continue
			}
			if name != last.Name {
				if !give() {
					return
				}
				last = Entry{Name: name, Size: o.Size, Time: o.LastModified}
			} else if !o.LastModified.After(last.Time) {
				last.Size, last.Time = o.Size, o.LastModified
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Entry{}, err)
			return
		}
		give()
	}
}

// Delete implements [Bucket]. With object lock it removes every version of name,
// and is refused while one of them is locked.
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if !s.locks {
		err := s.client.RemoveObject(ctx, s.conf.Bucket, s.conf.Prefix+name, minio.RemoveObjectOptions{})
		if err = s.explainNil(name, err); errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	for o := range s.versions(ctx, s.conf.Prefix+name) {
		if o.Err != nil {
			return s.explain(name, o.Err)
		}
		if o.Key != s.conf.Prefix+name {
			continue
		}
		err := s.client.RemoveObject(ctx, s.conf.Bucket, o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID})
		// S3 has no error of its own for a lock.
		if code := minio.ToErrorResponse(err).Code; code == minio.AccessDenied || code == "ObjectLocked" {
			return fmt.Errorf("deleting %s: %w: %w", name, ErrLocked, err)
		}
		if err = s.explainNil(name, err); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("deleting %w", err)
		}
	}
	return nil
}

func (s *S3) explainNil(name string, err error) error {
	if err == nil {
		return nil
	}
	return s.explain(name, err)
}

// Lock implements [Locker].
func (s *S3) Lock(ctx context.Context, name string, until time.Time) error {
	if !s.locks {
		return ErrNoLock
	}
	_, version, err := s.first(ctx, name)
	if err != nil {
		return err
	}
	mode := minio.Compliance
	until = until.UTC()
	err = s.client.PutObjectRetention(ctx, s.conf.Bucket, s.conf.Prefix+name, minio.PutObjectRetentionOptions{
		Mode: &mode, RetainUntilDate: &until, VersionID: version,
	})
	if err != nil {
		return fmt.Errorf("locking %w", s.explain(name, err))
	}
	return nil
}

// LockedUntil implements [Locker].
func (s *S3) LockedUntil(ctx context.Context, name string) (time.Time, error) {
	if !s.locks {
		return time.Time{}, nil
	}
	_, version, err := s.first(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	mode, until, err := s.client.GetObjectRetention(ctx, s.conf.Bucket, s.conf.Prefix+name, version)
	if err == nil {
		if mode == nil || until == nil || *mode != minio.Compliance {
			return time.Time{}, nil
		}
		return *until, nil
	}
	if minio.ToErrorResponse(err).Code == "NoSuchObjectLockConfiguration" {
		return time.Time{}, nil
	}
	// versitygw v1.8.0 names the answer's element differently from S3, which the
	// client refuses; the object's headers say the same (for its newest version).
	o, err := s.client.StatObject(ctx, s.conf.Bucket, s.conf.Prefix+name, minio.StatObjectOptions{VersionID: version})
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the lock of %w", s.explain(name, err))
	}
	if o.Metadata.Get("X-Amz-Object-Lock-Mode") != string(minio.Compliance) {
		return time.Time{}, nil
	}
	parsed, err := time.Parse(time.RFC3339, o.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the lock of %s: %w", name, err)
	}
	return parsed, nil
}
