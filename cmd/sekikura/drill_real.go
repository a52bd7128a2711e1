package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/sekikura/sekikura/tenant"
)

// realWorld is an installation in use, as the settings file and the API know it.
func realWorld(ctx context.Context, conf *Config, tokenFile, ca string) (*drillWorld, error) {
	if tokenFile == "" {
		return nil, usageError{errors.New("--token-file is needed with --config")}
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, err
	}
	w := &drillWorld{
		api:  "https://" + net.JoinHostPort(conf.Portal.Name, port(conf.Portal.Listen)) + "/api/v1",
		edge: conf.Edge.HTTPS, token: strings.TrimSpace(string(token)), real: true,
	}
	if ca != "" {
		if w.roots, err = readRoots(ca); err != nil {
			return nil, err
		}
	}
	var list struct {
		Items []tenant.Tenant `json:"items"`
	}
	if err := w.as("").get(ctx, "/tenants", &list); err != nil {
		return nil, err
	}
	for _, t := range list.Items {
		for _, host := range t.Hosts {
			w.sites = append(w.sites, drillSite{Tenant: t.ID, Name: t.Name, Host: host})
		}
	}
	return w, nil
}

// agreed asks whether the drill may begin: it attacks a site that is in use.
func agreed(in io.Reader, out io.Writer, w *drillWorld) bool {
	target := "no site is published, so little can be tried"
	if len(w.sites) > 0 {
		target = "it sends attacks to https://" + w.sites[0].Host + "/ (" + w.sites[0].Name + ")"
	}
	fmt.Fprintf(out, "This is an installation in use: %s.\nThe events are marked with kunren=1 and the user agent %q. Type 訓練 to begin: ", target, drillAgent)
	answer, err := bufio.NewReader(in).ReadString('\n')
	return (err == nil || errors.Is(err, io.EOF)) && strings.TrimSpace(answer) == "訓練"
}
