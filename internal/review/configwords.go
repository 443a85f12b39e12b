package review

import (
	"fmt"
	"strings"
)

// maxConfigProblems is the most problems of one file that are listed.
const maxConfigProblems = 20

func configProblem(p *ConfigProblem) string {
	s := fmt.Sprintf("Line %d, column %d: %s", p.Line, p.Column, codeSpan(p.Message))
	if len(p.Allowed) > 0 {
		allowed := make([]string, 0, len(p.Allowed))
		for n, a := range p.Allowed {
			if n == maxConfigProblems {
				allowed = append(allowed, "…")
				break
			}
			allowed = append(allowed, codeSpan(a))
		}
		s += "; allowed: " + strings.Join(allowed, ", ")
	}
	return s
}

func configProblems(i *item) string {
	var lines []string
	for n, f := range i.findings {
		if n == maxConfigProblems {
			lines = append(lines, fmt.Sprintf("- and %d more", len(i.findings)-n))
			break
		}
		lines = append(lines, "- "+configProblem(f.config))
	}
	return strings.Join(lines, "\n")
}

const configConsequence = "This review goes by the base branch's. Merged as it is, the file would be passed over, and the organisation's or the built-in settings would hold."

func (d *decision) configComment(i *item) string {
	return bold("This configuration cannot be used.") + " " + configConsequence + "\n\n" + configProblems(i)
}

func (d *decision) configSection(i *item) string {
	l := i.first().Lines
	return bold("The configuration cannot be used") + " (" + d.place(i.first().Path, l, linesName(l)) + "): " +
		configConsequence + "\n\n" + configProblems(i)
}

func configOpening() string {
	return bold("The configuration that this pull request brings cannot be used.")
}

// standingConfigLines are one line for each configuration file that was broken before this pull
// request.
func (d *decision) standingConfigLines() []string {
	first := map[Origin]*ConfigProblem{}
	number := map[Origin]int{}
	for n := range d.ConfigProblems {
		p := &d.ConfigProblems[n]
		if first[p.Origin] == nil {
			first[p.Origin] = p
		}
		number[p.Origin]++
	}
	var lines []string
	for _, origin := range []Origin{OfBase, OfOrganisation} {
		p := first[origin]
		if p == nil {
			continue
		}
		whose := "The " + codeSpan(p.Path) + " of the base branch"
		if origin == OfOrganisation {
			whose = "The organisation's " + codeSpan(p.Path)
		}
		more := ""
		if number[origin] > 1 {
			more = fmt.Sprintf(" (the first of %d problems)", number[origin])
		}
		lines = append(lines, whose+" cannot be used and is passed over: "+lowerFirst(configProblem(p))+more+".")
	}
	return lines
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
