// Package web is the portal's user interface: the React source, and what is
// built from it in dist. A clean clone has an empty dist; the portal then says so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are the built files, at least the marker .keep.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: dist is not a folder: " + err.Error()) // it is embedded
	}
	return files
}
