package filetype

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
)

// Bounds within a compound file, MS-CFB.
const (
	maxStreams = 4096
	maxSectors = 64 << 10 // of one chain
	endOfChain = 0xfffffffe
	miniSector = 64
	miniCutoff = 4096 // shorter streams live in the mini stream
)

// compound is an OLE2 compound file.
type compound struct {
	f       *file
	shift   uint // of a sector: 9 or 12
	fat     []uint32
	miniFAT uint32 // first sector of the mini FAT
	mini    stream // the mini stream, from the root entry
	class   string // the root entry's class, in hex
	entries []oleEntry
	streams map[string]stream // those of the root: what stands deeper belongs to embedded files
	storage map[string]bool   // at any depth
	broken  bool
}

// oleEntry is one directory entry, MS-CFB 2.6.1.
type oleEntry struct {
	name              string
	kind              byte
	left, right, down uint32
	stream
}

type stream struct {
	start uint32
	size  uint64
}

// ole tells what the streams of a compound file make it.
func (f *file) ole() Result {
	c := f.compound()
	r := Result{Type: OLE, Damaged: c.broken}
	has := func(name string) bool { _, ok := c.streams[name]; return ok }
	switch {
	case has("encryptedpackage"):
		r.Type, r.Encrypted = OOXMLLocked, true
	case has("worddocument"):
		r.Type = "doc"
		// The flags of the file information block, MS-DOC 2.5.2: fEncrypted.
		if fib := c.read("worddocument", 12); len(fib) == 12 {
			r.Encrypted = binary.LittleEndian.Uint16(fib[10:])&0x0100 != 0
		}
	case has("workbook"), has("book"):
		r.Type = "xls"
		c.excel(&r)
	case has("powerpoint document"):
		r.Type = "ppt"
		// The token of the current user, MS-PPT 2.3.2.
		user := c.read("current user", 16)
		r.Encrypted = has("encryptedsummary") || len(user) == 16 && binary.LittleEndian.Uint32(user[12:]) == 0xf3d1c4df
	case has("visiodocument"):
		r.Type = "vsd"
	case has("__properties_version1.0"):
		r.Type = "msg"
	case c.storage["quill"]:
		r.Type = "pub"
	case has("documenttext") && (has("documentviewstyles") || has("jsrv_segmentinformation")), has("jsrv_segmentinformation"):
		r.Type = "jtd"
	case strings.HasPrefix(string(c.read("fileheader", 32)), "HWP Document File"):
		r.Type = "hwp"
	case strings.HasPrefix(c.class, "84100c0000000000c000000000000046"), strings.HasPrefix(c.class, "86100c0000000000c000000000000046"), strings.HasPrefix(c.class, "82100c0000000000c000000000000046"):
		r.Type = "msi"
	case has("catalog") && len(c.streams) > 1:
		r.Type = "thumbsdb"
	}
	if c.storage["_vba_project_cur"] || c.storage["macros"] || c.storage["vba"] || c.anywhere("_vba_project") {
		r.Macros = true
	}
	return r
}

// anywhere tells whether some stream at any depth is called name.
func (c *compound) anywhere(name string) bool {
	return slices.ContainsFunc(c.entries, func(e oleEntry) bool { return e.kind == 2 && e.name == name })
}

// excel reads the first records of a workbook, MS-XLS 2.4: FilePass says that
// the rest is locked, and a sheet may be one of Excel 4 macros.
func (c *compound) excel(r *Result) {
	name := "workbook"
	if _, ok := c.streams[name]; !ok {
		name = "book"
	}
	const (
		filePass   = 0x2f
		boundSheet = 0x85
		macroSheet = 1
	)
	text := c.read(name, 64<<10)
	for records := 0; len(text) >= 4 && records < 4096; records++ {
		kind, size := binary.LittleEndian.Uint16(text), int(binary.LittleEndian.Uint16(text[2:]))
		body := text[4:min(4+size, len(text))]
		switch {
		case kind == filePass:
			r.Encrypted = true
			return
		case kind == boundSheet && len(body) > 5 && body[5] == macroSheet:
			r.Macros = true
		}
		text = text[4+len(body):]
	}
}

// compound reads header, allocation table and directory, as far as they go.
func (f *file) compound() *compound {
	c := &compound{f: f, streams: make(map[string]stream), storage: make(map[string]bool)}
	h := f.head
	if len(h) < 512 {
		c.broken = true
		return c
	}
	c.shift = uint(binary.LittleEndian.Uint16(h[30:]))
	if c.shift != 9 && c.shift != 12 {
		c.shift, c.broken = 9, true
	}
	c.miniFAT = binary.LittleEndian.Uint32(h[60:])
	for i := range 109 {
		c.table(binary.LittleEndian.Uint32(h[76+4*i:]))
	}
	next := binary.LittleEndian.Uint32(h[68:])
	for n := 0; next < endOfChain-2 && n < 256 && len(c.fat) < maxSectors*4; n++ {
		more := c.sector(next)
		if len(more) < 1<<c.shift {
			c.broken = true
			break
		}
		for i := 0; i < len(more)-4; i += 4 {
			c.table(binary.LittleEndian.Uint32(more[i:]))
		}
		next = binary.LittleEndian.Uint32(more[len(more)-4:])
	}
	c.directory(binary.LittleEndian.Uint32(h[48:]))
	return c
}

// table adds one sector of the allocation table.
func (c *compound) table(at uint32) {
	if at >= endOfChain-2 || len(c.fat) >= maxSectors*16 {
		return
	}
	text := c.sector(at)
	for i := 0; i+4 <= len(text); i += 4 {
		c.fat = append(c.fat, binary.LittleEndian.Uint32(text[i:]))
	}
}

func (c *compound) sector(n uint32) []byte {
	return c.f.bytes((int64(n)+1)<<c.shift, 1<<c.shift)
}

// next is the sector after n in its chain.
func (c *compound) next(n uint32) uint32 {
	if int64(n) >= int64(len(c.fat)) {
		return endOfChain
	}
	return c.fat[n]
}

func (c *compound) directory(at uint32) {
	const size = 128
	for sectors := 0; at < endOfChain-2 && len(c.entries) < maxStreams && sectors < maxSectors; sectors++ {
		text := c.sector(at)
		if len(text) == 0 {
			c.broken = true
			break
		}
		for ; len(text) >= size; text = text[size:] {
			c.entry(text[:size])
		}
		at = c.next(at)
	}
	c.root()
}

// root walks the tree of the root's own entries. Where it leads nowhere, the
// entries count as they stand, and the file as damaged.
func (c *compound) root() {
	if len(c.entries) > 0 {
		seen := make(map[uint32]bool)
		open := []uint32{c.entries[0].down}
		for len(open) > 0 {
			n := open[len(open)-1]
			open = open[:len(open)-1]
			if int64(n) >= int64(len(c.entries)) || seen[n] {
				continue
			}
			seen[n] = true
			e := c.entries[n]
			open = append(open, e.left, e.right)
			if e.kind == 2 {
				c.streams[e.name] = e.stream
			}
		}
	}
	if len(c.streams) > 0 || c.storage["quill"] {
		return
	}
	c.broken = true
	for _, e := range c.entries {
		if e.kind == 2 {
			c.streams[e.name] = e.stream
		}
	}
}

func (c *compound) entry(e []byte) {
	units := min(int(binary.LittleEndian.Uint16(e[64:]))/2, 32)
	name := make([]uint16, 0, 32)
	for i := range units {
		if u := binary.LittleEndian.Uint16(e[2*i:]); u != 0 {
			name = append(name, u)
		}
	}
	text := strings.ToLower(string(utf16.Decode(name)))
	number := func(at int) uint32 { return binary.LittleEndian.Uint32(e[at:]) }
	s := stream{number(116), uint64(number(120))}
	c.entries = append(c.entries, oleEntry{text, e[66], number(68), number(72), number(76), s})
	switch e[66] {
	case 1:
		c.storage[text] = true
	case 5:
		const digits = "0123456789abcdef"
		var class []byte
		for _, b := range e[80:96] {
			class = append(class, digits[b>>4], digits[b&15])
		}
		c.mini, c.class = s, string(class)
	}
}

// read returns up to n first bytes of a stream.
func (c *compound) read(name string, n int) []byte {
	s, ok := c.streams[name]
	if !ok {
		return nil
	}
	n = int(min(uint64(n), s.size)) //nolint:gosec // callers ask for little
	if s.size >= miniCutoff {
		return c.chain(s.start, n)
	}
	// Mini sectors are slices of the mini stream, chained in a table of their own.
	table := c.chain(c.miniFAT, maxPart)
	whole := c.chain(c.mini.start, maxPart)
	var out []byte
	for at, steps := s.start, 0; len(out) < n && steps < miniCutoff/miniSector; steps++ {
		from := int64(at) * miniSector
		if from+miniSector > int64(len(whole)) {
			break
		}
		out = append(out, whole[from:from+miniSector]...)
		if (int64(at)+1)*4 > int64(len(table)) {
			break
		}
		at = binary.LittleEndian.Uint32(table[at*4:])
	}
	return out[:min(n, len(out))]
}

// chain returns up to n bytes of the sectors from start on.
func (c *compound) chain(start uint32, n int) []byte {
	var out []byte
	for at, steps := start, 0; at < endOfChain-2 && len(out) < n && steps < maxSectors; steps++ {
		text := c.sector(at)
		if len(text) == 0 {
			break
		}
		out = append(out, text...)
		at = c.next(at)
	}
	return out[:min(n, len(out))]
}
