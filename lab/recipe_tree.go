package lab

import (
	"archive/tar"
	"fmt"
	"strings"
)

// files are a small project's. Each text holds the case's number, so that no two cases share a step.
func (c *recipe) files() {
	mark := fmt.Sprintf("# case %d\n", c.number)
	for _, name := range []string{"app.py", "manage.py", "src/main.py", "src/util.py", "src/data/a.html", "src/data/b.html", "static/site.css", "tests/test_app.py", "tests/test_util.py", "README.md", "Makefile", "conf/app.ini", ".env.example", "docs/index.md"} {
		c.put(name, mark)
	}
	c.tree["run.sh"] = File{Data: "#!/bin/sh\n" + mark + "echo ran > /tmp/ran\n", Exec: true}
	c.tree["scripts/setup.sh"] = File{Data: "#!/bin/sh\n" + mark + pick(c.Random, "echo set > /tmp/set\n", "apt-get install -y scripted\n", "cp app.py /tmp/copied.py\n", "ls /root/.cache > /tmp/caches 2>&1\ntrue\n"), Exec: c.chance(80)}
	c.put("conf/"+pick(c.Random, "pip.ini", "pip.ini", "pip.ini", "pip.ini", "pip.ini", "pip.conf"), "[global]\n"+pick(c.Random, "no-cache-dir = true\n", "index-url = https://pypi.example/simple\n", "cache-dir = /var/pip-cache\n"))
	c.put("conf/extra.list", "deb https://example.org/debian stable main\n")
	c.tree["scripts/version.sh"] = File{Data: "#!/bin/sh\n" + mark + pick(c.Random, "git describe > /tmp/described || true\n", "echo 1 > /tmp/described\n"), Exec: true}
	c.put("packages.txt", "curl\ngit\n")
	requirement := pick(c.Random, "flask==3.0.3\nrequests==2.32.3\n", "flask==3.0.3 # web\n\n# others\nnumpy==2.0.0\n", "flask==3.0.3\n-r requirements/base.txt\n", "-c constraints.txt\nflask\n",
		"flask==3.0.3\n-e .\n", "flask==3.0.3\n./lib\n", "--find-links wheels\nflask==3.0.3\n", "flask==3.0.3\nlib @ file:./lib\n", "-r requirements/dev.txt\n", "flask==3.0.3\n", "flask==3.0.3\n")
	c.put("requirements.txt", requirement+mark)
	c.put("requirements/base.txt", "six==1.16.0\n"+mark)
	c.put("requirements/dev.txt", "-r base.txt\npytest==8.0.0\n"+mark)
	c.put("constraints.txt", "flask==3.0.3\n"+mark)
	if c.about == "pins" || c.chance(8) {
		c.pins(mark)
	}
	if c.chance(5) {
		c.tree["requirements.txt"] = File{Link: "requirements/base.txt"}
	}
	c.put("lib/setup.py", mark)
	c.put("lib/lib.py", mark)
	c.put("wheels/flask-3.0.3-py3-none-any.whl", mark)
	c.put("setup.py", mark)
	if c.chance(60) {
		c.put("pyproject.toml", pick(c.Random, "[project]\nname = \"app\"\nversion = \"1\"\n", "[tool.poetry]\nname = \"app\"\n[tool.poetry.dependencies]\npython = \"^3.12\"\n",
			"[project]\nname = \"app\"\nversion = \"1\"\nreadme = \"README.md\"\n[build-system]\nrequires = [\"setuptools\"]\n", "[tool.poetry]\nname = \"app\"\n[tool.poetry.dependencies]\nlib = {path = \"lib\"}\n")+mark)
		c.lock("poetry.lock", mark)
		c.lock("uv.lock", mark)
		c.lock("pdm.lock", mark)
	}
	if c.chance(60) {
		c.put("Pipfile", "[packages]\nflask = \"==3.0.3\"\n"+mark)
		c.lock("Pipfile.lock", "{}")
	}
	if c.about == "other languages" {
		c.put("go.mod", fmt.Sprintf("module example.org/case%d\n\ngo 1.23\n", c.number))
		c.put("go.sum", "")
		c.put("main.go", "package main\n\n// case "+fmt.Sprint(c.number)+"\nfunc main() {}\n")
		c.put("Gemfile", "source 'https://rubygems.org'\ngem 'rack', '3.0.0'\n"+mark)
		c.put("Gemfile.lock", "GEM\n  specs:\n    rack (3.0.0)\n"+mark)
		c.put("composer.json", fmt.Sprintf(`{"name": "case/case%d", "require": {"monolog/monolog": "3.0.0"}}`, c.number))
		c.put("composer.lock", "{}")
	}
	c.put("web/package.json", fmt.Sprintf(`{"name": "web-%d", "dependencies": {"express": "4.0.0"}}`, c.number))
	c.put("web/package-lock.json", fmt.Sprintf(`{"name": "web-%d"}`, c.number))
	c.put("web/index.js", fmt.Sprintf("// case %d\n", c.number))
	c.put("package.json", fmt.Sprintf(pick(c.Random, `{"name": "case-%d", "dependencies": {"express": "4.0.0"}}`, `{"name": "case-%d", "scripts": {"build": "tsc"}}`, `{"name": "case-%d", "scripts": {"postinstall": "node src/x.js"}}`,
		`{"name": "case-%d", "dependencies": {"lib": "file:./lib"}}`, `{"name": "case-%d", "workspaces": ["lib"]}`), c.number))
	if c.chance(92) {
		c.put("package-lock.json", fmt.Sprintf(`{"name": "case-%d"}`, c.number))
	}
	if c.about == "node" && c.chance(60) {
		c.put(pick(c.Random, "pnpm-lock.yaml", "bun.lock", "yarn.lock"), mark)
	}
	if c.chance(20) {
		c.put("yarn.lock", mark)
		c.put(".npmrc", "fund=false\n")
	}
	c.put("bin/helper", "#!/bin/sh\n"+mark)
	c.put("local.deb", mark)
	c.put("conf/ca.crt", mark)
	c.put("conf/apt.conf", mark)
	c.put("conf/skel/.profile", mark)
	c.put("vendor.tar", c.archive(mark))
	c.put("conf/preferences", mark)
	if c.chance(6) {
		c.tree["bin/"+pick(c.Random, "pip", "npm", "apt-get", "curl", "useradd")] = File{Data: "#!/bin/sh\n" + mark + "echo own > /tmp/own\n", Exec: true}
	}
	c.put("conf/env.sh", mark+pick(c.Random, "export FROM_FILE=1\n", "echo read > /tmp/read-env\n"))
	if c.chance(15) {
		c.tree["current"] = File{Link: pick(c.Random, "src", "src/main.py", "/app/src", "conf")}
	}
	if c.chance(8) {
		c.put(pick(c.Random, "node_modules/left/index.js", ".venv/lib/mine.py", "installed.txt", "static/built.css", "deps/mine.py", "venv/bin/mine"), mark)
	}
}

// archive is a small one, with a file of another owner.
func (c *recipe) archive(mark string) string {
	var b strings.Builder
	w := tar.NewWriter(&b)
	for _, f := range []tar.Header{{Name: "vendor/", Typeflag: tar.TypeDir, Mode: 0o750, Uid: 1234}, {Name: "vendor/own.py", Typeflag: tar.TypeReg, Mode: 0o640, Uid: 1234, Gid: 1234, Size: int64(len(mark))}} {
		err := w.WriteHeader(&f)
		if f.Size > 0 && err == nil {
			_, err = w.Write([]byte(mark))
		}
		if err != nil {
			panic(err) // into memory
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// pins make requirements of several forms, and locks that name the version which pip takes by itself: the newest.
func (c *recipe) pins(mark string) {
	line := func(name, newest string) string {
		return pick(c.Random, name, name, name, name+">=1.0", name+" ~= "+newest, name+"<99", name+"["+pick(c.Random, "extra", "a,b")+"]", name+pick(c.Random, "; python_version >= '3.8'", " ; sys_platform == 'linux'", "; sys_platform == 'win32'"), strings.ToUpper(name[:1])+name[1:],
			name+"=="+newest, name+" # why", name+">=0.9,!=1.0", name+"  >= 1.0  # "+name)
	}
	var lines []string
	for _, p := range locked {
		if c.chance(60) {
			lines = append(lines, line(p[0], p[1]))
		}
	}
	lines = append(lines, pick(c.Random, "", "# others", "-r requirements/base.txt", "-c constraints.txt", "--no-binary :none:"), line("gunicorn", "22.0.0"))
	end := "\n"
	if c.chance(10) {
		end = "\r\n"
	}
	c.put("requirements.txt", mark+strings.Join(lines, end)+pick(c.Random, "", end))
	if c.chance(50) {
		c.put("requirements/base.txt", line("six", "1.16.0")+"\n"+mark)
	}
	c.put(pick(c.Random, "constraints.txt", "constraints.txt", "other.txt"), mark+strings.Join([]string{"flask==3.0.3", "requests==2.32.3", "gunicorn==22.0.0", "six==1.16.0"}, "\n")+"\n")
}

// locked are projects with their newest versions.
var locked = [][2]string{{"flask", "3.0.3"}, {"requests", "2.32.3"}, {"numpy", "2.0.0"}, {"six", "1.16.0"}}

// lock is a lock file of one of its tool's kind. It names what otherwise says, where the case is not about it.
func (c *recipe) lock(name, otherwise string) {
	if c.about != "pins" {
		c.put(name, otherwise)
		return
	}
	if c.chance(40) {
		return
	}
	all := append([][2]string{{"gunicorn", "22.0.0"}}, locked...)
	if c.chance(30) { // what it does not name keeps the rest from being pinned
		all = all[:1+c.IntN(len(all))]
	}
	var b strings.Builder
	for _, p := range all {
		switch name {
		case "Pipfile.lock":
			_, _ = fmt.Fprintf(&b, "%q: {\"version\": \"==%s\"},", p[0], p[1])
		case "uv.lock":
			_, _ = fmt.Fprintf(&b, "[[package]]\nname = %q\nversion = %q\nsource = { registry = \"https://pypi.org/simple\" }\n\n", p[0], p[1])
		default:
			_, _ = fmt.Fprintf(&b, "[[package]]\nname = %q\nversion = %q\npython-versions = %q\n\n", p[0], p[1], pick(c.Random, ">=3.8", ">=3.10", "<3.12", "*"))
		}
	}
	text := b.String() + fmt.Sprintf("# case %d\n", c.number)
	switch name {
	case "Pipfile.lock":
		text = "{\"_meta\": {}, \"default\": {" + strings.TrimSuffix(b.String(), ",") + "}, \"develop\": {}}\n"
	case "uv.lock":
		text = "version = 1\n" + pick(c.Random, "requires-python = \">=3.11\"\n", "") + "\n" + text
	}
	c.put(name, text)
}

func (c *recipe) ignoreFile() {
	if c.chance(12) {
		return
	}
	lines := []string{pick(c.Random, ".git", ".git\n.github", "# nothing yet", "*.md", ".git/", ".git\nnode_modules\n.venv\ndeps", ".git\n**/node_modules\n.venv\nvenv")}
	for range c.IntN(4) {
		lines = append(lines, pick(c.Random, ".venv", "node_modules", "**/node_modules", "**/__pycache__", "*.md", "!README.md", "tests", "docs/", "!docs/index.md", "wheels", "Dockerfile", ".dockerignore", "deps", "venv", "dist", "**/*.html", "!src/data/a.html", "built-*"))
	}
	if c.chance(3) {
		lines = append([]string{"*", "!src", "!app.py", "!manage.py", "!requirements*", "!package*", "!run.sh", "!scripts", "!conf"}, lines...)
	}
	if c.chance(6) {
		lines = append(lines, pick(c.Random, "!.git", ".git/objects", "**/.git", "*.lock", "!*.lock", "web", "!web/index.js", "requirements", "/tests", "scripts/*", "!scripts/setup.sh", "**/*.py\n!**/*.py", "\\#x", "  conf  "))
	}
	at := ".dockerignore"
	if c.chance(8) {
		at = c.path + ".dockerignore"
	}
	c.put(at, strings.Join(lines, "\n")+"\n")
}

// workflow says where the Dockerfile is, at times which stage is built, and which arguments change with each build.
func (c *recipe) workflow() {
	target := ""
	if len(c.stages) > 1 && c.chance(12) {
		target = pick(c.Random, c.stages...).name
	}
	if len(c.args) == 0 && c.path == "Dockerfile" && target == "" {
		return
	}
	text := "on: push\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - uses: docker/build-push-action@v6\n        with:\n          context: " + c.folder + "\n          cache-from: type=gha\n          cache-to: type=gha,mode=max\n"
	if c.path != "Dockerfile" {
		text += "          file: " + c.path + "\n"
	}
	if target != "" {
		text += "          target: " + target + "\n"
	}
	if len(c.args) > 0 {
		text += "          build-args: |\n"
	}
	for _, name := range c.args {
		text += "            " + name + "=${{ github.sha }}\n"
	}
	c.put(".github/workflows/image.yml", text)
}
