package main

import (
	"context"

	"github.com/sekikura/sekikura/role/settings"
	"github.com/sekikura/sekikura/store/policies"
)

// pushed hands the control store's bodies and policies to the data planes.
type pushed struct{ documents *policies.Documents }

// Snapshot implements settings.Source.
func (p pushed) Snapshot(ctx context.Context) (*settings.Set, error) {
	now, err := p.documents.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	set := &settings.Set{Revision: now.Revision, Tenants: now.Tenants, Policies: make([]settings.Entry, len(now.Documents))}
	for i, e := range now.Documents {
		set.Policies[i] = settings.Entry{Tenant: e.Tenant, Layer: e.Layer, Document: e.Document}
	}
	return set, nil
}

// Wait implements settings.Source.
func (p pushed) Wait(ctx context.Context, have int64) error {
	now, err := p.documents.Wait(ctx, -1)
	if err != nil || now != have {
		return err
	}
	_, err = p.documents.Wait(ctx, have)
	return err
}
