package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// runner are programs that run another one which their words name.
var runner = lazyregexp.New(`^((npx|pnpx|bunx|yarn|pnpm|npm exec|npm x|pnpm exec|yarn exec|uvx|uv run|pipx run|poetry run|pipenv run|bundle exec|dotnet tool run) (-\S+ )*)+`)

// repositoryTools are commands that ask git about the repository that they run in, or refuse to run outside of one.
// Source: their own documentation: .NET, "Source Link included in the .NET SDK" (build, publish and pack write the commit
// into assemblies); pre-commit, "pre-commit install"; Lerna, "Filter options"; Nx, "affected"; Turborepo, "--affected";
// Sentry, "sentry-cli releases"; Hugo, "Git information"; dune, "subst"; those of the release tools.
var repositoryTools = lazyregexp.New(`^(pre-commit|husky|lefthook|semantic-release|standard-version|release-please|git-cliff|gitversion|commitizen|cz|svu|mike|goreleaser)( |$)` +
	`|^dotnet (build|publish|pack|msbuild|run|test)\b|^msbuild\b|^lerna .*(--since|changed|version|publish|diff)|^nx .*affected|^turbo .*(--affected|\[)` +
	`|^sentry-cli .*(set-commits|propose-version|--auto)|^hugo .*--enableGitInfo|^dune (build|subst|install|release)\b`)

// repositoryTool is the program of a command that asks git about the repository; "" for none.
func repositoryTool(cmd *dockerfile.Command) string {
	words := make([]string, 0, len(cmd.Words))
	for n, w := range cmd.Words {
		if n == 0 {
			words = append(words, path.Base(w.Value))
			continue
		}
		words = append(words, strings.Trim(w.Value, `"'`))
	}
	text := strings.Join(words, " ")
	text = strings.TrimPrefix(text, runner.FindString(text))
	if !repositoryTools.MatchString(text) {
		return ""
	}
	program, _, _ := strings.Cut(text, " ")
	return program
}

// buildNames are files by which build tools are steered, beside versionNames: programs, or lists of plugins.
var buildNames = []string{
	"gulpfile.js", "gulpfile.mjs", "gulpfile.ts", "gulpfile.babel.js", "Gruntfile.js", "gruntfile.js", "ember-cli-build.js", ".eleventy.js", "gatsby-node.js", "gatsby-node.ts",
	"mix.exs", "CMakeLists.txt", "meson.build", "configure.ac", "configure.in", "SConstruct", "wscript", "build.zig", "Package.swift", "rebar.config",
	"build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "pom.xml", "extensions.xml", "build.sbt", "plugins.sbt", "project.clj", "build.sc",
	"mkdocs.yml", "mkdocs.yaml", "_config.yml", "Rakefile", "Gemfile", "hugo.toml", "hugo.yaml", "config.toml",
}

// buildConfig is a file of settings of a bundler or a framework, a program that runs with each build.
var buildConfig = lazyregexp.New(`^(vite|next|nuxt|webpack[\w.-]*|vue|astro|svelte|rollup|rspack|rsbuild|docusaurus|eleventy|quasar|remix|gatsby|craco|tsup|esbuild|angular|app|snowpack|umi|\.umirc|farm|electron[\w.-]*|metro|vitepress|config)\.(config\.)?[cm]?[jt]s$`)

// packagedSpec is a description of a package that is a program.
var packagedSpec = lazyregexp.New(`\.(gemspec|cabal|csproj|fsproj)$`)

// steersBuild says whether a file of this name steers a build tool.
func steersBuild(base string) bool {
	return slices.Contains(buildNames, base) || buildConfig.MatchString(base) || packagedSpec.MatchString(base)
}

// gitPlugins are plugins and functions of build tools that ask git about the repository, as the files which steer
// these tools name them.
// Source: the documentation of each; those of Gradle, Maven and sbt have "git" in their names.
var gitPlugins = lazyregexp.New(`(?i)\bgrgit\b|git-?version|gitversioning|\baxion-release\b|nebula\.release|\bjgit\w*|\breckon\b|buildnumber-maven|git-commit-id|git-properties|net\.nemerosa\.versioning|` +
	`git-revision-date|git-authors|git-committers|git-latest|enableGitInfo["']?\s*[=:]\s*["']?true|last-modified-at|jekyll-git|` +
	`sbt-git|sbt-dynver|lein-git|\bgitrev\b|\bgithash\b|vcs_tag|git-version-gen|GIT_EXECUTABLE|Nerdbank\.GitVersioning|\bMinVer\b|\bGitInfo\b|git_ops\b|` + "`git ")

// gitDependency is the key of a dependency in package.json whose name has the word git.
var gitDependency = lazyregexp.New(`"([@\w./-]*\bgit\b[\w./-]*|next-build-id|ember-cli-app-version|webpack-version-file)"\s*:\s*"[\^~<>=\d*]`)

// harmlessGitPackages have that word and ask git nothing while the image is built.
var harmlessGitPackages = []string{"@semantic-release/git", "git-cz", "git-url-parse", "hosted-git-info", "git-hooks", "isomorphic-git", "@types/git-url-parse"}

// namesGitPackage says whether a package.json depends on a package that asks git about the repository, by its name.
func namesGitPackage(data []byte) bool {
	for _, found := range gitDependency.FindAllString(string(data), -1) {
		name, _, _ := strings.Cut(strings.TrimPrefix(found, `"`), `"`)
		if !slices.Contains(harmlessGitPackages, name) {
			return true
		}
	}
	return false
}

// imported are the names of modules that a program of Python or JavaScript imports from beside it.
var imported = lazyregexp.New(`(?m)^\s*(?:from|import)\s+\.*[A-Za-z_][\w.]*|(?:\brequire\(|\bfrom\s+|\bimport\s*\(?)["']\.{1,2}/[^"'\n]+["']`)

// importedBy are the paths, relative to the context, that the modules which a program imports may have.
func importedBy(name string, data []byte) []string {
	dir := path.Dir(name)
	var out []string
	for _, found := range imported.FindAllString(string(data), maxPrograms) {
		if quote := strings.IndexAny(found, `"'`); quote >= 0 {
			if ext := path.Ext(name); !slices.Contains([]string{".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"}, ext) {
				continue
			}
			module := path.Join(dir, strings.Trim(found[quote:], `"'`))
			for _, end := range []string{"", ".js", ".ts", ".mjs", ".cjs", "/index.js", "/index.ts"} {
				out = append(out, module+end)
			}
			continue
		}
		if path.Ext(name) != ".py" {
			continue
		}
		words := strings.Fields(found)
		module := strings.ReplaceAll(strings.TrimLeft(words[len(words)-1], "."), ".", "/")
		for _, from := range []string{dir, "."} {
			out = append(out, path.Join(from, module+".py"), path.Join(from, module, "__init__.py"))
		}
	}
	return out
}
