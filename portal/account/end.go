package account

import (
	"context"

	"github.com/sekikura/sekikura/store"
)

// EndAll ends every session and token of the change's body: after its accounts were
// put back from a backup, one that was revoked since would be good again. Passwords
// stay as they are.
func EndAll(ctx context.Context, tx *store.Tx) error {
	all, err := store.All(ctx, tx, selectAccount("", "login"), scan)
	if err != nil {
		return err
	}
	end := store.Update{Table: "account", Set: []string{"generation", "version"}, Where: "login = ?"}
	for _, s := range all {
		if _, err := tx.Update(ctx, end, s.Generation+1, s.Version+1, s.Login); err != nil {
			return err
		}
	}
	return nil
}
