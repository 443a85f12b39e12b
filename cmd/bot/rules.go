package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/hitrate-bot/hitrate/internal/rules"
)

type rulesCommand struct {
	Rule string `arg:"" optional:"" help:"The rule to explain."`
}

// Run lists the rules, or prints the page of one as Markdown.
func (r *rulesCommand) Run(s *streams) error {
	if r.Rule != "" {
		for _, rule := range rules.All() {
			if rule.ID == r.Rule {
				_, err := fmt.Fprint(s.stdout, rule.Page())
				return err
			}
		}
		return usageError("no rule is called %q: hitrate rules lists them", r.Rule)
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, rule := range rules.All() {
		fix := ""
		if rule.Fix != "" {
			fix = "edit"
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", rule.ID, rule.Severity, fix, strings.TrimSuffix(rule.Title, ".")); err != nil {
			return err
		}
	}
	return table.Flush()
}
