// Package broken sets the product up as a newcomer does, with a settings file,
// and takes away what it stands on: its database, its disk, its processes.
package broken

import (
	"os"
	"testing"

	"github.com/sekikura/sekikura/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
