package store

import "github.com/sekikura/sekikura/tenant"

// Schema is what one service keeps. Its numbered migrations run in order, each
// once and in a transaction. Two releases next to each other must work on the
// same tables, so a migration only adds: a column is dropped one release after
// nothing reads it. A table belongs to one schema; its name is unique in the
// installation.
type Schema struct {
	Service    string
	Migrations []Migration
	// Statements lists the service's fixed statements, so that a mistake in one
	// shows when the store is opened. A statement that is not listed is checked
	// the same way when it is first used. Listed ones name only tables of this schema.
	Statements []Statement
}

// Migration is one numbered step, counted from 1 without gaps. Once released it
// never changes.
type Migration struct {
	Number int
	Steps  []Step
}

// Step is one change of a schema: CreateTable, AddColumn or CreateIndex.
type Step interface{ step() }

// CreateTable adds a table. Every table gets the column "tenant" in front of its
// key, and on PostgreSQL forced row-level security on it. Names are up to 48 of
// a-z 0-9 _ and begin with a letter.
type CreateTable struct {
	Name    string
	Columns []Column
	Key     []string // primary key within a tenant; none means one row a tenant
}

// AddColumn adds a column, which must be nullable or have a default.
type AddColumn struct {
	Table  string
	Column Column
}

// CreateIndex indexes columns of a table behind its tenant.
type CreateIndex struct {
	Table   string
	Name    string // unique in the installation
	Columns []string
	Unique  bool // within a tenant
	// UniqueEverywhere makes the columns unique in the installation, such as a
	// login name. A collision reveals that somebody else has the value: use it
	// only where that is no secret.
	UniqueEverywhere bool
}

func (CreateTable) step() {}
func (AddColumn) step()   {}
func (CreateIndex) step() {}

// engineStep is a step of this package's own tables, in the words of each engine.
type engineStep struct{ SQLite, Postgres []string }

func (engineStep) step() {}

// Column is one column. Without Null it is NOT NULL. Default is "", or one SQL
// literal: a number, a 'text', TRUE or FALSE.
type Column struct {
	Name    string
	Type    Type
	Null    bool
	Default string
}

// Type is what a column holds, and which Go type goes in and comes out. Kinds of
// these types, such as tenant.ID for Text, go in and out as well; nil goes into
// nullable columns, which come out into a pointer to a pointer, or as the zero value.
type Type int

// The types.
const (
	Text  Type = iota // string: valid UTF-8 without NUL, ordered by its bytes
	Int               // int64
	Bool              // bool
	Time              // time.Time, to the microsecond, UTC; zero time is stored as 0
	Bytes             // []byte
	JSON              // json.RawMessage, kept as it was written
	Float             // float64
)

// Statement is one of Select, Count, Insert, Update, Delete and Across.
type Statement interface{ statement() }

// Select reads rows of one table.
//
// Where is an SQL condition over the table's columns with ? for arguments, ""
// for all rows. It knows columns, numbers, 'texts' without quotes in them, ?,
// = <> < <= > >= + - || ( ) and the words AND OR NOT IN IS NULL LIKE BETWEEN
// TRUE FALSE CASE WHEN THEN ELSE END LOWER UPPER LENGTH COALESCE ABS, nothing
// else. LIKE is case-sensitive, is followed by ?, LOWER(?) or a 'text', and \
// escapes (see Contains).
// LOWER and UPPER know ASCII only.
//
// Order is a list such as "number DESC, name"; NULL sorts first. Limit is the
// largest number of rows, 0 for no limit; with LimitArg it is the last argument
// of the call instead, and must be positive.
type Select struct {
	Table    string
	Columns  []string
	Where    string
	Order    string
	Limit    int
	LimitArg bool
}

// Count counts the rows that Where selects.
type Count struct {
	Table string
	Where string
}

// Insert adds one row; arguments stand in the order of Columns. With OrReplace a
// row of the same key gets the given values, and keeps those not named.
type Insert struct {
	Table     string
	Columns   []string
	OrReplace bool
}

// Update sets columns of the rows that Where selects, which must not be empty;
// the arguments of Set stand before those of Where.
type Update struct {
	Table string
	Set   []string
	Where string
}

// Delete removes the rows that Where selects, which must not be empty.
type Delete struct {
	Table string
	Where string
}

// Across reads rows of many tenants at once. Each is declared once, with the
// reason a body's auditor will read.
type Across struct {
	Name   string // such as "portal.bodies_overview"
	Reason string // shown in the audit log, in Japanese
	Select Select
	// Machine marks reads that no person sees, such as pushing policies to data
	// planes: they are not written to the audit log.
	Machine bool
}

func (Select) statement() {}
func (Count) statement()  {}
func (Insert) statement() {}
func (Update) statement() {}
func (Delete) statement() {}
func (Across) statement() {}

// Actor is who does something, for the audit log.
type Actor struct {
	Account string    // login name, or "system:" and the name of a service
	Tenant  tenant.ID // whose member the account is; "" for a service
	Address string    // where the request came from, "" for a service
}

// System returns the actor for what a service does by itself.
func System(service string) Actor { return Actor{Account: systemPrefix + service} }

const systemPrefix = "system:"

// IsSystem tells whether no person stands behind the actor. A login name must
// therefore never begin with "system:".
func (a Actor) IsSystem() bool {
	return len(a.Account) > len(systemPrefix) && a.Account[:len(systemPrefix)] == systemPrefix
}
