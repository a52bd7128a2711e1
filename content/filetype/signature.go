package filetype

import (
	"bytes"
	"encoding/binary"
)

// signatures are beginnings that name a type by themselves.
var signatures = []struct {
	at    int
	magic string
	t     Type
}{
	{0, "\x89PNG\r\n\x1a\n", "png"},
	{0, "\xff\xd8\xff", "jpg"},
	{0, "GIF87a", "gif"},
	{0, "GIF89a", "gif"},
	{0, "II*\x00", "tiff"},
	{0, "MM\x00*", "tiff"},
	{0, "II+\x00", "tiff"},
	{0, "MM\x00+", "tiff"},
	{0, "\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"},
	{0, "8BPS\x00", "psd"},
	{0, "\xd7\xcd\xc6\x9a", "wmf"},
	{0, "7z\xbc\xaf\x27\x1c", "7z"},
	{0, "Rar!\x1a\x07", "rar"},
	{0, "\x1f\x8b", "gz"},
	{0, "\xfd7zXZ\x00", "xz"},
	{0, "\x28\xb5\x2f\xfd", "zst"},
	{0, "\x1f\x9d", "z"},
	{0, "MSCF\x00\x00\x00\x00", "cab"},
	{0, "\x78\x9f\x3e\x22", "tnef"},
	{257, "ustar", TAR},
	{0x8001, "CD001", ISO},
	{0x8801, "CD001", ISO},
	{0x8001, "BEA01", "udf"},
	{0, "conectix", "vhd"},
	{0, "vhdxfile", "vhdx"},
	{0, "KDMV", "vmdk"},
	{0, "\x7fELF", "elf"},
	{0, "\xfe\xed\xfa\xce", "macho"},
	{0, "\xfe\xed\xfa\xcf", "macho"},
	{0, "\xce\xfa\xed\xfe", "macho"},
	{0, "\xcf\xfa\xed\xfe", "macho"},
	{0, "\x4c\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "lnk"},
	{0, "ITSF\x03\x00\x00\x00", "chm"},
	{0, "\x00asm", "wasm"},
	{0, "!<arch>\ndebian-binary", "deb"},
	{0, "\xed\xab\xee\xdb", "rpm"},
	{0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", "one"},
	{0, "!BDN", "pst"},
	{0, "SQLite format 3\x00", "sqlite"},
	{4, "Standard Jet DB\x00", "mdb"},
	{4, "Standard ACE DB\x00", "mdb"},
	{0, "ElfFile\x00", "evtx"},
	{0, "\xdb\xa5\x2d\x00", "doc"}, // Word 2
	{0, "\x9b\xa5\x21\x00", "doc"}, // Word 1
	{0, "\x09\x00\x04\x00", "xls"}, // Excel 2 to 5 without a compound file
	{0, "\x09\x02\x06\x00", "xls"},
	{0, "\x09\x04\x06\x00", "xls"},
	{0, "\x09\x08\x08\x00", "xls"},
	{0, "\x09\x08\x10\x00", "xls"},
	{0, "JwwData.", "jww"},
	{0, "AutoCAD Binary DXF\r\n\x1a\x00", "dxf"},
	{0, "OggS", "ogg"},
	{0, "\x1a\x45\xdf\xa3", "mkv"},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"},
	{0, "MThd", "mid"},
	{0, "\x00\x01\x00\x00\x00", "ttf"},
	{0, "OTTO\x00", "ttf"},
	{0, "ttcf\x00", "ttf"},
	{0, "wOFF", "woff"},
	{0, "wOF2", "woff"},
}

// oleMagic begins a compound file, MS-CFB 2.2.
const oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// signature tells what f's first bytes name, or a Result without a type.
func (f *file) signature() Result {
	h := f.head
	switch {
	case bytes.HasPrefix(h, []byte("PK\x03\x04")), bytes.HasPrefix(h, []byte("PK\x05\x06")), bytes.HasPrefix(h, []byte("PK00PK\x03\x04")), bytes.HasPrefix(h, []byte("PK\x07\x08PK\x03\x04")):
		return f.zip()
	case bytes.HasPrefix(h, []byte(oleMagic)):
		return f.ole()
	case bytes.HasPrefix(h, []byte("MZ")), bytes.HasPrefix(h, []byte("ZM")):
		return f.windows()
	case bytes.HasPrefix(bytes.TrimLeft(h[:min(len(h), 64)], " \t\r\n\ufeff"), []byte(`{\rt`)):
		return Result{Type: "rtf"} // Word reads {\rt as {\rtf, and malware knows it
	case bytes.HasPrefix(h, []byte("RIFF")) && len(h) >= 12:
		return riff(string(h[8:12]))
	case len(h) >= 12 && string(h[4:8]) == "ftyp":
		return brand(h)
	case lzh(h):
		return Result{Type: "lzh"}
	case bytes.HasPrefix(h, []byte("\xca\xfe\xba\xbe")) && len(h) >= 8:
		// A Java class has its version here, 45 or above; a fat Mach-O counts
		// its architectures.
		if binary.BigEndian.Uint32(h[4:]) > 30 {
			return Result{Type: "class"}
		}
		return Result{Type: "macho"}
	case bytes.HasPrefix(h, []byte("BM")) && len(h) >= 26 && bitmap(h):
		return Result{Type: "bmp"}
	case len(h) >= 44 && bytes.HasPrefix(h, []byte("\x01\x00\x00\x00")) && string(h[40:44]) == " EMF":
		return Result{Type: "emf"}
	case len(h) > 4 && string(h[:3]) == "BZh" && h[3] >= '1' && h[3] <= '9' && (h[4] == 0x31 || h[4] == 0x17):
		return Result{Type: "bz2"}
	case len(h) > 10 && h[0] == 0x60 && h[1] == 0xea && h[3] <= 10 && h[10] <= 4:
		return Result{Type: "arj"}
	case len(h) > 3 && string(h[1:3]) == "WS" && (h[0] == 'F' || h[0] == 'C' || h[0] == 'Z') && h[3] > 0 && h[3] < 60:
		return Result{Type: "swf"}
	case len(h) > 4 && string(h[:3]) == "ID3" && h[3] < 10:
		return Result{Type: "mp3"}
	case icon(h):
		return Result{Type: "ico"}
	case bytes.HasPrefix(h, []byte("AC10")) && len(h) > 6 && h[4] >= '0' && h[4] <= '9' && h[5] >= '0' && h[5] <= '9' && h[6] == 0:
		return Result{Type: "dwg"}
	case bytes.HasPrefix(h, []byte("%!PS")), bytes.HasPrefix(h, []byte("\x04%!PS")), bytes.HasPrefix(h, []byte("\xc5\xd0\xd3\xc6")):
		return Result{Type: "ps"}
	}
	for _, s := range signatures {
		if bytes.HasPrefix(f.bytesOf(s.at), []byte(s.magic)) {
			return Result{Type: s.t}
		}
	}
	if i := bytes.Index(h[:min(len(h), 1024)], []byte("%PDF-")); i >= 0 {
		return f.pdf()
	}
	if bytes.Contains(h[:min(len(h), 1024)], []byte(" 0 obj")) && bytes.Contains(f.bytes(max(0, f.size-1024), 1024), []byte("startxref")) {
		r := f.pdf() // readers do without the first line
		r.Damaged = true
		return r
	}
	// MPEG audio has no signature but a frame header.
	if len(h) > 3 && h[0] == 0xff && h[1]&0xe6 == 0xe2 && h[2]&0xf0 != 0xf0 && h[2]&0x0c != 0x0c {
		return Result{Type: "mp3"}
	}
	return Result{}
}

func (f *file) bytesOf(at int) []byte {
	if at >= len(f.head) {
		return nil
	}
	return f.head[at:]
}

// pdf looks whether f is whole and locked. A trailer that says /Encrypt stands
// near the end, or at the beginning of a linearised file.
func (f *file) pdf() Result {
	r := Result{Type: PDF}
	end := f.bytes(max(0, f.size-16<<10), 16<<10)
	r.Damaged = !bytes.Contains(end, []byte("%%EOF"))
	r.Encrypted = encryptKey(end) || encryptKey(f.head)
	return r
}

// encryptKey finds /Encrypt followed by a reference or a dictionary, as in a
// trailer, and not /EncryptMetadata.
func encryptKey(b []byte) bool {
	for {
		_, after, found := bytes.Cut(b, []byte("/Encrypt"))
		if !found {
			return false
		}
		value := bytes.TrimLeft(after, " \r\n\t\x00\f")
		if len(value) > 0 && (value[0] >= '0' && value[0] <= '9' || value[0] == '<') {
			return true
		}
		b = after
	}
}

// windows tells PE from older programs of DOS and Windows.
func (f *file) windows() Result {
	if len(f.head) < 64 {
		return Result{Type: DOS, Damaged: true}
	}
	at := binary.LittleEndian.Uint32(f.head[0x3c:])
	if bytes.Equal(f.bytes(int64(at), 4), []byte("PE\x00\x00")) {
		return Result{Type: PE}
	}
	return Result{Type: DOS}
}

func riff(form string) Result {
	switch form {
	case "WEBP":
		return Result{Type: "webp"}
	case "WAVE":
		return Result{Type: "wav"}
	case "AVI ":
		return Result{Type: "avi"}
	}
	return Result{Type: Unknown}
}

func brand(h []byte) Result {
	switch string(h[8:12]) {
	case "heic", "heix", "mif1", "msf1", "heim", "heis":
		return Result{Type: "heic"}
	case "avif", "avis":
		return Result{Type: "avif"}
	}
	return Result{Type: "mp4"}
}

// lzh looks for the method at its fixed place: -lh5-, -lzs-, -lhd-.
func lzh(h []byte) bool {
	return len(h) >= 22 && h[2] == '-' && h[3] == 'l' && (h[4] == 'h' || h[4] == 'z') && h[6] == '-' && h[20] <= 3
}

func bitmap(h []byte) bool {
	switch binary.LittleEndian.Uint32(h[14:]) { // the known header sizes
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

func icon(h []byte) bool {
	return len(h) >= 22 && h[0] == 0 && h[1] == 0 && (h[2] == 1 || h[2] == 2) && h[3] == 0 &&
		h[5] == 0 && h[4] > 0 && h[9] == 0 && binary.LittleEndian.Uint32(h[18:]) >= 22
}
