package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/policy"
)

// remote is where a thin client finds the API: from demo.json, or by hand.
type remote struct {
	demo, api, tokenFile, ca, as string
}

func (r *remote) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.demo, "demo", "", "demo.json of a running demonstration, instead of --api and --token-file")
	f.StringVar(&r.as, "as", "", "with --demo: act as this body (its code) instead of the prefecture")
	f.StringVar(&r.api, "api", "", "the API's URL, such as https://portal.example/api/v1")
	f.StringVar(&r.tokenFile, "token-file", "", "a file that holds the API token")
	f.StringVar(&r.ca, "ca", "", "a file of certificates to trust (PEM); the system's if empty")
}

func (r *remote) client() (*apiClient, error) {
	if r.demo != "" {
		d, err := readDemo(r.demo)
		if err != nil {
			return nil, err
		}
		token := d.Admin.Token
		if r.as != "" {
			token = ""
			for _, t := range d.Tenants {
				if string(t.ID) == r.as {
					token = t.Token
				}
			}
			if token == "" {
				return nil, usageError{fmt.Errorf("the demonstration has no body %q", r.as)}
			}
		}
		return newAPIClient(d.API, token, d.CA)
	}
	if r.api == "" || r.tokenFile == "" {
		return nil, usageError{errors.New("say where the API is: --demo FILE, or --api URL --token-file FILE")}
	}
	token, err := os.ReadFile(r.tokenFile)
	if err != nil {
		return nil, err
	}
	return newAPIClient(r.api, strings.TrimSpace(string(token)), r.ca)
}

func statusCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "status", Short: "show which parts of the product are up", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			var status struct {
				Version string `json:"version"`
				Parts   []struct {
					Group, State, Reason string
					Since                time.Time
					Restarts             int
				} `json:"parts"`
				Absent map[string]string `json:"absent"`
			}
			if err := api.get(c.Context(), "/status", &status); err != nil {
				return err
			}
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(table, "part\tstate\tsince (JST)\trestarts\treason")
			for _, p := range status.Parts {
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", p.Group, p.State, p.Since.In(jst).Format("01-02 15:04:05"), p.Restarts, dash(p.Reason))
			}
			for name, why := range status.Absent {
				fmt.Fprintf(table, "%s\tabsent\t-\t-\t%s\n", name, why)
			}
			return table.Flush()
		},
	}
	r.flags(c)
	return c
}

func tenantsCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "tenants", Short: "list the bodies", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			var list struct {
				Items []struct {
					ID, Name, Kind string
					Staff          int
					Hosts          []string
				} `json:"items"`
			}
			if err := api.get(c.Context(), "/tenants", &list); err != nil {
				return err
			}
			table := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
			// Names come last: wide characters would push what stands behind them.
			fmt.Fprintln(table, "code\tkind\tstaff\tsites\tname")
			for _, t := range list.Items {
				fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", t.ID, t.Kind, t.Staff, dash(strings.Join(t.Hosts, " ")), t.Name)
			}
			return table.Flush()
		},
	}
	r.flags(c)
	return c
}

func eventsCommand() *cobra.Command {
	var r remote
	var since, format string
	var limit int
	c := &cobra.Command{
		Use: "events [QUERY]", Short: "search the events (LogsQL), newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			ask := url.Values{"since": {since}, "limit": {strconv.Itoa(limit)}}
			if len(args) == 1 {
				ask.Set("q", args[0])
			}
			if format != "text" {
				ask.Set("format", format)
				return api.get(c.Context(), "/events/export?"+ask.Encode(), c.OutOrStdout())
			}
			var found struct {
				Events []map[string]any `json:"events"`
			}
			if err := api.get(c.Context(), "/events?"+ask.Encode(), &found); err != nil {
				return err
			}
			if len(found.Events) == 0 {
				fmt.Fprintf(c.ErrOrStderr(), "No event fits within the last %s; --since looks further back.\n", since)
			}
			return printEvents(c.OutOrStdout(), found.Events)
		},
	}
	r.flags(c)
	c.Flags().StringVar(&since, "since", "1h", "how far back from now, such as 15m, 24h, 7d")
	c.Flags().IntVar(&limit, "limit", 100, "at most this many")
	c.Flags().StringVar(&format, "format", "text", "text, csv, ltsv or json")
	return c
}

func printEvents(out io.Writer, events []map[string]any) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "time (JST)\tbody\tservice\twhat\tsource\thost\tpath\tnumber")
	for _, e := range events {
		text := func(name string) string {
			if v, ok := e[name]; ok {
				return fmt.Sprint(v)
			}
			return "-"
		}
		at := text("_time")
		if parsed, err := time.Parse(time.RFC3339Nano, at); err == nil {
			at = parsed.In(jst).Format("01-02 15:04:05.000")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", at, text("tenant"), text("service"), text("event.action"),
			text("source.ip"), text("url.domain"), text("url.path"), text("event.reference"))
	}
	return table.Flush()
}

func policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "read and write what a body decides about a service"}
	c.AddCommand(policyShowCommand(), policySetCommand())
	return c
}

func policyShowCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "show TENANT SERVICE", Short: "show a policy and where each value comes from", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			var answer any
			if err := api.get(c.Context(), policyPath(args)+"?explain=1", &answer); err != nil {
				return err
			}
			text, err := json.MarshalIndent(answer, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", text)
			return err
		},
	}
	r.flags(c)
	return c
}

func policyPath(args []string) string {
	return "/tenants/" + url.PathEscape(args[0]) + "/policies/" + url.PathEscape(args[1])
}

func policySetCommand() *cobra.Command {
	var r remote
	var reference, mode, layer, note string
	var emergency bool
	c := &cobra.Command{
		Use: "set TENANT SERVICE FILE", Short: "write a policy's body from a JSON file (- for standard input)", Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := readInput(args[2], c.InOrStdin())
			if err != nil {
				return err
			}
			if !json.Valid(body) {
				return fmt.Errorf("%s is not JSON", args[2])
			}
			api, err := r.client()
			if err != nil {
				return err
			}
			path := policyPath(args) + "?layer=" + url.QueryEscape(layer)
			have, err := api.call(c.Context(), http.MethodGet, path, nil, nil, nil)
			if err != nil {
				return err
			}
			write := map[string]any{
				"body":   json.RawMessage(body),
				"change": policy.Change{Reference: reference, Emergency: emergency, Note: note},
			}
			if mode != "" {
				write["mode"] = mode
			}
			var written struct {
				Document policy.Document `json:"document"`
			}
			if _, err := api.call(c.Context(), http.MethodPut, path, http.Header{"If-Match": have["Etag"]}, write, &written); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "version %d of %s for %s is in force\n", written.Document.Version, args[1], args[0])
			return err
		},
	}
	r.flags(c)
	f := c.Flags()
	f.StringVar(&reference, "change", "", "the change number (変更番号)")
	f.BoolVar(&emergency, "emergency", false, "an emergency (緊急): approval follows within 24 hours")
	f.StringVar(&note, "note", "", "why")
	f.StringVar(&mode, "mode", "", "ours, other or off; empty leaves it to the layer below")
	f.StringVar(&layer, "layer", string(policy.Override), "override (the body's own) or baseline (the prefecture's)")
	return c
}

func readInput(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file) //nolint:gosec // the operator's own file
}
