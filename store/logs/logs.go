// Package logs is the way to the log store: it inserts events and searches them.
//
// The store is the VictoriaLogs engine behind HTTP, in a role of this product or
// somewhere else. Every read names a [Scope]: the operator chooses the engine's
// account, and the bodies are forced by the engine as a filter on every part of
// the query, subqueries included. No text of a query is ever trusted with that,
// and the filter is never pasted into the query.
package logs

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// BootHeader carries a value that changes with every start of our own log store.
const BootHeader = "X-Sekikura-Boot"

// MaxRow is how many bytes one row of JSON may have. The engine drops longer
// ones without an error.
const MaxRow = 1 << 20

// Client speaks to one log store. URL must be set; a zero HTTP is the default
// client. It may be used concurrently.
type Client struct {
	// URL is where the store answers, such as http://127.0.0.1:9428.
	URL string
	// Secret is sent as bearer token unless empty.
	Secret string
	HTTP   *http.Client
	// Timeout bounds one query: 30 s when zero.
	Timeout time.Duration

	fields fieldCache
}

// Scope is whose rows a reader may see. Tenants must all be bodies of Operator;
// who may ask for whom is decided before, by the caller.
type Scope struct {
	Operator tenant.ID
	Tenants  []tenant.ID
}

// filter is the stream filter that keeps a reader inside the scope. IDs are
// checked, so that nothing in them can end the quotation.
func (s Scope) filter() (string, error) {
	if _, err := tenant.Parse(string(s.Operator)); err != nil {
		return "", fmt.Errorf("searching logs: operator: %w", err)
	}
	if len(s.Tenants) == 0 {
		return "", errors.New("searching logs: no body is named")
	}
	names := make([]string, len(s.Tenants))
	for i, id := range s.Tenants {
		if _, err := tenant.Parse(string(id)); err != nil {
			return "", fmt.Errorf("searching logs: %w", err)
		}
		names[i] = strconv.Quote(string(id))
	}
	slices.Sort(names)
	return "{tenant in (" + strings.Join(names, ",") + ")}", nil
}

// Account is the number under which the engine keeps an operator's rows apart:
// the code of a prefecture, or for an operator without code 2^31 and 31 bits of
// the SHA-256 of its ID.
func Account(operator tenant.ID) uint32 {
	if n, err := strconv.ParseUint(string(operator), 10, 31); err == nil {
		return uint32(n)
	}
	sum := sha256.Sum256([]byte(operator))
	return 1<<31 | binary.BigEndian.Uint32(sum[:4])>>1
}

// ErrUnavailable says that the store did not answer, or answered that it cannot
// work now. A row whose insert ends so may be stored or not.
var ErrUnavailable = errors.New("the log store is not available")

// ErrReadOnly says that the store takes no rows, for want of disk.
var ErrReadOnly = errors.New("the log store takes no rows because its disk is full")

// ErrTooLong says that a query was ended because it took too long, or waited too
// long for its turn.
var ErrTooLong = errors.New("the search took too long; a shorter period or fewer conditions help")

// ErrNone says that there is no such event in the scope.
var ErrNone = errors.New("no such event")

// BadQueryError says what is wrong with a query that somebody typed. Near is the
// piece of the query before the place, as far as the engine tells.
type BadQueryError struct {
	Detail string
	Near   string
}

func (e *BadQueryError) Error() string {
	if e.Near == "" {
		return "the query cannot be read: " + e.Detail
	}
	return "the query cannot be read near " + strconv.Quote(e.Near) + ": " + e.Detail
}

// badQuery reads the engine's answer to a query that does not parse.
func badQuery(text string) *BadQueryError {
	text = strings.TrimSpace(text)
	// "cannot parse query [QUERY]: REASON; context: [PIECE]; see https://…": the
	// query may hold brackets, so the reason begins behind the last "]: ".
	e := &BadQueryError{Detail: text}
	if rest, ok := strings.CutPrefix(text, "cannot parse query ["); ok {
		if _, reason, ok := cutLast(rest, "]: "); ok {
			e.Detail = reason
		}
	}
	if before, after, ok := strings.Cut(e.Detail, "; context: ["); ok {
		e.Detail = before
		e.Near, _, _ = strings.Cut(after, "]")
	}
	e.Detail, _, _ = strings.Cut(e.Detail, "; see https://")
	return e
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
