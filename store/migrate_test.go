package store

import "testing"

// A released migration keeps its checksum for ever: when this test fails, every
// database in the field would refuse to open.
func TestChecksumsOfMigrationsStay(t *testing.T) {
	whole := Migration{Number: 1, Steps: []Step{
		CreateTable{Name: "t", Key: []string{"a"}, Columns: []Column{{Name: "a"}, {Name: "b", Type: Float, Null: true}, {Name: "c", Type: Bool, Default: "TRUE"}}},
		AddColumn{Table: "t", Column: Column{Name: "d", Type: Int, Default: "0"}},
		CreateIndex{Table: "t", Name: "t_b", Columns: []string{"b", "a"}, Unique: true},
	}}
	got, err := checksum(whole)
	if want := "4de862bf16a6259a7756bf4095840185d0c9a9545c39e89429655c841182aaf6"; err != nil || got != want {
		t.Errorf("the checksum is %s, %v, want %s", got, err, want)
	}
	got, err = checksum(builtin.Migrations[0])
	if want := "9291c88a705c751c5185978d91e348f549e698180ae795e56625d6e4504ff2d2"; err != nil || got != want {
		t.Errorf("the checksum of the store's own migration 1 is %s, %v, want %s", got, err, want)
	}
	seen := map[string]string{}
	for what, m := range map[string]Migration{
		"empty":          {},
		"a table":        {Steps: []Step{CreateTable{Name: "t", Columns: []Column{{Name: "a"}}}}},
		"null":           {Steps: []Step{CreateTable{Name: "t", Columns: []Column{{Name: "a", Null: true}}}}},
		"a key":          {Steps: []Step{CreateTable{Name: "t", Columns: []Column{{Name: "a"}}, Key: []string{"a"}}}},
		"a type":         {Steps: []Step{CreateTable{Name: "t", Columns: []Column{{Name: "a", Type: Int}}}}},
		"another column": {Steps: []Step{CreateTable{Name: "t", Columns: []Column{{Name: "a"}, {Name: "b"}}}}},
		"another order":  {Steps: []Step{CreateTable{Name: "t", Columns: []Column{{Name: "b"}, {Name: "a"}}}}},
		"a default":      {Steps: []Step{CreateTable{Name: "t", Columns: []Column{{Name: "a", Default: "''"}}}}},
	} {
		sum, err := checksum(m)
		if err != nil || seen[sum] != "" {
			t.Errorf("%s has the checksum of %s, %v", what, seen[sum], err)
		}
		seen[sum] = what
	}
}
