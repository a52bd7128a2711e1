package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// eicar is the harmless file that every malware scanner must find
// (eicar.org, Anti-Malware Testfile). It is put together here so that a scanner
// does not take this program for one.
var eicar = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE" + "!$H+H*"

// maxSample is the largest answer of /bytes/N.
const maxSample = 4 << 30

// origin is the demonstration's sample site: what stands behind the edge and the
// proxy. It answers /, /form, /eicar.com and /bytes/N.
type origin struct {
	listener net.Listener
}

func (o *origin) Run(ctx context.Context) error {
	server := &http.Server{Handler: o.handler(), ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // nothing to save
	defer stopped()
	if err := server.Serve(o.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the sample site: %w", err)
	}
	return nil
}

func (o *origin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "ようこそ", `<p>見本のホームページです。</p><p><a href="/form">お問い合わせ</a></p>`)
	})
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) {
		page(w, "お問い合わせ", `<form method="post" action="/form"><p><label>お名前 <input name="name"></label></p><p><label>内容 <textarea name="text"></textarea></label></p><button>送る</button></form>`)
	})
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "the form cannot be read", http.StatusBadRequest)
			return
		}
		page(w, "受け付けました", "<p>"+html.EscapeString(r.PostForm.Get("name"))+" 様</p>")
	})
	mux.HandleFunc("GET /search", func(w http.ResponseWriter, r *http.Request) {
		page(w, "さがす", "<p>「"+html.EscapeString(r.URL.Query().Get("q"))+"」は見つかりませんでした。</p>")
	})
	mux.HandleFunc("GET /eicar.com", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		io.WriteString(w, eicar) //nolint:errcheck // the client went away
	})
	mux.HandleFunc("GET /bytes/{n}", sample)
	return mux
}

func page(w http.ResponseWriter, title, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><html lang=\"ja\"><meta charset=\"utf-8\"><title>%s</title><h1>%s</h1>%s</html>\n", title, title, body)
}

// sample answers N bytes of a fixed pattern.
func sample(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || n < 0 || n > maxSample {
		http.Error(w, "N must be a number of bytes up to 4294967296", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	block := make([]byte, 32<<10)
	for i := range block {
		block[i] = byte('a' + i%26)
	}
	for n > 0 {
		part := block[:min(n, int64(len(block)))]
		if _, err := w.Write(part); err != nil {
			return
		}
		n -= int64(len(part))
	}
}
