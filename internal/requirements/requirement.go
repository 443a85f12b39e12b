package requirements

import (
	"errors"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// variable stands for an environment variable, ${NAME}, while a requirement is read: its value is
// known when pip runs, not here.
const variable = "\ue000"

var (
	variablePattern   = lazyregexp.New(`\$\{[A-Z0-9_]+\}`)
	namePattern       = lazyregexp.New(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`)
	extrasPattern     = lazyregexp.New(`^\[([^\[\]]*)\]`)
	pathExtrasPattern = lazyregexp.New(`^(.+)(\[[^\[\]]*\])$`)
	separators        = lazyregexp.New(`[-_.]+`)
	numberPattern     = lazyregexp.New(`^[0-9]+$`)
	commitPattern     = lazyregexp.New(`^(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)
	archivedCommit    = lazyregexp.New(`(?:^|[/-])[0-9a-f]{40}(?:\.|/|$)`)
	hashPattern       = lazyregexp.New(`^(?:sha256|sha384|sha512):[0-9a-fA-F]+$`)
	fragmentHash      = lazyregexp.New(`^(?:md5|sha1|sha224|sha256|sha384|sha512)=[0-9a-fA-F]+$`)
)

// vcsSchemes are the URL schemes of the version control systems that pip knows.
var vcsSchemes = []string{
	"git+file", "git+git", "git+http", "git+https", "git+ssh",
	"hg+file", "hg+http", "hg+https", "hg+ssh", "hg+static-http",
	"svn+file", "svn+http", "svn+https", "svn+ssh", "svn+svn",
	"bzr+file", "bzr+ftp", "bzr+http", "bzr+https", "bzr+lp", "bzr+sftp", "bzr+ssh",
}

// archiveExtensions are those of the files that pip installs.
var archiveExtensions = []string{
	".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma",
}

// Normalize is a project's name by PEP 503: lower case, runs of "-", "_" and "." as one "-".
func Normalize(name string) string {
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}

// readRequirement reads one requirement as pip reads it from a line, without its options.
func readRequirement(text string) (Requirement, error) {
	written := text
	text = variablePattern.ReplaceAllLiteralString(text, variable)
	hasVariable := text != written
	r, err := classify(text)
	restore := func(s string) string { return restoreVariables(s, written) }
	r.Name, r.Specifier, r.Marker, r.URL = Normalize(r.Name), restore(r.Specifier), restore(r.Marker), restore(r.URL)
	if hasVariable && err != nil {
		// What it names is known when pip runs.
		return Requirement{Kind: r.Kind, URL: r.URL, Pinned: true}, nil //nolint:nilerr // only the variable does not parse
	}
	return r, err
}

// restoreVariables puts back what stood in the text in place of the variables. Where a part has not
// all of them, which ones it has is found by its place in the text.
func restoreVariables(part, written string) string {
	if !strings.Contains(part, variable) {
		return part
	}
	names := variablePattern.FindAllString(written, -1)
	whole := variablePattern.ReplaceAllLiteralString(written, variable)
	if at := strings.Index(whole, part); at > 0 {
		names = names[strings.Count(whole[:at], variable):]
	}
	var out strings.Builder
	for i, text := range strings.Split(part, variable) {
		if i > 0 && i <= len(names) {
			out.WriteString(names[i-1])
		}
		out.WriteString(text)
	}
	return out.String()
}

func classify(text string) (Requirement, error) {
	separator := ";"
	if isURL(text) {
		separator = "; "
	}
	body, marker, hasMarker := strings.Cut(text, separator)
	body, marker = strings.TrimSpace(body), strings.TrimSpace(marker)
	r := Requirement{Marker: marker}
	if hasMarker && marker != "" && !strings.Contains(marker, variable) {
		t, err := readMarker(marker)
		if err != nil {
			return r, err
		}
		r.NotOnLinux = t == no
	}
	switch {
	case isURL(body):
		r.URL = body
	case isDirect(body):
		return readNamed(r, body)
	case isPath(body):
		r.URL = body
		r.Kind = Path
		if m := pathExtrasPattern.FindStringSubmatch(body); m != nil {
			r.URL = m[1]
			var err error
			if r.Extras, err = readExtras(m[2][1 : len(m[2])-1]); err != nil {
				return r, err
			}
		}
		r.Name, _ = wheelName(r.URL)
		r.Pinned = true
		return r, nil
	default:
		return readNamed(r, body)
	}
	if strings.ContainsFunc(body, isSpace) {
		return r, errors.New("a URL has no blanks")
	}
	r.locate()
	return r, nil
}

// readNamed reads PEP 508: a name, extras, and versions or a URL.
func readNamed(r Requirement, text string) (Requirement, error) {
	name := namePattern.FindString(text)
	if name == "" {
		return r, errors.New("a requirement starts with a name of letters, digits, '.', '-' and '_'")
	}
	r.Name = name
	rest := strings.TrimLeft(text[len(name):], " \t")
	if strings.HasPrefix(rest, "[") {
		m := extrasPattern.FindStringSubmatch(rest)
		if m == nil {
			return r, errors.New("the extras have no end")
		}
		var err error
		if r.Extras, err = readExtras(m[1]); err != nil {
			return r, err
		}
		rest = strings.TrimLeft(rest[len(m[0]):], " \t")
	}
	if url, ok := strings.CutPrefix(rest, "@"); ok {
		r.URL = strings.TrimSpace(url)
		if r.URL == "" || strings.ContainsFunc(r.URL, isSpace) {
			return r, errors.New("one URL follows @")
		}
		name := r.Name
		r.locate()
		r.Name = name
		return r, nil
	}
	if inner, ok := strings.CutPrefix(rest, "("); ok {
		inner, ok = strings.CutSuffix(inner, ")")
		if !ok {
			return r, errors.New("a parenthesis is not closed")
		}
		rest = inner
	}
	clauses, err := readSpecifier(rest)
	if clauses == nil && err != nil {
		return r, err
	}
	for i, c := range clauses {
		if i > 0 {
			r.Specifier += ","
		}
		r.Specifier += c.operator + c.version
	}
	r.Reason = reasonUnpinned(clauses)
	r.Pinned = r.Reason == ""
	return r, err
}

func readExtras(text string) ([]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var extras []string
	for extra := range strings.SplitSeq(text, ",") {
		extra = strings.TrimSpace(extra)
		if namePattern.FindString(extra) != extra || extra == "" {
			return nil, errors.New("an extra is a name of letters, digits, '.', '-' and '_'")
		}
		extras = append(extras, Normalize(extra))
	}
	return extras, nil
}

// locate fills what a requirement's URL says: its kind, name, extras, and whether it is a pin.
func (r *Requirement) locate() {
	scheme, _, hasScheme := strings.Cut(r.URL, ":")
	scheme = strings.ToLower(scheme)
	location, fragment, _ := strings.Cut(r.URL, "#")
	hashed := false
	for part := range strings.SplitSeq(fragment, "&") {
		if egg, ok := strings.CutPrefix(part, "egg="); ok {
			name := namePattern.FindString(egg)
			r.Name = name
			if m := extrasPattern.FindStringSubmatch(egg[len(name):]); m != nil {
				if extras, err := readExtras(m[1]); err == nil {
					r.Extras = extras
				}
			}
		}
		hashed = hashed || fragmentHash.MatchString(part)
	}
	switch {
	case slices.Contains(vcsSchemes, scheme):
		r.Kind = VCS
		r.Reason = reasonUnpinnedRevision(scheme, location)
	case scheme == "file" || !hasScheme || !isURL(r.URL):
		r.Kind = Path
	default:
		r.Kind = URL
		name, versioned := wheelName(location)
		if r.Name == "" {
			r.Name = name
		}
		path, _, _ := strings.Cut(location, "?")
		if !hashed && !versioned && !archivedCommit.MatchString(path) && !strings.Contains(path, variable) {
			r.Reason = "a URL without a hash"
		}
	}
	r.Pinned = r.Reason == ""
}

// reasonUnpinnedRevision looks at the revision of a VCS URL, behind the last @ of its path. Git's and
// Mercurial's commits are hashes, those of Subversion and Bazaar are numbers.
func reasonUnpinnedRevision(scheme, location string) string {
	_, path, _ := strings.Cut(location, "://")
	_, path, _ = strings.Cut(path, "/")
	at := strings.LastIndexByte(path, '@')
	switch revision := path[at+1:]; {
	case at < 0:
		return "no commit"
	case strings.Contains(revision, variable), commitPattern.MatchString(revision):
		return ""
	case numberPattern.MatchString(revision) && (strings.HasPrefix(scheme, "svn") || strings.HasPrefix(scheme, "bzr")):
		return ""
	default:
		return "a branch, a tag or a short commit"
	}
}

// wheelName reads the project's name from the file name of a wheel; exact says that there is one,
// which always names one version.
func wheelName(location string) (name string, exact bool) {
	path, _, _ := strings.Cut(location, "?")
	file, ok := strings.CutSuffix(path[strings.LastIndexByte(path, '/')+1:], ".whl")
	parts := strings.Split(file, "-")
	if !ok || len(parts) != 5 && len(parts) != 6 || parts[0] == "" || parts[1] == "" {
		return "", false
	}
	return parts[0], true
}

func isURL(text string) bool {
	scheme, _, ok := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	return ok && (slices.Contains([]string{"http", "https", "file", "ftp"}, scheme) || slices.Contains(vcsSchemes, scheme))
}

// isDirect says whether a text is a name and a URL: a part before @ that does not look like a path.
func isDirect(text string) bool {
	name, _, ok := strings.Cut(text, "@")
	return ok && !strings.ContainsRune(name, '/') && !strings.HasPrefix(name, ".")
}

// isPath says whether pip takes a text for a local path. pip also looks whether there is such a
// directory; a text with a slash is nothing else in any case.
func isPath(text string) bool {
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/") {
		return true
	}
	if strings.ContainsFunc(text, isSpace) {
		return false
	}
	location, _, _ := strings.Cut(text, "[")
	return strings.ContainsRune(location, '/') || slices.ContainsFunc(archiveExtensions, func(extension string) bool {
		return strings.HasSuffix(strings.ToLower(location), extension)
	})
}

// readEditable reads the value of -e.
func readEditable(text string) (Requirement, error) {
	written := text
	text = variablePattern.ReplaceAllLiteralString(text, variable)
	r := Requirement{Editable: true, URL: text}
	lower := strings.ToLower(text)
	for _, vcs := range []string{"git:", "hg:", "svn:", "bzr:"} {
		if strings.HasPrefix(lower, vcs) {
			r.URL = strings.TrimSuffix(vcs, ":") + "+" + text
		}
	}
	switch {
	case isDirect(r.URL) && !isURL(r.URL):
		var err error
		if r, err = classify(text); err != nil {
			return r, err
		}
		r.Editable = true
	case isURL(r.URL):
		if r.locate(); r.Kind == URL {
			return r, errors.New("an editable requirement is a local directory or a VCS URL")
		}
	default:
		r.Kind, r.Pinned = Path, true
		if m := pathExtrasPattern.FindStringSubmatch(r.URL); m != nil {
			r.URL = m[1]
			r.Extras, _ = readExtras(m[2][1 : len(m[2])-1])
		}
	}
	r.Name = Normalize(r.Name)
	r.URL, r.Marker = restoreVariables(r.URL, written), restoreVariables(r.Marker, written)
	return r, nil
}
