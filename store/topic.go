package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Touch moves a topic to its next revision when the change commits, and wakes
// those who Wait for it. A topic is a word such as "settings"; its revision
// counts the changes of the whole installation.
func (tx *Tx) Touch(topic string) {
	if !slices.Contains(tx.topics, topic) {
		tx.topics = append(tx.topics, topic)
	}
}

func (tx *Tx) bump(ctx context.Context) error {
	slices.Sort(tx.topics) // in the same order everywhere, so that no two changes deadlock
	for _, topic := range tx.topics {
		b := &builder{dialect: tx.db.engine.dialect()}
		b.WriteString("INSERT INTO sekikura_topics (name, revision) VALUES (")
		b.arg(columnArg)
		b.WriteString(", 1) ON CONFLICT (name) DO UPDATE SET revision = sekikura_topics.revision + 1")
		if _, err := tx.conn.exec(ctx, b.String(), topic); err != nil {
			return fmt.Errorf("moving topic %s: %w", topic, err)
		}
	}
	return nil
}

// Revision returns how often topic was touched; 0 for a topic nobody touched.
func (db *DB) Revision(ctx context.Context, topic string) (n int64, err error) {
	err = db.engine.read(ctx, "", func(s session) error {
		n, err = revision(ctx, s, db.engine.dialect(), topic)
		return err
	})
	return n, err
}

func revision(ctx context.Context, s session, d dialect, topic string) (n int64, err error) {
	b := &builder{dialect: d}
	b.WriteString("SELECT revision FROM sekikura_topics WHERE name = ")
	b.arg(columnArg)
	err = s.each(ctx, b.String(), []any{topic}, func(scan func(...any) error) error { return scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("reading the revision of %s: %w", topic, err)
	}
	return n, nil
}

// Wait returns topic's revision as soon as it is above after. Changes of this
// process wake it at once, those of others within Config.Poll. It ends with
// ctx's error, or with the database's.
func (db *DB) Wait(ctx context.Context, topic string, after int64) (int64, error) {
	tick := time.NewTicker(db.poll)
	defer tick.Stop()
	for {
		changed := db.changed(topic) // before the look, so that nothing slips between
		now, err := db.Revision(ctx, topic)
		if err != nil || now > after {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-changed:
		case <-tick.C:
		}
	}
}

// changed returns a channel that closes when a change of this process touches topic.
func (db *DB) changed(topic string) <-chan struct{} {
	db.mu.Lock()
	defer db.mu.Unlock()
	c := db.topics[topic]
	if c == nil {
		c = make(chan struct{})
		db.topics[topic] = c
	}
	return c
}

func (db *DB) wake(topics []string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, topic := range topics {
		if c := db.topics[topic]; c != nil {
			close(c)
			delete(db.topics, topic)
		}
	}
}
