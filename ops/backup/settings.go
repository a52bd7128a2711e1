package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sekikura/sekikura/store/objects"
)

// SettingsName is the source of configuration, certificates and last good
// policies.
const SettingsName = "settings"

// Settings are files and folders of this machine as a source, one slice for each
// of them. Paths and Key must be set.
type Settings struct {
	// Paths maps the slice's name, such as "certificates", to a file or folder.
	// What does not exist is left out.
	Paths map[string]string
	// Secret tells which files are sealed by Key before they go into the backup,
	// by their path below the slice's, such as "www.crt". Nil is for [SecretFile].
	Secret func(name string) bool
	Key    objects.OperatorKey
	// Never lists files that must not be in any backup, such as the operator's
	// key: when one of Paths holds one of them, the backup is refused.
	Never []string
}

const (
	// sealedRecord marks a sealed file in the archive and names its key.
	sealedRecord = "SEKIKURA.sealed"
	sealedSuffix = ".sealed"
	// maxSetting bounds one file of settings; what is larger belongs elsewhere.
	maxSetting = 64 << 20
)

// SecretFile tells the files of certificates and keys that hold a private part,
// by the usual endings of their names.
func SecretFile(name string) bool {
	base := strings.ToLower(path.Base(name))
	return slices.Contains([]string{".key", ".pem", ".p12", ".pfx", ".seed", ".secret", ".password", ".token"}, path.Ext(base)) ||
		strings.Contains(base, "key") || strings.Contains(base, "secret") || strings.Contains(base, "password")
}

// Name implements [Source].
func (*Settings) Name() string { return SettingsName }

// Close implements [Source].
func (*Settings) Close() error { return nil }

// Slices implements [Source]. A slice's version covers every file's name and bytes.
func (s *Settings) Slices(ctx context.Context, _ []Part) ([]Slice, error) {
	var all []Slice
	for name := range s.Paths {
		sum := sha256.New()
		n, err := s.walk(ctx, name, func(file string, content []byte, secret bool) error {
			one := sha256.Sum256(content)
			_, err := fmt.Fprintf(sum, "%q %x %t\n", file, one, secret)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("reading the settings %s: %w", name, err)
		}
		if n > 0 {
			// The operator's key is part of the version: sealed anew when it changes.
			all = append(all, Slice{Source: SettingsName, Name: name, Version: hex.EncodeToString(sum.Sum(nil)) + "-" + s.Key.ID()})
		}
	}
	slices.SortFunc(all, Slice.compare)
	return all, nil
}

// Write implements [Source].
func (s *Settings) Write(ctx context.Context, slice Slice, w io.Writer) (Wrote, error) {
	out := tar.NewWriter(w)
	n, err := s.walk(ctx, slice.Name, func(file string, content []byte, secret bool) error {
		header := &tar.Header{Name: file, Mode: 0o600, Format: tar.FormatPAX}
		if secret {
			content = s.Key.Seal(settingLabel(slice.Name, file), content)
			header.PAXRecords = map[string]string{sealedRecord: s.Key.ID()}
		}
		header.Size = int64(len(content))
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		_, err := out.Write(content)
		return err
	})
	return Wrote{Rows: n}, errors.Join(err, out.Close())
}

func settingLabel(slice, file string) string { return "settings " + slice + " " + file }

// walk calls fn for every regular file of a slice, in the order of their names.
func (s *Settings) walk(ctx context.Context, name string, fn func(file string, content []byte, secret bool) error) (n int64, err error) {
	secret := s.Secret
	if secret == nil {
		secret = SecretFile
	}
	root := s.Paths[name]
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		if err := s.allowed(file); err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxSetting {
			return fmt.Errorf("%s has %d bytes; settings have at most %d", file, info.Size(), maxSetting)
		}
		content, err := os.ReadFile(file) //nolint:gosec // below what the operator named
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if below == "." {
			below = filepath.Base(file)
		}
		n++
		return fn(filepath.ToSlash(below), content, secret(filepath.ToSlash(below)))
	})
	return n, err
}

func (s *Settings) allowed(file string) error {
	for _, never := range s.Never {
		a, errA := os.Stat(never)
		b, errB := os.Stat(file)
		if errA == nil && errB == nil && os.SameFile(a, b) {
			return fmt.Errorf("%s must not be in any backup: keep it outside the folders that are backed up", file)
		}
	}
	return nil
}

// SettingsInto writes settings below Dir, each slice into a folder of its name,
// and never over a file that is there. Dir must be set. Without Key, sealed files
// stay sealed, with the ending ".sealed".
type SettingsInto struct {
	Dir string
	Key *objects.OperatorKey

	sums map[Slice]map[string][sha256.Size]byte
}

// Name implements [Target].
func (*SettingsInto) Name() string { return SettingsName }

// Restore implements [Target].
func (s *SettingsInto) Restore(_ context.Context, slice Slice, r io.Reader) (int64, error) {
	dir := filepath.Join(s.Dir, filepath.FromSlash(path.Clean("/"+slice.Name)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	root, err := os.OpenRoot(dir) // no name in the backup leads out of it
	if err != nil {
		return 0, err
	}
	defer func() { _ = root.Close() }()
	if s.sums == nil {
		s.sums = make(map[Slice]map[string][sha256.Size]byte)
	}
	s.sums[slice] = make(map[string][sha256.Size]byte)
	in := tar.NewReader(r)
	rows := int64(0)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, fmt.Errorf("reading packed settings: %w", err)
		}
		if header.Typeflag != tar.TypeReg || header.Size > maxSetting {
			return rows, fmt.Errorf("%q is no file of settings", header.Name)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return rows, err
		}
		name := header.Name
		if _, sealed := header.PAXRecords[sealedRecord]; sealed && s.Key == nil {
			name += sealedSuffix
		} else if sealed {
			if content, err = s.Key.Unseal(settingLabel(slice.Name, name), content); err != nil {
				return rows, fmt.Errorf("opening the sealed file %s: %w", name, err)
			}
		}
		if err := writeBelow(root, name, content); err != nil {
			return rows, err
		}
		s.sums[slice][name] = sha256.Sum256(content)
		rows++
	}
}

func writeBelow(root *os.Root, name string, content []byte) error {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(content))
	return errors.Join(err, f.Sync(), f.Close())
}

// Check implements [Target]: every file reads back as it was in the backup.
func (s *SettingsInto) Check(_ context.Context, parts []Part) (checked int64, problems []string, err error) {
	for _, p := range parts {
		for name, want := range s.sums[p.Slice] {
			content, err := os.ReadFile(filepath.Join(s.Dir, p.Slice.Name, filepath.FromSlash(name))) //nolint:gosec // what Restore wrote
			if err != nil || sha256.Sum256(content) != want {
				problems = append(problems, fmt.Sprintf("%s of %s does not read back as it was written (%v)", name, p.Slice, err))
				continue
			}
			checked++
		}
	}
	return checked, problems, nil
}
