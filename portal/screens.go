package portal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

func stack() string { return string(debug.Stack()) }

// screens serves the built user interface. Every address that is no file is a
// screen of the one page; files below assets/ carry a hash in their names and
// never change.
type screens struct {
	files fs.FS
	log   *slog.Logger

	mu   sync.Mutex // guards kept
	kept map[string]*file
}

// file is one file in the three forms that browsers ask for.
type file struct {
	plain, gzip, brotli []byte
	kind, tag           string
}

func newScreens(files fs.FS, log *slog.Logger) *screens {
	return &screens{files: files, log: log, kept: map[string]*file{}}
}

// notBuilt is the page of a clean clone.
const notBuilt = `<!doctype html>
<html lang="ja"><head><meta charset="utf-8"><title>Sekikura</title></head>
<body><h1>画面はまだ作られていません</h1>
<p>このプログラムは、画面を作らずに組み立てられています。<code>make build</code> を実行してください。API は <a href="/api/v1/openapi.json">/api/v1</a> で使えます。</p>
<p lang="en">The user interface was not built into this program. Run <code>make build</code>. The API is available.</p>
</body></html>
`

// ServeHTTP serves one file, or the page.
func (s *screens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	lasting := strings.HasPrefix(name, "assets/")
	f, err := s.open(name)
	if errors.Is(err, fs.ErrNotExist) && !lasting && path.Ext(name) == "" {
		name = "index.html"
		f, err = s.open(name)
		if errors.Is(err, fs.ErrNotExist) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusServiceUnavailable)
			s.write(w, []byte(notBuilt))
			return
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	case err != nil:
		s.log.Error("reading a file of the user interface", "file", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache") // asked for again each time, and answered 304
	if lasting {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body, encoding := f.best(r.Header.Get("Accept-Encoding"))
	tag := f.tag
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
		tag = strings.TrimSuffix(tag, `"`) + "-" + encoding + `"`
	}
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	s.write(w, body)
}

func (s *screens) write(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil { //nolint:gosec // the program's own files
		s.log.Debug("a browser went away before its answer", "error", err)
	}
}

// open reads and compresses a file once.
func (s *screens) open(name string) (*file, error) {
	if name == "" || path.Base(name) == ".keep" || !fs.ValidPath(name) {
		return nil, fs.ErrNotExist
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.kept[name]; f != nil {
		return f, nil
	}
	if s.files == nil {
		return nil, fs.ErrNotExist
	}
	if info, err := fs.Stat(s.files, name); err == nil && info.IsDir() {
		return nil, fs.ErrNotExist
	}
	plain, err := fs.ReadFile(s.files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(plain)
	f := &file{plain: plain, tag: `"` + hex.EncodeToString(sum[:12]) + `"`, kind: kindOf(name)}
	if worthCompressing(f.kind) {
		var gz, br bytes.Buffer
		zw := gzip.NewWriter(&gz)
		bw := brotli.NewWriterLevel(&br, 9)
		_, gzErr := zw.Write(plain)
		_, brErr := bw.Write(plain)
		if err := errors.Join(gzErr, brErr, zw.Close(), bw.Close()); err != nil {
			return nil, fmt.Errorf("compressing %s: %w", name, err)
		}
		f.gzip, f.brotli = gz.Bytes(), br.Bytes()
	}
	s.kept[name] = f
	return f, nil
}

// kindOf does not ask the machine's own table, which differs between machines.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

func worthCompressing(kind string) bool {
	return strings.HasPrefix(kind, "text/") || strings.Contains(kind, "json") || strings.Contains(kind, "svg")
}

// best chooses a form by what the browser accepts; a weight of zero refuses.
func (f *file) best(accept string) (body []byte, encoding string) {
	accepts := map[string]bool{}
	for part := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		accepts[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimPrefix(strings.TrimSpace(weight), "q="), "0.") != "" || weight == ""
	}
	switch {
	case f.brotli != nil && accepts["br"]:
		return f.brotli, "br"
	case f.gzip != nil && accepts["gzip"]:
		return f.gzip, "gzip"
	}
	return f.plain, ""
}
