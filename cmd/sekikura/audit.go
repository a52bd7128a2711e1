package main

import "github.com/spf13/cobra"

func auditCommand() *cobra.Command { return &cobra.Command{Use: "audit"} }
