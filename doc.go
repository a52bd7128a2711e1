// Package sekikura is the root of an open-source 自治体情報セキュリティクラウド:
// one program with which a prefecture protects the web sites, Internet access,
// mail, DNS and terminals of its municipalities.
//
// The map is the folders: README.md says which is which, cmd/sekikura wires
// them, and layers_test.go holds the order in which they may import each other.
package sekikura
