package filetype

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"strings"
	"testing"
	"unicode/utf16"
)

// zipped makes an archive of names and their contents, in turn.
func zipped(t testing.TB, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		method := zip.Deflate
		if parts[i] == "mimetype" {
			method = zip.Store
		}
		part, err := w.CreateHeader(&zip.FileHeader{Name: parts[i], Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func contentTypes(main string) string {
	return `<?xml version="1.0"?><Types><Default Extension="xml" ContentType="application/xml"/><Override PartName="/x" ContentType="application/vnd.` + main + `"/></Types>`
}

func written(t testing.TB, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func utf16le(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// at puts magic at an offset of a file of zeros.
func at(offset int, magic string) string {
	return strings.Repeat("\x00", offset) + magic + strings.Repeat("\x00", 600)
}

func TestEveryTypeIsKnownByItsBytes(t *testing.T) {
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	picture := image.NewGray(image.Rect(0, 0, 4, 4))
	pe := "MZ" + strings.Repeat("\x00", 58) + "\x80\x00\x00\x00" + strings.Repeat("\x00", 64) + "PE\x00\x00\x64\x86"
	for _, tt := range []struct {
		name string
		text string
		want Type
	}{
		{"nothing", "", Empty},
		{"noise", "\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x0e\x0f\x90", Unknown},
		{"pdf", "%PDF-1.7\n1 0 obj\ntrailer\n%%EOF", PDF},
		{"pdf behind junk", strings.Repeat("\n", 1000) + "%PDF-1.4\n%%EOF", PDF},
		{"rtf", `{\rtf1\ansi hello}`, "rtf"},
		{"rtf as malware writes it", `{\rtxx\object}`, "rtf"},
		{"zip", zipped(t, "a.txt", "a"), ZIP},
		{"jar", zipped(t, "META-INF/MANIFEST.MF", "a"), "jar"},
		{"apk", zipped(t, "AndroidManifest.xml", "a", "META-INF/MANIFEST.MF", ""), "apk"},
		{"docx", zipped(t, "[Content_Types].xml", contentTypes("openxmlformats-officedocument.wordprocessingml.document.main+xml")), "docx"},
		{"docm", zipped(t, "[Content_Types].xml", contentTypes("ms-word.document.macroEnabled.main+xml")), "docm"},
		{"dotm", zipped(t, "[Content_Types].xml", contentTypes("ms-word.template.macroEnabledTemplate.main+xml")), "dotm"},
		{"xlsb", zipped(t, "[Content_Types].xml", contentTypes("ms-excel.sheet.binary.macroEnabled.main")), "xlsb"},
		{"xlsm in odd case", zipped(t, "[CONTENT_TYPES].XML", contentTypes("ms-excel.sheet.macroenabled.MAIN+xml")), "xlsm"},
		{"docx without a list", zipped(t, "[Content_Types].xml", "", "word/document.xml", "a"), "docx"},
		{"odt", zipped(t, "mimetype", "application/vnd.oasis.opendocument.text", "content.xml", ""), "odt"},
		{"epub", zipped(t, "mimetype", "application/epub+zip\n"), "epub"},
		{"7z", "7z\xbc\xaf\x27\x1c\x00\x04", "7z"},
		{"rar", "Rar!\x1a\x07\x01\x00", "rar"},
		{"lzh", "\x24\x8e-lh5-\x10\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x20\x01\x05a.txt", "lzh"},
		{"gz", written(t, func(b *bytes.Buffer) error { return gzip.NewWriter(b).Close() }), "gz"},
		{"tar", written(t, func(b *bytes.Buffer) error {
			w := tar.NewWriter(b)
			if err := w.WriteHeader(&tar.Header{Name: "a", Mode: 0o600}); err != nil {
				return err
			}
			return w.Close()
		}), TAR},
		{"bz2", "BZh91AY&SY\x00\x00", "bz2"},
		{"cab", "MSCF\x00\x00\x00\x00\x10", "cab"},
		{"tnef", "\x78\x9f\x3e\x22\x01\x00", "tnef"},
		{"iso", at(0x8001, "CD001\x01"), ISO},
		{"pe", pe, PE},
		{"dos", "MZ" + strings.Repeat("\x00", 100), DOS},
		{"elf", string(own), "elf"},
		{"macho", "\xcf\xfa\xed\xfe\x07\x00\x00\x01", "macho"},
		{"fat macho", "\xca\xfe\xba\xbe\x00\x00\x00\x02", "macho"},
		{"java class", "\xca\xfe\xba\xbe\x00\x00\x00\x34", "class"},
		{"lnk", "\x4c\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46\x00", "lnk"},
		{"chm", "ITSF\x03\x00\x00\x00\x60", "chm"},
		{"url", "[InternetShortcut]\r\nURL=http://a.example\r\n", "url"},
		{"reg", utf16le("\ufeffWindows Registry Editor Version 5.00\r\n"), "reg"},
		{"png", written(t, func(b *bytes.Buffer) error { return png.Encode(b, picture) }), "png"},
		{"jpeg", written(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, picture, nil) }), "jpg"},
		{"gif", written(t, func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) }), "gif"},
		{"webp", "RIFF\x10\x00\x00\x00WEBPVP8 ", "webp"},
		{"tiff", "II*\x00\x08\x00\x00\x00", "tiff"},
		{"bmp", "BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00", "bmp"},
		{"BM as text", "BMに関する要綱です。よろしくお願いします。", Plain},
		{"heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "heic"},
		{"mp4", "\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "mp4"},
		{"svg", `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`, "svg"},
		{"dwg", "AC1027\x00\x00\x00", "dwg"},
		{"dxf", "  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "dxf"},
		{"dxf with a comment", "999\ncreated by hand\n0\nSECTION\n2\nENTITIES\n", "dxf"},
		{"p21", "ISO-10303-21;\nHEADER;\n", "p21"},
		{"jww", "JwwData.\x00\x02", "jww"},
		{"html", "<!DOCTYPE html>\n<html><body>a", HTML},
		{"html behind a comment", "<!-- a -->\n<script>alert(1)</script>", HTML},
		{"html behind words", "Hello there, <script src=x></script>", HTML},
		{"html in utf-16", "\xff\xfe" + utf16le("<html><body>庁舎</body></html>"), HTML},
		{"html in utf-16 without a mark", utf16le("<html><body>a long enough page</body></html>"), HTML},
		{"hta", "<html><head><HTA:APPLICATION ID=x></head></html>", "hta"},
		{"xml", `<?xml version="1.0"?><a/>`, XML},
		{"xml without its line", `<a:b xmlns:a="x"><c/></a:b>`, XML},
		{"word 2003", `<?xml version="1.0"?><?mso-application progid="Word.Document"?><w:wordDocument/>`, "wordml"},
		{"wsf", `<job><script language="VBScript">x</script></job>`, "wsf"},
		{"eml", "Received: from a\r\n by b\r\nFrom: a@b.example\r\nSubject: x\r\n\r\nhello", EML},
		{"mbox", "From a@b.example Mon\nFrom: a\nSubject: x\n\nhello\n", "mbox"},
		{"one header is no mail", "Subject: nothing else\n\nhello", Plain},
		{"ics", "BEGIN:VCALENDAR\r\n", "ics"},
		{"json", `{"a": [1, 2, {"b": null}]}`, JSON},
		{"not json", `{"a": [1, 2`, Plain},
		{"csv", "団体,件数\n若葉村,3\n花見市,40\n", CSV},
		{"shell", "#!/bin/sh\necho\n", "sh"},
		{"batch", "@echo off\r\nset A=1\r\n", "bat"},
		{"batch without echo", "REM a\r\nsetlocal\r\nif exist a goto b\r\n", "bat"},
		{"powershell", "$a = New-Object Net.WebClient\nInvoke-Expression $a\n", "ps1"},
		{"vbscript", "Dim a\r\nSet a = CreateObject(\"WScript.Shell\")\r\na.Run \"calc\"\r\n", "vbs"},
		{"javascript", "var a = new ActiveXObject('WScript.Shell');\neval(a);\n", "js"},
		{"php", "<?php echo 1;", "php"},
		{"slk", "ID;PWXL;N;E\n", "slk"},
		{"iqy", "WEB\r\n1\r\nhttp://a.example\r\n", "iqy"},
		{"eicar", `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`, Plain},
		{"a letter", "拝啓\n時下ますますご清栄のこととお慶び申し上げます。\n敬具\n", Plain},
		{"prose that speaks of functions", "The function of this letter is to let you know.\n", Plain},
	} {
		if got := DetectBytes([]byte(tt.text)); got.Type != tt.want {
			t.Errorf("%s is %s (%+v), want %s", tt.name, got.Type, got, tt.want)
		}
	}
}

func TestJapaneseEncodingsAreToldApart(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"plain", "us-ascii"},
		{"市役所", "utf-8"},
		{"\xef\xbb\xbf市役所", "utf-8"},
		{"\x8e\x73\x96\xf0\x8f\x8a\x82\xcc\x82\xa8\x92\x6d\x82\xe7\x82\xb9", "shift_jis"},    // 市役所のお知らせ
		{"\xbb\xd4\xcc\xf2\xbd\xea\xa4\xce\xa4\xaa\xc3\xce\xa4\xe9\xa4\xbb", "euc-jp"},       // 市役所のお知らせ
		{"\x1b$B;TLr=j\x1b(B", "iso-2022-jp"},                                                // 市役所
		{"\xff\xfe\x02\x5e", "utf-16le"},                                                     // 市
		{"\xfe\xff\x5e\x02", "utf-16be"},                                                     // 市
		{"caf\xe9 au lait, s'il vous pla\xeet, un \xe9t\xe9 \xe0 Paris\x85", "unknown-8bit"}, // Latin-1
	} {
		if got := DetectBytes([]byte(tt.text)); got.Charset != tt.want || got.Family != Text {
			t.Errorf("%q is %+v, want charset %s", tt.text, got, tt.want)
		}
	}
}

func TestACharacterCutByTheBoundIsNoDamage(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("市", headSize/3+10),
		"a" + strings.Repeat("市", headSize/3+10),
		"ab" + strings.Repeat("市", headSize/3+10),
	} {
		if got := DetectBytes([]byte(text)); got.Charset != "utf-8" || got.Type != Plain {
			t.Errorf("a long text is %+v", got)
		}
	}
}

func TestWhatAFileCarriesIsNamed(t *testing.T) {
	locked := []byte(zipped(t, "a.txt", "a"))
	binary.LittleEndian.PutUint16(locked[6:], 1) // flags, local
	i := bytes.Index(locked, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint16(locked[i+8:], 1) // and in the directory
	word := contentTypes("openxmlformats-officedocument.wordprocessingml.document.main+xml")
	for _, tt := range []struct {
		name, text                 string
		macros, encrypted, damaged bool
	}{
		{"plain docx", zipped(t, "[Content_Types].xml", word), false, false, false},
		{"docx with macros that its type does not admit", zipped(t, "[Content_Types].xml", word, "word/vbaProject.bin", "x"), true, false, false},
		{"macros under another name's case", zipped(t, "[Content_Types].xml", word, "word/VBAPROJECT.BIN", "x"), true, false, false},
		{"Excel 4 macros", zipped(t, "[Content_Types].xml", contentTypes("ms-excel.sheet.macroEnabled.main+xml"), "xl/macrosheets/sheet1.xml", "x"), true, false, false},
		{"odt with Basic", zipped(t, "mimetype", "application/vnd.oasis.opendocument.text", "Basic/Standard/a.xml", "x"), true, false, false},
		{"odt with a password", zipped(t, "mimetype", "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml", "<manifest:encryption-data/>"), false, true, false},
		{"zip of somebody's project", zipped(t, "word/vbaProject.bin", "x"), false, false, false},
		{"zip with a password", string(locked), false, true, false},
		{"zip without its directory", zipped(t, "a.txt", "aaaa")[:40], false, false, true},
		{"pdf with a password", "%PDF-1.4\ntrailer << /Encrypt 5 0 R >>\n%%EOF", false, true, false},
		{"pdf that keeps its metadata open", "%PDF-1.4\n<< /EncryptMetadata false >>\n%%EOF", false, false, false},
		{"pdf that was cut", "%PDF-1.4\n1 0 obj", false, false, true},
	} {
		r := DetectBytes([]byte(tt.text))
		if r.Macros != tt.macros || r.Encrypted != tt.encrypted || r.Damaged != tt.damaged {
			t.Errorf("%s: %+v; want macros %v, encrypted %v, damaged %v", tt.name, r, tt.macros, tt.encrypted, tt.damaged)
		}
	}
}

func TestAFileThatIsTwoThingsNamesBoth(t *testing.T) {
	archive := zipped(t, "a.txt", "a")
	gifJar := "GIF89a" + strings.Repeat("\x00", 100) + archive
	pdfZip := "%PDF-1.4\n%%EOF\n" + archive
	gifPDF := "GIF89a" + strings.Repeat("\x00", 100) + "%PDF-1.4\n%%EOF"
	for _, tt := range []struct {
		name, text string
		want       Type
		also       Type
	}{
		{"picture and archive", gifJar, "gif", ZIP},
		{"PDF and archive", pdfZip, PDF, ZIP},
		{"picture and PDF", gifPDF, "gif", PDF},
	} {
		r := DetectBytes([]byte(tt.text))
		if r.Type != tt.want || len(r.Also) != 1 || r.Also[0] != tt.also {
			t.Errorf("%s: %+v, want %s and %s", tt.name, r, tt.want, tt.also)
		}
	}
	if r := DetectBytes([]byte(archive)); r.Also != nil {
		t.Errorf("a plain archive is also %v", r.Also)
	}
}

func TestNamesFitTheirTypes(t *testing.T) {
	for _, tt := range []struct {
		t    Type
		ext  string
		want bool
	}{
		{"docx", ".docx", true},
		{"docx", "DOCX", true},
		{"jpg", "jpeg", true},
		{PE, "pdf", false},
		{PE, "scr", true},
		{"docm", "docx", false},
		{"rtf", "doc", true}, // Word saves and opens it so
		{Unknown, "dat", false},
		{Plain, "", false},
		{Empty, "pdf", true},
		{OOXMLLocked, "xlsx", true},
	} {
		if got := (Result{Type: tt.t}).Fits(tt.ext); got != tt.want {
			t.Errorf("a %s called %q: fits %v, want %v", tt.t, tt.ext, got, tt.want)
		}
	}
}

func TestEveryTypeThatSignaturesNameIsInTheTable(t *testing.T) {
	for _, s := range signatures {
		if _, known := types[s.t]; !known {
			t.Errorf("%q has no family", s.t)
		}
	}
	for _, b := range beginnings {
		if _, known := types[b.t]; !known {
			t.Errorf("%q has no family", b.t)
		}
	}
	for _, p := range ooxmlParts {
		if types[p.t].container != ZIP {
			t.Errorf("%q is not built from ZIP", p.t)
		}
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errors.New("disk") }

func TestAReadErrorIsAnErrorAndNoType(t *testing.T) {
	if r, err := Detect(broken{}, 100); err == nil || r.Type != "" {
		t.Errorf("got %+v, %v", r, err)
	}
}

// counted counts the bytes that are read.
type counted struct {
	from *strings.Reader
	n    int
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.from.ReadAt(p, at)
	c.n += n
	return n, err
}

func TestAHostileFileCostsLittle(t *testing.T) {
	end := "PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0f\x00\x00\x00\x00\x00\x00\x00"
	header := "PK\x03\x04\x14\x00\x08\x00\x00\x00" + strings.Repeat("\x00", 20)
	chain := []byte(oleMagic + strings.Repeat("\x00", 22) + "\x09\x00" + strings.Repeat("\x00", 480))
	for at := 48; at < 512; at += 4 {
		binary.LittleEndian.PutUint32(chain[at:], 0)
	}
	for _, tt := range []struct{ name, text string }{
		{"ends of directories", strings.Repeat("x", 8<<20) + strings.Repeat(end, 4000)},
		{"headers far apart", strings.Repeat(header+strings.Repeat("x", 500<<10), 60)},
		{"a chain that runs in a circle", string(chain) + strings.Repeat("\x00", 8<<20)},
	} {
		c := &counted{from: strings.NewReader(tt.text)}
		if _, err := Detect(c, int64(len(tt.text))); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if c.n > budget {
			t.Errorf("%s: %d bytes are read, want at most %d", tt.name, c.n, budget)
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte(zipped(f, "[Content_Types].xml", contentTypes("ms-excel.sheet.macroEnabled.main+xml"), "mimetype", "x")))
	f.Add([]byte(oleMagic + strings.Repeat("\x00", 22) + "\x09\x00" + strings.Repeat("\x00", 2000)))
	f.Add([]byte("%PDF-1.4\n/Encrypt 1 0 R%%EOF"))
	f.Add([]byte("<html><script>"))
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("  0\nSECTION\n"))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\xff", 18)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := DetectBytes(b)
		if _, known := types[r.Type]; !known {
			t.Errorf("%q is no type of the table", r.Type)
		}
		if again := DetectBytes(b); again.Type != r.Type {
			t.Errorf("the same bytes are %s and %s", r.Type, again.Type)
		}
		// The second opinion: what the standard library opens as an archive
		// from its first byte is one, in the type or beside it.
		if bytes.HasPrefix(b, []byte("PK\x03\x04")) {
			if z, err := zip.NewReader(bytes.NewReader(b), int64(len(b))); err == nil && len(z.File) > 0 && types[r.Type].container != ZIP && r.Type != ZIP {
				t.Errorf("an archive of %d files is %s", len(z.File), r.Type)
			}
		}
		if r.Family == Text && bytes.IndexByte(b, 0) >= 0 && !strings.HasPrefix(r.Charset, "utf-16") {
			t.Errorf("bytes with zeros are text: %+v", r)
		}
	})
}

func BenchmarkDetect(b *testing.B) {
	docx := []byte(zipped(b, "[Content_Types].xml", contentTypes("openxmlformats-officedocument.wordprocessingml.document.main+xml"), "word/document.xml", strings.Repeat("a", 100000)))
	text := bytes.Repeat([]byte("市役所のお知らせ。\n"), 10000)
	for _, bb := range []struct {
		name string
		data []byte
	}{{"docx", docx}, {"text", text}} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				DetectBytes(bb.data)
			}
		})
	}
}
