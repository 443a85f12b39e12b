// Command generate writes what is made from the rules: their pages under docs/rules, the table in
// the README and the JSON Schema of the configuration. Run it with "make generate".
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

//go:generate go run . ../..

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate ROOT")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(root string) error {
	return errors.Join(pages(root), readme(filepath.Join(root, "README.md")), schema(filepath.Join(root, "docs", "hitrate.schema.json")))
}

const notice = "<!-- Made by make generate from internal/rules; edit the rule instead. -->\n\n"

// pages writes one page a rule and deletes those of rules that are gone.
func pages(root string) error {
	dir := filepath.Join(root, "docs", "rules")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	var written []string
	for _, rule := range rules.All() {
		example, err := example(root, rule.ID)
		if err != nil {
			return err
		}
		name := rule.ID + ".md"
		written = append(written, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(notice+rule.Page()+example), 0o644); err != nil {
			return fmt.Errorf("write the page of %s: %w", rule.ID, err)
		}
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, entry := range old {
		if !slices.Contains(written, entry.Name()) {
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				return fmt.Errorf("delete an old page: %w", err)
			}
		}
	}
	return nil
}

// example is the first case of the rule's archive, so that what the page shows is what is tested.
func example(root, id string) (string, error) {
	name := "internal/rules/testdata/" + id + ".txtar"
	archive, err := txtar.ParseFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return "", fmt.Errorf("read the cases of %s: %w", id, err)
	}
	var b strings.Builder
	b.WriteString("\n## Example\n")
	title := ""
	for _, file := range archive.Files {
		of, path, _ := strings.Cut(file.Name, "/")
		if title == "" {
			title = of
		}
		switch {
		case of != title:
		case path == "want":
			b.WriteString(said(string(file.Data)))
		default:
			fmt.Fprintf(&b, "\n`%s`:\n\n```\n%s```\n", path, file.Data)
		}
	}
	fmt.Fprintf(&b, "\nEvery case that the rule is tested on, those where it keeps silent among them: [%s](../../%s).\n", name, name)
	return b.String(), nil
}

// said is the first finding that a case wants: its place, its title, why it matters, what is said when
// it is gone, and, behind "|", the file with the edit; see the harness in package rules.
func said(want string) string {
	lines := strings.Split(strings.TrimRight(want, "\n"), "\n")
	if len(lines) < 3 {
		return "\nhitrate says nothing.\n"
	}
	title, _, _ := strings.Cut(lines[1], " / ")
	var b strings.Builder
	fmt.Fprintf(&b, "\nhitrate says:\n\n> **%s** %s\n", title, lines[2])
	var edited []string
	for _, line := range lines[3:] {
		if text, ok := strings.CutPrefix(line, "|"); ok {
			edited = append(edited, strings.TrimPrefix(text, " "))
		}
	}
	if len(edited) > 0 {
		fmt.Fprintf(&b, "\nand suggests:\n\n```\n%s\n```\n", strings.Join(edited, "\n"))
	}
	return b.String()
}

const (
	tableStart = "<!-- rules: made by make generate -->\n"
	tableEnd   = "<!-- end of rules -->\n"
)

// readme replaces the table of rules.
func readme(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the README: %w", err)
	}
	before, rest, ok := bytes.Cut(text, []byte(tableStart))
	_, after, end := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !end {
		return fmt.Errorf("%s has no place for the table of rules: a line %q and a line %q", file, tableStart, tableEnd)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(tableStart + "| rule | fires when | offers an edit, where it is proven |\n|---|---|---|\n")
	for _, rule := range rules.All() {
		edit := "no: words only"
		if rule.Fix != "" {
			edit = "yes"
		}
		fmt.Fprintf(&b, "| [%s](docs/rules/%s.md) | %s | %s |\n", rule.ID, rule.ID, strings.TrimSuffix(rule.Title, "."), edit)
	}
	b.WriteString(tableEnd)
	b.Write(after)
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the README: %w", err)
	}
	return nil
}

func schema(file string) error {
	text, err := config.JSONSchema(rules.Schemas())
	if err != nil {
		return fmt.Errorf("make the JSON Schema: %w", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write the JSON Schema: %w", err)
	}
	return nil
}
