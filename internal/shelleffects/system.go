package shelleffects

import (
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// manager is one package manager of an operating system.
type manager struct {
	tool    string
	options options
	update  []string // fetch the index
	install []string // use it to install what is named
	upgrade []string // use it to bring what is there up to date
	remove  []string // take packages away
	other   []string // neither fetch nor use it
	// clean are the subcommands that empty directories, with those directories.
	clean map[string][]string
	// fetches says that an install refreshes the index by itself.
	fetches bool
}

var apt = manager{
	tool:    "apt",
	options: options{short: "oct", long: []string{"option", "config-file", "target-release", "default-release", "host-architecture"}},
	update:  []string{"update"},
	install: []string{"install", "reinstall", "build-dep", "satisfy", "source", "download"},
	upgrade: []string{"upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"},
	remove:  []string{"remove", "purge", "autoremove", "autopurge", "auto-remove"},
	other:   []string{"autoclean", "auto-clean", "check", "list", "show", "search", "policy", "changelog"},
	// Source: apt-get(8); distclean came with apt 2.7.
	clean: map[string][]string{"clean": {"/var/cache/apt"}, "distclean": {AptLists, "/var/cache/apt"}},
}

// AptLists is where apt keeps its package indexes.
const AptLists = "/var/lib/apt/lists"

// packageCaches are where package managers leave what they fetched, packages and indexes, unless they
// are told not to. apt's packages are not among them: Debian's and Ubuntu's images empty
// /var/cache/apt by themselves.
var packageCaches = map[string][]string{
	"apt": {AptLists}, "apk": {"/var/cache/apk"}, "dnf": {"/var/cache/dnf", "/var/cache/libdnf5"}, "yum": {"/var/cache/yum", "/var/cache/dnf"}, "zypper": {"/var/cache/zypp"},
}

// PackageCaches are the directories in which a package manager of the system leaves what it fetched.
func PackageCaches(tool string) []string { return packageCaches[tool] }

// managers are known by the name of their program. dnf's "update" brings packages up to date; its
// index is what makecache fetches.
var managers = map[string]manager{
	"apt": apt, "apt-get": apt, "aptitude": apt, "apt-fast": apt, "nala": apt,
	"apk": {
		tool:    "apk",
		options: options{short: "Xpt", long: []string{"repository", "root", "virtual", "arch", "keys-dir", "repositories-file", "cache-dir", "cache-max-age", "wait", "progress-fd"}},
		update:  []string{"update"}, install: []string{"add", "fetch"}, upgrade: []string{"upgrade"},
		remove: []string{"del"},
		other:  []string{"cache", "info", "search", "fix", "list", "policy", "version"},
		clean:  map[string][]string{"cache clean": packageCaches["apk"], "cache purge": packageCaches["apk"]},
	},
	"dnf": dnf("dnf"), "dnf5": dnf("dnf"), "yum": dnf("yum"), "microdnf": dnf("dnf"), "tdnf": dnf("dnf"),
	"zypper": {
		tool:    "zypper",
		options: options{short: "rpt", long: []string{"root", "repo", "from", "type", "plus-repo", "plus-content", "config", "cache-dir", "reposd-dir", "solv-cache-dir", "pkg-cache-dir"}},
		update:  []string{"refresh", "ref"}, install: []string{"install", "in", "source-install", "si"}, upgrade: []string{"update", "up", "dist-upgrade", "dup", "patch"},
		remove:  []string{"remove", "rm"},
		clean:   map[string][]string{"clean": packageCaches["zypper"], "cc": packageCaches["zypper"]},
		other:   []string{"addrepo", "ar", "removerepo", "rr", "modifyrepo", "mr", "search", "se", "info", "repos", "lr"},
		fetches: true, // repositories refresh by themselves where they are set to, as those of the images are
	},
}

func dnf(tool string) manager {
	return manager{
		tool:    tool,
		options: options{short: "cdexR", long: []string{"setopt", "enablerepo", "disablerepo", "repo", "repoid", "installroot", "releasever", "exclude", "config", "forcearch", "repofrompath", "disableplugin", "enableplugin", "randomwait", "debuglevel", "errorlevel"}},
		update:  []string{"makecache"},
		install: []string{"install", "localinstall", "reinstall", "groupinstall", "group", "builddep", "swap", "module", "download", "in"},
		upgrade: []string{"update", "upgrade", "upgrade-minimal", "update-minimal", "distro-sync", "check-update", "up"},
		remove:  []string{"remove", "erase", "autoremove"},
		clean:   map[string][]string{"clean all": packageCaches[tool]},
		other:   []string{"clean", "config-manager", "copr", "list", "info", "repolist", "search", "repoquery"},
		fetches: true,
	}
}

// systemPackages reads the package managers of operating systems.
func (c *call) systemPackages() (kind, bool) {
	m, ok := managers[c.name]
	if !ok {
		return kind{}, false
	}
	p := m.options.parse(c.args)
	verb := p.word(0)
	switch {
	case contains(m.update, verb):
		return kind{update: &IndexUpdate{Tool: m.tool, Command: c.cmd}}, true
	case contains(m.install, verb):
		k := &PackageInstall{Tool: m.tool, Command: c.cmd, Fetches: m.fetches, Files: c.localPackages(), Names: packageNames(p.words[1:])}
		if group, ok := p.last("t", "virtual"); ok && m.tool == "apk" {
			k.Group = group.text
		}
		if m.tool == "apk" {
			k.Fetches = p.has("no-cache", "U", "update", "update-cache")
		}
		if c.name == "aptitude" || m.tool == "apt" {
			k.Fetches = p.has("update", "U") && c.name != "apt-get"
		}
		return kind{packages: k}, true
	case contains(m.upgrade, verb):
		fetches := m.fetches || m.tool == "apk" && p.has("no-cache", "U", "update", "update-cache")
		return kind{packages: &PackageInstall{Tool: m.tool, Command: c.cmd, Upgrade: true, Fetches: fetches}}, true
	case contains(m.remove, verb):
		return kind{known: true, uninstall: &PackageRemoval{Tool: m.tool, Command: c.cmd, Names: packageNames(p.words[1:])}}, true
	}
	for _, words := range []string{verb, verb + " " + p.word(1)} {
		if dirs := m.clean[words]; dirs != nil {
			return kind{known: true, cleans: dirs}, true
		}
	}
	if contains(m.other, verb) || len(p.words) == 0 {
		return kind{known: true}, true
	}
	return unknown, true
}

// packageNames are the packages that a command names, without their versions and architectures.
func packageNames(words []arg) []string {
	var out []string
	for _, w := range words {
		name := w.text
		if w.known {
			name, _, _ = strings.Cut(name, "=")
			name, _, _ = strings.Cut(name, ":")
		}
		if !strings.Contains(name, "$") {
			out = append(out, strings.Fields(name)...) // a variable can hold several
		} else {
			out = append(out, name)
		}
	}
	return out
}

// localPackages are the files that an install of system packages names ("./x.deb").
func (c *call) localPackages() []string {
	var out []string
	for _, a := range c.args {
		if !strings.Contains(a.text, "/") || strings.HasPrefix(a.text, "-") {
			continue
		}
		p, ok := c.touched(a)
		if !ok {
			p = "/"
		}
		out = append(out, p)
	}
	return out
}

// Installs is the package manager of the system that a program and its arguments install packages
// with ("apt-get install -y", before or after the packages); "" where it is none.
func Installs(words []dockerfile.Word) string {
	if len(words) == 0 || !words[0].Literal {
		return ""
	}
	m, ok := managers[path.Base(words[0].Value)]
	if !ok {
		return ""
	}
	for _, w := range words[1:] {
		if w.Literal && contains(m.install, w.Value) {
			return m.tool
		}
	}
	return ""
}
