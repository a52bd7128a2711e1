package store

// builtin is this package's own schema. Services reach only the bodies through
// statements; the other tables are known to no catalog.
var builtin = Schema{
	Service: "store",
	Migrations: []Migration{{Number: 1, Steps: []Step{
		CreateTable{
			Name: Bodies, Columns: []Column{
				{Name: "operator", Type: Text},
				{Name: "document", Type: JSON},
				{Name: "version", Type: Int},
			},
		},
		CreateIndex{Table: Bodies, Name: "bodies_by_operator", Columns: []string{"operator"}},
		engineStep{
			SQLite:   []string{`CREATE TABLE sekikura_topics (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT`},
			Postgres: []string{`CREATE TABLE sekikura_topics (name TEXT PRIMARY KEY, revision BIGINT NOT NULL)`},
		},
		engineStep{
			SQLite: []string{
				`CREATE TABLE sekikura_audit (tenant TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL,
					actor TEXT NOT NULL, actor_tenant TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL,
					before TEXT NOT NULL, after TEXT NOT NULL, reason TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL,
					PRIMARY KEY (tenant, seq)) STRICT`,
				`CREATE TABLE sekikura_audit_heads (tenant TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT`,
				`CREATE TRIGGER sekikura_audit_update BEFORE UPDATE ON sekikura_audit BEGIN SELECT RAISE(ABORT, 'audit records never change'); END`,
				`CREATE TRIGGER sekikura_audit_delete BEFORE DELETE ON sekikura_audit BEGIN SELECT RAISE(ABORT, 'audit records never go'); END`,
			},
			Postgres: append(append([]string{
				`CREATE TABLE sekikura_audit (tenant TEXT COLLATE "C" NOT NULL, seq BIGINT NOT NULL, time BIGINT NOT NULL,
					actor TEXT COLLATE "C" NOT NULL, actor_tenant TEXT NOT NULL, address TEXT NOT NULL, action TEXT COLLATE "C" NOT NULL, object TEXT COLLATE "C" NOT NULL,
					before TEXT NOT NULL, after TEXT NOT NULL, reason TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL,
					PRIMARY KEY (tenant, seq))`,
				`CREATE TABLE sekikura_audit_heads (tenant TEXT COLLATE "C" PRIMARY KEY, seq BIGINT NOT NULL, hash TEXT NOT NULL)`,
				`CREATE FUNCTION sekikura_audit_stands() RETURNS trigger LANGUAGE plpgsql AS
					$$ BEGIN RAISE EXCEPTION 'audit records never change or go'; END $$`,
				`CREATE TRIGGER sekikura_audit_stands BEFORE UPDATE OR DELETE ON sekikura_audit
					FOR EACH ROW EXECUTE FUNCTION sekikura_audit_stands()`,
			}, walled("sekikura_audit")...), walled("sekikura_audit_heads")...),
		},
	}}},
}
