// Package tenant names the bodies (団体) that share one installation.
//
// Everything the product does is done for exactly one body, or for the
// prefecture that runs it. An [ID] is therefore the first argument of every
// function that reads or writes somebody's data. A [Directory] answers whose an
// address, a host name or a mail domain is.
package tenant

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ID names one body: its six-digit local government code (全国地方公共団体コード)
// such as 131016 for 千代田区, whose last digit is a check digit, or "x-" and a
// slug for a body that has no code (協議会, 民間). The zero ID belongs to nobody.
type ID string

// maxSlug bounds the part of an ID behind "x-".
const maxSlug = 32

// errID is what Parse says of anything that is no ID.
var errID = errors.New("a body's code is six digits with a valid check digit, or x- and up to 32 of a-z 0-9 -")

// Parse returns s as an ID. It is the only way in for text from outside.
func Parse(s string) (ID, error) {
	if slug, ok := strings.CutPrefix(s, "x-"); ok {
		if !validSlug(slug) {
			return "", fmt.Errorf("%q: %w", s, errID)
		}
		return ID(s), nil
	}
	if len(s) != 6 || !allDigits(s) || checkDigit(s[:5]) != s[5] {
		return "", fmt.Errorf("%q: %w", s, errID)
	}
	return ID(s), nil
}

// UnmarshalText lets configuration and JSON carry only valid IDs.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ""
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

func validSlug(s string) bool {
	if s == "" || len(s) > maxSlug || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// checkDigit follows 総務省「全国地方公共団体コード仕様」: the five digits are
// weighted 6 5 4 3 2; the digit is 11 minus the sum's remainder by 11, last
// digit only. (A sum below 11 gives the same by the same formula.)
func checkDigit(five string) byte {
	sum := 0
	for i, c := range []byte(five) {
		sum += int(c-'0') * (6 - i)
	}
	return '0' + byte((11-sum%11)%10)
}

// Kind is what sort of body a tenant is.
type Kind string

// The kinds of body. Private bodies are separated from municipal ones in
// network, keys and staff roles (契約パターン④).
const (
	Prefecture   Kind = "prefecture"   // 都道府県
	Municipality Kind = "municipality" // 市区町村
	Union        Kind = "union"        // 一部事務組合、広域連合
	Board        Kind = "board"        // 教育委員会など
	Council      Kind = "council"      // 協議会
	Private      Kind = "private"      // 民間
)

// A Tenant is one body as the directory knows it. Operator names the prefecture
// above it; an operator names itself. Names, sources, hosts and mail domains are
// each owned by at most one tenant of an installation.
type Tenant struct {
	ID          ID             `json:"id"`
	Operator    ID             `json:"operator"`
	Name        string         `json:"name"`              // as its officials write it, such as 若葉村
	NameEN      string         `json:"name_en,omitempty"` // for the English screens
	Kind        Kind           `json:"kind"`
	Staff       int            `json:"staff,omitempty"` // head count, for shares and estimates
	Sources     []netip.Prefix `json:"sources,omitempty"`
	Hosts       []string       `json:"hosts,omitempty"`        // published sites: lower case, no port
	MailDomains []string       `json:"mail_domains,omitempty"` // lower case
	Contact     Contact        `json:"contact"`
}

// Contact is who a clerk or a citizen should call; it stands on block pages.
type Contact struct {
	Section string `json:"section,omitempty"` // such as 総務課 情報係
	Phone   string `json:"phone,omitempty"`
	Mail    string `json:"mail,omitempty"`
}

// IsOperator tells whether t stands above others.
func (t Tenant) IsOperator() bool { return t.Operator == t.ID }
