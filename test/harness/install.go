package harness

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
)

// Operator, Body and Host are what an Installation protects: the prefecture of
// its settings, one village below it, and that village's site.
const (
	Operator = "990001"
	Body     = "994413"
	Host     = "www.vill.wakaba.example"
)

// Installation is a product with a settings file, as a newcomer sets it up.
type Installation struct {
	*Product
	// File is the settings file.
	File string
	// Token is the first operator's API token, once FirstLogin was called.
	Token string
	// Password is the first operator's, once FirstLogin was called.
	Password string
}

// Plan says what is special about an installation. The zero value is not.
type Plan struct {
	Dir      string              // a folder of its own; its data are in Dir/data unless Data says otherwise
	Data     string              // where the data are
	StoreURL string              // PostgreSQL
	CopyURL  string              // the same, as a role that sees all rows and makes the backups
	As       *syscall.Credential // whom it runs as; nil for the test's user
}

// Install writes the settings and certificates of a new installation. Start starts it.
func Install(t testing.TB, plan Plan) *Installation {
	t.Helper()
	if plan.Data == "" {
		plan.Data = filepath.Join(plan.Dir, "data")
	}
	sites := filepath.Join(plan.Dir, "certs")
	for _, dir := range []string{plan.Data, sites} {
		if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // role groups pass through it
			t.Fatal(err)
		}
	}
	ca := newAuthority(t, filepath.Join(plan.Dir, "ca.pem"))
	ca.issue(t, filepath.Join(plan.Dir, "portal"), "localhost", "127.0.0.1")
	ca.issue(t, filepath.Join(sites, Host), Host)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	store, copied := "", ""
	if plan.StoreURL != "" {
		copied = fmt.Sprintf("store_url = %q\n", plan.CopyURL)
		store = fmt.Sprintf("[store]\nurl = %q\n\n", plan.StoreURL)
	}
	// Port 0 is a free one; the bus has to be told its own.
	text := fmt.Sprintf(`data = %q

[operator]
id   = "%s"
name = "さくら県"

%s[bus]
listen = %q

[logs]
listen = "127.0.0.1:0"

[portal]
listen      = "127.0.0.1:0"
name        = "localhost"
certificate = %q
key         = %q

[edge]
http         = "127.0.0.1:0"
https        = "127.0.0.1:0"
certificates = %q

[backup]
folder     = %q
recipients = ["%s"]
%s`, plan.Data, Operator, store, FreePort(t), filepath.Join(plan.Dir, "portal.crt"), filepath.Join(plan.Dir, "portal.key"), sites,
		filepath.Join(plan.Dir, "backup"), identity.Recipient(), copied)
	file := filepath.Join(plan.Dir, "sekikura.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if plan.As != nil {
		give(t, plan)
	}
	p := &Product{Dir: plan.Data, Out: new(Output), t: t, as: plan.As, args: []string{"serve", "--config", file}}
	p.CA = filepath.Join(plan.Dir, "ca.pem")
	t.Cleanup(func() {
		p.Stop()
		p.tell()
	})
	return &Installation{Product: p, File: file}
}

// give hands everything of the plan to the user that it runs as.
func give(t testing.TB, plan Plan) {
	t.Helper()
	err := filepath.WalkDir(plan.Dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, int(plan.As.Uid), int(plan.As.Gid)) //nolint:gosec // made a moment ago, by us alone
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Start starts the product, also again, and returns when every group is ready.
func (i *Installation) Start() {
	i.t.Helper()
	i.Launch()
	i.AwaitReady()
	i.Find()
}

// Launch starts the product, also again, and does not wait.
func (i *Installation) Launch() {
	i.t.Helper()
	i.run(nil)
}

// Find learns where the product listens this time.
func (i *Installation) Find() {
	i.t.Helper()
	i.API = "https://localhost" + portOf(i.t, i.Socket("control", "portal")) + "/api/v1"
	i.EdgeHTTPS = i.Socket("edge", "https")
	i.Connect()
}

func portOf(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return ":" + port
}

// FirstLoginFile is where the first operator's password waits.
func (i *Installation) FirstLoginFile() string {
	return filepath.Join(i.Dir, "control", "first-login.txt")
}

var firstPassword = regexp.MustCompile(`(?m)^login: +(\S+)\npassword: +(\S+)$`)

// FirstLogin does what the installing person does: reads the first password,
// changes it, and makes an API token.
func (i *Installation) FirstLogin() {
	i.t.Helper()
	text, err := os.ReadFile(i.FirstLoginFile())
	if err != nil {
		i.t.Fatal(err)
	}
	found := firstPassword.FindStringSubmatch(string(text))
	if found == nil {
		i.t.Fatalf("the file of the first login names no login and password:\n%s", text)
	}
	i.Token, i.Password = i.Login(found[1], found[2])
}

// Login logs in with a first password, changes it, and returns an API token of
// every scope that the account has, and the new password.
func (i *Installation) Login(login, password string) (token, chosen string) {
	i.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		i.t.Fatal(err)
	}
	plain := i.api
	i.api = &http.Client{Timeout: plain.Timeout, Transport: plain.Transport, Jar: jar}
	defer func() { i.api = plain }()
	const mine = "X-Sekikura-Request"
	var me struct {
		User   struct{ MustChangePassword bool }
		Scopes []string
	}
	i.Must(http.StatusOK, http.MethodPost, "", "/session", map[string]string{"login": login, "password": password}, nil)
	if status, text, err := i.Call(http.MethodGet, "", "/tenants", nil); err != nil || status != http.StatusForbidden {
		i.t.Errorf("before the first password was changed the portal answers %d, %v, want 403\n%s", status, err, text)
	}
	chosen = rand.Text()
	i.Must(http.StatusNoContent, http.MethodPost, "", "/session/password", map[string]string{"old": password, "new": chosen}, nil, mine, "1")
	i.Must(http.StatusOK, http.MethodGet, "", "/session", nil, &me)
	var made struct{ Token string }
	i.Must(http.StatusCreated, http.MethodPost, "", "/tokens", map[string]any{"name": "test", "scopes": me.Scopes, "days": 1}, &made, mine, "1")
	return made.Token, chosen
}

// Protect adds the village and publishes its site in front of origin, and
// returns when the edge stops an attack on it.
func (i *Installation) Protect(origin string) {
	i.t.Helper()
	i.Must(http.StatusCreated, http.MethodPost, i.Token, "/tenants", map[string]any{
		"id": Body, "operator": Operator, "name": "若葉村", "kind": "municipality", "staff": 40, "hosts": []string{Host},
		"contact": map[string]string{"section": "総務課", "phone": "0000-00-1234", "mail": "joho@vill.wakaba.example"},
	}, nil)
	i.Must(http.StatusOK, http.MethodPut, i.Token, "/tenants/"+Body+"/policies/site", map[string]any{
		"body":   map[string]any{"sites": []map[string]string{{"host": Host, "origin": origin}}},
		"change": map[string]string{"reference": "令8-0001"},
	}, nil, "If-Match", `"override-0"`)
	i.Await("the edge protects the new site", func() bool {
		status, body, err := i.Visit(Host, Injection)
		return err == nil && status == http.StatusForbidden && Number.MatchString(body)
	})
}

// Origin starts a body's own web server that answers "hello" and returns its
// URL. The product refuses origins on loopback, so it needs another address of
// this machine; where there is none the URL leads nowhere and reachable is false.
func Origin(t testing.TB) (url string, reachable bool) {
	t.Helper()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		network, ok := a.(*net.IPNet)
		if !ok || network.IP.To4() == nil || !network.IP.IsGlobalUnicast() {
			continue
		}
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(network.IP.String(), "0"))
		if err != nil {
			continue
		}
		server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("hello"))
		})}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(l) // until Close
		}()
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			<-done
		})
		return "http://" + l.Addr().String(), true
	}
	t.Log("this machine has no address but loopback: what passes to an origin is not tried")
	return "http://192.0.2.1:1", false
}

// Run runs a command of the product as the installation's user and returns what
// it printed.
func (i *Installation) Run(args ...string) (string, error) {
	c := exec.CommandContext(context.Background(), Binary(i.t), args...) //nolint:gosec // our own program
	c.SysProcAttr = &syscall.SysProcAttr{Credential: i.as}
	out, err := c.CombinedOutput()
	return string(out), err
}

// authority signs the certificates of an installation.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB, file string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, plan, plan, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "CERTIFICATE", der)
	return &authority{key, cert}
}

// issue writes file.crt and file.key for names.
func (a *authority) issue(t testing.TB, file string, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			plan.IPAddresses = append(plan.IPAddresses, ip)
		} else {
			plan.DNSNames = append(plan.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, plan, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file+".crt", "CERTIFICATE", der)
	write(t, file+".key", "PRIVATE KEY", secret)
}

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
