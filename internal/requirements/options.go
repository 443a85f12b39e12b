package requirements

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// option is one option that pip knows in requirements files.
type option struct {
	name  string   // canonical, long
	other []string // other spellings
	value bool     // takes a value
}

// knownOptions are those of pip's documentation, "Requirements File Format", with those that older
// versions documented there and that files still have: an image may well install with one of these.
var knownOptions = []option{
	{name: "--index-url", other: []string{"-i", "--pypi-url"}, value: true},
	{name: "--extra-index-url", value: true},
	{name: "--no-index"},
	{name: "--constraint", other: []string{"-c"}, value: true},
	{name: "--requirement", other: []string{"-r"}, value: true},
	{name: "--editable", other: []string{"-e"}, value: true},
	{name: "--find-links", other: []string{"-f"}, value: true},
	{name: "--no-binary", value: true},
	{name: "--only-binary", value: true},
	{name: "--prefer-binary"},
	{name: "--require-hashes"},
	{name: "--pre"},
	{name: "--all-releases", value: true},
	{name: "--only-final", value: true},
	{name: "--trusted-host", value: true},
	{name: "--use-feature", value: true},
	{name: "--global-option", value: true},
	{name: "--hash", value: true},
	{name: "--config-settings", other: []string{"-C", "--config-setting"}, value: true},
	// Of older versions.
	{name: "--install-option", value: true},
	{name: "--allow-external", value: true},
	{name: "--allow-unverified", value: true},
	{name: "--allow-all-external"},
	{name: "--no-allow-external"},
	{name: "--process-dependency-links"},
	{name: "--use-wheel"},
	{name: "--no-use-wheel"},
	{name: "--always-unzip", other: []string{"-Z"}},
}

// given is one option as a line gives it.
type given struct{ name, value string }

// splitOptions parts a line where pip does: before the first of the words between single blanks that
// starts with a dash.
func splitOptions(text string) (requirement, options string) {
	for at := 0; at <= len(text); {
		if strings.HasPrefix(text[at:], "-") {
			return strings.TrimRight(text[:at], " "), text[at:]
		}
		next := strings.IndexByte(text[at:], ' ')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return text, ""
}

// readOptions reads options by the rules of Python's optparse: values behind "=" or as the next
// word, unambiguous beginnings of long names, values stuck to short names; other words are ignored.
func readOptions(text string) ([]given, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	var list []given
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case word == "--":
			return list, nil
		case strings.HasPrefix(word, "--"):
			name, value, hasValue := strings.Cut(word, "=")
			o, err := longOption(name)
			if err != nil {
				return nil, err
			}
			switch {
			case !o.value && hasValue:
				return nil, fmt.Errorf("%s takes no value", o.name)
			case o.value && !hasValue:
				if len(words) == 0 {
					return nil, fmt.Errorf("%s needs a value", o.name)
				}
				value, words = words[0], words[1:]
			}
			list = append(list, given{o.name, value})
		case len(word) > 1 && word[0] == '-':
			for rest := word[1:]; rest != ""; {
				o, ok := findOption("-" + rest[:1])
				if !ok {
					return nil, errors.New("pip knows no such option here")
				}
				value := rest[1:]
				rest = value
				if o.value {
					if value == "" {
						if len(words) == 0 {
							return nil, fmt.Errorf("%s needs a value", o.name)
						}
						value, words = words[0], words[1:]
					}
					rest = ""
				} else {
					value = ""
				}
				list = append(list, given{o.name, value})
			}
		}
	}
	return list, nil
}

func findOption(spelling string) (option, bool) {
	i := slices.IndexFunc(knownOptions, func(o option) bool {
		return o.name == spelling || slices.Contains(o.other, spelling)
	})
	if i < 0 {
		return option{}, false
	}
	return knownOptions[i], true
}

// longOption finds a long option by its name or the beginning of one.
func longOption(spelling string) (option, error) {
	if o, ok := findOption(spelling); ok {
		return o, nil
	}
	var found []option
	for _, o := range knownOptions {
		if slices.ContainsFunc(append([]string{o.name}, o.other...), func(name string) bool {
			return strings.HasPrefix(name, spelling) && strings.HasPrefix(name, "--")
		}) {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return option{}, errors.New("pip knows no such option here")
	}
	return option{}, errors.New("the option is the beginning of several ones")
}

// splitWords splits as Python's shlex.split does: POSIX quotes and backslashes, no comments.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '\'' && c != '\'':
			word.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\':
			if i+1 == len(text) {
				return nil, errors.New("nothing follows the last backslash")
			}
			i++
			if quote == '"' && text[i] != '"' && text[i] != '\\' {
				word.WriteByte('\\')
			}
			word.WriteByte(text[i])
			inWord = true
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
