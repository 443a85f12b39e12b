package shelleffects

import "strings"

// options are those options of a program that take a value. All others are taken for flags, so a
// list that lacks one reads its value as an operand.
type options struct {
	short string   // letters
	long  []string // without the dashes
	flags []string // long flags, where abbreviations are taken: names that an abbreviation must tell apart
	// abbreviated says that long options may be cut short where that is unambiguous (Python's optparse).
	abbreviated bool
}

// option is one option of a command line.
type option struct {
	name  string // without dashes; one letter for a short one
	value arg
}

// parsed is a command line taken apart.
type parsed struct {
	options []option
	words   []arg // operands, the subcommand first
	unclear bool  // an argument that is not known stands where options and operands may
}

func (o options) parse(args []arg) parsed {
	var p parsed
	for i := 0; i < len(args); i++ {
		a := args[i]
		text := a.text
		next := func() arg {
			if i+1 < len(args) {
				i++
				return args[i]
			}
			return arg{}
		}
		switch {
		case text == "--" && a.known:
			p.words = append(p.words, args[i+1:]...)
			return p
		case strings.HasPrefix(text, "--"):
			name, value, has := strings.Cut(text[2:], "=")
			name = o.full(name)
			opt := option{name: name, value: arg{text: value, known: a.known, glob: a.glob}}
			if !has && contains(o.long, name) {
				opt.value = next()
			}
			p.options = append(p.options, opt)
		case strings.HasPrefix(text, "-") && len(text) > 1:
			for j := 1; j < len(text); j++ {
				letter := text[j : j+1]
				if !strings.Contains(o.short, letter) {
					p.options = append(p.options, option{name: letter})
					continue
				}
				value := arg{text: text[j+1:], known: a.known, glob: a.glob}
				if value.text == "" {
					value = next()
				} else if value.text[0] == '=' {
					value.text = value.text[1:]
				}
				p.options = append(p.options, option{name: letter, value: value})
				break
			}
		default:
			if !a.known && !a.glob {
				p.unclear = true
			}
			p.words = append(p.words, a)
		}
	}
	return p
}

// full is the option that an abbreviation stands for.
func (o options) full(name string) string {
	if !o.abbreviated || contains(o.long, name) || contains(o.flags, name) {
		return name
	}
	found := ""
	for _, list := range [][]string{o.long, o.flags} {
		for _, full := range list {
			if strings.HasPrefix(full, name) {
				if found != "" {
					return name
				}
				found = full
			}
		}
	}
	if found == "" {
		return name
	}
	return found
}

// has says whether one of the options is given.
func (p parsed) has(names ...string) bool {
	for _, o := range p.options {
		if contains(names, o.name) {
			return true
		}
	}
	return false
}

// all are the values of the options of these names, in order.
func (p parsed) all(names ...string) []arg {
	var out []arg
	for _, o := range p.options {
		if contains(names, o.name) {
			out = append(out, o.value)
		}
	}
	return out
}

// last is the last value of the options of these names.
func (p parsed) last(names ...string) (arg, bool) {
	list := p.all(names...)
	if len(list) == 0 {
		return arg{}, false
	}
	return list[len(list)-1], true
}

// word is the operand at i; "" if there is none or it is not known.
func (p parsed) word(i int) string {
	if i < len(p.words) && p.words[i].known {
		return p.words[i].text
	}
	return ""
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
