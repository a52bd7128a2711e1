// Package product starts the whole product as a user would and breaks it.
//
// Every test starts `sekikura demo` with a folder of its own, so they need
// nothing but the Go tool chain, and leave nothing behind.
package product

import (
	"os"
	"testing"

	"github.com/sekikura/sekikura/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
