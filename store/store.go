// Package store keeps the control plane's data: tenants, policies, accounts,
// records and the audit chain, in SQLite on one machine or PostgreSQL when that
// is outgrown.
//
// A service declares its tables, migrations and statements as a [Schema] and
// never holds a database handle. Only this package builds and runs SQL, and it
// adds the tenant predicate to every statement, so that a forgotten WHERE cannot
// show one body's rows to another. Reads across tenants are declared by name,
// limited to the bodies of one operator, and audited.
package store
