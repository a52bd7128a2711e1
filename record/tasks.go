package record

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Task is one thing to do within a record.
type Task struct {
	Seq    int64     `json:"seq"`
	Title  string    `json:"title"`
	Owner  string    `json:"owner,omitempty"`
	Due    string    `json:"due,omitempty"` // a day such as 2026-11-30, or ""
	Done   time.Time `json:"done,omitzero"` // the zero time while it is open
	DoneBy string    `json:"done_by,omitempty"`
}

func scanTask(row store.Row) (Task, error) {
	var t Task
	return t, row.Scan(&t.Seq, &t.Title, &t.Owner, &t.Due, &t.Done, &t.DoneBy)
}

// Tasks returns the tasks of a record in the order in which they were added.
func (r *Records) Tasks(ctx context.Context, p Person, id tenant.ID, ref ID) ([]Task, error) {
	if _, err := r.Get(ctx, p, id, ref); err != nil {
		return nil, err
	}
	return store.All(ctx, r.DB.Tenant(id), getTasks, scanTask, ref)
}

// AddTask adds a task to an open record. due is a day or "".
func (r *Records) AddTask(ctx context.Context, p Person, id tenant.ID, ref ID, title, owner, due string) (Task, error) {
	t := Task{Title: strings.TrimSpace(title), Owner: strings.TrimSpace(owner), Due: due}
	if err := r.may(p, id); err != nil {
		return t, err
	}
	var ps problems
	if t.Title == "" {
		ps.add(policy.At("title").Is("required"))
	}
	ps.line(policy.At("title"), t.Title, MaxTitle)
	ps.line(policy.At("owner"), t.Owner, MaxName)
	if _, err := time.Parse(time.DateOnly, due); err != nil && due != "" {
		ps.add(policy.At("due").Is("not_a_date"))
	}
	if err := ps.err(); err != nil {
		return t, err
	}
	_, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		tasks, err := store.All(ctx, w.tx, getTasks, scanTask, ref)
		switch {
		case err != nil:
			return err
		case !w.rec.Open:
			return refuse(policy.At("state"), "closed")
		case len(tasks) >= MaxTasks:
			return refuse(policy.At("tasks"), "too_many", MaxTasks)
		}
		t.Seq = int64(len(tasks)) + 1
		if err := w.tx.Insert(ctx, addTask, ref, t.Seq, t.Title, t.Owner, orNull(t.Due), ""); err != nil {
			return err
		}
		if _, err := w.enter(Tasked, false, t.Title, map[string]any{"task": t.Seq, "act": "added"}); err != nil {
			return err
		}
		return w.audit("task", nil, t, "")
	})
	return t, err
}

// FinishTask marks a task as done, or with done false as open again. One that is
// so already is refused.
func (r *Records) FinishTask(ctx context.Context, p Person, id tenant.ID, ref ID, seq int64, done bool) (Task, error) {
	var t Task
	_, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		tasks, err := store.All(ctx, w.tx, getTasks, scanTask, ref)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(tasks, func(t Task) bool { return t.Seq == seq })
		if i < 0 {
			return store.ErrNone
		}
		if t = tasks[i]; t.Done.IsZero() != done {
			return refuse(policy.At("done"), "not_now")
		}
		act := "reopened"
		t.Done, t.DoneBy = time.Time{}, ""
		if done {
			act, t.Done, t.DoneBy = "done", w.now, p.Account
		}
		if _, err := w.tx.Update(ctx, setTask, timeOrNull(t.Done), t.DoneBy, ref, seq); err != nil {
			return err
		}
		if _, err := w.enter(Tasked, false, t.Title, map[string]any{"task": seq, "act": act}); err != nil {
			return err
		}
		return w.audit("task", nil, map[string]any{"task": seq, "act": act}, "")
	})
	return t, err
}
