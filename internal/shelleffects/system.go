package shelleffects

import "strings"

// manager is one package manager of an operating system.
type manager struct {
	tool    string
	options options
	update  []string // fetch the index
	install []string // use it to install what is named
	upgrade []string // use it to bring what is there up to date
	other   []string // neither fetch nor use it
	// fetches says that an install refreshes the index by itself.
	fetches bool
}

var apt = manager{
	tool:    "apt",
	options: options{short: "oct", long: []string{"option", "config-file", "target-release", "default-release", "host-architecture"}},
	update:  []string{"update"},
	install: []string{"install", "reinstall", "build-dep", "satisfy", "source", "download"},
	upgrade: []string{"upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"},
	other:   []string{"remove", "purge", "autoremove", "autopurge", "auto-remove", "clean", "autoclean", "auto-clean", "distclean", "check", "list", "show", "search", "policy", "changelog"},
}

// managers are known by the name of their program. dnf's "update" brings packages up to date; its
// index is what makecache fetches.
var managers = map[string]manager{
	"apt": apt, "apt-get": apt, "aptitude": apt, "apt-fast": apt, "nala": apt,
	"apk": {
		tool:    "apk",
		options: options{short: "Xpt", long: []string{"repository", "root", "virtual", "arch", "keys-dir", "repositories-file", "cache-dir", "cache-max-age", "wait", "progress-fd"}},
		update:  []string{"update"}, install: []string{"add", "fetch"}, upgrade: []string{"upgrade"},
		other: []string{"del", "cache", "info", "search", "fix", "list", "policy", "version"},
	},
	"dnf": dnf("dnf"), "dnf5": dnf("dnf"), "yum": dnf("yum"), "microdnf": dnf("dnf"), "tdnf": dnf("dnf"),
	"zypper": {
		tool:    "zypper",
		options: options{short: "rpt", long: []string{"root", "repo", "from", "type", "plus-repo", "plus-content", "config", "cache-dir", "reposd-dir", "solv-cache-dir", "pkg-cache-dir"}},
		update:  []string{"refresh", "ref"}, install: []string{"install", "in", "source-install", "si"}, upgrade: []string{"update", "up", "dist-upgrade", "dup", "patch"},
		other:   []string{"clean", "cc", "remove", "rm", "addrepo", "ar", "removerepo", "rr", "modifyrepo", "mr", "search", "se", "info", "repos", "lr"},
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
		other:   []string{"remove", "erase", "autoremove", "clean", "config-manager", "copr", "list", "info", "repolist", "search", "repoquery"},
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
		k := &PackageInstall{Tool: m.tool, Command: c.cmd, Fetches: m.fetches, Files: c.localPackages()}
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
	case contains(m.other, verb), len(p.words) == 0:
		return kind{known: true}, true
	}
	return unknown, true
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
