package engine

import (
	"log/slog"
	"testing"
	"time"
)

func TestAStoreThatWouldForgetOrAnswerEverybodyDoesNotStart(t *testing.T) {
	good := Server{Dir: t.TempDir(), Secret: "s", Boot: "b", Log: slog.New(slog.DiscardHandler)}
	for _, tt := range []struct {
		name   string
		change func(*Server)
	}{
		{"no secret", func(s *Server) { s.Secret = "" }},
		{"no boot value", func(s *Server) { s.Boot = "" }},
		{"an hour of retention", func(s *Server) { s.Retention = time.Hour }},
		{"a negative retention", func(s *Server) { s.Retention = -time.Hour }},
		{"a millisecond between flushes", func(s *Server) { s.FlushInterval = time.Millisecond }},
	} {
		s := good
		tt.change(&s)
		if err := s.Run(t.Context()); err == nil {
			t.Errorf("with %s the store starts, want it refused", tt.name)
		}
	}
}

func TestWhatWasPromisedIsSetWhateverTheEnginesDefaultsAre(t *testing.T) {
	s := Server{Dir: "/srv/logs", Secret: "s", Boot: "b"}
	got, err := s.settings()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"retentionPeriod": "8760h", "inmemoryDataFlushInterval": "2s", "storage.minFreeDiskSpaceBytes": "536870912", "storageDataPath": "/srv/logs",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}
