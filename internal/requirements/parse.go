package requirements

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/source"
)

const (
	// maxErrors bounds what a file that is no requirements file at all gets said.
	maxErrors = 20
	// maxLines is the most requirements and option lines; the largest lock files have some thousands.
	maxLines = 20_000
)

// Parse reads a requirements or constraints file by pip's documented format. It never fails: lines
// that pip would refuse are in Errors, and so is an encoding that hitrate does not read.
func Parse(src *source.File) *File {
	f := &File{Source: src}
	for _, bom := range []string{"\xff\xfe", "\xfe\xff", "\x00\x00\xfe\xff"} {
		if bytes.HasPrefix(src.Data, []byte(bom)) {
			f.fail(source.Span{}, "the file is UTF-16 or UTF-32; pip reads it, hitrate reads UTF-8 only")
			return f
		}
	}
	offset := 0
	if bytes.HasPrefix(src.Data, []byte("\xef\xbb\xbf")) {
		offset = 3
	}
	for i, l := range logicalLines(src.Data, offset) {
		if i == maxLines {
			f.fail(l.span, fmt.Sprintf("the file has more than %d lines of requirements; the rest is not read", maxLines))
			break
		}
		f.line(l)
	}
	return f
}

func (f *File) fail(span source.Span, message string) {
	if len(f.Errors) < maxErrors {
		f.Errors = append(f.Errors, Error{Path: f.Source.Path, Line: f.Source.LineFromOffset(span.Start), Message: message})
	}
}

// line reads one logical line: a requirement with its options, or options alone. As in pip, a
// requirement's line has no other options, and of several -r, -c and -e on one line the first counts.
func (f *File) line(l logicalLine) {
	text, optionsText := splitOptions(l.text)
	options, err := readOptions(optionsText)
	if err != nil {
		f.fail(l.span, err.Error())
		return
	}
	switch include, editable := first(options, "--requirement", "--constraint"), first(options, "--editable"); {
	case strings.TrimSpace(text) != "":
		r, err := readRequirement(strings.TrimSpace(text))
		if err != nil {
			f.fail(l.span, err.Error())
		}
		f.add(l, r, err, options)
	case editable != nil:
		r, err := readEditable(editable.value)
		if err != nil {
			f.fail(l.span, err.Error())
		}
		f.add(l, r, err, nil)
	case include != nil:
		f.Includes = append(f.Includes, Include{Path: include.value, Constraint: include.name == "--constraint", Span: l.span})
	default:
		for _, o := range options {
			f.Options = append(f.Options, Option{Name: o.name, Value: o.value, Span: l.span})
		}
	}
}

// add keeps a requirement. One that pip refuses is kept only where old versions of pip take it, which
// shows in its specifier having been read.
func (f *File) add(l logicalLine, r Requirement, err error, options []given) {
	if err != nil && r.Specifier == "" {
		return
	}
	for _, o := range options {
		if o.name != "--hash" {
			continue
		}
		if !hashPattern.MatchString(o.value) {
			f.fail(l.span, "--hash needs sha256:, sha384: or sha512: and hexadecimal digits")
			return
		}
		r.Hashes = append(r.Hashes, o.value)
		r.Pinned, r.Reason = true, ""
	}
	r.Raw, r.Span = l.text, l.span
	f.Requirements = append(f.Requirements, r)
}

// first gives the first of the options with the first of the names that is given.
func first(options []given, names ...string) *given {
	for _, name := range names {
		for i := range options {
			if options[i].name == name {
				return &options[i]
			}
		}
	}
	return nil
}

// RequireHashes says whether the file asks for pip's hash checking mode: by --require-hashes, or, as
// pip takes it, by the hash of any requirement. pip then refuses requirements without one.
func (f *File) RequireHashes() bool {
	for _, o := range f.Options {
		if o.Name == "--require-hashes" {
			return true
		}
	}
	for _, r := range f.Requirements {
		if len(r.Hashes) > 0 {
			return true
		}
	}
	return false
}

// Local gives what the file installs from local paths (-e, a directory, an archive, a file: URL, a
// local folder of --find-links): an install that reads it needs these files before it runs. An
// option is given as a requirement of kind Path.
func (f *File) Local() []Requirement {
	var local []Requirement
	for _, r := range f.Requirements {
		if r.Kind == Path {
			local = append(local, r)
		}
	}
	for _, o := range f.Options {
		switch o.Name {
		case "--find-links", "--index-url", "--extra-index-url":
			if scheme, _, ok := strings.Cut(o.Value, ":"); ok && !strings.EqualFold(scheme, "file") {
				continue
			}
			if o.Value != "" && !variablePattern.MatchString(o.Value) {
				local = append(local, Requirement{Kind: Path, Raw: o.Name + " " + o.Value, URL: o.Value, Span: o.Span, Pinned: true})
			}
		}
	}
	return local
}
