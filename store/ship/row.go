package ship

import (
	"bytes"
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
	service string
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
// the body whose subject carried it.
func readRow(line []byte, body tenant.ID) (row, error) {
	r := row{line: line}
	if len(line) < tenantAt || len(line) > logs.MaxRow || line[len(line)-1] != '\n' || !bytes.HasSuffix(line, []byte("\"}\n")) {
		return r, errForeign
	}
	front := string(line[:min(len(line), tenantAt+256)])
	if !strings.HasPrefix(front, timeKey) || front[idAt-len(idKey):idAt] != idKey || front[tenantAt-len(tenantKey):tenantAt] != tenantKey {
		return r, errForeign
	}
	var err error
	if r.at, err = time.Parse(timeForm, front[len(timeKey):idAt-len(idKey)]); err != nil {
		return r, errForeign
	}
	if r.id, err = event.ParseID(front[idAt : idAt+36]); err != nil {
		return r, errForeign
	}
	rest, ok := strings.CutPrefix(front[tenantAt:], string(body)+serviceKey)
	if !ok {
		return r, errForeign
	}
	if r.service, _, ok = strings.Cut(rest, `"`); !ok {
		return r, errForeign
	}
	return r, nil
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
