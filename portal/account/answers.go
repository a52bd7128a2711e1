package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
)

// Answers keeps the answers to requests with an Idempotency-Key for a day, per
// account and sealed. It implements rest.Replays. Every field must be set.
type Answers struct {
	DB   *store.DB
	Keys *Sealer
	Now  func() time.Time
}

// keepAnswers is how long a request may be repeated.
const keepAnswers = 24 * time.Hour

type keptAnswer struct {
	digest  string
	sealed  []byte
	created time.Time
}

func scanAnswer(row store.Row) (keptAnswer, error) {
	var k keptAnswer
	return k, row.Scan(&k.digest, &k.sealed, &k.created)
}

func answerPurpose(who *access.Identity, key string) string {
	return "answer " + string(who.Tenant.ID) + " " + who.Login + " " + key
}

// Begin implements rest.Replays.
func (a *Answers) Begin(ctx context.Context, who *access.Identity, key, digest string) (*rest.Answer, error) {
	var kept *keptAnswer
	err := a.DB.Change(ctx, who.Tenant.ID, machine, func(tx *store.Tx) error {
		kept = nil
		if _, err := tx.Delete(ctx, store.Delete{Table: "kept_answer", Where: "created < ?"}, a.Now().Add(-keepAnswers)); err != nil {
			return err
		}
		k, err := store.One(ctx, tx, store.Select{
			Table: "kept_answer", Columns: []string{"digest", "answer", "created"}, Where: "login = ? AND key = ?",
		}, scanAnswer, who.Login, key)
		if err == nil {
			kept = &k
			return nil
		}
		if !errors.Is(err, store.ErrNone) {
			return err
		}
		return tx.Insert(ctx, store.Insert{Table: "kept_answer", Columns: []string{"login", "key", "digest", "created"}}, who.Login, key, digest, a.Now())
	})
	switch {
	case errors.Is(err, store.ErrExists): // somebody was faster
		return nil, rest.ErrUnfinished
	case err != nil:
		return nil, fmt.Errorf("claiming an Idempotency-Key: %w", err)
	case kept == nil:
		return nil, nil //nolint:nilnil // claimed, and no answer yet
	case kept.digest != digest:
		return &rest.Answer{Digest: kept.digest}, nil
	case len(kept.sealed) == 0:
		return nil, rest.ErrUnfinished
	}
	text, err := a.Keys.Open(kept.sealed, answerPurpose(who, key))
	if err != nil {
		return nil, err
	}
	var answer rest.Answer
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("reading a kept answer: %w", err)
	}
	return &answer, nil
}

// Finish implements rest.Replays.
func (a *Answers) Finish(ctx context.Context, who *access.Identity, key string, answer rest.Answer) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return a.DB.Change(ctx, who.Tenant.ID, machine, func(tx *store.Tx) error {
		_, err := tx.Update(ctx, store.Update{Table: "kept_answer", Set: []string{"answer"}, Where: "login = ? AND key = ?"},
			a.Keys.Seal(text, answerPurpose(who, key)), who.Login, key)
		return err
	})
}

// Forget implements rest.Replays.
func (a *Answers) Forget(ctx context.Context, who *access.Identity, key string) error {
	return a.DB.Change(ctx, who.Tenant.ID, machine, func(tx *store.Tx) error {
		_, err := tx.Delete(ctx, store.Delete{Table: "kept_answer", Where: "login = ? AND key = ?"}, who.Login, key)
		return err
	})
}
