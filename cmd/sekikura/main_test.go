package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExitCodesTellUsageFromFailure(t *testing.T) {
	good := writeConfig(t, goodConfig)
	bad := writeConfig(t, goodConfig+"htps = 1\n")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"version"}, exitOK, "sekikura "},
		{[]string{"--help"}, exitOK, "drill"},
		{nil, exitOK, "drill"},
		{[]string{"check", "--config", good}, exitOK, "in order"},
		{[]string{"check", "--config", bad}, exitFailed, bad + ":9: "},
		{[]string{"check"}, exitUsage, "--config is needed"},
		{[]string{"check", "--conf", good}, exitUsage, "--conf"},
		{[]string{"check", "surplus", "--config", good}, exitUsage, "surplus"},
		{[]string{"chek"}, exitUsage, "chek"},
		{[]string{"drill", "--demo", "/does/not/exist"}, exitFailed, "is the demonstration running?"},
		{[]string{"drill"}, exitUsage, "--demo"},
		{[]string{"drill", "--config", good}, exitUsage, "--token-file"},
		{[]string{"events"}, exitUsage, "--demo"},
		{[]string{"policy", "show", "994413"}, exitUsage, "2 arg"},
		{[]string{"audit", "verify"}, exitUsage, "--config"},
		{[]string{"role", "edge"}, exitFailed, "sekikura serve"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), tt.args, &out, &out); code != tt.code {
			t.Errorf("sekikura %v ends with %d, want %d\n%s", tt.args, code, tt.code, &out)
		}
		if !strings.Contains(out.String(), tt.says) {
			t.Errorf("sekikura %v says %q, want %q in it", tt.args, out.String(), tt.says)
		}
	}
}

func TestKeysAreMadeOnceAndRefusedWhenSpoilt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := loadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Account, again.Account) {
		t.Error("a second start has another key")
	}
	file := filepath.Join(dir, "keys.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file's mode is %v, %v, want 0600", info.Mode(), err)
	}
	if err := os.WriteFile(file, []byte(`{"bus":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKeys(dir); err == nil {
		t.Error("a key file with short keys was taken")
	}
}

func TestTheDrillFailsWhenABuiltCaseFails(t *testing.T) {
	var out bytes.Buffer
	world := &drillWorld{api: "https://127.0.0.1:1", edge: "127.0.0.1:1", sites: []drillSite{{Tenant: "994413", Host: "www.example"}}}
	dir := t.TempDir()
	if err := drill(context.Background(), world, dir, &out); !errors.Is(err, errSaid) {
		t.Errorf("the drill against nothing returned %v, want a failure", err)
	}
	if text := out.String(); !strings.Contains(text, "not built") || !strings.Contains(text, "K11-06 failed") {
		t.Errorf("the table lacks what was not built or what failed:\n%s", text)
	}
	if saved, err := filepath.Glob(filepath.Join(dir, "drill-*.json")); err != nil || len(saved) != 1 {
		t.Errorf("saved tables: %v, %v, want one", saved, err)
	}
}

func TestADrillOnAnInstallationInUseAsksFirst(t *testing.T) {
	world := &drillWorld{sites: []drillSite{{Host: "www.example"}}}
	for answer, want := range map[string]bool{"訓練\n": true, "訓練": true, "y\n": false, "\n": false, "": false} {
		if got := agreed(strings.NewReader(answer), new(bytes.Buffer), world); got != want {
			t.Errorf("the answer %q begins the drill: %v, want %v", answer, got, want)
		}
	}
}
