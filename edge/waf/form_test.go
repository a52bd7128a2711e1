package waf

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func allCharsets(t testing.TB) []charset {
	t.Helper()
	var all []charset
	for _, name := range []string{"shift_jis", "euc-jp", "iso-2022-jp"} {
		c, ok := charsetNamed(name)
		if !ok {
			t.Fatal(name)
		}
		all = append(all, c)
	}
	return all
}

func TestFormsAreDecoded(t *testing.T) {
	for _, tt := range []struct{ name, form, want, charset string }{
		{"ASCII", "a=b&c=d+e", "a=b&c=d+e", ""},
		{"UTF-8", "a=%E3%81%82", "a=%E3%81%82", ""},
		{"Shift_JIS whose second byte is a backslash", "a=%83%5C%94%5C", "a=" + url.QueryEscape("ソ能"), "shift_jis"},
		{"EUC-JP", "a=%A4%A2%A4%A4", "a=" + url.QueryEscape("あい"), "euc-jp"},
		{"ISO-2022-JP", "a=%1B$B$\"%1B(B", "a=" + url.QueryEscape("あ"), "iso-2022-jp"},
		{"bytes of no encoding", "a=%FF%FE%80", "a=%FF%FE%80", ""},
		{"one bad field", "a=%83%5C&b=%FF", "a=%83%5C&b=%FF", ""},
		{"a field without a value", "flag&a=%83%5C", "flag&a=" + url.QueryEscape("ソ"), "shift_jis"},
		{"a broken escape", "a=%83%5C&b=%zz", "a=" + url.QueryEscape("ソ") + "&b=%25zz", "shift_jis"},
	} {
		got, name := decodeForm(tt.form, "", allCharsets(t))
		if got != tt.want || name != tt.charset {
			t.Errorf("%s: %q from %q, want %q from %q", tt.name, got, name, tt.want, tt.charset)
		}
	}
}

func TestUploadsAreJudgedWithoutTheirContents(t *testing.T) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	file, err := w.CreateFormFile("photo", "写真.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(bytes.Repeat([]byte("x"), 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteField("name", "山田"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, whole := range []bool{true, false} {
		body := b.Bytes()
		if !whole {
			body = body[:50_000]
		}
		p := prepare(w.FormDataContentType(), body, whole, allCharsets(t))
		if len(p.body) > 1000 || p.cut {
			t.Fatalf("whole %v: %d bytes are judged, cut %v", whole, len(p.body), p.cut)
		}
		r := multipart.NewReader(bytes.NewReader(p.body), w.Boundary())
		got, err := r.ReadForm(1 << 20)
		if err != nil {
			t.Fatalf("whole %v: %v in %q", whole, err, p.body)
		}
		if len(got.File["photo"]) != 1 || got.File["photo"][0].Filename != "写真.jpg" {
			t.Errorf("whole %v: files %v", whole, got.File)
		}
		if whole && got.Value["name"][0] != "山田" {
			t.Errorf("values %v", got.Value)
		}
	}
}

func TestFieldsThatLookLikeFilesAreJudged(t *testing.T) {
	for _, tt := range []struct {
		head string
		file bool
	}{
		{`Content-Disposition: form-data; name="a"; filename="b.jpg"`, true},
		{`content-disposition:form-data;name=a;filename*=UTF-8''%E5%86%99.jpg`, true},
		{`Content-Disposition: form-data; name="filename"`, false},
		{`Content-Disposition: form-data; name="a; filename=b"`, false},
		{`Content-Disposition: form-data; name="a"; filename=""`, false},
		{"X-Filename: filename=b\r\nContent-Disposition: form-data; name=\"a\"", false},
		{"Content-Disposition: form-data; name=\"a\"; filename=\"b\"\r\nContent-Disposition: form-data; name=\"a\"", false},
		{`Content-Disposition: form-data; name="a"; filename="b"; filename="c"`, false},
	} {
		if got := isFile("\r\n" + tt.head); got != tt.file {
			t.Errorf("isFile(%q) = %v, want %v", tt.head, got, tt.file)
		}
	}
	e := engine(t, nil)
	body := "--x\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\nx' UNION SELECT password FROM users-- \r\n--x--\r\n"
	if got := judge(t, e, wakaba, request(t, "POST", "/", "multipart/form-data; boundary=x", body)).Outcome(); got != Blocked {
		t.Errorf("an attack in a field named filename: %s, want %s", got, Blocked)
	}
}

// Whatever comes in, what the rules see must hold what a server would read.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"a=b", "a=%83%5C&b=%E3%81%82", "a=%1B$B$\"%1B(B", "&&=&a", "%", "a=%A4%A2", strings.Repeat("a&", 3000)} {
		f.Add(s)
	}
	charsets := allCharsets(f)
	f.Fuzz(func(t *testing.T, s string) {
		got, name := decodeForm(s, "", charsets)
		if name == "" {
			if got != s {
				t.Fatalf("%q changed to %q without an encoding", s, got)
			}
			return
		}
		if strings.Count(got, "&") < min(strings.Count(s, "&"), maxFormFields) {
			t.Fatalf("fields of %q are lost in %q", s, got)
		}
		values, err := url.ParseQuery(strings.ReplaceAll(got, ";", "%3B"))
		if err != nil && !strings.Contains(s, "%") {
			t.Fatalf("%q became %q: %v", s, got, err)
		}
		for _, list := range values {
			for _, v := range list {
				if !utf8.ValidString(v) && len(strings.Split(s, "&")) <= maxFormFields {
					t.Fatalf("%q became %q, which is no UTF-8", s, got)
				}
			}
		}
	})
}

// A second opinion on multipart: every field that mime/multipart finds in the
// body is found in what the rules see.
func FuzzMultipart(f *testing.F) {
	f.Add("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--x--\r\n")
	f.Add("--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--x\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\nd\r\n--x--\r\n")
	f.Add("--x\n\n--x--")
	f.Add("--x \r\n\r\nbody\r\n--x--")
	charsets := allCharsets(f)
	f.Fuzz(func(t *testing.T, body string) {
		const contentType = "multipart/form-data; boundary=x"
		_, params, err := mime.ParseMediaType(contentType)
		if err != nil {
			t.Fatal(err)
		}
		slim, _, ok := slimMultipart([]byte(body), params["boundary"], "", charsets)
		if !ok {
			return // the rules see the body itself
		}
		want := multipart.NewReader(strings.NewReader(body), "x")
		got := multipart.NewReader(bytes.NewReader(slim), "x")
		for {
			part, err := want.NextRawPart()
			if err != nil {
				return
			}
			if part.FileName() != "" {
				if p, err := got.NextRawPart(); err != nil || p.FormName() == "" && part.FormName() != "" {
					t.Fatalf("part %v of %q is lost in %q: %v", part.Header, body, slim, err)
				}
				continue
			}
			content, err := io.ReadAll(part)
			if err != nil {
				return
			}
			seen, err := got.NextRawPart()
			if err != nil {
				t.Fatalf("field %v of %q is lost in %q: %v", part.Header, body, slim, err)
			}
			text, err := io.ReadAll(seen)
			if err != nil {
				t.Fatalf("field %v of %q ends early in %q: %v", part.Header, body, slim, err)
			}
			if utf8.Valid(content) && !bytes.Contains(content, []byte{0x1b}) && !strings.Contains(strings.ToLower(body), "filename") && !bytes.HasPrefix(text, content) && !bytes.Equal(text, content) {
				t.Fatalf("field %v holds %q, the rules see %q", part.Header, content, text)
			}
		}
	})
}
