package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// volatileName are names of what is another value with each build, whoever passes it.
var volatileName = lazyregexp.New(`(?i)^(\w+_)?((GIT|VCS|SCM|SOURCE|BUILD|CI|HEAD)_?(COMMIT|SHA|SHA1|HASH|REV|REVISION)(_?(SHA|HASH|ID|SHORT|DATE|TIME))?|COMMIT_?(SHA|HASH|ID|REF|DATE|TIME|TIMESTAMP)|GIT_?(REF|DESCRIBE|DIRTY)|VCS_?REF|BUILD_?(DATE|TIME|TIMESTAMP|NUMBER|NUM|ID|REF)|CREATED_?AT|REVISION|COMMIT)$`)

// releaseName are names of the project's own version, which is another one with each release. What has a
// real default, and the versions of other things (PYTHON_VERSION), is set once and stays.
var releaseName = lazyregexp.New(`(?i)^((APP|APPLICATION|PROJECT|PACKAGE|PKG|IMAGE|BUILD|RELEASE|SERVICE)_?(VERSION|TAG)|VERSION(_?TAG)?|RELEASE)$`)

// cacheBuster are names of arguments that are passed to run the steps below them again.
var cacheBuster = lazyregexp.New(`(?i)(bust|invalidate|no_?cache|force|refresh|skip_?cache|cache_?(key|date|version))`)

// plainDefault is a default that stands for "not given": what is given then changes.
var plainDefault = lazyregexp.New(`(?i)^["']?(|unknown|unspecified|undefined|unset|none|null|n/?a|dev|devel|development|local|snapshot|dirty|head|latest|manual|0+|0\.0\.0\S*|(0000|0001|1970)-01-01\S*)["']?$`)

// tagDefault is a default that is a tag or a branch of something to fetch, rather than the project's version.
var tagDefault = lazyregexp.New(`(?i)^["']?(|latest|head|manual|none|null)["']?$`)

// ownVersion says whether a name is that of the version of a Python package which is a directory of the context's root,
// or of the repository's, as ACME_VERSION is of acme: the project's own.
func (p *Pass) ownVersion(name string) bool {
	prefix, ok := strings.CutSuffix(strings.ToLower(name), "_version")
	if !ok || p.Context == nil {
		return false
	}
	isPackage := func(e buildcontext.Entry) bool {
		dir, file, ok := strings.Cut(e.Path, "/")
		return ok && file == "__init__.py" && strings.ToLower(dir) == prefix
	}
	if slices.ContainsFunc(p.Context.Tree.Entries, isPackage) {
		return true
	}
	if p.Read == nil || prefix == "" {
		return false
	}
	_, err := p.Read(prefix + "/__init__.py") // beside the folder of the Dockerfile
	return err == nil
}

// known is how it is known that an ARG changes.
type known struct {
	as     string // "build": with each build, "release": with each release; "" for neither
	origin string // the file of the build that passes it, or another name of the build; "" where its name and use tell
	line   int    // where it does, 0 where that is not known
	use    string // its use tells, whatever its name is: what it is used as
}

// volatile says whether an ARG is another value with each build or release.
func (p *Pass) volatile(stage *dockerfile.Stage, at int, name string, value *string) known {
	if cacheBuster.MatchString(name) || shelleffects.ReadsVariable(name) {
		return known{}
	}
	passed, unwritten := false, !p.writtenDown()
	use := p.useOf(stage, at, name)
	for _, b := range append(slices.Clone(p.Builds), p.Facts.Builds...) {
		if b.Dockerfile != p.File.Source.Path {
			continue
		}
		given, fixed := b.Args[name]
		if slices.Contains(b.Defaults, name) && plainDefault.MatchString(given) {
			fixed, unwritten = false, true // what is given in its place is not written down
		}
		passed = passed || fixed
		if slices.Contains(b.Volatile, name) && slices.Contains(p.File.Needed(b.Target, b.Args), stage) {
			if !use.anywhere && !volatileName.MatchString(name) && !releaseName.MatchString(name) {
				return known{} // what nothing uses is passed to run the steps below it again
			}
			file, line := buildcontext.OriginPlace(b.Origin)
			if at := b.VolatileAt[name]; at > 0 && line > 0 {
				line = at
			}
			return known{as: "build", origin: file, line: line}
		}
	}
	if passed || value != nil && !plainDefault.MatchString(*value) {
		return known{}
	}
	release := releaseName.MatchString(name) || p.ownVersion(name)
	switch {
	case value == nil && release && (use.needed || use.labelled):
		return known{as: "release"} // without a value what uses it would make no sense
	case release && use.kept && unwritten && (value == nil || !tagDefault.MatchString(*value)):
		return known{as: "release"}
	case release && use.labelled && unwritten && value != nil && !tagDefault.MatchString(*value):
		return known{as: "release"} // the image says under its value what it is
	case value == nil && use.pretends:
		return known{as: "release", use: "the version that the project is built as"}
	case value == nil && use.state == "version" && (!use.named || use.speaks) && !p.globalDefault(name):
		return known{as: "release", use: "the version that a label gives the image"}
	case volatileName.MatchString(name) && unwritten && (!use.named || use.speaks):
		// What is cloned, downloaded or installed by it would be a pin of something else.
		return known{as: "build"}
	case value == nil && use.state == "commit" && (!use.named || use.speaks) && unwritten && !p.globalDefault(name):
		return known{as: "build", use: "the commit or the time that a label states"}
	}
	return known{}
}

// use is what the steps of a stage below an ARG do with it.
type use struct {
	anywhere bool   // an instruction names it
	labelled bool   // a LABEL is made of it
	kept     bool   // an ENV of the same name hands it on to the container
	named    bool   // a RUN names it
	needed   bool   // a RUN does more than ask whether it has a value
	speaks   bool   // the RUNs that name it do no more than write it somewhere
	pretends bool   // it is the version that a build of the project takes in place of git's
	state    string // a LABEL states by it, and by nothing else, the image's "version", or the "commit" or time it is made of
}

func (p *Pass) useOf(stage *dockerfile.Stage, at int, name string) use {
	var u use
	below := slices.Clone(stage.Instructions[at+1:])
	for _, heir := range p.heirs(stage) {
		below = append(below, heir.Instructions...)
	}
	for _, in := range below {
		text := p.textOf(in.Span)
		if !namesVariable(text, name) {
			continue
		}
		u.anywhere = true
		if label, ok := in.Command.(*instructions.LabelCommand); ok {
			u.labelled = u.labelled || expands(text, name)
			for _, pair := range label.Labels {
				if value := strings.Trim(pair.Value, `"'`); value == "$"+name || value == "${"+name+"}" {
					u.state = cmp.Or(u.state, stateOf(pair.Key))
				}
			}
		}
		if env, ok := in.Command.(*instructions.EnvCommand); ok {
			u.kept = u.kept || slices.ContainsFunc(env.Env, func(pair instructions.KeyValuePair) bool { return pair.Key == name && expands(pair.Value, name) })
		}
		for _, version := range pretendVersion.FindAllString(text, -1) {
			u.pretends = u.pretends || expands(version, name)
		}
		if in.Run() != nil {
			u.named, u.speaks = true, (!u.named || u.speaks) && onlySpeaks(in.Run(), name)
			u.needed = u.needed || !onlyAsks(in.Run(), name)
		}
	}
	return u
}

// stateOf is what a label states of an image that is another with each build or release: its "version", the
// "commit" or the time it is made of; "" for others. Source: OCI's image specification, "Annotations";
// label-schema.org's convention, which it replaced.
func stateOf(label string) string {
	switch strings.ToLower(strings.Trim(label, `"'`)) {
	case "org.opencontainers.image.version", "org.label-schema.version":
		return "version"
	case "org.opencontainers.image.revision", "org.opencontainers.image.created", "org.label-schema.vcs-ref", "org.label-schema.build-date":
		return "commit"
	}
	return ""
}

// globalDefault says whether an ARG above the first FROM gives a name a value, which an ARG of a stage takes
// over.
func (p *Pass) globalDefault(name string) bool {
	return slices.ContainsFunc(p.File.MetaArgs, func(in *dockerfile.Instruction) bool {
		arg, ok := in.Command.(*instructions.ArgCommand)
		return ok && slices.ContainsFunc(arg.Args, func(pair instructions.KeyValuePairOptional) bool { return pair.Key == name && pair.Value != nil })
	})
}

// pretendVersion is a variable that a build backend takes for the project's version.
// Source: setuptools-scm's documentation, "Overrides"; pbr's, "Versioning"; PDM-Backend's, "Dynamic version
// from SCM"; poetry-dynamic-versioning's and uv-dynamic-versioning's README, "Environment variables".
var pretendVersion = lazyregexp.New(`\b(SETUPTOOLS_SCM_PRETEND_VERSION(_FOR_\w+)?|PBR_VERSION|PDM_BUILD_SCM_VERSION|POETRY_DYNAMIC_VERSIONING_BYPASS|UV_DYNAMIC_VERSIONING_BYPASS)=\S+`)

// onlyAsks says whether the commands of a RUN that name a variable are tests for its being empty.
func onlyAsks(run *dockerfile.Run, name string) bool {
	for _, cmd := range run.Commands {
		if slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return namesVariable(w.Value, name) }) &&
			!slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return w.Value == "-z" || w.Value == "-n" }) {
			return false
		}
	}
	return run.Err == nil
}

// onlySpeaks says whether the commands of a RUN that name a variable write it somewhere, and no more.
func onlySpeaks(run *dockerfile.Run, name string) bool {
	for _, cmd := range run.Commands {
		for _, w := range cmd.Words {
			if cmd.Name != "echo" && cmd.Name != "printf" && cmd.Name != "test" && cmd.Name != "[" && namesVariable(w.Value, name) {
				return false
			}
		}
	}
	return run.Err == nil
}
