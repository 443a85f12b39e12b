package dockerfile

import (
	"path"
	"strings"
)

// scope is what the commands so far have set. Copies are independent: its slices only grow.
type scope struct {
	dir       string
	dirKnown  bool
	exports   []Assign
	vars      []Assign // assigned but not exported
	errexit   bool
	pipefail  bool
	allexport bool
}

// export sets a variable of the environment.
func (s *scope) export(a Assign) { s.exports = with(s.exports, a) }

// assign sets a variable of the shell, which is one of the environment when it was exported before.
func (s *scope) assign(a Assign) {
	if s.allexport || find(s.exports, a.Name) >= 0 {
		s.export(a)
		return
	}
	s.vars = with(s.vars, a)
}

// value is what a variable of the script holds, false where it is none or that is not known.
func (s *scope) value(name string) (string, bool) {
	for _, list := range [][]Assign{s.vars, s.exports} {
		if i := find(list, name); i >= 0 {
			return list[i].Value, list[i].Literal
		}
	}
	return "", false
}

// unset forgets a variable.
func (s *scope) unset(name string) {
	s.exports, s.vars = without(s.exports, name), without(s.vars, name)
}

// merge makes s what is known when either s or o holds.
func (s *scope) merge(o scope) {
	if s.dir != o.dir || !o.dirKnown {
		s.dir, s.dirKnown = "", false
	}
	s.exports = mergeAssigns(s.exports, o.exports)
	s.vars = mergeAssigns(s.vars, o.vars)
	s.errexit = s.errexit && o.errexit
	s.pipefail = s.pipefail && o.pipefail
	s.allexport = s.allexport || o.allexport
}

func find(list []Assign, name string) int {
	for i, a := range list {
		if a.Name == name {
			return i
		}
	}
	return -1
}

func with(list []Assign, a Assign) []Assign {
	return append(without(list, a.Name), a)
}

// without is a copy of list, so that other scopes keep theirs.
func without(list []Assign, name string) []Assign {
	out := make([]Assign, 0, len(list)+1)
	for _, a := range list {
		if a.Name != name {
			out = append(out, a)
		}
	}
	return out
}

// mergeAssigns keeps what both lists agree on; the value of another variable is not literal.
func mergeAssigns(a, b []Assign) []Assign {
	if len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) {
		return a
	}
	var out []Assign
	for _, x := range a {
		if i := find(b, x.Name); i < 0 || b[i].Word != x.Word {
			x.Literal = false
		}
		out = append(out, x)
	}
	for _, x := range b {
		if find(a, x.Name) < 0 {
			x.Literal = false
			out = append(out, x)
		}
	}
	return out
}

// setOptions reads the options of set or of a shell's command line, up to the first word that is
// none, and returns how many words they are. command is true when -c is among them.
func (s *scope) setOptions(words []Word) (n int, command bool) {
	named := func(name string, on bool) {
		switch name {
		case "errexit":
			s.errexit = on
		case "pipefail":
			s.pipefail = on
		case "allexport":
			s.allexport = on
		}
	}
	for n < len(words) {
		w := words[n]
		if !w.Literal || len(w.Value) < 2 || w.Value[0] != '-' && w.Value[0] != '+' {
			return n, command
		}
		n++
		if w.Value == "--" {
			return n, command
		}
		if strings.HasPrefix(w.Value, "--") { // bash's long options
			if (w.Value == "--rcfile" || w.Value == "--init-file") && n < len(words) {
				n++
			}
			continue
		}
		on := w.Value[0] == '-'
		for _, ch := range w.Value[1:] {
			switch ch {
			case 'e':
				s.errexit = on
			case 'a':
				s.allexport = on
			case 'c':
				command = true
			case 'o', 'O':
				if n < len(words) {
					if ch == 'o' {
						named(words[n].Value, on)
					}
					n++
				}
			}
		}
	}
	return n, command
}

// cd changes the directory.
func (s *scope) cd(dir string) {
	switch {
	case path.IsAbs(dir):
		s.dir, s.dirKnown = path.Clean(dir), true
	case s.dirKnown:
		if s.dir = path.Join(s.dir, dir); s.dir == "." {
			s.dir = ""
		}
	}
}
