package policies

import (
	"encoding/json"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
)

// Schema is what this package keeps: the current documents, every version of
// them, and each operator's rule about change references.
var Schema = store.Schema{
	Service: "policies",
	Migrations: []store.Migration{{Number: 1, Steps: []store.Step{
		store.CreateTable{
			Name: "policies", Key: []string{"layer", "service"},
			Columns: []store.Column{{Name: "layer"}, {Name: "service"}, {Name: "version", Type: store.Int}, {Name: "document", Type: store.JSON}},
		},
		store.CreateTable{
			Name: "policy_versions", Key: []string{"layer", "service", "version"},
			Columns: []store.Column{
				{Name: "layer"},
				{Name: "service"},
				{Name: "version", Type: store.Int},
				{Name: "document", Type: store.JSON},
				{Name: "approve_by", Type: store.Time, Null: true}, // set on an emergency until it is approved
				{Name: "approval", Type: store.JSON, Null: true},
			},
		},
		store.CreateTable{Name: "policy_rules", Columns: []store.Column{{Name: "reference_mandatory", Type: store.Bool}}},
	}}},
	Statements: []store.Statement{current, listCurrent, addVersion, setCurrent, history, oneVersion, getRule, setRule, approve, unapproved, everyDocument, everyOverride, everyBaseline, everyUnapproved},
}

var (
	documentColumns = []string{"layer", "document"}

	current     = store.Select{Table: "policies", Columns: documentColumns, Where: "layer = ? AND service = ?"}
	listCurrent = store.Select{Table: "policies", Columns: documentColumns, Order: "service, layer"}
	setCurrent  = store.Insert{Table: "policies", Columns: []string{"layer", "service", "version", "document"}, OrReplace: true}

	versionColumns = []string{"layer", "document", "approval"}

	addVersion = store.Insert{Table: "policy_versions", Columns: []string{"layer", "service", "version", "document", "approve_by"}}
	oneVersion = store.Select{Table: "policy_versions", Columns: versionColumns, Where: "layer = ? AND service = ? AND version = ?"}
	history    = store.Select{
		Table: "policy_versions", Columns: versionColumns,
		Where: "layer = ? AND service = ? AND version < ?", Order: "version DESC", LimitArg: true,
	}
	approve    = store.Update{Table: "policy_versions", Set: []string{"approve_by", "approval"}, Where: "layer = ? AND service = ? AND version = ? AND approve_by IS NOT NULL"}
	unapproved = store.Select{Table: "policy_versions", Columns: versionColumns, Where: "approve_by IS NOT NULL", Order: "approve_by"}

	getRule = store.Select{Table: "policy_rules", Columns: []string{"reference_mandatory"}}
	setRule = store.Insert{Table: "policy_rules", Columns: []string{"reference_mandatory"}, OrReplace: true}

	everyDocument = store.Across{
		Name: "policies.push", Reason: "設定の配布", Machine: true,
		Select: store.Select{Table: "policies", Columns: documentColumns},
	}
	everyOverride = store.Across{
		Name: "policies.check_overrides", Reason: "県の基準を変える前の確認", Machine: true,
		Select: store.Select{Table: "policies", Columns: documentColumns, Where: "layer = 'override' AND service = ?"},
	}
	everyBaseline = store.Across{
		Name: "policies.check_baseline", Reason: "団体の設定を変える前の確認", Machine: true,
		Select: store.Select{Table: "policies", Columns: documentColumns, Where: "layer = 'baseline' AND service = ?"},
	}
	everyUnapproved = store.Across{
		Name: "policies.unapproved", Reason: "緊急変更の事後承認の確認",
		Select: store.Select{Table: "policy_versions", Columns: versionColumns, Where: "approve_by IS NOT NULL", Order: "approve_by"},
	}
)

// stored is a document as a row holds it.
type stored struct {
	layer    policy.Layer
	document policy.Document
	approval *Approval
}

func scanDocument(row store.Row) (stored, error) {
	var s stored
	var text json.RawMessage
	if err := row.Scan(&s.layer, &text); err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s.document)
}

func scanVersion(row store.Row) (stored, error) {
	var s stored
	var text, approval json.RawMessage
	if err := row.Scan(&s.layer, &text, &approval); err != nil {
		return s, err
	}
	if approval != nil {
		if err := json.Unmarshal(approval, &s.approval); err != nil {
			return s, err
		}
	}
	return s, json.Unmarshal(text, &s.document)
}
