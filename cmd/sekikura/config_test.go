package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sekikura.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const goodConfig = `data = "d"
portal = {certificate = "/dev/null", key = "/dev/null"}
[operator]
id = "990001"
name = "さくら県"

[edge]
http = "127.0.0.1:8080"
`

func TestASettingsFileIsReadOntoTheDefaults(t *testing.T) {
	file := writeConfig(t, goodConfig)
	conf, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(file), "d"); conf.Data != want {
		t.Errorf("data is %q, want it beside the file: %q", conf.Data, want)
	}
	if conf.Edge.HTTP != "127.0.0.1:8080" || conf.Edge.HTTPS != defaults().Edge.HTTPS {
		t.Errorf("edge is %+v, want http as written and https by default", conf.Edge)
	}
}

func TestTheDataFolderIsAbsoluteWhereverTheFileIsNamedFrom(t *testing.T) {
	file := writeConfig(t, goodConfig)
	t.Chdir(filepath.Dir(file))
	conf, err := loadConfig(filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(conf.Data) {
		t.Errorf("data is %q, want an absolute path: sockets below it need one", conf.Data)
	}
}

func TestOnlyFoldersBelowTheDataAreTheProductsOwn(t *testing.T) {
	for _, tt := range []struct {
		path string
		want bool
	}{
		{"/var/lib/sekikura/backup", true},
		{"/var/lib/sekikura/a/../backup", true},
		{"/var/lib/sekikura", false},
		{"/var/lib/sekikura/../other", false},
		{"/var/lib/sekikura2", false},
		{"/mnt/backup", false},
		{"", false},
	} {
		if got := within("/var/lib/sekikura", tt.path); got != tt.want {
			t.Errorf("within(%q) = %v, want %v", tt.path, got, tt.want)
		}
	}
}

func TestEveryMistakeInASettingsFileNamesItsLine(t *testing.T) {
	for _, tt := range []struct {
		name, change string
		line         int
		says         string
	}{
		{"unknown key", goodConfig + "htps = \"127.0.0.1:1\"\n", 9, "htps"},
		{"unknown table", goodConfig + "[mial]\nx = 1\n", 9, "mial"},
		{"wrong type", goodConfig + "https = 8443\n", 9, "https"},
		{"no TOML", "data = \n", 1, ""},
		{"not an address", goodConfig + "https = \"8443\"\n", 9, "host:port"},
		{"one address twice", goodConfig + "https = \"127.0.0.1:8080\"\n", 9, "already"},
		{"bad code", strings.Replace(goodConfig, "990001", "990002", 1), 4, "check digit"},
		{"missing file", goodConfig + "certificates = \"/does/not/exist\"\n", 9, "/does/not/exist"},
		{"key without certificate", strings.Replace(goodConfig, `certificate = "/dev/null", `, "", 1), 0, "portal.certificate"},
		{"no portal", strings.Replace(goodConfig, "portal =", "#", 1), 0, "portal.certificate"},
		{"no retention", goodConfig + "[logs]\nretention_days = 0\n", 10, "at least 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadConfig(writeConfig(t, tt.change))
			var wrong *configError
			if !errors.As(err, &wrong) {
				t.Fatalf("loadConfig: %v, want mistakes", err)
			}
			found := false
			for _, m := range wrong.Mistakes {
				found = found || m.Line == tt.line && strings.Contains(m.Text, tt.says)
			}
			if !found {
				t.Errorf("mistakes are %v, want one in line %d with %q", wrong.Mistakes, tt.line, tt.says)
			}
		})
	}
}

func TestAMissingSettingsFileIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none.toml")
	if _, err := loadConfig(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("loadConfig of a missing file: %v, want its name", err)
	}
}

func FuzzConfigNeverPanics(f *testing.F) {
	f.Add(goodConfig)
	f.Add("data = [")
	f.Fuzz(func(t *testing.T, text string) {
		loadConfig(writeConfig(t, text)) //nolint:errcheck // only that it returns
	})
}
