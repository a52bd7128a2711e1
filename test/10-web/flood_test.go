package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPageUnderFlood is a page of a visitor while eight connections post
// JSON of 100 kB in 2,000 fields, which costs the rules most: the WAF must not
// become its own denial of service.
func BenchmarkPageUnderFlood(b *testing.B) {
	p := start(b, echo(b).URL, true)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", p.address)
	}}}
	var fields strings.Builder
	for i := range 2000 {
		_, _ = fmt.Fprintf(&fields, `,"field%d":"%s"`, i, strings.Repeat("x", 36))
	}
	body := "{" + fields.String()[1:] + "}"
	ctx, stop := context.WithCancel(b.Context())
	var flood sync.WaitGroup
	var posted atomic.Int64
	for range 8 {
		flood.Go(func() {
			for ctx.Err() == nil {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+host+"/api", strings.NewReader(body))
				if err != nil {
					return
				}
				r.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(r)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				posted.Add(1)
			}
		})
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+host+"/", nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		took = append(took, time.Since(start))
	}
	stop()
	flood.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms/p99")
	b.ReportMetric(float64(posted.Load()), "posts")
	client.CloseIdleConnections()
}
