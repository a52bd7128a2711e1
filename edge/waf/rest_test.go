package waf

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sekikura/sekikura/tenant"
)

// upload is a form with a large file first and a field behind it.
func upload(t testing.TB, field string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	file, err := w.CreateFormFile("photo", "photo.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(bytes.Repeat([]byte("' OR 1=1 -- <script>"), 20_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteField("comment", field); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func TestFieldsBehindLargeFilesAreJudgedBeforeTheUploadEnds(t *testing.T) {
	for _, tt := range []struct {
		name, policy, field string
		outcome             string
	}{
		{"an honest field", `{}`, "ごみの収集日を教えてください。", Passed},
		{"an attack", `{}`, "x' UNION SELECT password FROM users-- ", Blocked},
		{"an attack that is only recorded", `{"action":"detect"}`, "x' UNION SELECT password FROM users-- ", Detected},
		{"a field longer than what is judged", `{}`, strings.Repeat("あ", 100_000), Blocked},
		{"the same where that may pass", `{"beyond":"pass"}`, strings.Repeat("あ", 100_000), Passed},
	} {
		e := engine(t, map[tenant.ID]string{wakaba: tt.policy})
		contentType, body := upload(t, tt.field)
		for name, pieces := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "with its error": iotest.DataErrReader} {
			r := request(t, "POST", "/form", "", "")
			r.Header.Set("Content-Type", contentType)
			r.ContentLength = int64(len(body))
			i := e.Inspect(t.Context(), wakaba, visitor, r, body[:e.Limit(wakaba)+1], false)
			if got := i.Outcome(); got != Passed {
				t.Fatalf("%s: the first part is %s: %s", tt.name, got, field(i, "waf.matches"))
			}
			rest := i.Rest(t.Context(), wakaba, visitor, r, pieces(bytes.NewReader(body)))
			got, err := io.ReadAll(rest)
			if o := i.Outcome(); o != tt.outcome {
				t.Errorf("%s (%s): %s, want %s: %s", tt.name, name, o, tt.outcome, field(i, "waf.matches"))
			}
			if tt.outcome == Blocked {
				if err == nil || len(got) >= len(body) || !bytes.HasPrefix(body, got) {
					t.Errorf("%s (%s): %d of %d bytes passed, %v; want all but the end, and an error", tt.name, name, len(got), len(body), err)
				}
			} else if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s (%s): %d of %d bytes passed, %v; want the same", tt.name, name, len(got), len(body), err)
			}
			_ = rest.Close()
			i.Close()
		}
	}
}

func TestUploadThatEndsEarlyOrIsGivenUpLeavesNothingBehind(t *testing.T) {
	e := engine(t, nil)
	contentType, body := upload(t, "x")
	r := request(t, "POST", "/form", "", "")
	r.Header.Set("Content-Type", contentType)
	i := e.Inspect(t.Context(), wakaba, visitor, r, body[:e.Limit(wakaba)+1], false)
	gone := errors.New("the client has gone")
	rest := i.Rest(t.Context(), wakaba, visitor, r, io.MultiReader(bytes.NewReader(body[:200_000]), iotest.ErrReader(gone)))
	if _, err := io.ReadAll(rest); !errors.Is(err, gone) {
		t.Errorf("read error %v, want the client's", err)
	}
	_ = rest.Close()
	// Given up before its end: the collector ends too.
	other := i.Rest(t.Context(), wakaba, visitor, r, bytes.NewReader(body)).(*restReader)
	if _, err := io.ReadFull(other, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	<-other.found
	i.Close()
	if other.inspection.adopt(e.Inspect(t.Context(), wakaba, visitor, r, nil, true)) {
		t.Error("a closed inspection took a judgement")
	}
	// A cut form that claims to be whole is not well-formed.
	i = e.Inspect(t.Context(), wakaba, visitor, r, body[:e.Limit(wakaba)+1], false)
	defer i.Close()
	if _, err := io.ReadAll(i.Rest(t.Context(), wakaba, visitor, r, bytes.NewReader(body[:len(body)-60]))); err == nil || i.Outcome() != Blocked {
		t.Errorf("a form without its end: %v, %s", err, i.Outcome())
	}
	if i.Rest(t.Context(), wakaba, visitor, &http.Request{Header: http.Header{"Content-Type": {"application/pdf"}}}, nil) != nil {
		t.Error("a body without fields has a rest to judge")
	}
}
