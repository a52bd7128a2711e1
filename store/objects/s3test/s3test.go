// Package s3test starts a real S3 server for tests: versitygw (Apache-2.0) on
// its posix backend, which knows versions, conditional writes and object lock.
package s3test

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/sekikura/sekikura/store/objects"
)

// Version is the server that these tests were written against.
const Version = "v1.8.0"

// Server is a running S3 server; it ends with the test that started it.
type Server struct {
	Conf objects.S3Config // without a bucket

	binary string
	args   []string
	stop   func()
}

// Start starts a server on loopback with a random administrator. Without the
// binary it skips the test, or fails it where CI is set.
func Start(t testing.TB) *Server {
	t.Helper()
	binary := find(t)
	dir := t.TempDir()
	data, versions, meta := filepath.Join(dir, "data"), filepath.Join(dir, "versions"), filepath.Join(dir, "meta")
	for _, d := range []string{data, versions, meta} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{Conf: objects.S3Config{
		Endpoint: freeAddress(t), Region: "us-east-1", AccessKey: "admin", SecretKey: rand.Text(), Spool: dir,
	}}
	args := []string{"--port", s.Conf.Endpoint, "--region", s.Conf.Region, "--health", "/health", "--quiet", "posix", "--versioning-dir", versions}
	if !keepsAttributes(data) {
		args = append(args, "--sidecar", meta)
	}
	s.binary, s.args = binary, append(args, data)
	s.Restart(t)
	t.Cleanup(func() { s.Stop() })
	return s
}

// Stop kills the server. Its data stay until the test ends.
func (s *Server) Stop() { s.stop() }

// Restart starts the server again after Stop, on the same address and data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	server := exec.Command(s.binary, s.args...) //nolint:gosec,noctx // ended by Stop
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.Conf.AccessKey, "ROOT_SECRET_KEY="+s.Conf.SecretKey)
	var log strings.Builder
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatalf("starting %s: %v", s.binary, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Wait() // it is killed
	}()
	s.stop = func() {
		_ = server.Process.Kill() // it may have ended
		<-ended
	}
	s.await(t, ended, &log)
}

func (s *Server) await(t testing.TB, ended <-chan struct{}, log *strings.Builder) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Conf.Endpoint+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ended:
			t.Fatalf("versitygw ended by itself:\n%s", log)
		case <-deadline:
			t.Fatal("versitygw does not answer after 20 s")
		case <-tick.C:
		}
	}
}

// Bucket makes a bucket, with object lock when lock is set, and returns how to
// reach it.
func (s *Server) Bucket(t testing.TB, name string, lock bool) objects.S3Config {
	t.Helper()
	if err := s.Client(t).MakeBucket(t.Context(), name, minio.MakeBucketOptions{Region: s.Conf.Region, ObjectLocking: lock}); err != nil {
		t.Fatalf("making bucket %s: %v", name, err)
	}
	conf := s.Conf
	conf.Bucket = name
	return conf
}

// Client is the administrator's own client, to do what an attacker would.
func (s *Server) Client(t testing.TB) *minio.Client {
	t.Helper()
	client, err := minio.New(s.Conf.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(s.Conf.AccessKey, s.Conf.SecretKey, ""), Region: s.Conf.Region,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// find looks for the server in SEKIKURA_VERSITYGW and in PATH.
func find(t testing.TB) string {
	t.Helper()
	if binary := os.Getenv("SEKIKURA_VERSITYGW"); binary != "" {
		return binary
	}
	binary, err := exec.LookPath("versitygw")
	if err == nil {
		return binary
	}
	const missing = "no S3 server to test against: go install github.com/versity/versitygw/cmd/versitygw@" + Version
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// keepsAttributes tells whether extended attributes work in dir: versitygw
// keeps its metadata there, or beside the data where they do not.
func keepsAttributes(dir string) bool { return setAttribute(dir) == nil }

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
