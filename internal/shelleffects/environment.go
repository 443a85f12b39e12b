package shelleffects

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// read are the variables that shells, compilers and package managers look at by themselves. Names are
// compared without regard to case, as some tools do.
var read = lazyregexp.New(`(?i)^(path|home|shell|user|ifs|env|bash_env|term|tz|tmpdir|lang|lc_\w+|ld_\w+|python\w*|pip\w*|uv_\w+|poetry_\w+|pdm_\w+|pipenv_\w+|hatch_\w+|conda_\w+|mamba_\w+|` +
	`npm_\w+|node_\w+|yarn_\w+|pnpm_\w+|bun_\w+|corepack_\w+|go(proxy|private|flags|path|root|os|arch|cache|nosumdb|sumdb|bin|toolchain|experiment)|cgo_\w+|cargo\w*|rust\w*|gem_\w+|bundle_\w+|composer_\w+|` +
	`cc|cxx|cpp|ar|make\w*|cmake_\w+|\w*flags|debian_\w+|debconf_\w+|apt_\w+|\w+_proxy|setuptools_\w+|\w+_pretend_version\w*|pbr_version|source_date_epoch|virtual_env|docker_\w+|buildkit_\w+|` +
	`git_(dir|work_tree|index_file|ssh\w*|askpass|config\w*|committer_\w+|author_\w+|terminal_prompt|trace\w*)|curl_\w+|ssl_\w+|netrc|requests_\w+|xdg_\w+|cuda_\w+|torch_\w+|django_\w+)$`)

// ReadsVariable says whether tools look at a variable of this name by themselves, so that a command may
// depend on it without naming it.
func ReadsVariable(name string) bool { return read.MatchString(name) }

// ReadsEnvironment says whether a RUN may read variables that its text does not name: it runs a program
// that the table does not know, builds a project, or puts the environment out.
func (e Effects) ReadsEnvironment() bool {
	if e.Unread || len(e.Unknown) > 0 {
		return true
	}
	if slices.ContainsFunc(e.Installs, func(i Install) bool { return i.NeedsSource != "" || i.Unclear }) {
		return true
	}
	return slices.ContainsFunc(e.Touches, func(t Touch) bool {
		switch t.Command.Name {
		case "export", "set", "declare", "typeset", "readonly", "local":
			// Alone, or with options only, they list the variables.
			if !slices.ContainsFunc(t.Command.Words[1:], func(w dockerfile.Word) bool { return !strings.HasPrefix(w.Value, "-") }) && t.Command.Name != "set" || len(t.Command.Words) == 1 {
				return true
			}
		case "source", ".":
			return !virtualEnvironment.MatchString(t.Command.Words[len(t.Command.Words)-1].Value)
		}
		// By another way than the name: /proc/self/environ, awk's ENVIRON, ${!name}, ${!prefix*}.
		return slices.ContainsFunc(t.Paths, func(p string) bool { return strings.HasPrefix(p, "/proc/") }) ||
			slices.ContainsFunc(t.Command.Words, func(w dockerfile.Word) bool {
				return strings.Contains(w.Value, "ENVIRON") || strings.Contains(w.Value, "${!")
			})
	})
}

// virtualEnvironment is the script that turns a virtual environment on.
var virtualEnvironment = lazyregexp.New(`(^|/)bin/activate"?$`)
