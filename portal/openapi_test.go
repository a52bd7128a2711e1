package portal

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestTheDocumentOfTheAPIIsCurrent(t *testing.T) {
	const name = "openapi.json"
	got := OpenAPI()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the operations declare; run go generate ./portal", name)
	}
}
