package filetype

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// corpus calls each for every file of the public sample sets, or skips.
func corpus(t *testing.T, name string, each func(name string, content []byte)) {
	t.Helper()
	dir := os.Getenv("SEKIKURA_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(dir, "documents", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no sample files here: set SEKIKURA_TESTDATA to a folder with documents/%s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(packed); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		each(head.Name, content)
	}
}

// otherwise are sample files that are not what their names say, each looked at
// by hand.
var otherwise = map[string]Type{
	"stress022.pptx": "ppsx", // a slide show by its content type
	"stress025.docx": OOXML,  // an Office theme
	"invalid.xlsx":   ZIP,    // an empty archive
	"clusterfuzz-testcase-minimized-POIHPBFFuzzer-4701121678278656.pub":  OLE,    // renamed storages
	"clusterfuzz-testcase-minimized-POIVisioFuzzer-4537225637134336.vsd": "vsdx", // a damaged ZIP
	"clusterfuzz-testcase-minimized-POIFuzzer-5040805309710336.xlsx":     "docx",
	"clusterfuzz-testcase-minimized-POIHSLFFuzzer-4624961081573376.ppt":  OOXMLLocked,
	"harmless-clean-2003.xml": "wordml",
	"harmless-clean.xml":      "wordml",
	"extenxls_pwd123.xlsx":    OOXMLLocked,
	"protected_sha512.xlsx":   OOXMLLocked,
}

func TestEveryPublicSampleIsWhatItIs(t *testing.T) {
	for _, set := range []struct {
		name string
		min  int // files, so that an empty set is no success
	}{{"office-poi.tar.gz", 500}, {"office-oletools.tar.gz", 40}, {"pdf-pdfjs.tar.gz", 370}} {
		t.Run(set.name, func(t *testing.T) {
			files, damaged := 0, 0
			corpus(t, set.name, func(name string, content []byte) {
				files++
				r := DetectBytes(content)
				want := Type(strings.TrimPrefix(path.Ext(name), "."))
				if t, known := otherwise[path.Base(name)]; known {
					want = t
				} else if strings.Contains(name, "/encrypted") && r.Type == OOXMLLocked || strings.Contains(name, "encrypt-standardpassword") && r.Type == OOXMLLocked {
					want = OOXMLLocked
				}
				if r.Type != want {
					t.Errorf("%s is %s, want %s", name, r.Type, want)
				}
				if strings.Contains(name, "encrypted/") && !r.Encrypted {
					t.Errorf("%s does not count as encrypted", name)
				}
				if r.Also != nil {
					t.Errorf("%s is also %v", name, r.Also)
				}
				if r.Damaged {
					damaged++
				}
			})
			if files < set.min {
				t.Errorf("%d files, want at least %d", files, set.min)
			}
			t.Logf("%d files, %d of them damaged", files, damaged)
		})
	}
}

func TestATruncatedSampleNeverBecomesSomethingHarmless(t *testing.T) {
	corpus(t, "office-poi.tar.gz", func(name string, content []byte) {
		whole := DetectBytes(content)
		if whole.Type == Unknown {
			return
		}
		for _, n := range []int{len(content) / 2, len(content) - 1} {
			r := DetectBytes(content[:n])
			if family := r.Family; family == Text || family == Image || family == Media {
				t.Errorf("the first %d of %d bytes of %s are %s", n, len(content), name, r.Type)
			}
		}
	})
}
