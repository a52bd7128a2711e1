package ship

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// row is one line of a message with what its fixed front says.
type row struct {
	id      event.ID
	at      time.Time
	service []byte // as JSON has it; names of services need no escape
	line    []byte // with its newline
}

const (
	timeKey    = `{"_time":"`
	timeForm   = "2006-01-02T15:04:05.000000000Z"
	idKey      = `","event.id":"`
	tenantKey  = `","tenant":"`
	serviceKey = `","service":"`
	idAt       = len(timeKey) + len(timeForm) + len(idKey)
	tenantAt   = idAt + 36 + len(tenantKey)
)

var errForeign = errors.New("the row is not one that event.AppendRow writes, or of another body")

// readRow reads the front that event.AppendRow gives every row, which must name
// the body whose subject carried it. The row shares line's memory.
func readRow(line []byte, body tenant.ID) (row, error) {
	r := row{line: line}
	if len(line) < tenantAt+len(body)+len(serviceKey)+3 || len(line) > logs.MaxRow || string(line[len(line)-3:]) != "\"}\n" {
		return r, errForeign
	}
	rest := line[tenantAt:]
	if string(line[:len(timeKey)]) != timeKey || string(line[idAt-len(idKey):idAt]) != idKey || string(line[tenantAt-len(tenantKey):tenantAt]) != tenantKey ||
		string(rest[:len(body)]) != string(body) || string(rest[len(body):len(body)+len(serviceKey)]) != serviceKey {
		return r, errForeign
	}
	var err error
	if r.at, err = time.Parse(timeForm, string(line[len(timeKey):idAt-len(idKey)])); err != nil {
		return r, errForeign
	}
	if r.id, err = parseID(line[idAt : idAt+36]); err != nil {
		return r, errForeign
	}
	rest = rest[len(body)+len(serviceKey):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return r, errForeign
	}
	r.service = rest[:end]
	return r, nil
}

// parseID is event.ParseID without garbage: it runs for every event.
func parseID(text []byte) (id event.ID, err error) {
	if text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, errForeign
	}
	var digits [32]byte
	copy(digits[:], text[:8])
	copy(digits[8:], text[9:13])
	copy(digits[12:], text[14:18])
	copy(digits[16:], text[19:23])
	copy(digits[20:], text[24:36])
	_, err = hex.Decode(id[:], digits[:])
	return id, err
}

// subject names whose message it is.
func subject(s string) (operator, body tenant.ID, err error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return "", "", errors.New("the subject " + s + " does not name operator and body")
	}
	if operator, err = tenant.Parse(parts[1]); err != nil {
		return "", "", err
	}
	body, err = tenant.Parse(parts[2])
	return operator, body, err
}
