package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sekikura/sekikura/portal/access"
)

// Replays remembers the answers to requests that carried an Idempotency-Key, for
// a day. Implementations keep them per account.
type Replays interface {
	// Begin claims a key for a request with this digest. When it was claimed
	// before, it returns the answer then given, or ErrUnfinished when none was.
	Begin(ctx context.Context, who *access.Identity, key, digest string) (*Answer, error)
	// Finish keeps the answer. Forget drops the claim, so that the request may be
	// tried again.
	Finish(ctx context.Context, who *access.Identity, key string, a Answer) error
	Forget(ctx context.Context, who *access.Identity, key string) error
}

// Answer is a kept answer. Digest is the request's.
type Answer struct {
	Digest string            `json:"digest"`
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Body   []byte            `json:"body,omitempty"`
	Secret bool              `json:"secret,omitempty"` // the body was not kept
}

// ErrUnfinished is the answer of Begin while the first request is being worked
// on, or after a crash in the middle of it.
var ErrUnfinished = errors.New("the first request with this key has no answer yet")

// maxKey bounds an Idempotency-Key.
const maxKey = 255

// once lets a request with an Idempotency-Key be done at most once.
func (r *Router) once(op Operation, ctx huma.Context, who *access.Identity, next func(huma.Context)) {
	key := ctx.Header("Idempotency-Key")
	if op.Method != http.MethodPost || key == "" {
		next(ctx)
		return
	}
	if len(key) > maxKey || !printable(key) || r.Replays == nil {
		r.refuse(ctx, Invalid(Field("/header/Idempotency-Key", "wrong_form")))
		return
	}
	limit := ctx.Operation().MaxBodyBytes
	body, err := io.ReadAll(io.LimitReader(ctx.BodyReader(), limit+1))
	if err != nil {
		r.refuse(ctx, NewProblem(http.StatusBadRequest, "not_json").Because(err))
		return
	}
	if int64(len(body)) > limit {
		r.refuse(ctx, NewProblem(http.StatusRequestEntityTooLarge, "too_large"))
		return
	}
	u := ctx.URL()
	sum := sha256.Sum256([]byte(op.Method + "\x00" + u.RequestURI() + "\x00" + string(body)))
	digest := hex.EncodeToString(sum[:])
	kept, err := r.Replays.Begin(ctx.Context(), who, key, digest)
	switch {
	case errors.Is(err, ErrUnfinished):
		r.refuse(ctx, NewProblem(http.StatusConflict, "unfinished"))
		return
	case err != nil:
		r.refuse(ctx, Failed(err))
		return
	case kept != nil && kept.Digest != digest:
		r.refuse(ctx, Invalid(Field("/header/Idempotency-Key", "key_reused")))
		return
	case kept != nil && kept.Secret:
		r.refuse(ctx, NewProblem(http.StatusConflict, "shown_once"))
		return
	case kept != nil:
		for name, value := range kept.Header {
			ctx.SetHeader(name, value)
		}
		ctx.SetHeader("Idempotency-Replayed", "true")
		ctx.SetStatus(kept.Status)
		if _, err := ctx.BodyWriter().Write(kept.Body); err != nil {
			r.Log.Debug("a caller went away before its answer", "error", err)
		}
		return
	}
	recorded := &recorder{inner: ctx, body: bytes.NewReader(body), header: map[string]string{}}
	next(recorded)
	// The claim is settled even when the caller has gone.
	settle := context.WithoutCancel(ctx.Context())
	if recorded.status >= http.StatusInternalServerError || recorded.status == 0 {
		err = r.Replays.Forget(settle, who, key)
	} else {
		a := Answer{Digest: digest, Status: recorded.status, Header: recorded.header, Body: recorded.out.Bytes()}
		if op.Secret && recorded.status < http.StatusBadRequest {
			a.Body, a.Secret = nil, true
		}
		err = r.Replays.Finish(settle, who, key, a)
	}
	if err != nil {
		r.Log.Error("keeping the answer to an Idempotency-Key", "operation", op.ID, "error", err)
	}
}

func printable(s string) bool {
	for _, c := range s {
		if c > unicode.MaxASCII || !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}

// inner is huma.Context under a name that does not hide its own method Context.
type inner huma.Context

// recorder passes an answer on and keeps a copy.
type recorder struct {
	inner
	body   io.Reader
	status int
	header map[string]string
	out    bytes.Buffer
}

func (c *recorder) Unwrap() huma.Context  { return c.inner }
func (c *recorder) BodyReader() io.Reader { return c.body }
func (c *recorder) Status() int           { return c.status }
func (c *recorder) SetStatus(code int) {
	c.status = code
	c.inner.SetStatus(code)
}

func (c *recorder) SetHeader(name, value string) {
	switch name {
	case "Content-Type", "Location", "ETag":
		c.header[name] = value
	}
	c.inner.SetHeader(name, value)
}
func (c *recorder) BodyWriter() io.Writer { return io.MultiWriter(&c.out, c.inner.BodyWriter()) }
