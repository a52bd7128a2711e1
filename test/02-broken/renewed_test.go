package broken

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/sekikura/sekikura/test/harness"
)

func TestARenewedCertificateIsShownAfterSIGHUPAndNoHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	i := harness.Install(t, harness.Plan{Dir: harness.Folder(t)})
	i.Start()
	shown := func() []byte {
		t.Helper()
		conn, err := tls.Dial("tcp", i.EdgeHTTPS, &tls.Config{ServerName: harness.Host, InsecureSkipVerify: true}) // only the bytes are compared
		if err != nil {
			t.Fatalf("a handshake: %v", err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Raw
	}
	dir := filepath.Dir(i.File)
	renewed := map[string][]byte{}
	for _, ext := range []string{".crt", ".key"} { // another pair stands in for the renewed one
		text, err := os.ReadFile(filepath.Join(dir, "portal"+ext))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "certs", harness.Host+ext), text, 0o600); err != nil {
			t.Fatal(err)
		}
		renewed[ext] = text
	}
	block, _ := pem.Decode(renewed[".crt"])
	if bytes.Equal(shown(), block.Bytes) {
		t.Fatal("the edge shows the new certificate before it was asked to look; the test shows nothing")
	}
	text, err := os.ReadFile(filepath.Join(i.Dir, "run", "status.json"))
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ PID int }
	if err := json.Unmarshal(text, &status); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(status.PID, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	i.Await("the edge shows the renewed certificate", func() bool { return bytes.Equal(shown(), block.Bytes) })
}
