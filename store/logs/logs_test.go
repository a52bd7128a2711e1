package logs_test

import (
	"errors"
	"net/http"
	"os"
	"testing"

	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/logs/logstest"
	"github.com/sekikura/sekikura/tenant"
)

func TestMain(m *testing.M) {
	logstest.Main()
	os.Exit(m.Run())
}

func TestOurLogStoreDoesWhatTheProductNeeds(t *testing.T) {
	logstest.Run(t, logstest.Start(t).Client)
}

func TestAStockVictoriaLogsDoesWhatTheProductNeeds(t *testing.T) {
	logstest.Run(t, logstest.StartStock(t).Client)
}

func TestAnExternalVictoriaLogsDoesWhatTheProductNeeds(t *testing.T) {
	at := os.Getenv("SEKIKURA_TEST_VLOGS_URL")
	if at == "" {
		t.Skip("SEKIKURA_TEST_VLOGS_URL names no VictoriaLogs")
	}
	logstest.Run(t, &logs.Client{URL: at})
}

func TestOurLogStoreAnswersNobodyElse(t *testing.T) {
	p := logstest.Start(t)
	for _, path := range []string{"/metrics", "/select/logsql/query?query=*", "/insert/jsonline", "/internal/force_flush", "/flags", "/"} {
		for _, token := range []string{"", "Bearer wrong", "Bearer "} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Client.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with token %q = %s, want 401", path, token, resp.Status)
			}
		}
	}
	stranger := logs.Client{URL: p.Client.URL, Secret: "wrong"}
	scope := logs.Scope{Operator: "990001", Tenants: []tenant.ID{"994413"}}
	if _, err := stranger.Search(t.Context(), scope, logs.Query{Text: "*"}); err == nil || errors.Is(err, logs.ErrUnavailable) {
		t.Errorf("a stranger's search = %v, want it refused", err)
	}
}

func TestOperatorsHaveAccountsOfTheirOwn(t *testing.T) {
	seen := make(map[uint32]tenant.ID)
	for _, id := range []tenant.ID{"990001", "131016", "x-a", "x-b", "x-990001"} {
		account := logs.Account(id)
		if other, taken := seen[account]; taken {
			t.Errorf("Account(%s) = Account(%s) = %d", id, other, account)
		}
		seen[account] = id
	}
	if got := logs.Account("990001"); got != 990001 {
		t.Errorf("Account(990001) = %d, want the code itself", got)
	}
}
