package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// Row is one row of a result, valid until the function it was passed to returns.
type Row struct {
	types  []Type
	values []any
	scan   func(...any) error
}

// Scan copies the columns into pointers, which must be as many as the columns.
func (r Row) Scan(into ...any) error {
	if len(into) != len(r.types) {
		return fmt.Errorf("a row has %d columns and was scanned into %d values", len(r.types), len(into))
	}
	raw := make([]any, len(r.values))
	for i := range r.values {
		r.values[i] = nil
		raw[i] = &r.values[i]
	}
	if err := r.scan(raw...); err != nil {
		return err
	}
	for i, dst := range into {
		if err := assign(dst, r.types[i], r.values[i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// typed returns the columns as the Go types that go in again.
func (r Row) typed() ([]any, error) {
	values, into := make([]any, len(r.types)), make([]any, len(r.types))
	for i, kind := range r.types {
		switch kind {
		case Text:
			into[i] = new(*string)
		case Int:
			into[i] = new(*int64)
		case Bool:
			into[i] = new(*bool)
		case Time:
			into[i] = new(*time.Time)
		case Bytes:
			into[i] = new(*[]byte)
		case JSON:
			into[i] = new(*json.RawMessage)
		case Float:
			into[i] = new(*float64)
		}
	}
	if err := r.Scan(into...); err != nil {
		return nil, err
	}
	for i, v := range into {
		values[i] = reflect.ValueOf(v).Elem().Interface()
	}
	return values, nil
}

// assign converts a value of the database into *dst.
func assign(dst any, kind Type, v any) error {
	if s, ok := dst.(sql.Scanner); ok {
		if kind == Time && v != nil {
			t, err := asTime(v)
			if err != nil {
				return err
			}
			return s.Scan(t)
		}
		return s.Scan(v)
	}
	to := reflect.ValueOf(dst)
	if to.Kind() != reflect.Pointer || to.IsNil() {
		return fmt.Errorf("%T is not a pointer", dst)
	}
	to = to.Elem()
	if v == nil {
		to.SetZero()
		return nil
	}
	if to.Kind() == reflect.Pointer {
		fresh := reflect.New(to.Type().Elem())
		if err := assign(fresh.Interface(), kind, v); err != nil {
			return err
		}
		to.Set(fresh)
		return nil
	}
	wrong := fmt.Errorf("%T does not go into %s", v, to.Type())
	switch kind {
	case Time:
		t, err := asTime(v)
		if err != nil {
			return err
		}
		into, ok := dst.(*time.Time)
		if !ok {
			return fmt.Errorf("a time does not go into %s", to.Type())
		}
		*into = t
	case Text, JSON, Bytes:
		return assignText(to, v, wrong)
	case Int:
		n, ok := v.(int64)
		if !ok || !to.CanInt() || to.OverflowInt(n) {
			return wrong
		}
		to.SetInt(n)
	case Bool:
		if to.Kind() != reflect.Bool {
			return wrong
		}
		switch v := v.(type) {
		case bool:
			to.SetBool(v)
		case int64: // SQLite
			to.SetBool(v != 0)
		default:
			return wrong
		}
	case Float:
		f, ok := v.(float64)
		if !ok || !to.CanFloat() {
			return wrong
		}
		to.SetFloat(f)
	}
	return nil
}

func assignText(to reflect.Value, v any, wrong error) error {
	bytes := to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8
	switch v := v.(type) {
	case string:
		if to.Kind() == reflect.String {
			to.SetString(v)
			return nil
		}
		if bytes {
			to.SetBytes([]byte(v))
			return nil
		}
	case []byte:
		if bytes {
			to.SetBytes(append([]byte{}, v...))
			return nil
		}
	}
	return wrong
}

func asTime(v any) (time.Time, error) {
	micros, ok := v.(int64)
	if !ok {
		return time.Time{}, fmt.Errorf("%T is no stored time", v)
	}
	if micros == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(micros).UTC(), nil
}

var errNull = errors.New("the column is not nullable")

// value converts what a caller gave into what the database gets.
func (p param) value(v any) (any, error) {
	switch p.kind {
	case limitArg:
		if n, ok := plain(v).(int64); ok && n > 0 {
			return n, nil
		}
		return nil, fmt.Errorf("limit %v is not a positive number", v)
	case columnArg:
		return p.columnValue(v)
	default:
		v = plain(v)
		switch v := v.(type) {
		case string:
			return v, validText(v)
		case []byte, int64, bool, float64:
			return v, nil
		case time.Time:
			return fromTime(v), nil
		}
		return nil, fmt.Errorf("%T cannot stand in a condition", v)
	}
}

func (p param) columnValue(v any) (any, error) {
	v = plain(v)
	if v == nil {
		if p.column.Null {
			return nil, nil
		}
		return nil, fmt.Errorf("%s: %w", p.column.Name, errNull)
	}
	switch p.column.Type {
	case Text:
		if s, ok := v.(string); ok {
			return s, validText(s)
		}
	case JSON:
		switch text := v.(type) {
		case string:
			return text, validJSON(text)
		case []byte:
			return string(text), validJSON(string(text))
		}
	case Int:
		if n, ok := v.(int64); ok {
			return n, nil
		}
	case Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case Time:
		if t, ok := v.(time.Time); ok {
			return fromTime(t), nil
		}
	case Bytes:
		if b, ok := v.([]byte); ok {
			return b, nil
		}
	case Float:
		if f, ok := v.(float64); ok {
			if math.IsNaN(f) {
				return nil, fmt.Errorf("%s: not a number", p.column.Name)
			}
			return f, nil
		}
	}
	return nil, fmt.Errorf("%s: a %T does not fit the column", p.column.Name, v)
}

// plain strips v of named types and pointers: what is left is nil, string,
// int64, bool, float64, []byte, time.Time, or something that no column holds.
func plain(v any) any {
	switch v := v.(type) {
	case nil, string, int64, bool, float64, time.Time:
		return v
	case json.RawMessage:
		if v == nil {
			return nil
		}
		return []byte(v)
	case []byte:
		if v == nil { // an empty value, not an absent one: nil itself is NULL
			return []byte{}
		}
		return v
	case int:
		return int64(v)
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Pointer && r.IsNil():
		return nil
	case r.Kind() == reflect.Pointer:
		return plain(r.Elem().Interface())
	case r.Kind() == reflect.String:
		return r.String()
	case r.CanInt():
		return r.Int()
	case r.CanUint() && r.Uint() <= math.MaxInt64:
		return int64(r.Uint()) //nolint:gosec // just compared
	case r.CanFloat():
		return r.Float()
	case r.Kind() == reflect.Bool:
		return r.Bool()
	case r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8:
		return r.Bytes()
	}
	return v
}

// fromTime is t in microseconds since 1970, and 0 for the zero time; the one
// instant that would collide with it, 1970 itself, comes back as the zero time.
func fromTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// validText keeps out what PostgreSQL does not take, so that both engines refuse it.
func validText(s string) error {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return errors.New("a text must be UTF-8 without NUL")
	}
	return nil
}

func validJSON(s string) error {
	if !json.Valid([]byte(s)) || !utf8.ValidString(s) {
		return errors.New("the value is not JSON")
	}
	return nil
}
