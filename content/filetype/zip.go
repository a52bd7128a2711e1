package filetype

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"strings"
)

// maxEntries is how many entries of a ZIP directory are looked at; what matters
// stands near the front in every known writer.
const maxEntries = 4096

// maxPart bounds a part that is unpacked to be read.
const maxPart = 1 << 20

// entry is one line of a ZIP directory.
type entry struct {
	name   string
	flags  uint16
	method uint16
	packed uint64
	at     int64 // of its local header
}

// zip tells what a file that begins as a ZIP is.
func (f *file) zip() Result {
	entries := f.zipEntries(maxEntries)
	r := Result{Type: ZIP}
	if entries == nil {
		// Readers in browsers and mail gateways go by the local headers.
		entries, r.Damaged = f.localEntries(), true
	}
	names := make(map[string]*entry, len(entries))
	for i := range entries {
		e := &entries[i]
		r.Encrypted = r.Encrypted || e.flags&1 != 0
		name := strings.ToLower(strings.ReplaceAll(e.name, `\`, "/"))
		if names[name] == nil {
			names[name] = e
		}
		base := name[strings.LastIndexByte(name, '/')+1:]
		if base == "vbaproject.bin" || strings.HasPrefix(name, "xl/macrosheets/") || strings.HasPrefix(name, "basic/") && base != "" || strings.HasPrefix(name, "scripts/") && base != "" {
			r.Macros = true
		}
	}
	macros := r.Macros
	r.Macros = false // a plain archive has none of its own
	switch {
	case names["[content_types].xml"] != nil:
		r.Type, r.Macros = f.ooxml(names), macros
	case names["mimetype"] != nil:
		if t := odfTypes[strings.TrimSpace(string(f.part(names["mimetype"])))]; t != "" {
			r.Type, r.Macros = t, macros
			if manifest := names["meta-inf/manifest.xml"]; manifest != nil && bytes.Contains(f.part(manifest), []byte("encryption-data")) {
				r.Encrypted = true
			}
		}
	case names["androidmanifest.xml"] != nil:
		r.Type = "apk"
	case names["meta-inf/manifest.mf"] != nil:
		r.Type = "jar"
	}
	return r
}

var odfTypes = map[string]Type{
	"application/vnd.oasis.opendocument.text":                  "odt",
	"application/vnd.oasis.opendocument.text-template":         "odt",
	"application/vnd.oasis.opendocument.text-master":           "odt",
	"application/vnd.oasis.opendocument.spreadsheet":           "ods",
	"application/vnd.oasis.opendocument.spreadsheet-template":  "ods",
	"application/vnd.oasis.opendocument.presentation":          "odp",
	"application/vnd.oasis.opendocument.presentation-template": "odp",
	"application/vnd.oasis.opendocument.graphics":              "odg",
	"application/vnd.oasis.opendocument.graphics-template":     "odg",
	"application/vnd.oasis.opendocument.formula":               "odf",
	"application/epub+zip":                                     "epub",
}

// ooxmlParts are the content types of main parts, ECMA-376 part 2 and MS-OFFMACRO2,
// without the common "application/vnd." and in lower case.
var ooxmlParts = []struct {
	part string
	t    Type
}{
	{"openxmlformats-officedocument.wordprocessingml.document.main+xml", "docx"},
	{"ms-word.document.macroenabled.main+xml", "docm"},
	{"openxmlformats-officedocument.wordprocessingml.template.main+xml", "dotx"},
	{"ms-word.template.macroenabledtemplate.main+xml", "dotm"},
	{"openxmlformats-officedocument.spreadsheetml.sheet.main+xml", "xlsx"},
	{"ms-excel.sheet.macroenabled.main+xml", "xlsm"},
	{"ms-excel.sheet.binary.macroenabled.main", "xlsb"},
	{"openxmlformats-officedocument.spreadsheetml.template.main+xml", "xltx"},
	{"ms-excel.template.macroenabled.main+xml", "xltm"},
	{"ms-excel.addin.macroenabled.main+xml", "xlam"},
	{"openxmlformats-officedocument.presentationml.presentation.main+xml", "pptx"},
	{"ms-powerpoint.presentation.macroenabled.main+xml", "pptm"},
	{"openxmlformats-officedocument.presentationml.slideshow.main+xml", "ppsx"},
	{"ms-powerpoint.slideshow.macroenabled.main+xml", "ppsm"},
	{"openxmlformats-officedocument.presentationml.template.main+xml", "potx"},
	{"ms-powerpoint.template.macroenabled.main+xml", "potm"},
	{"ms-powerpoint.addin.macroenabled.main+xml", "ppam"},
	{"ms-visio.drawing.main+xml", "vsdx"},
	{"ms-visio.drawing.macroenabled.main+xml", "vsdm"},
	{"ms-package.xps-fixeddocumentsequence+xml", "xps"},
	{"openxps.fixeddocumentsequence+xml", "xps"},
}

// ooxml asks the list of content types, and the folder names where it is
// missing or says nothing.
func (f *file) ooxml(names map[string]*entry) Type {
	list := bytes.ToLower(f.part(names["[content_types].xml"]))
	for _, p := range ooxmlParts {
		if bytes.Contains(list, []byte(`"application/vnd.`+p.part+`"`)) {
			return p.t
		}
	}
	for _, main := range []struct {
		name string
		t    Type
	}{
		{"word/document.xml", "docx"},
		{"xl/workbook.xml", "xlsx"},
		{"xl/workbook.bin", "xlsb"},
		{"ppt/presentation.xml", "pptx"},
		{"visio/document.xml", "vsdx"},
		{"fixeddocseq.fdseq", "xps"},
	} {
		if names[main.name] != nil {
			return main.t
		}
	}
	return OOXML
}

// zipEntries reads up to most lines of the directory at the end of f, or nil
// when there is none.
func (f *file) zipEntries(most int) []entry {
	start := max(0, f.size-tailSize)
	tail := f.bytes(start, tailSize)
	const attempts = 16 // comments may hold what looks like an end
	for end, n := len(tail), 0; n < attempts; n++ {
		i := bytes.LastIndex(tail[:end], []byte("PK\x05\x06"))
		if i < 0 {
			return nil
		}
		if entries := f.directory(tail[i:], start+int64(i), most); entries != nil {
			return entries
		}
		end = i
	}
	return nil
}

// directory reads the directory whose end record stands at offset end.
func (f *file) directory(record []byte, end int64, most int) []entry {
	if len(record) < 22 {
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(record[12:]))
	at := int64(binary.LittleEndian.Uint32(record[16:]))
	if size == 0xffffffff || at == 0xffffffff { // ZIP64: a record of 56 bytes, found by a locator of 20
		locator := f.bytes(end-20, 20)
		if len(locator) < 20 || string(locator[:4]) != "PK\x06\x07" {
			return nil
		}
		end = int64(binary.LittleEndian.Uint64(locator[8:])) //nolint:gosec // bytes() checks the bounds
		long := f.bytes(end, 56)
		if len(long) < 56 || string(long[:4]) != "PK\x06\x06" {
			return nil
		}
		size = int64(binary.LittleEndian.Uint64(long[40:])) //nolint:gosec // as above
		at = int64(binary.LittleEndian.Uint64(long[48:]))   //nolint:gosec // as above
	}
	// Offsets count from the archive's start, which is not the file's when
	// something stands before it: the directory ends where its end record begins.
	shift := end - size - at
	if size <= 0 || at < 0 || shift < 0 || size > f.size {
		return nil
	}
	const shortest = 46
	if string(f.bytes(end-size, 4)) != "PK\x01\x02" {
		return nil
	}
	text := f.bytes(end-size, min(size, int64(most)*(shortest+512)))
	var entries []entry
	for len(text) >= shortest && string(text[:4]) == "PK\x01\x02" && len(entries) < most {
		name := int(binary.LittleEndian.Uint16(text[28:]))
		next := shortest + name + int(binary.LittleEndian.Uint16(text[30:])) + int(binary.LittleEndian.Uint16(text[32:]))
		if len(text) < shortest+name {
			break
		}
		entries = append(entries, entry{
			name:   string(text[shortest : shortest+name]),
			flags:  binary.LittleEndian.Uint16(text[8:]),
			method: binary.LittleEndian.Uint16(text[10:]),
			packed: uint64(binary.LittleEndian.Uint32(text[20:])),
			at:     int64(binary.LittleEndian.Uint32(text[42:])) + shift,
		})
		text = text[min(next, len(text)):]
	}
	return entries
}

// localEntries reads the headers that stand before each file, as far as they
// follow each other: for archives whose directory is missing or damaged.
func (f *file) localEntries() []entry {
	var entries []entry
	at := int64(bytes.Index(f.head, []byte("PK\x03\x04")))
	for at >= 0 && len(entries) < maxEntries {
		h := f.bytes(at, 30+512)
		if len(h) < 30 || string(h[:4]) != "PK\x03\x04" {
			break
		}
		name := int(binary.LittleEndian.Uint16(h[26:]))
		if len(h) < 30+name {
			break
		}
		e := entry{
			name: string(h[30 : 30+name]), flags: binary.LittleEndian.Uint16(h[6:]),
			method: binary.LittleEndian.Uint16(h[8:]), packed: uint64(binary.LittleEndian.Uint32(h[18:])), at: at,
		}
		entries = append(entries, e)
		body := at + 30 + int64(name) + int64(binary.LittleEndian.Uint16(h[28:]))
		if e.flags&8 == 0 {
			at = body + int64(e.packed) //nolint:gosec // 32 bits
			continue
		}
		// Its length stands behind it: search for the next header nearby.
		i := bytes.Index(f.bytes(body, maxPart), []byte("PK\x03\x04"))
		if i < 0 {
			break
		}
		at = body + int64(i)
	}
	return entries
}

// part unpacks the beginning of an entry, at most maxPart bytes.
func (f *file) part(e *entry) []byte {
	h := f.bytes(e.at, 30)
	if len(h) < 30 || string(h[:4]) != "PK\x03\x04" || e.flags&1 != 0 {
		return nil
	}
	body := e.at + 30 + int64(binary.LittleEndian.Uint16(h[26:])) + int64(binary.LittleEndian.Uint16(h[28:]))
	length := min(e.packed, maxPart)
	if length == 0 {
		length = maxPart // unknown: the stream knows its own end
	}
	packed := f.bytes(body, int64(length)) //nolint:gosec // at most maxPart
	if e.method == 0 {
		return packed
	}
	if e.method != 8 {
		return nil
	}
	var out bytes.Buffer
	io.Copy(&out, io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxPart)) //nolint:errcheck,gosec // what came before the error is enough
	return out.Bytes()
}
