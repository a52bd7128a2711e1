package record

import (
	"encoding/json"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Schema is what this package keeps.
var Schema = store.Schema{
	Service: "record",
	Migrations: []store.Migration{{Number: 1, Steps: []store.Step{
		store.CreateTable{Name: "records", Key: []string{"id"}, Columns: []store.Column{
			{Name: "id"},
			{Name: "kind"},
			{Name: "number"},
			{Name: "version", Type: store.Int},
			{Name: "state"},
			{Name: "open", Type: store.Bool},
			{Name: "severity", Type: store.Int},
			{Name: "side"},
			{Name: "owner"},
			{Name: "system"},
			{Name: "title"},
			{Name: "body"},
			{Name: "fields", Type: store.JSON},
			{Name: "same", Null: true}, // Record.Key
			{Name: "repeats", Type: store.Int},
			{Name: "last_seen", Type: store.Time},
			{Name: "merged_into", Null: true},
			{Name: "created", Type: store.Time},
			{Name: "created_by"},
			{Name: "updated", Type: store.Time},
			{Name: "closed", Type: store.Time, Null: true},
			{Name: "due", Type: store.Time}, // noDue when no clock runs, so that pages have an order
			{Name: "drill", Type: store.Bool},
			{Name: "entries", Type: store.Int},
			{Name: "search"},
			{Name: "inside"},
		}},
		store.CreateIndex{Table: "records", Name: "records_number", Columns: []string{"number"}, Unique: true},
		store.CreateIndex{Table: "records", Name: "records_created", Columns: []string{"open", "created", "id"}},
		store.CreateIndex{Table: "records", Name: "records_all", Columns: []string{"created", "id"}},
		store.CreateIndex{Table: "records", Name: "records_kind", Columns: []string{"kind", "open", "created", "id"}},
		store.CreateIndex{Table: "records", Name: "records_updated", Columns: []string{"open", "updated", "id"}},
		store.CreateIndex{Table: "records", Name: "records_due", Columns: []string{"open", "due", "id"}},
		store.CreateIndex{Table: "records", Name: "records_severity", Columns: []string{"open", "severity", "id"}},
		store.CreateIndex{Table: "records", Name: "records_owner", Columns: []string{"owner", "open", "created", "id"}},
		store.CreateIndex{Table: "records", Name: "records_same", Columns: []string{"same", "kind"}},
		store.CreateTable{Name: "record_numbers", Key: []string{"series"}, Columns: []store.Column{{Name: "series"}, {Name: "last", Type: store.Int}}},
		store.CreateTable{Name: "record_entries", Key: []string{"record", "seq"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "seq", Type: store.Int},
			{Name: "at", Type: store.Time},
			{Name: "by_account"},
			{Name: "by_tenant"},
			{Name: "what"},
			{Name: "inside", Type: store.Bool},
			{Name: "text"},
			{Name: "data", Type: store.JSON, Null: true},
		}},
		store.CreateTable{Name: "record_clocks", Key: []string{"record", "name"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "name"},
			{Name: "calendar"},
			{Name: "seconds", Type: store.Int},
		}},
		store.CreateTable{Name: "record_marks", Key: []string{"record", "clock", "seq"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "clock"},
			{Name: "seq", Type: store.Int},
			{Name: "at", Type: store.Time},
			{Name: "act"},
			{Name: "reason"},
			{Name: "by_account"},
		}},
		// One row a clock that runs and has not run out: small, whatever is closed.
		store.CreateTable{Name: "record_alarms", Key: []string{"record", "clock"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "clock"},
			{Name: "due", Type: store.Time},
		}},
		store.CreateTable{Name: "record_tasks", Key: []string{"record", "seq"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "seq", Type: store.Int},
			{Name: "title"},
			{Name: "owner"},
			{Name: "due", Null: true},
			{Name: "done", Type: store.Time, Null: true},
			{Name: "done_by"},
		}},
		store.CreateTable{Name: "record_links", Key: []string{"record", "other_tenant", "other", "relation"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "other_tenant"},
			{Name: "other"},
			{Name: "relation"},
			{Name: "at", Type: store.Time},
			{Name: "by_account"},
		}},
		store.CreateTable{Name: "record_evidence", Key: []string{"record", "seq"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "seq", Type: store.Int},
			{Name: "name"},
			{Name: "media"},
			{Name: "size", Type: store.Int},
			{Name: "sha256"},
			{Name: "address"},
			{Name: "inside", Type: store.Bool},
			{Name: "at", Type: store.Time},
			{Name: "by_account"},
			{Name: "note"},
		}},
		store.CreateTable{Name: "record_custody", Key: []string{"record", "evidence", "seq"}, Columns: []store.Column{
			{Name: "record"},
			{Name: "evidence", Type: store.Int},
			{Name: "seq", Type: store.Int},
			{Name: "at", Type: store.Time},
			{Name: "by_account"},
			{Name: "act"},
			{Name: "note"},
		}},
		store.CreateTable{Name: "record_templates", Key: []string{"name"}, Columns: []store.Column{{Name: "name"}, {Name: "template", Type: store.JSON}}},
	}}},
	Statements: []store.Statement{
		getRecord, getByNumber, getSame, addRecord, saveRecord, getLast, setLast,
		addEntry, listEntries, listVisible, oneEntry, getClocks, addClock, getMarks, addMark, addAlarm, dropAlarm, dropAlarms, dueAlarms, getAlarm,
		getTasks, addTask, setTask, getLinks, addLink, dropLink, linkTarget,
		getEvidence, addEvidence, getCustody, addCustody, everyAddress,
		getTemplates, oneTemplate, setTemplate, dropTemplate, countTemplates,
	},
}

// noDue stands in the column due when no clock runs: it sorts last.
var noDue = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

var recordColumns = []string{
	"id", "kind", "number", "version", "state", "open", "severity", "side", "owner", "system", "title", "body", "fields", "same",
	"repeats", "last_seen", "merged_into", "created", "created_by", "updated", "closed", "due", "drill", "entries", "search", "inside",
}

// savedColumns are those of recordColumns that change, with what saveRecord sets.
var savedColumns = []string{
	"version", "state", "open", "severity", "side", "owner", "system", "title", "body", "fields",
	"repeats", "last_seen", "merged_into", "updated", "closed", "due", "entries", "search", "inside",
}

var (
	getRecord   = store.Select{Table: "records", Columns: recordColumns, Where: "id = ?"}
	getByNumber = store.Select{Table: "records", Columns: recordColumns, Where: "number = ?"}
	getSame     = store.Select{Table: "records", Columns: recordColumns, Where: "same = ? AND kind = ? AND open = TRUE AND last_seen >= ?", Order: "created DESC", Limit: 1}
	addRecord   = store.Insert{Table: "records", Columns: recordColumns}
	saveRecord  = store.Update{Table: "records", Set: savedColumns, Where: "id = ?"}

	getLast = store.Select{Table: "record_numbers", Columns: []string{"last"}, Where: "series = ?"}
	setLast = store.Insert{Table: "record_numbers", Columns: []string{"series", "last"}, OrReplace: true}

	entryColumns = []string{"seq", "at", "by_account", "by_tenant", "what", "inside", "text", "data"}
	addEntry     = store.Insert{Table: "record_entries", Columns: append([]string{"record"}, entryColumns...)}
	listEntries  = store.Select{Table: "record_entries", Columns: entryColumns, Where: "record = ? AND seq > ?", Order: "seq", LimitArg: true}
	listVisible  = store.Select{Table: "record_entries", Columns: entryColumns, Where: "record = ? AND seq > ? AND inside = FALSE", Order: "seq", LimitArg: true}
	oneEntry     = store.Select{Table: "record_entries", Columns: entryColumns, Where: "record = ? AND seq = ?"}

	getClocks = store.Select{Table: "record_clocks", Columns: []string{"name", "calendar", "seconds"}, Where: "record = ?", Order: "name"}
	addClock  = store.Insert{Table: "record_clocks", Columns: []string{"record", "name", "calendar", "seconds"}, OrReplace: true}
	getMarks  = store.Select{Table: "record_marks", Columns: []string{"clock", "at", "act", "reason", "by_account"}, Where: "record = ?", Order: "clock, seq"}
	addMark   = store.Insert{Table: "record_marks", Columns: []string{"record", "clock", "seq", "at", "act", "reason", "by_account"}}

	addAlarm   = store.Insert{Table: "record_alarms", Columns: []string{"record", "clock", "due"}, OrReplace: true}
	dropAlarm  = store.Delete{Table: "record_alarms", Where: "record = ? AND clock = ?"}
	dropAlarms = store.Delete{Table: "record_alarms", Where: "record = ?"}
	getAlarm   = store.Select{Table: "record_alarms", Columns: []string{"due"}, Where: "record = ? AND clock = ?"}
	dueAlarms  = store.Across{
		Name: "record.alarms", Reason: "期限の確認", Machine: true,
		Select: store.Select{Table: "record_alarms", Columns: []string{"record", "clock", "due"}, Where: "due <= ?", Order: "due", Limit: 1000},
	}

	taskColumns = []string{"seq", "title", "owner", "due", "done", "done_by"}
	getTasks    = store.Select{Table: "record_tasks", Columns: taskColumns, Where: "record = ?", Order: "seq"}
	addTask     = store.Insert{Table: "record_tasks", Columns: []string{"record", "seq", "title", "owner", "due", "done_by"}}
	setTask     = store.Update{Table: "record_tasks", Set: []string{"done", "done_by"}, Where: "record = ? AND seq = ?"}

	getLinks   = store.Select{Table: "record_links", Columns: []string{"other_tenant", "other", "relation", "at", "by_account"}, Where: "record = ?", Order: "at, other"}
	addLink    = store.Insert{Table: "record_links", Columns: []string{"record", "other_tenant", "other", "relation", "at", "by_account"}}
	dropLink   = store.Delete{Table: "record_links", Where: "record = ? AND other_tenant = ? AND other = ? AND relation = ?"}
	linkTarget = store.Across{
		Name: "record.link_target", Reason: "紐付け先の確認", Machine: true,
		Select: store.Select{Table: "records", Columns: []string{"id"}, Where: "id = ?"},
	}

	evidenceColumns = []string{"seq", "name", "media", "size", "sha256", "address", "inside", "at", "by_account", "note"}
	getEvidence     = store.Select{Table: "record_evidence", Columns: evidenceColumns, Where: "record = ?", Order: "seq"}
	addEvidence     = store.Insert{Table: "record_evidence", Columns: append([]string{"record"}, evidenceColumns...)}
	getCustody      = store.Select{Table: "record_custody", Columns: []string{"seq", "at", "by_account", "act", "note"}, Where: "record = ? AND evidence = ?", Order: "seq"}
	addCustody      = store.Insert{Table: "record_custody", Columns: []string{"record", "evidence", "seq", "at", "by_account", "act", "note"}}
	everyAddress    = store.Select{Table: "record_evidence", Columns: []string{"address"}}

	getTemplates   = store.Select{Table: "record_templates", Columns: []string{"template"}, Order: "name"}
	oneTemplate    = store.Select{Table: "record_templates", Columns: []string{"template"}, Where: "name = ?"}
	setTemplate    = store.Insert{Table: "record_templates", Columns: []string{"name", "template"}, OrReplace: true}
	dropTemplate   = store.Delete{Table: "record_templates", Where: "name = ?"}
	countTemplates = store.Count{Table: "record_templates"}
)

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func (rec *Record) fieldsJSON() (json.RawMessage, error) {
	if len(rec.Fields) == 0 {
		return json.RawMessage("{}"), nil
	}
	return json.Marshal(rec.Fields)
}

func (rec *Record) dueColumn() time.Time {
	if rec.Due.IsZero() {
		return noDue
	}
	return rec.Due
}

// row is the record in the order of recordColumns.
func (rec *Record) row() ([]any, error) {
	fields, err := rec.fieldsJSON()
	return []any{
		rec.ID, rec.Kind, rec.Number, rec.Version, rec.State, rec.Open, rec.Severity.rank(), rec.Side, rec.Owner, rec.System, rec.Title, rec.Body, fields, orNull(rec.Key),
		rec.Repeats, rec.LastSeen, orNull(string(rec.MergedInto)), rec.Created, rec.CreatedBy, rec.Updated, timeOrNull(rec.Closed), rec.dueColumn(), rec.Drill, rec.Entries, rec.search, rec.inside,
	}, err
}

// saved is the record in the order of savedColumns, and its key.
func (rec *Record) saved() ([]any, error) {
	fields, err := rec.fieldsJSON()
	return []any{
		rec.Version, rec.State, rec.Open, rec.Severity.rank(), rec.Side, rec.Owner, rec.System, rec.Title, rec.Body, fields,
		rec.Repeats, rec.LastSeen, orNull(string(rec.MergedInto)), rec.Updated, timeOrNull(rec.Closed), rec.dueColumn(), rec.Entries, rec.search, rec.inside,
		rec.ID,
	}, err
}

func scanRecord(id tenant.ID) func(store.Row) (Record, error) {
	return func(row store.Row) (Record, error) {
		rec := Record{Tenant: id}
		var rank int
		var fields json.RawMessage
		err := row.Scan(
			&rec.ID, &rec.Kind, &rec.Number, &rec.Version, &rec.State, &rec.Open, &rank, &rec.Side, &rec.Owner, &rec.System, &rec.Title, &rec.Body, &fields, &rec.Key,
			&rec.Repeats, &rec.LastSeen, &rec.MergedInto, &rec.Created, &rec.CreatedBy, &rec.Updated, &rec.Closed, &rec.Due, &rec.Drill, &rec.Entries, &rec.search, &rec.inside,
		)
		if err != nil {
			return rec, err
		}
		rec.Severity = severityOf(rank)
		if rec.Due.Equal(noDue) {
			rec.Due = time.Time{}
		}
		return rec, json.Unmarshal(fields, &rec.Fields)
	}
}

func scanEntry(row store.Row) (Entry, error) {
	var e Entry
	return e, row.Scan(&e.Seq, &e.At, &e.By, &e.From, &e.What, &e.Inside, &e.Text, &e.Data)
}
