package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"

	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/role/admin"
)

// adminSocket is a group's administrative address: /healthz, /readyz, /metrics
// and /debug/pprof. n is the group's number. Without admin_port in the settings
// a free port is taken; run/status.json names it.
func (m *machine) adminSocket(n int) role.Socket {
	port := 0
	if m.conf.AdminPort > 0 {
		port = m.conf.AdminPort + n
	}
	return role.Socket{Name: "admin", Network: "tcp", Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
}

// administration takes a group's administrative socket. The group adds its
// checks and figures to the server and runs the role.
func administration(child *role.Child, log *slog.Logger) (*admin.Server, role.Role, error) {
	listener, err := child.Listener("admin")
	if err != nil {
		return nil, role.Role{}, err
	}
	server := admin.New(log)
	return server, role.Role{
		Name: "admin",
		Run: func(ctx context.Context) error {
			own, err := duplicate(listener) // it may run twice: while a role waits for its store, and then
			if err != nil {
				return err
			}
			return server.Run(ctx, own)
		},
		Ready: server.Ready,
	}, nil
}

// closed returns nil once c is closed, and what until then.
func closed(c <-chan struct{}, what string) error {
	select {
	case <-c:
		return nil
	default:
		return errors.New(what)
	}
}
