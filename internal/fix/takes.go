package fix

import (
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// Commands that take along what lies below the directories that they name, and those that put out what lies there.
var (
	takers  = []string{"cp", "mv", "tar", "bsdtar", "rsync", "zip", "7z", "mksquashfs", "scp"}
	listers = []string{"du", "find", "tree", "ls", "grep", "egrep", "fgrep"}
)

// harmlessActions are programs by which find and xargs change what is there and take nothing elsewhere.
var harmlessActions = []string{"rm", "rmdir", "chmod", "chown", "chgrp", "strip", "touch", "ls", "sed"}

// takesTree says whether a command of a RUN may take along a directory as a part of one above it, or pass on what
// lies in it: a copy, an archive, or a list that is written or that another command reads. What it only shows is
// the log's. dir is a directory of the image.
func takesTree(run *dockerfile.Run, c *dockerfile.Command, state dockerfile.State, dir string) bool {
	if len(c.Words) == 0 {
		return false
	}
	words, at := c.Words[1:], directoryOf(c, state)
	if slices.Contains(takers, c.Name) {
		return slices.ContainsFunc(taken(c.Name, words, at), func(o operand) bool { return o.leadsTo(state, dir) })
	}
	if !slices.Contains(listers, c.Name) || !recurses(c.Name, words) {
		return false
	}
	passes := writesOut(run, c)
	if c.Name == "find" {
		beyond, prints := found(words)
		passes = beyond || prints && passes
	}
	if !passes {
		return false
	}
	named := listed(c.Name, words)
	if len(named) == 0 {
		named = []dockerfile.Word{{Value: ".", Literal: true}}
	}
	return slices.ContainsFunc(named, func(w dockerfile.Word) bool { return operand{w, at}.leadsTo(state, dir) })
}

// directoryOf is the directory of the image in which a command runs; "" where it is not known.
func directoryOf(c *dockerfile.Command, state dockerfile.State) string {
	switch {
	case path.IsAbs(c.Dir) && c.DirKnown:
		return path.Clean(c.Dir)
	case !c.DirKnown || !state.WorkdirKnown:
		return ""
	}
	return path.Join("/", state.Workdir, c.Dir)
}

// operand is a word that names a file or a directory, with the directory from which it does.
type operand struct {
	word dockerfile.Word
	from string // "" where it is not known
}

// leadsTo says whether an operand is a directory, one above it, or lies in it. A word whose directory or whose
// variables are not known is, where its names are a part of the path.
func (o operand) leadsTo(state dockerfile.State, dir string) bool {
	text := o.word.Value
	if !o.word.Literal {
		text = atHome(strings.ReplaceAll(text, `"`, ""), state)
		if strings.Contains(text, "$") {
			expanded, known := shelleffects.Expand(text, state.Env)
			if !known {
				return false
			}
			text = expanded
		}
	}
	text = strings.TrimPrefix(text, "file://")
	if !path.IsAbs(text) {
		if o.from == "" {
			return strings.Contains(dir+"/", "/"+strings.Trim(path.Clean(text), "/")+"/")
		}
		text = o.from + "/" + text
	}
	text = path.Clean(text)
	if !o.word.Literal {
		text = expandedTo(text, dir)
	}
	return shelleffects.Overlaps(text, dir)
}

// expandedTo is a pattern of the shell with the names of a path in the place of those that it matches; a name
// that begins with a dot is matched by a pattern that does.
func expandedTo(pattern, dir string) string {
	parts, names := strings.Split(pattern, "/"), strings.Split(dir, "/")
	for n := range min(len(parts), len(names)) {
		if matches, err := path.Match(strings.ReplaceAll(parts[n], "[!", "[^"), names[n]); err != nil || !matches || strings.HasPrefix(names[n], ".") && !strings.HasPrefix(parts[n], ".") {
			break
		}
		parts[n] = names[n]
	}
	return strings.Join(parts, "/")
}

// taken are the operands that a copy or an archive takes along: not where it puts them, nor what it leaves out.
func taken(name string, words []dockerfile.Word, at string) []operand {
	if name == "tar" || name == "bsdtar" {
		return archived(words, at)
	}
	var out []operand
	into := false // -t has said where it goes
	for n := 0; n < len(words); n++ {
		w := words[n]
		switch text := w.Value; {
		case (name == "cp" || name == "mv") && (text == "-t" || text == "--target-directory"):
			into = true
			n++
		case (name == "cp" || name == "mv") && (strings.HasPrefix(text, "--target-directory=") || strings.HasPrefix(text, "-t")):
			into = true
		case name == "rsync" && slices.Contains([]string{"-e", "--exclude", "--include", "--exclude-from", "--rsh"}, text),
			name == "zip" && slices.Contains([]string{"-x", "-i"}, text):
			n++
		case strings.HasPrefix(text, "-"):
		default:
			out = append(out, operand{w, at})
		}
	}
	switch {
	case len(out) == 0:
	case name == "zip":
		out = out[1:]
	case name == "7z":
		out = out[min(2, len(out)):]
	case !into:
		out = out[:len(out)-1]
	}
	return out
}

// archived are the operands that tar takes into an archive, each from the directory that -C has named by then;
// nothing where it unpacks or lists one.
// Source: GNU tar's manual, "The Five Advanced tar Operations" and "Changing the Working Directory".
func archived(words []dockerfile.Word, at string) []operand {
	var out []operand
	creates := false
	enter := func(w dockerfile.Word, state string) string {
		switch {
		case !w.Literal:
			return ""
		case path.IsAbs(w.Value):
			return path.Clean(w.Value)
		case state == "":
			return ""
		}
		return path.Join(state, w.Value)
	}
	for n := 0; n < len(words); n++ {
		w := words[n]
		switch text := w.Value; {
		case strings.HasPrefix(text, "--directory="):
			at = enter(dockerfile.Word{Value: strings.TrimPrefix(text, "--directory="), Literal: w.Literal}, at)
		case text == "--directory" && n+1 < len(words):
			n++
			at = enter(words[n], at)
		case slices.Contains([]string{"--file", "--exclude", "--exclude-from", "--transform", "--xform", "--owner", "--group", "--mtime", "--files-from", "--use-compress-program"}, text):
			n++
		case slices.Contains([]string{"--create", "--append", "--update"}, text):
			creates = true
		case strings.HasPrefix(text, "--"):
		case n == 0 || strings.HasPrefix(text, "-"):
			letters, dashed := strings.CutPrefix(text, "-")
			for k := 0; k < len(letters); k++ {
				if strings.IndexByte("cru", letters[k]) >= 0 {
					creates = true
				}
				if strings.IndexByte("CfTXIbgHV", letters[k]) < 0 {
					continue
				}
				value := dockerfile.Word{Value: letters[k+1:], Literal: w.Literal}
				if !dashed || value.Value == "" { // an old-style word has the values behind it, one for each letter
					if n++; n == len(words) {
						break
					}
					value = words[n]
				}
				if letters[k] == 'C' {
					at = enter(value, at)
				}
				if dashed {
					break
				}
			}
		default:
			out = append(out, operand{w, at})
		}
	}
	if !creates {
		return nil
	}
	return out
}

// listed are the directories that a command looks through.
func listed(name string, words []dockerfile.Word) []dockerfile.Word {
	var out []dockerfile.Word
	for n, w := range words {
		switch {
		case name == "find" && (strings.HasPrefix(w.Value, "-") || w.Value == "(" || w.Value == "!"):
			if n > 0 || !slices.Contains([]string{"-L", "-H", "-P"}, w.Value) {
				return out
			}
		case strings.HasPrefix(w.Value, "-"):
		default:
			out = append(out, w)
		}
	}
	if strings.HasSuffix(name, "grep") && len(out) > 0 {
		return out[1:]
	}
	return out
}

// recurses says whether a command goes through all that lies below the directories that it names.
func recurses(name string, words []dockerfile.Word) bool {
	letters := ""
	switch name {
	case "ls":
		letters = "R"
	case "grep", "egrep", "fgrep":
		letters = "rR"
	default:
		return true
	}
	return slices.ContainsFunc(words, func(w dockerfile.Word) bool {
		return w.Value == "--recursive" || strings.HasPrefix(w.Value, "-") && !strings.HasPrefix(w.Value, "--") && strings.ContainsAny(w.Value, letters)
	})
}

// found says what a find does with what it finds: beyond is true where it writes by itself or runs a program that may
// take it elsewhere, prints where it puts it out.
// Source: POSIX.1-2024, XCU, find; GNU findutils' manual, "Actions".
func found(words []dockerfile.Word) (beyond, prints bool) {
	acts := false
	for n, w := range words {
		switch w.Value {
		case "-exec", "-execdir", "-ok", "-okdir":
			acts = true
			beyond = beyond || n+1 >= len(words) || !slices.Contains(harmlessActions, path.Base(words[n+1].Value))
		case "-delete":
			acts = true
		case "-fprint", "-fprint0", "-fprintf", "-fls":
			acts, beyond = true, true
		case "-print", "-print0", "-printf", "-ls":
			prints = true
		}
	}
	return beyond, prints || !acts
}

// filters are commands that pass on what they read.
var filters = []string{"sort", "head", "tail", "grep", "egrep", "fgrep", "wc", "uniq", "cut", "tr", "cat", "sed", "awk", "less", "more"}

// writesOut says whether what a command puts out goes into a file, a variable, or to a command that may do
// something by it.
func writesOut(run *dockerfile.Run, c *dockerfile.Command) bool {
	toFile := func(c *dockerfile.Command) bool {
		return slices.ContainsFunc(c.Redirects, func(r dockerfile.Redirect) bool {
			return strings.Contains(r.Op, ">") && (r.FD == "" || r.FD == "1") && r.Target.Value != "/dev/null" && !strings.HasPrefix(r.Target.Value, "/dev/std") && !isDigits(r.Target.Value)
		})
	}
	if toFile(c) || c.Nested > 0 { // a substitution is nested, as a branch is
		return true
	}
	if c.Pipe.Len == 0 {
		return false
	}
	index := c.Pipe.Index
	for _, next := range run.Commands[slices.Index(run.Commands, c)+1:] {
		if next.Pipe.Len != c.Pipe.Len || next.Pipe.Index != index+1 {
			if index < c.Pipe.Len-1 {
				continue
			}
			break
		}
		index++
		program := next.Name
		if program == "xargs" {
			program = argumentOf(next)
		}
		if toFile(next) || next.Name != "xargs" && !slices.Contains(filters, program) || next.Name == "xargs" && !slices.Contains(harmlessActions, program) {
			return true
		}
	}
	return false
}

// argumentOf is the program that xargs runs; "" where it is not known, and echo where none is named.
// Source: POSIX.1-2024, XCU, xargs.
func argumentOf(c *dockerfile.Command) string {
	for n := 1; n < len(c.Words); n++ {
		switch text := c.Words[n].Value; {
		case slices.Contains([]string{"-I", "-n", "-P", "-L", "-d", "-s", "-a"}, text):
			n++
		case strings.HasPrefix(text, "-"):
		case !c.Words[n].Literal:
			return ""
		default:
			return path.Base(text)
		}
	}
	return "echo"
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// takenLater says whether a step of a stage, from an instruction on, of a stage on top of it, or the image's command
// may take along or read a directory: a command that takes it with one above it, a program that is not known and
// names it, or a script that does one or the other.
func (s scene) takenLater(stage *dockerfile.Stage, from int, dir string, depth int) bool {
	if depth > maxChildren {
		return true
	}
	return slices.ContainsFunc(stage.Instructions[from:], func(i *dockerfile.Instruction) bool { return s.takes(i, dir) }) ||
		slices.ContainsFunc(stage.Instructions, func(i *dockerfile.Instruction) bool { return i.Trigger != nil && s.takes(i.Trigger, dir) }) ||
		slices.ContainsFunc(s.in.File.Stages, func(o *dockerfile.Stage) bool { return o.Parent == stage && s.takenLater(o, 0, dir, depth+1) })
}

// takes says whether an instruction, or a script that it runs, may take along or read a directory.
func (s scene) takes(i *dockerfile.Instruction, dir string) bool {
	state := s.states[i]
	switch {
	case i.Run() != nil:
		if takesOf(i.Run(), s.effects(i), state, dir) {
			return true
		}
	case i.Keyword == "CMD" || i.Keyword == "ENTRYPOINT" || i.Keyword == "HEALTHCHECK":
		if slices.ContainsFunc(i.Args, func(a dockerfile.Arg) bool { return textNames(a.Value, state, dir) }) {
			return true
		}
	default:
		return false
	}
	return slices.ContainsFunc(s.scripts.Of(i), func(script rules.Script) bool {
		if script.Run != nil {
			return takesOf(script.Run, script.Effects, state, dir) || touches(script.Effects, state, dir)
		}
		return textNames(script.Text, state, dir)
	})
}

// takesOf says whether a command of a script takes along a directory, or names it without being known.
func takesOf(run *dockerfile.Run, effects shelleffects.Effects, state dockerfile.State, dir string) bool {
	return slices.ContainsFunc(run.Commands, func(c *dockerfile.Command) bool {
		return takesTree(run, c, state, dir) || cacheQuestion.MatchString(wordsOf(c)) && writesOut(run, c) && !removed(effects, c) ||
			slices.Contains(effects.Unknown, c) && !slices.Contains(takers, c.Name) && !slices.Contains(listers, c.Name) &&
				slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool { return textNames(w.Value, state, dir) })
	})
}

// cacheQuestion are the commands that put out where a cache lies, or what is in it.
// Source: pip's documentation, "pip cache"; uv's, "uv cache"; Poetry's, "cache" and "Configuration".
var cacheQuestion = lazyregexp.New(`^\S*(pip[\d.]* cache (dir|list|info)|uv cache (dir|size)|poetry (config cache-dir|cache list))\b|^\S*python[\d.]* -m (pip|uv) cache (dir|list|info)\b`)

// wordsOf are the words of a command, parted by blanks.
func wordsOf(c *dockerfile.Command) string {
	words := make([]string, len(c.Words))
	for n, w := range c.Words {
		words[n] = w.Value
	}
	return strings.Join(words, " ")
}

// removed says whether a command stands in the words of a removal: what it puts out is what goes.
func removed(effects shelleffects.Effects, c *dockerfile.Command) bool {
	return slices.ContainsFunc(effects.Removals, func(r shelleffects.Removal) bool { return r.Command != c && r.Command.Span.Contains(c.Span) })
}

// touches says whether a command of a script that the table knows reads what lies in a directory.
func touches(effects shelleffects.Effects, state dockerfile.State, dir string) bool {
	return slices.ContainsFunc(effects.Touches, func(t shelleffects.Touch) bool {
		return !removesAnyway(t.Command) && t.Command.Name != "mkdir" && slices.ContainsFunc(t.Paths, func(p string) bool { return shelleffects.Covers(dir, path.Clean(atHome(p, state))) })
	})
}

// pathInText is a path as a text of any language writes it.
var pathInText = lazyregexp.New(`[~$]?[\w./{}()$*+-]*[\w/.})*~]`)

// carries is a line that takes a directory with all that lies in it.
var carries = lazyregexp.New(`\b(cp|mv|tar|rsync|zip|copytree|make_archive|move|walk|rglob|glob|iterdir|find|du|cpSync|copySync|cp_r)\b`)

// textNames says whether a text names a directory, or one above it on a line that takes one along. The root is none.
func textNames(text string, state dockerfile.State, dir string) bool {
	for line := range strings.Lines(text) {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "//") {
			continue
		}
		takes := carries.MatchString(line)
		for _, token := range pathInText.FindAllString(line, -1) {
			token = atHome(strings.NewReplacer("$$", "$", "$(HOME)", "$HOME").Replace(token), state)
			if !path.IsAbs(token) || strings.HasPrefix(token, "//") {
				continue
			}
			if token = path.Clean(token); token != "/" && (shelleffects.Covers(dir, token) || takes && shelleffects.Covers(token, dir)) {
				return true
			}
		}
	}
	return false
}
