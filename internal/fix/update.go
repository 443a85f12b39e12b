package fix

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// indexPlaces are where package managers keep their indexes and read where to fetch them from.
var indexPlaces = []string{
	"/etc/apt", "/var/lib/apt", "/var/cache/apt", "/usr/share/keyrings",
	"/etc/apk", "/var/cache/apk", "/lib/apk",
	"/etc/yum", "/etc/yum.conf", "/etc/yum.repos.d", "/etc/dnf", "/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum", "/var/lib/dnf", "/etc/pki",
	"/etc/zypp", "/var/cache/zypp", "/var/cache/tdnf",
}

// sourceChangers change what an index is fetched from, without naming a path.
var sourceChangers = []string{
	"add-apt-repository", "apt-add-repository", "apt-key", "apt-config", "extrepo", "dpkg", "rpm", "yum-config-manager", "update-ca-certificates",
}

// sourceVerbs are what the package managers themselves call that.
var sourceVerbs = []string{"config-manager", "copr", "addrepo", "ar", "removerepo", "rr", "modifyrepo", "mr", "renamerepo", "nr"}

// mergeUpdate proves that an index update can run in the steps that install instead of in one of its
// own:
//   - the updating step does nothing else that uses the index; where the update stays there too, for installs of its
//     own, each of the others fetches the same again, see [scene.repeatable], and none of the packages is a file,
//     which may bring sources with it;
//   - every step that installs between it and the last one that gets the update is one of them;
//   - nothing on the way uses the index or changes where it comes from: sources, keys, proxies;
//   - user, shell and network are the same, and no mount hides the index.
//
// That holds for every package manager: an index lies in files below indexPlaces, which the update writes
// and the installs read. apk, dnf and zypper take the one that they find; where one of them fetches it anew
// by itself, the update in front of it was of no use before and is of none now.
//
// That the update is checked as it was (set -e, &&), and that all other commands are the same, the
// comparison of the scripts says.
func (s scene) mergeUpdate(u *unit, e rules.MergeUpdate) Reason {
	list := e.Update.Stage.Instructions
	run, effects := e.Update.Run(), s.effects(e.Update)
	switch {
	case len(e.Into) == 0:
		return rules.NotProven
	case run == nil || effects.Unread || run.Exec != nil:
		return rules.ScriptUnread
	case len(effects.Updates) != 1:
		return rules.UpdateDoesMore
	case e.Stays && !s.repeatable(run, effects), !e.Stays && (len(effects.Unknown) > 0 || len(effects.Packages) > 0 || len(effects.Installs) > 0):
		return rules.UpdateDoesMore
	case len(e.Update.Flags) > 0:
		return rules.OtherSettings
	}
	for _, t := range effects.Touches {
		if touchesIndex(t) && t.Command.Span.Start > effects.Updates[0].Command.Span.Start && (!e.Stays || !cleansArchives(t.Command)) {
			return rules.UpdateDoesMore
		}
	}
	tool := effects.Updates[0].Tool
	from, to := slices.Index(list, e.Update), 0
	for _, into := range e.Into {
		at := slices.Index(list, into)
		if at <= from {
			return rules.NotProven
		}
		to = max(to, at)
		if reason := s.takesUpdate(e.Update, into, tool); reason != "" {
			return reason
		}
		written := slices.ContainsFunc(run.Commands, func(c *dockerfile.Command) bool {
			return slices.ContainsFunc(c.Words, func(w dockerfile.Word) bool { return !w.Literal })
		})
		if written && !maps.Equal(s.states[e.Update].Env, s.states[into].Env) {
			return rules.OtherSettings // a variable of the update may have another value there
		}
	}
	for _, i := range list[from+1 : to+1] {
		if reason := s.keepsIndex(i, tool, slices.Contains(e.Into, i)); reason != "" {
			return reason
		}
	}
	return ""
}

// repeatable says whether what an index update fetches in its own RUN, other steps can fetch again: it runs whenever
// the RUN succeeds, without variables of its own, and behind it no script that is not known, and no package of the
// repository, may change where an index comes from.
func (s scene) repeatable(run *dockerfile.Run, effects shelleffects.Effects) bool {
	update := effects.Updates[0].Command
	behind := func(c *dockerfile.Command) bool { return c.Span.Start > update.Span.Start }
	return update.Always && update.Checked && update.Nested == 0 && len(update.Prefix) == 0 && len(update.Redirects) == 0 &&
		!slices.ContainsFunc(update.Words, func(w dockerfile.Word) bool { return !w.Literal }) &&
		!slices.ContainsFunc(update.Assigns, func(a dockerfile.Assign) bool { return isIndexSetting(a.Name) || !a.Literal }) &&
		!slices.ContainsFunc(effects.Unknown, behind) &&
		!slices.ContainsFunc(effects.Packages, func(p shelleffects.PackageInstall) bool { return len(p.Files) > 0 }) &&
		!slices.ContainsFunc(run.Commands, func(c *dockerfile.Command) bool {
			return !behind(c) && slices.Contains([]string{"mount", "umount", "trap"}, c.Name)
		})
}

// cleansArchives says whether a command only takes away the archives of packages.
func cleansArchives(c *dockerfile.Command) bool {
	return (c.Name == "apt-get" || c.Name == "apt") && slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool { return w.Value == "clean" || w.Value == "autoclean" })
}

// takesUpdate judges one RUN that gets the update.
func (s scene) takesUpdate(update, into *dockerfile.Instruction, tool string) Reason {
	run, effects := into.Run(), s.effects(into)
	if run == nil || effects.Unread || run.Exec != nil {
		return rules.ScriptUnread
	}
	first := firstPackages(effects)
	switch {
	case first == nil:
		return rules.NotProven
	case first.Nested > 0 || !first.Always || unseenFailure(run, first):
		return rules.FailureUnseen
	}
	for _, p := range effects.Packages {
		if p.Tool != tool {
			return rules.NotProven
		}
	}
	for _, f := range into.Flags {
		if f.Name != "mount" {
			return rules.OtherSettings
		}
	}
	for _, m := range run.Mounts {
		for _, dir := range indexPlaces {
			if shelleffects.Overlaps(s.mountTarget(into, m), dir) {
				return rules.MountThere
			}
		}
	}
	a, b := s.states[update], s.states[into]
	if a.User != b.User || a.UserKnown != b.UserKnown || !slices.Equal(a.Shell, b.Shell) || !maps.Equal(indexSettings(a.Env), indexSettings(b.Env)) {
		return rules.OtherSettings
	}
	return ""
}

// unseenFailure says whether a command put in front of another with && could fail without failing the
// RUN: what follows the list runs all the same, also under set -e, which looks at the last command of
// a list only.
func unseenFailure(run *dockerfile.Run, cmd *dockerfile.Command) bool {
	n := slices.IndexFunc(run.Steps, func(s dockerfile.Step) bool { return slices.Contains(s.Commands, cmd) })
	return n < 0 || slices.ContainsFunc(run.Steps[n+1:], func(s dockerfile.Step) bool { return s.Op != "&&" })
}

// indexSettings are the variables that say how an index is fetched.
func indexSettings(env map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range env {
		if isIndexSetting(name) {
			out[name] = value
		}
	}
	return out
}

func isIndexSetting(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "_proxy") || name == "apt_config" || name == "path" || strings.HasPrefix(name, "ssl_")
}

// keepsIndex judges an instruction between the update and the last step that gets it. served says
// that it gets the update itself; what stands in it before its first install counts all the same.
func (s scene) keepsIndex(i *dockerfile.Instruction, tool string, served bool) Reason {
	switch i.Keyword {
	case "COPY", "ADD":
		dest, _, ok := s.dest(i)
		if !ok || slices.ContainsFunc(indexPlaces, func(dir string) bool { return shelleffects.Overlaps(dest, dir) }) && !s.bringsNothingTo(i, indexPlaces) {
			return rules.IndexUsed
		}
		return ""
	case "ARG", "ENV":
		for _, name := range sets(i) {
			if isIndexSetting(name) {
				return rules.OtherSettings
			}
		}
		return ""
	case "RUN":
	default:
		return ""
	}
	effects := s.effects(i)
	if effects.Unread || i.Run() == nil {
		return rules.ScriptUnread
	}
	end := i.Span.End
	if first := firstPackages(effects); served && first != nil {
		end = first.Span.Start
	}
	for _, c := range effects.Unknown {
		if c.Span.Start < end {
			return rules.IndexUsed
		}
	}
	for _, t := range effects.Touches {
		if t.Command.Span.Start < end && (touchesIndex(t) || shelleffects.AsksIndex(t.Command)) {
			return rules.IndexUsed
		}
	}
	if served {
		return ""
	}
	for _, p := range effects.Packages {
		updated := slices.ContainsFunc(effects.Updates, func(u shelleffects.IndexUpdate) bool {
			return u.Tool == p.Tool && u.Command.Always && u.Command.Span.Start < p.Command.Span.Start
		})
		if p.Tool == tool && !p.Fetches && !updated {
			return rules.InstallWithout
		}
	}
	return ""
}

// bringsNothingTo says whether a COPY of the context certainly puts nothing into directories.
func (s scene) bringsNothingTo(i *dockerfile.Instruction, dirs []string) bool {
	p, reason := s.placeCopy(i)
	return reason == "" && !slices.ContainsFunc(dirs, p.covers)
}

func touchesIndex(t shelleffects.Touch) bool {
	if slices.Contains(sourceChangers, t.Command.Name) || slices.ContainsFunc(t.Command.Words, func(w dockerfile.Word) bool { return slices.Contains(sourceVerbs, w.Value) }) {
		return true
	}
	return slices.ContainsFunc(t.Paths, func(p string) bool {
		return slices.ContainsFunc(indexPlaces, func(dir string) bool { return shelleffects.Overlaps(path.Clean(p), dir) })
	})
}
