package filetype

import "strings"

// Type is what a file is: the usual end of its name, where there is one.
type Type string

// Family is what one does with a file.
type Family string

// The families.
const (
	Document   Family = "document"
	Archive    Family = "archive"
	Executable Family = "executable" // runs, or makes something run
	Script     Family = "script"
	Image      Family = "image"
	Media      Family = "media"
	Text       Family = "text"
	Web        Family = "web"
	Mail       Family = "mail"
	CAD        Family = "cad"
	Disk       Family = "disk"
	Other      Family = "other"
)

// Types that the code names; the others stand in the table only.
const (
	Empty        Type = "empty"
	Unknown      Type = "unknown"
	Plain        Type = "txt"
	PDF          Type = "pdf"
	ZIP          Type = "zip"
	OLE          Type = "ole"
	OOXMLLocked  Type = "ooxml-encrypted"
	OOXML        Type = "ooxml"
	HTML         Type = "html"
	XML          Type = "xml"
	EML          Type = "eml"
	CSV          Type = "csv"
	JSON         Type = "json"
	PE           Type = "exe"
	DOS          Type = "com-dos"
	TAR          Type = "tar"
	ISO          Type = "iso"
	binaryStream      = "application/octet-stream"
)

type known struct {
	family    Family
	mime      string
	names     string // usual ends of names, besides the type's own
	container Type   // what it is built from
}

const office = "application/vnd.openxmlformats-officedocument."

// types is every type that Detect can answer.
var types = map[Type]known{
	Empty:   {Other, "application/x-empty", "", ""},
	Unknown: {Other, binaryStream, "", ""},

	PDF:    {Document, "application/pdf", "ai", ""},
	"doc":  {Document, "application/msword", "dot", OLE},
	"xls":  {Document, "application/vnd.ms-excel", "xlt xla", OLE},
	"ppt":  {Document, "application/vnd.ms-powerpoint", "pps pot", OLE},
	"vsd":  {Document, "application/vnd.visio", "vss vst", OLE},
	"pub":  {Document, "application/vnd.ms-publisher", "", OLE},
	"jtd":  {Document, "application/x-js-taro", "jtt jttc jtdc", OLE},
	"hwp":  {Document, "application/x-hwp", "", OLE},
	"docx": {Document, office + "wordprocessingml.document", "", ZIP},
	"docm": {Document, "application/vnd.ms-word.document.macroEnabled.12", "", ZIP},
	"dotx": {Document, office + "wordprocessingml.template", "", ZIP},
	"dotm": {Document, "application/vnd.ms-word.template.macroEnabled.12", "", ZIP},
	"xlsx": {Document, office + "spreadsheetml.sheet", "", ZIP},
	"xlsm": {Document, "application/vnd.ms-excel.sheet.macroEnabled.12", "", ZIP},
	"xlsb": {Document, "application/vnd.ms-excel.sheet.binary.macroEnabled.12", "", ZIP},
	"xltx": {Document, office + "spreadsheetml.template", "", ZIP},
	"xltm": {Document, "application/vnd.ms-excel.template.macroEnabled.12", "", ZIP},
	"xlam": {Document, "application/vnd.ms-excel.addin.macroEnabled.12", "", ZIP},
	"pptx": {Document, office + "presentationml.presentation", "", ZIP},
	"pptm": {Document, "application/vnd.ms-powerpoint.presentation.macroEnabled.12", "", ZIP},
	"ppsx": {Document, office + "presentationml.slideshow", "", ZIP},
	"ppsm": {Document, "application/vnd.ms-powerpoint.slideshow.macroEnabled.12", "", ZIP},
	"potx": {Document, office + "presentationml.template", "", ZIP},
	"potm": {Document, "application/vnd.ms-powerpoint.template.macroEnabled.12", "", ZIP},
	"ppam": {Document, "application/vnd.ms-powerpoint.addin.macroEnabled.12", "", ZIP},
	"vsdx": {Document, "application/vnd.ms-visio.drawing", "", ZIP},
	"vsdm": {Document, "application/vnd.ms-visio.drawing.macroEnabled.12", "", ZIP},
	"xps":  {Document, "application/vnd.ms-xpsdocument", "oxps", ZIP},
	OOXML:  {Document, binaryStream, "docx xlsx pptx", ZIP},
	// Inside is one of Word, Excel or PowerPoint; the password hides which.
	OOXMLLocked: {Document, "application/x-ooxml-encrypted", "docx docm dotx dotm xlsx xlsm xlsb xltx xltm pptx pptm ppsx ppsm potx potm", OLE},
	"odt":       {Document, "application/vnd.oasis.opendocument.text", "ott", ZIP},
	"ods":       {Document, "application/vnd.oasis.opendocument.spreadsheet", "ots", ZIP},
	"odp":       {Document, "application/vnd.oasis.opendocument.presentation", "otp", ZIP},
	"odg":       {Document, "application/vnd.oasis.opendocument.graphics", "otg", ZIP},
	"odf":       {Document, "application/vnd.oasis.opendocument.formula", "", ZIP},
	"epub":      {Document, "application/epub+zip", "", ZIP},
	"rtf":       {Document, "application/rtf", "doc", ""},
	"ps":        {Document, "application/postscript", "eps ai", ""},
	"one":       {Document, "application/onenote", "", ""},
	"slk":       {Document, "application/x-sylk", "", ""},
	"wordml":    {Document, "application/msword", "xml doc", ""},
	"excelml":   {Document, "application/vnd.ms-excel", "xml xls", ""},
	"fodt":      {Document, "application/vnd.oasis.opendocument.text-flat-xml", "fods fodp xml", ""},

	ZIP:    {Archive, "application/zip", "", ""},
	"7z":   {Archive, "application/x-7z-compressed", "", ""},
	"lzh":  {Archive, "application/x-lzh-compressed", "lha", ""},
	"rar":  {Archive, "application/vnd.rar", "", ""},
	"gz":   {Archive, "application/gzip", "tgz", ""},
	"bz2":  {Archive, "application/x-bzip2", "tbz2", ""},
	"xz":   {Archive, "application/x-xz", "txz", ""},
	"zst":  {Archive, "application/zstd", "", ""},
	"cab":  {Archive, "application/vnd.ms-cab-compressed", "", ""},
	"arj":  {Archive, "application/x-arj", "", ""},
	TAR:    {Archive, "application/x-tar", "", ""},
	"tnef": {Archive, "application/vnd.ms-tnef", "dat", ""},
	"z":    {Archive, "application/x-compress", "", ""},
	ISO:    {Disk, "application/x-iso9660-image", "img", ""},
	"udf":  {Disk, "application/x-iso9660-image", "iso img", ""},
	"vhd":  {Disk, "application/x-vhd", "", ""},
	"vhdx": {Disk, "application/x-vhdx", "", ""},
	"vmdk": {Disk, "application/x-vmdk", "", ""},

	PE:      {Executable, "application/vnd.microsoft.portable-executable", "dll scr sys cpl ocx com drv efi", ""},
	DOS:     {Executable, "application/x-dosexec", "exe com", ""},
	"elf":   {Executable, "application/x-elf", "so o bin", ""},
	"macho": {Executable, "application/x-mach-binary", "dylib", ""},
	"class": {Executable, "application/java-vm", "", ""},
	"jar":   {Executable, "application/java-archive", "war ear", ZIP},
	"apk":   {Executable, "application/vnd.android.package-archive", "", ZIP},
	"msi":   {Executable, "application/x-msi", "msp mst", OLE},
	"lnk":   {Executable, "application/x-ms-shortcut", "", ""},
	"url":   {Executable, "application/x-mswinurl", "", ""},
	"chm":   {Executable, "application/vnd.ms-htmlhelp", "", ""},
	"swf":   {Executable, "application/x-shockwave-flash", "", ""},
	"reg":   {Executable, "text/x-ms-regedit", "", ""},
	"wasm":  {Executable, "application/wasm", "", ""},
	"deb":   {Executable, "application/vnd.debian.binary-package", "", ""},
	"rpm":   {Executable, "application/x-rpm", "", ""},
	"iqy":   {Executable, "text/x-ms-iqy", "", ""},

	"sh":  {Script, "text/x-shellscript", "py pl rb bash", ""},
	"bat": {Script, "text/x-msdos-batch", "cmd", ""},
	"ps1": {Script, "text/x-powershell", "psm1", ""},
	"vbs": {Script, "text/vbscript", "vbe", ""},
	"js":  {Script, "text/javascript", "jse mjs", ""},
	"wsf": {Script, "text/xml", "sct wsc", ""},
	"hta": {Script, "application/hta", "html htm", ""},
	"php": {Script, "application/x-httpd-php", "", ""},

	"png":  {Image, "image/png", "", ""},
	"jpg":  {Image, "image/jpeg", "jpeg jpe jfif", ""},
	"gif":  {Image, "image/gif", "", ""},
	"webp": {Image, "image/webp", "", ""},
	"tiff": {Image, "image/tiff", "tif", ""},
	"bmp":  {Image, "image/bmp", "dib", ""},
	"ico":  {Image, "image/vnd.microsoft.icon", "cur", ""},
	"heic": {Image, "image/heic", "heif", ""},
	"avif": {Image, "image/avif", "", ""},
	"jp2":  {Image, "image/jp2", "", ""},
	"psd":  {Image, "image/vnd.adobe.photoshop", "", ""},
	"emf":  {Image, "image/emf", "", ""},
	"wmf":  {Image, "image/wmf", "", ""},
	"svg":  {Image, "image/svg+xml", "", ""},

	"mp4": {Media, "video/mp4", "m4v m4a mov 3gp", ""},
	"mp3": {Media, "audio/mpeg", "", ""},
	"wav": {Media, "audio/wav", "", ""},
	"avi": {Media, "video/x-msvideo", "", ""},
	"ogg": {Media, "application/ogg", "oga ogv", ""},
	"mkv": {Media, "video/x-matroska", "webm", ""},
	"asf": {Media, "video/x-ms-asf", "wmv wma", ""},
	"mid": {Media, "audio/midi", "midi", ""},

	"dxf":      {CAD, "image/vnd.dxf", "", ""},
	"dwg":      {CAD, "image/vnd.dwg", "", ""},
	"jww":      {CAD, "application/x-jww", "", ""},
	"p21":      {CAD, "application/p21", "sfc stp step p2z", ""},
	"msg":      {Mail, "application/vnd.ms-outlook", "", OLE},
	EML:        {Mail, "message/rfc822", "mht mhtml", ""},
	"mbox":     {Mail, "application/mbox", "", ""},
	"ics":      {Mail, "text/calendar", "", ""},
	"vcf":      {Mail, "text/vcard", "", ""},
	"pst":      {Mail, "application/vnd.ms-outlook-pst", "ost", ""},
	HTML:       {Web, "text/html", "htm xhtml", ""},
	XML:        {Text, "application/xml", "xsd xsl rdf", ""},
	JSON:       {Text, "application/json", "geojson", ""},
	CSV:        {Text, "text/csv", "txt", ""},
	Plain:      {Text, "text/plain", "log csv tsv md ini conf dat", ""},
	"pem":      {Text, "application/x-pem-file", "crt cer key", ""},
	OLE:        {Other, "application/x-ole-storage", "", ""},
	"sqlite":   {Other, "application/vnd.sqlite3", "db", ""},
	"mdb":      {Other, "application/x-msaccess", "accdb", ""},
	"ttf":      {Other, "font/sfnt", "otf ttc", ""},
	"woff":     {Other, "font/woff", "woff2", ""},
	"evtx":     {Other, "application/x-ms-evtx", "", ""},
	"thumbsdb": {Other, "application/x-thumbs-db", "db", OLE},
}

func (t Type) fits(ext string) bool {
	ext = strings.ToLower(strings.TrimPrefix(ext, "."))
	known, ok := types[t]
	if !ok || t == Unknown || ext == "" {
		return false
	}
	if t == Empty || string(t) == ext {
		return true
	}
	for name := range strings.FieldsSeq(known.names) {
		if name == ext {
			return true
		}
	}
	return false
}
