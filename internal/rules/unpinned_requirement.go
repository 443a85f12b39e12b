package rules

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

var _ = register(&Rule{
	ID:       "unpinned-requirement",
	Title:    "An image installs a requirement that names no exact version",
	Severity: config.SeverityWarning,
	What: "A line of a requirements or constraints file that an image installs with pip or uv names no exact version, hash, full commit or local file, " +
		"and no constraints file of the same install does it for it. With the setting `install-line`, packages on the command line too.",
	Why: "The step's key is the text of the file, not what the index holds. So the cached layer keeps the version that it found once; " +
		"when anything above it changes, all such packages move at once, without anyone asking.",
	Fix: "The version that the repository's own lock or constraints file names, in the line of the requirements file: `poetry.lock`, `uv.lock`, `pdm.lock`, `Pipfile.lock`, `constraints.txt`, " +
		"or what pip-tools compiled from a `.in` file beside it, in the directory of the file or above it, up to the build context. Only where exactly one version is named, without a condition, and the line allows it; " +
		"where the lock file names a version for everything that each install of the file asks for, and one that it allows: then these versions go together; where it fits the Python of the image, if it says for which Python it is; and not where hashes are asked for or the project's metadata may be made from the file. Else no version is suggested: nothing is invented.",
	Not: "An unpinned requirement does not invalidate the cache: it goes stale. `>=`, `~=`, `<`, `==1.*` and branches are no pins; `== 1.2`, `===` and markers are fine. " +
		"Lines that never apply on Linux are left out.",
	Sources: []Source{
		{"pip: repeatable installs", "https://pip.pypa.io/en/stable/topics/repeatable-installs/"},
		{"pip: requirements file format", "https://pip.pypa.io/en/stable/reference/requirements-file-format/"},
		{"pip-tools: compiled requirements", "https://pip-tools.readthedocs.io/en/stable/"},
		{"PEP 440: version specifiers", "https://peps.python.org/pep-0440/#version-specifiers"},
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/#run-instructions"},
	},
	Settings: []config.Setting{{
		Name: "install-line", Kind: "bool", Default: false,
		Doc: "Whether packages named on the install's command line are looked at too.",
	}},
	Hadolint: []string{"DL3013"},
	Check:    checkUnpinnedRequirement,
})

func checkUnpinnedRequirement(p *Pass) {
	var installs []requested
	for _, stage := range p.File.Stages {
		if !p.needed[stage] {
			continue
		}
		for _, lane := range p.lanes(stage) {
			for i, st := range lane {
				for _, install := range p.effectsOf(st.in).Installs {
					if install.Tool != "pip" && install.Tool != "uv" && install.Tool != "pipenv" {
						continue
					}
					installs = append(installs, p.asks(install, p.reads(lane, i, install), st.outer, stage))
					if setting[bool](p, "install-line") {
						p.checkLine(install, st.outer)
					}
				}
			}
		}
	}
	seen := map[Place]bool{}
	for _, install := range installs {
		p.checkSet(install, installs, seen)
	}
}

// checkSet looks at the files of one install; what was said of a line is not said again.
func (p *Pass) checkSet(install requested, all []requested, seen map[Place]bool) {
	if install.set == nil {
		return
	}
	for _, row := range install.set.Unpinned() {
		at := Place{Path: row.File.Source.Path, Span: row.Requirement.Span}
		if seen[at] || namesVersion(row.Requirement) {
			continue
		}
		seen[at] = true
		if p.excluded(at.Path) || ignoredLine(row.File.Source, at.Span, p.Rule) || p.deleted(at.Path, row.File.Source.Text(at.Span)) {
			continue
		}
		name := row.Requirement.Name
		if name == "" {
			name = row.Requirement.Raw
		}
		f := unpinned(name, at, p.place(install.run))
		if pin, reason := p.pinForAll(all, row); pin != nil {
			f.Unit = pin.unit
			f.Advice = say(oneOrMany{"Pin it to the version", "Pin them to the versions"}, " of ", code(pin.lock), ".")
		} else {
			f.Withheld = string(reason)
		}
		p.add(f)
	}
}

// deletion is a script of sed that takes lines away which a plain expression finds.
var deletion = lazyregexp.New(`^/(\^?[\w.=<>~!@ -]+\$?)/d$`)

// deleted says whether a RUN takes a line out of a file of this name: "sed -i '/^name/d' requirements.txt".
func (p *Pass) deleted(file, line string) bool {
	for _, in := range p.File.Instructions {
		for _, cmd := range commandsOf(in) {
			words := cmd.Words
			if cmd.Name != "sed" || !slices.ContainsFunc(words, func(w dockerfile.Word) bool { return inPlace.MatchString(w.Value) }) ||
				!slices.ContainsFunc(words, func(w dockerfile.Word) bool { return path.Base(w.Value) == path.Base(file) }) {
				continue
			}
			for _, w := range words {
				if m := deletion.FindStringSubmatch(w.Value); m != nil && w.Literal {
					if found, err := regexp.Compile(m[1]); err == nil && found.MatchString(line) {
						return true
					}
				}
			}
		}
	}
	return false
}

// inPlace is the option with which sed changes the file itself.
var inPlace = lazyregexp.New(`^(-[Enrsuz]*i.*|--in-place(=.*)?)$`)

// branchURL are the addresses of archives that change: those of branches.
var branchURL = lazyregexp.New(`(?i)/(archive|zipball|tarball|raw)/(refs/heads/.+|(master|main|develop|dev|trunk|head)(/.*|\.zip|\.tar\.gz)?)$|/-/archive/(master|main|develop|dev|trunk)/`)

// namesVersion says whether a requirement is a plain address of one file, as of a release or a tag.
// The file could be changed under its address, but it names one version.
func namesVersion(r requirements.Requirement) bool {
	address, _, _ := strings.Cut(r.URL, "#")
	return r.Kind == requirements.URL && !branchURL.MatchString(address) && archiveURL.MatchString(address)
}

var archiveURL = lazyregexp.New(`(?i)(\d[^/]*\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)|/(refs/tags/[^/]+|[0-9a-f]{40})(\.zip|\.tar\.gz)?)$`)

// excluded says whether the configuration takes a requirements file out for this rule. What it
// includes names Dockerfiles.
func (p *Pass) excluded(file string) bool {
	return !config.Globs{Exclude: p.Config.Rules[p.Rule.ID].Paths.Exclude}.Match(file)
}

func unpinned(name string, at, run Place) Finding {
	return Finding{
		Path: at.Path, Span: at.Span, Subject: name,
		Related: []Place{run},
		Title:   say(code(name), oneOrMany{" is not pinned.", " are not pinned."}),
		Here:    say(code(name), oneOrMany{" is not pinned.", " are not pinned."}),
		Why:     say("The cached install keeps the version it found until something above it changes; then it moves without anyone asking."),
		Advice:  say(oneOrMany{"Pin it", "Pin them"}, ", or install from a lock file."),
		Done:    say(code(name), oneOrMany{" is now pinned.", " are now pinned."}),
	}
}

// ignoredLine looks for "# hitrate ignore=unpinned-requirement" on the requirement's lines or in the
// comment lines right above it.
func ignoredLine(file *source.File, span source.Span, rule *Rule) bool {
	lines := file.LinesFromSpan(span)
	matches := func(comment string) bool {
		names, _ := ignored(strings.TrimSpace(comment))
		return slices.Contains(names, rule.ID)
	}
	for n := lines.First; n <= lines.Last; n++ {
		text := file.Text(file.SpanFromLines(source.Lines{First: n, Last: n}))
		// pip takes "#" for a comment at the start of a line or behind a blank.
		for i := 0; i < len(text); i++ {
			if text[i] == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') && matches(text[i+1:]) {
				return true
			}
		}
	}
	for n := lines.First - 1; n >= 1; n-- {
		text := strings.TrimSpace(file.Text(file.SpanFromLines(source.Lines{First: n, Last: n})))
		comment, ok := strings.CutPrefix(text, "#")
		if !ok {
			return false
		}
		if matches(comment) {
			return true
		}
	}
	return false
}

// checkLine looks at the packages of the command line itself.
func (p *Pass) checkLine(install shelleffects.Install, run *dockerfile.Instruction) {
	if install.Tool == "pipenv" || install.PackagingOnly {
		return
	}
	for _, name := range install.Packages {
		if strings.ContainsAny(name, "$*`") {
			continue
		}
		file := requirements.Parse(source.New(p.File.Source.Path, []byte(name+"\n")))
		if len(file.Requirements) != 1 || len(file.Errors) > 0 || file.Requirements[0].Pinned {
			continue
		}
		subject := file.Requirements[0].Name
		if subject == "" {
			subject = name
		}
		at := run.Span
		for _, w := range install.Command.Words {
			if w.Value == name {
				at = w.Span
			}
		}
		p.add(unpinned(subject, Place{Path: p.File.Source.Path, Span: at}, p.place(run)))
	}
}
