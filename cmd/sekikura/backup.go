package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/ops/backup"
	"github.com/sekikura/sekikura/portal/backups"
	"github.com/sekikura/sekikura/portal/home"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

// keepBackups is which backups stay.
func keepBackups() backup.Keep { return backup.Keep{Days: 14, Weeks: 8, Months: 12} }

// s3Keys are the two lines of backup.s3.key_file.
type s3Keys struct{ Access, Secret string }

// copies is everything about backups that a process needs to know: the same for
// the role that makes them and for the command line that brings them back.
type copies struct {
	Conf     BackupConfig
	Data     string // the product's folder
	Operator tenant.ID
	Signing  []byte // ed25519 seed
	Objects  []byte // wraps the bodies' data keys, and seals settings
	Heads    []byte // ed25519 seed of the audit chains' heads
	S3       s3Keys
	Identity string // age identity for drills on this machine; "" for none
	Logs     logStore
	Retain   time.Duration     // of the log store
	Machine  map[string][]byte // the settings file and certificates, by name
}

// copies reads what backups need; without a destination it returns nil.
func (m *machine) copies() (*copies, error) {
	if m.conf.Backup.Folder == "" && m.conf.Backup.S3.Endpoint == "" {
		return nil, nil //nolint:nilnil // no backups are configured
	}
	c := &copies{
		Conf: m.conf.Backup, Data: m.conf.Data, Operator: m.conf.Operator.ID, Signing: m.keys.Backup, Objects: m.keys.Objects, Heads: m.keys.Heads,
		Logs: m.logStore(), Retain: m.conf.Logs.Retention.Duration(),
	}
	var err error
	if c.Machine, err = m.machineFiles(); err != nil {
		return nil, err
	}
	if file := m.conf.Backup.S3.KeyFile; file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the S3 keys: %w", err)
		}
		lines := strings.Fields(string(text))
		if len(lines) != 2 {
			return nil, fmt.Errorf("%s must hold two lines: the access key and the secret key", file)
		}
		c.S3 = s3Keys{lines[0], lines[1]}
	}
	if file := m.conf.Backup.Identity; file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the backup identity: %w", err)
		}
		c.Identity = string(text)
	}
	return c, nil
}

// machineFiles are what a new machine needs besides the data: the settings file,
// and the certificates with their keys, which the backup seals.
func (m *machine) machineFiles() (map[string][]byte, error) {
	files := make(map[string][]byte)
	names := map[string]string{"sekikura.toml": m.conf.file, "portal.crt": m.conf.Portal.Certificate, "portal.key": m.conf.Portal.Key}
	for name, file := range names {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	certificates, err := readCertificates(m.conf.Edge.Certificates)
	for host, c := range certificates {
		files[filepath.Join("certificates", host+".crt")] = c.Chain
		files[filepath.Join("certificates", host+".key")] = c.Key
	}
	return files, err
}

func (c *copies) key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(c.Signing) }

func (c *copies) public() ed25519.PublicKey {
	return c.key().Public().(ed25519.PublicKey) //nolint:errcheck,forcetypeassert // always one
}

// place is a path of the control role's own.
func (c *copies) place(parts ...string) string {
	return filepath.Join(append([]string{c.Data, "control"}, parts...)...)
}

// bucket opens the destination.
func (c *copies) bucket(ctx context.Context) (objects.Bucket, error) {
	if c.Conf.S3.Endpoint == "" {
		return objects.OpenSharedFolder(c.Conf.Folder) // for the group of the account that pulls
	}
	return objects.OpenS3(ctx, objects.S3Config{
		Endpoint: c.Conf.S3.Endpoint, TLS: !c.Conf.S3.Plaintext, Region: c.Conf.S3.Region, Bucket: c.Conf.S3.Bucket,
		AccessKey: c.S3.Access, SecretKey: c.S3.Secret, Spool: c.place("scratch"),
	})
}

// destination names the place in the list of backups.
func (c *copies) destination() string {
	if c.Conf.S3.Endpoint == "" {
		return c.Conf.Folder
	}
	return "s3://" + c.Conf.S3.Endpoint + "/" + c.Conf.S3.Bucket
}

func (c *copies) recipients() ([]age.Recipient, error) {
	all := make([]age.Recipient, 0, len(c.Conf.Recipients))
	for _, text := range c.Conf.Recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, fmt.Errorf("reading the backup recipient %s: %w", text, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// control is the control store as a source of backups.
func (c *copies) control(db *store.DB) *backup.Control {
	s := &backup.Control{DB: db, Schemas: schemas(), Scratch: c.place("scratch"), Now: time.Now}
	if c.Conf.StoreURL != "" {
		s.Dump = backup.PGDump(c.Conf.StoreURL)
	}
	return s
}

// maker makes the installation's backups.
func (c *copies) maker(ctx context.Context, db *store.DB, bodies func() []tenant.Tenant, log *slog.Logger) (*backup.Backup, error) {
	destination, err := c.bucket(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the place for backups: %w", err)
	}
	recipients, err := c.recipients()
	if err != nil {
		return nil, err
	}
	sealing, err := objects.OperatorKeyFrom(c.Objects)
	if err != nil {
		return nil, err
	}
	blobs, err := objects.OpenFolder(c.place("objects"))
	if err != nil {
		return nil, err
	}
	return &backup.Backup{
		Installation: string(c.Operator),
		Sources: []backup.Source{
			// First: no head in the backup says of a record that came after it.
			&backup.Settings{Paths: map[string]string{"heads": c.place("heads"), "machine": c.place("machine")}, Key: sealing, Never: []string{filepath.Join(c.Data, "keys", "keys.json")}},
			c.control(db),
			&backup.Logs{Client: c.Logs.patient(), Bodies: bodies, Retention: c.Retain, Now: time.Now},
			&backup.Objects{Store: &objects.Store{Bucket: blobs, Keys: []objects.OperatorKey{sealing}, Now: time.Now}},
		},
		Destination: destination, Recipients: recipients, Key: c.key(), State: c.place("backup"),
		Lock: c.Conf.S3.LockDays.Duration(), Program: version, Log: log, Now: time.Now,
	}, nil
}

// work is what the control role does about backups, in the background and for
// the portal.
type work struct {
	*copies
	db     *store.DB
	bodies *tenant.Directory
	events event.Journal
	log    *slog.Logger
	jobs   *backup.Jobs
	seen   lastSeen
}

func newWork(c *copies, db *store.DB, bodies *tenant.Directory, events event.Journal, log *slog.Logger) *work {
	w := &work{copies: c, db: db, bodies: bodies, events: events, log: log}
	w.jobs = &backup.Jobs{DB: db, Operator: c.Operator, Backup: w.backup, Drill: w.drill, Now: time.Now}
	return w
}

// Run does the jobs until ctx ends.
func (w *work) Run(ctx context.Context) error {
	// What a killed process left there is a copy of the control store in the clear.
	if err := errors.Join(os.RemoveAll(w.place("scratch")), os.MkdirAll(w.place("scratch"), 0o700), w.writeMachine()); err != nil {
		return err
	}
	if err := w.jobs.Recover(ctx); err != nil {
		return fmt.Errorf("ending what an earlier process left: %w", err)
	}
	jobs := &store.Jobs{DB: w.db, Workers: w.jobs.Workers(), Periodic: w.jobs.Periodic(), Concurrency: 2, Log: w.log}
	return jobs.Run(ctx)
}

// writeMachine keeps this machine's settings file and certificates where the
// backup finds them.
func (w *work) writeMachine() error {
	for name, text := range w.Machine {
		file := w.place("machine", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := writeFile(file, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) backup(ctx context.Context, progress func(backup.Progress)) error {
	maker, err := w.maker(ctx, w.db, w.bodies.All, w.log)
	if err != nil {
		return err
	}
	maker.Progress = progress
	_, err = (&backup.DailyBackup{Backup: maker, Keep: keepBackups(), Operator: w.Operator, Events: w.events}).Run(ctx)
	return err
}

// errNoIdentity says why no drill can be held on this machine.
var errNoIdentity = errors.New("this machine cannot read its own backups, which is as it should be: hold the drill where the backup identity is kept, or name backup.identity in the settings")

func (w *work) drill(ctx context.Context, progress func(backup.Progress)) error {
	if w.Identity == "" {
		return errNoIdentity
	}
	identities, err := age.ParseIdentities(strings.NewReader(w.Identity))
	if err != nil {
		return fmt.Errorf("reading the backup identity: %w", err)
	}
	from, err := w.bucket(ctx)
	if err != nil {
		return err
	}
	held := &backup.WeeklyDrill{
		Drill: &backup.Drill{
			From: from, Verify: w.public(), Identities: identities, Scratch: w.place("scratch"), Open: w.scratch,
			State: w.place("backup"), Progress: progress, Now: time.Now,
		},
		Operator: w.Operator, Events: w.events, Reports: w.place("backup"),
	}
	report, err := held.Run(ctx)
	if err == nil && !report.OK {
		err = fmt.Errorf("the backup did not come back whole: %v", report.Problems)
	}
	return err
}

// scratch opens a place for a restore that touches nothing of the product: a
// control store, a log store of its own process, objects and settings in dir.
func (c *copies) scratch(ctx context.Context, dir string) ([]backup.Target, func() error, error) {
	return c.targets(ctx, dir, filepath.Join(dir, "logs"))
}

// heads are the signed heads of the audit chains that this machine has.
func (c *copies) heads() ([]store.Head, error) {
	heads, err := readHeads(c.place("heads"), ed25519.NewKeyFromSeed(c.Heads).Public().(ed25519.PublicKey)) //nolint:errcheck,forcetypeassert // always one
	if err != nil {
		return nil, fmt.Errorf("reading the signed heads of the audit chains: %w", err)
	}
	return heads, nil
}

// targets are the targets below dir, with the logs in a folder of their own.
func (c *copies) targets(ctx context.Context, dir, logDir string) ([]backup.Target, func() error, error) {
	// Heads that this machine still has; on a new machine the restored ones are
	// all there is.
	heads, err := c.heads()
	if err != nil {
		return nil, nil, err
	}
	control := &backup.ControlScratch{Dir: filepath.Join(dir, "control"), Schemas: schemas(), Heads: heads}
	if err := os.MkdirAll(control.Dir, 0o700); err != nil {
		return nil, nil, err
	}
	sealing, err := objects.OperatorKeyFrom(c.Objects)
	if err != nil {
		return nil, nil, err
	}
	blobs, err := objects.OpenFolder(filepath.Join(control.Dir, "objects"))
	if err != nil {
		return nil, nil, err
	}
	found, stop, err := startScratchLogs(ctx, logDir)
	if err != nil {
		return nil, nil, errors.Join(err, blobs.Close())
	}
	into := []backup.Target{
		control,
		&backup.LogsInto{Client: found},
		&backup.ObjectsInto{Store: &objects.Store{Bucket: blobs, Keys: []objects.OperatorKey{sealing}, Now: time.Now}},
		&backup.SettingsInto{Dir: filepath.Join(dir, "settings"), Key: &sealing},
	}
	return into, func() error { return errors.Join(control.Close(), stop(), blobs.Close()) }, nil
}

// List implements the portal's backups.Jobs.
func (w *work) List(ctx context.Context) ([]backups.Backup, *backups.Drill, error) {
	from, err := w.bucket(ctx)
	if err != nil {
		return nil, nil, err
	}
	found, err := backup.List(ctx, from, w.public(), 200)
	if err != nil {
		return nil, nil, err
	}
	items := make([]backups.Backup, len(found))
	for i, s := range found {
		items[i] = backups.Backup{
			ID: fmt.Sprint(s.Sequence), Time: s.Time, Size: s.Size, Kind: "daily", Objects: int64(s.Parts), OK: s.Problem == "",
			Destination: w.destination(), LockedUntil: s.LockedUntil,
		}
	}
	report, err := backup.LastDrill(w.place("backup"))
	if errors.Is(err, backup.ErrNone) {
		return items, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return items, &backups.Drill{Time: report.Time, OK: report.OK, RTOS: report.RTO.Seconds(), RPOS: report.RPO.Seconds(), Checked: report.Checked}, nil
}

// Start implements the portal's backups.Jobs.
func (w *work) Start(ctx context.Context, tx *store.Tx, kind string) (string, error) {
	id, err := w.jobs.Ask(ctx, tx, kind)
	if errors.Is(err, backup.ErrBusy) {
		err = backups.ErrBusy
	}
	return id, err
}

// Job implements the portal's backups.Jobs.
func (w *work) Job(ctx context.Context, id string) (backups.Job, error) {
	job, err := w.jobs.Job(ctx, id)
	if errors.Is(err, store.ErrNone) {
		err = backups.ErrNone
	}
	return backups.Job{
		ID: job.ID, Kind: job.Kind, State: job.State, Progress: job.Progress, StartedAt: job.Started, FinishedAt: job.Finished, Error: job.Error,
	}, err
}

// How old the answer of last may be, and how long it may take.
const (
	lastFor    = time.Minute
	lastWithin = 5 * time.Second
)

// lastSeen remembers the answer of last.
type lastSeen struct {
	mu     sync.Mutex // guards the rest, and lets one ask at a time
	at     time.Time
	backup home.Backup
	err    error
}

// last is the newest backup, for the first page. Every view of that page asks,
// and the place may be far away or gone: the answer is up to a minute old.
func (w *work) last(ctx context.Context) (home.Backup, error) {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	if now := time.Now(); now.Sub(w.seen.at) >= lastFor {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWithin)
		defer cancel()
		w.seen.backup, w.seen.err = w.newest(bounded)
		w.seen.at = now
	}
	return w.seen.backup, w.seen.err
}

func (w *work) newest(ctx context.Context) (home.Backup, error) {
	from, err := w.bucket(ctx)
	if err != nil {
		return home.Backup{}, err
	}
	found, err := backup.List(ctx, from, w.public(), 1)
	if err != nil || len(found) == 0 {
		return home.Backup{}, err
	}
	return home.Backup{Time: found[0].Time, OK: found[0].Problem == ""}, nil
}

// readIdentities reads a file of age identities.
func readIdentities(file string) ([]age.Identity, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("opening the backup identity: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	identities, err := age.ParseIdentities(io.Reader(bufio.NewReader(f)))
	if err != nil {
		return nil, fmt.Errorf("reading the backup identity in %s: %w", file, err)
	}
	return identities, nil
}
