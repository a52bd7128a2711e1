package store

import "github.com/sekikura/sekikura/tenant"

// Schema is what one service keeps. Its numbered migrations run in order, each
// once and in a transaction; statements name only tables of their own schema.
// Two releases next to each other must work on the same tables, so a migration
// only adds: a column is dropped one release after nothing reads it.
type Schema struct {
	Service    string
	Migrations []Migration
}

// Migration is one numbered step, counted from 1 without gaps.
type Migration struct {
	Number int
	Steps  []Step
}

// Step is one change of a schema: CreateTable, AddColumn or CreateIndex.
type Step interface{ step() }

// CreateTable adds a table. Every table gets the column "tenant" in front of its
// key, and on PostgreSQL forced row-level security on it.
type CreateTable struct {
	Name    string
	Columns []Column
	Key     []string // primary key within a tenant
}

// AddColumn adds a column, which must be nullable or have a default.
type AddColumn struct {
	Table  string
	Column Column
}

// CreateIndex indexes columns of a table behind its tenant.
type CreateIndex struct {
	Table   string
	Name    string
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

// Column is one column. Without Null it is NOT NULL; Default is the text of an
// SQL literal, or "".
type Column struct {
	Name    string
	Type    Type
	Null    bool
	Default string
}

// Type is what a column holds, and which Go type goes in and comes out.
type Type int

// The types.
const (
	Text  Type = iota // string
	Int               // int64
	Bool              // bool
	Time              // time.Time, to the microsecond, UTC; zero time is stored as 0
	Bytes             // []byte
	JSON              // json.RawMessage
	Float             // float64
)

// Select reads rows of one table. Where is an SQL condition over the table's
// columns with ? for arguments, "" for all rows; it may not hold a semicolon, a
// comment or a SELECT. Order is a list such as "number DESC, name". A
// negative or zero limit argument is refused: Limit is part of the statement (0 for none),
// or LimitArg takes it as the last argument of the call.
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
// row of the same key is overwritten.
type Insert struct {
	Table     string
	Columns   []string
	OrReplace bool
}

// Update sets columns of the rows that Where selects; the arguments of Set stand
// before those of Where.
type Update struct {
	Table string
	Set   []string
	Where string
}

// Delete removes the rows that Where selects. Where must not be empty.
type Delete struct {
	Table string
	Where string
}

// Across reads rows of many tenants at once; its rows start with the column
// tenant. Each is declared once, with the reason a body's auditor will read.
type Across struct {
	Name   string // such as "portal.bodies_overview"
	Reason string // shown in the audit log, in Japanese
	Select Select
	// Machine marks reads that no person sees, such as pushing policies to data
	// planes: they are counted, not written to the audit log.
	Machine bool
}

// Actor is who does something, for the audit log.
type Actor struct {
	Account string    // login name, or "system:" and the name of a service
	Tenant  tenant.ID // whose member the account is
	Address string    // where the request came from, "" for a service
}
