package shelleffects

import (
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// Ownership is a command that gives files another owner, group or mode: chown, chgrp, chmod.
type Ownership struct {
	Command   *dockerfile.Command
	Spec      string // the owner, group or mode; as far as known where SpecKnown is false
	SpecKnown bool
	Recursive bool
	From      string // the owner that a file must have to be given another one, as written; "" for any
	// Paths are what it names, absolute; the directory above a wildcard. Plain says that there is one and
	// that it stands there literally, without a wildcard, and no option but the recursive one is given.
	Paths []string
	Plain bool
}

// ownership notes a command that changes owners or modes.
func (e *Effects) ownership(c *call) {
	switch c.name {
	case "chown", "chgrp", "chmod":
	default:
		return
	}
	p := options{long: []string{"from", "reference"}}.parse(c.args)
	if len(p.words) < 2 || p.has("reference") {
		return
	}
	o := Ownership{
		Command: c.cmd, Spec: p.words[0].text, SpecKnown: p.words[0].known, Recursive: p.has("R", "recursive"),
		Plain: len(p.words) == 2 && p.words[1].known && len(p.options) <= 1,
	}
	if strings.HasPrefix(o.Spec, "-") {
		return
	}
	for _, option := range p.options {
		if option.name == "from" {
			o.From = option.value.text
		}
	}
	for _, w := range p.words[1:] {
		if abs, ok := c.touched(w); ok {
			o.Paths = append(o.Paths, abs)
		}
	}
	e.Ownerships = append(e.Ownerships, o)
}

// accounts are commands that make or change users and groups.
var accounts = map[string]bool{
	"useradd": true, "groupadd": true, "adduser": true, "addgroup": true, "usermod": true, "groupmod": true,
	"userdel": true, "groupdel": true, "deluser": true, "delgroup": true, "newusers": true,
}

// Accounts says whether a command makes or changes users or groups.
func Accounts(c *dockerfile.Command) bool { return accounts[c.Name] }
