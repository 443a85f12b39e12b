package shelleffects

import (
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// arg is a word of a command with its variables replaced where their values are known.
type arg struct {
	text  string
	known bool // text is what the program gets
	glob  bool // not known for its wildcards alone: text is the pattern
}

// call is one command, ready to be read.
type call struct {
	cmd      *dockerfile.Command
	state    dockerfile.State
	name     string // base name of the program; "" if not known
	program  arg    // as it was called
	args     []arg
	dir      string // the image's directory that it runs in
	dirKnown bool
	home     string // of its user; "~" if not known
	unset    map[string]bool
}

// newCall reads a command before which its script has unset variables.
func newCall(cmd *dockerfile.Command, state dockerfile.State, unset map[string]bool) *call {
	c := &call{cmd: cmd, state: state, dirKnown: cmd.DirKnown, unset: unset}
	c.home = homeOf(c)
	c.dir = state.Workdir
	if cmd.Dir != "" {
		c.dir = cmd.Dir
		if !path.IsAbs(cmd.Dir) {
			c.dir = path.Join(state.Workdir, cmd.Dir)
		}
	}
	if len(cmd.Words) == 0 {
		return c
	}
	c.program = c.expand(cmd.Words[0])
	c.name = cmd.Name
	if c.name == "" {
		// "${PREFIX}/bin/pip" is a pip wherever it lies.
		base := c.program.text
		if i := strings.LastIndexByte(base, '/'); i >= 0 {
			base = base[i+1:]
		} else if !c.program.known {
			base = ""
		}
		if !strings.ContainsAny(base, "$`\"'{}*?[ ") {
			c.name = base
		}
	}
	for _, w := range cmd.Words[1:] {
		c.args = append(c.args, c.expand(w))
	}
	return c
}

// homeOf is the home directory of the user that the command runs as. Programs differ in what they take for it
// where HOME is empty, relative or not set.
func homeOf(c *call) string {
	home, ok := c.env("HOME")
	switch {
	case ok && path.IsAbs(home):
		return path.Clean(home)
	case ok || c.assigned("HOME") || c.unset["HOME"] || c.emptied() || c.cmd.OtherUser || !c.state.UserKnown:
		return "~"
	}
	user, _, _ := strings.Cut(c.state.User, ":")
	switch user {
	case "", "root", "0":
		return "/root"
	}
	return "~"
}

// env is the value of a variable in the command's environment; ok is false where it is not set or
// its value not known.
func (c *call) env(name string) (value string, ok bool) {
	for i := len(c.cmd.Assigns) - 1; i >= 0; i-- {
		if a := c.cmd.Assigns[i]; a.Name == name {
			if a.Literal {
				return a.Value, true
			}
			v, rest := Expand(unquote(a.Value), c.state.Env)
			return v, rest
		}
	}
	if c.unset[name] {
		return "", false
	}
	value, ok = c.state.Env[name]
	return value, ok
}

// ofImage is what a variable of the image holds for a command that the script gives none of that name.
func (c *call) ofImage(name string) (string, bool) {
	if c.assigned(name) || c.unset[name] {
		return "", false
	}
	value, ok := c.state.Env[name]
	return value, ok
}

// emptied says whether env takes variables away before it runs the command.
func (c *call) emptied() bool {
	for _, w := range c.cmd.Prefix {
		if text := w.Value; text == "-" || text == "-i" || text == "--ignore-environment" || strings.HasPrefix(text, "-u") || strings.HasPrefix(text, "--unset") {
			return true
		}
	}
	return false
}

// expand replaces the variables of a word whose values are known.
func (c *call) expand(w dockerfile.Word) arg {
	if w.Literal {
		return arg{text: w.Value, known: true}
	}
	text := w.Value
	if strings.ContainsAny(text, "'\\`") || strings.Contains(text, "$(") {
		return arg{text: text}
	}
	if rest, ok := strings.CutPrefix(text, "~"); ok && (rest == "" || rest[0] == '/') {
		text = c.home + rest
	}
	quoted := strings.HasPrefix(text, `"`)
	text = unquote(text)
	home := c.home
	value, ok := expand(text, func(name string) (string, bool) {
		v, ok := c.env(name)
		if !ok && name == "HOME" {
			return home, true
		}
		return v, ok
	})
	if !ok {
		return arg{text: value}
	}
	if !quoted && strings.ContainsAny(value, "*?[") {
		return arg{text: value, glob: true}
	}
	if !quoted && strings.ContainsAny(value, " \t\n{") {
		return arg{text: value} // one word becomes several
	}
	return arg{text: value, known: true}
}

func unquote(s string) string { return strings.ReplaceAll(s, `"`, "") }

// maxWord bounds the text of one expanded word.
const maxWord = 16 << 10

// Expand replaces $NAME, ${NAME}, ${NAME:-word} and ${NAME-word} by the values of env; ok is false
// when a variable is not there, or the text uses more than that.
func Expand(s string, env map[string]string) (value string, ok bool) {
	return expand(s, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func expand(s string, env func(string) (string, bool)) (value string, ok bool) {
	if !strings.Contains(s, "$") {
		return s, true
	}
	var out strings.Builder
	ok = true
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		rest := s[i+1:]
		name, fallback, length, fine := variable(rest)
		v, set := env(name)
		switch {
		case !fine || out.Len()+len(v) > maxWord:
			ok = false
			out.WriteByte('$')
			continue
		case set:
			out.WriteString(v)
		case fallback != nil && !strings.Contains(*fallback, "$"):
			out.WriteString(*fallback)
		default:
			ok = false
			out.WriteString(s[i : i+1+length])
		}
		i += length
	}
	return out.String(), ok
}

// variable reads what follows a dollar sign.
func variable(s string) (name string, fallback *string, length int, ok bool) {
	inside, braced := s, false
	if strings.HasPrefix(s, "{") {
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return "", nil, 0, false
		}
		inside, braced = s[1:end], true
		length = end + 1
	}
	n := 0
	for n < len(inside) && (inside[n] == '_' || 'a' <= inside[n]|0x20 && inside[n]|0x20 <= 'z' || n > 0 && '0' <= inside[n] && inside[n] <= '9') {
		n++
	}
	if n == 0 {
		return "", nil, 0, false
	}
	name = inside[:n]
	if !braced {
		return name, nil, n, true
	}
	rest := inside[n:]
	if rest == "" {
		return name, nil, length, true
	}
	rest = strings.TrimPrefix(rest, ":")
	if word, isDefault := strings.CutPrefix(rest, "-"); isDefault {
		return name, &word, length, true
	}
	return "", nil, 0, false
}

// abs makes a path of the command line one of the image.
func (c *call) abs(p string) (string, bool) {
	if strings.HasPrefix(p, "~/") || p == "~" {
		return path.Clean(p), true
	}
	if path.IsAbs(p) {
		return path.Clean(p), true
	}
	if !c.dirKnown {
		return p, false
	}
	return path.Join(c.dir, p), true
}

// touched is the path, or the directory above the part that is not known, that an argument names.
func (c *call) touched(a arg) (string, bool) {
	text := a.text
	if !a.known {
		i := strings.IndexAny(text, "$*?[{`\\'")
		if i < 0 {
			return "", false // quotes, or blanks that part words
		}
		if a.glob && strings.TrimRight(text, "*") == text[:i] && strings.HasSuffix(text[:i], "/") {
			// "dir/*" is everything in dir.
			return c.abs(text[:i])
		}
		j := strings.LastIndexByte(text[:i], '/')
		if j < 0 {
			if !a.glob {
				return "", false
			}
			return c.abs(".")
		}
		text = text[:j+1]
	}
	if text == "" {
		return "", false
	}
	return c.abs(text)
}
