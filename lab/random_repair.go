package lab

import (
	"fmt"
	gopath "path"
	"regexp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
)

// recipe is a Dockerfile that people could have written, and the tree that it is built from. It is made of
// what suggestions are about (installs below copies, indexes, caches, removals, owners, arguments), and of
// what such suggestions may break beside it: other users and directories, commands that read what an edit
// moves or takes away, copies across stages.
type recipe struct {
	Random
	tree   Tree
	number int // makes the contents of its files its own
	stages []*cook
	args   []string // whose values change with each build
}

// recipeBases are images of which hitrate knows that they run as root.
var recipeBases = []string{"python:3.12", "python:3.12-slim", "debian:12", "ubuntu:24.04", "node:22", "python:3.11-slim-bookworm", "python:3.12-alpine"}

// cook writes one stage.
type cook struct {
	*recipe
	name, base string
	debian     bool // has apt, else apk
	lines      []string
	workdir    string
	user       string // "" for root
	users      []string
	dest       string // of the COPY of the source; "" before
	copied     bool   // dest or the folder of a manifest is there
	full       bool   // all of the source is in dest
	calm       bool   // few things stand in the way of suggestions
}

// recipe makes the case of a number.
func (r Random) recipe(number int) (Tree, []string) {
	c := &recipe{Random: r, tree: Tree{}, number: number}
	c.files()
	count := pick(r, 1, 1, 1, 1, 1, 1, 2, 2, 3)
	for i := range count {
		s := &cook{recipe: c, name: fmt.Sprintf("s%d", i), base: pick(r, recipeBases...), workdir: "/"}
		s.debian = !strings.HasSuffix(s.base, "alpine")
		if i > 0 && r.IntN(4) == 0 {
			p := c.stages[r.IntN(i)]
			s.base, s.debian, s.workdir, s.user, s.users, s.dest, s.copied, s.full = p.name, p.debian, p.workdir, p.user, slices.Clone(p.users), p.dest, p.copied, p.full
		}
		c.stages = append(c.stages, s)
		s.write(i == count-1)
	}
	c.ignoreFile()
	c.workflow()
	text := c.text()
	c.tree["Dockerfile"] = File{Data: text}
	if c.chance(15) {
		c.put(config.RepositoryPath, "version: 1\nrules:\n  pip-cache-kept: {prefer: "+pick(r, "no-cache-dir", "cache-mount")+"}\n  apt-lists-kept: {prefer: "+pick(r, "removal", "cache-mount")+"}\n")
	}
	return c.tree, c.args
}

func (c *recipe) chance(percent int) bool { return c.IntN(100) < percent }

func (c *recipe) put(name, text string) { c.tree[name] = File{Data: text} }

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
	if c.chance(10) {
		c.tree["requirements.txt"] = File{Link: "requirements/base.txt"}
	}
	c.put("lib/setup.py", mark)
	c.put("lib/lib.py", mark)
	c.put("wheels/flask-3.0.3-py3-none-any.whl", mark)
	c.put("setup.py", mark)
	if c.chance(60) {
		c.put("pyproject.toml", pick(c.Random, "[project]\nname = \"app\"\nversion = \"1\"\n", "[tool.poetry]\nname = \"app\"\n[tool.poetry.dependencies]\npython = \"^3.12\"\n",
			"[project]\nname = \"app\"\nversion = \"1\"\nreadme = \"README.md\"\n[build-system]\nrequires = [\"setuptools\"]\n", "[tool.poetry]\nname = \"app\"\n[tool.poetry.dependencies]\nlib = {path = \"lib\"}\n")+mark)
		c.put("poetry.lock", mark)
		c.put("uv.lock", mark)
	}
	if c.chance(60) {
		c.put("Pipfile", "[packages]\nflask = \"==3.0.3\"\n"+mark)
		c.put("Pipfile.lock", "{}")
	}
	c.put("package.json", fmt.Sprintf(pick(c.Random, `{"name": "case-%d", "dependencies": {"express": "4.0.0"}}`, `{"name": "case-%d", "scripts": {"build": "tsc"}}`, `{"name": "case-%d", "scripts": {"postinstall": "node src/x.js"}}`,
		`{"name": "case-%d", "dependencies": {"lib": "file:./lib"}}`, `{"name": "case-%d", "workspaces": ["lib"]}`), c.number))
	if c.chance(92) {
		c.put("package-lock.json", fmt.Sprintf(`{"name": "case-%d"}`, c.number))
	}
	if c.chance(20) {
		c.put("yarn.lock", mark)
		c.put(".npmrc", "fund=false\n")
	}
	if c.chance(15) {
		c.tree["current"] = File{Link: pick(c.Random, "src", "src/main.py", "/app/src", "conf")}
	}
	if c.chance(8) {
		c.put(pick(c.Random, "node_modules/left/index.js", ".venv/lib/mine.py", "installed.txt", "static/built.css", "deps/mine.py", "venv/bin/mine"), mark)
	}
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
	c.put(".dockerignore", strings.Join(lines, "\n")+"\n")
}

// workflow says which arguments change with each build.
func (c *recipe) workflow() {
	if len(c.args) == 0 {
		return
	}
	text := "on: push\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - uses: docker/build-push-action@v6\n        with:\n          context: .\n          cache-from: type=gha\n          cache-to: type=gha,mode=max\n          build-args: |\n"
	for _, name := range c.args {
		text += "            " + name + "=${{ github.sha }}\n"
	}
	c.put(".github/workflows/image.yml", text)
}

func (c *recipe) text() string {
	var b strings.Builder
	if c.chance(15) {
		b.WriteString("# syntax=docker/dockerfile:1\n")
	}
	for _, s := range c.stages {
		_, _ = fmt.Fprintf(&b, "FROM %s AS %s\n", s.base, s.name)
		for _, l := range s.lines {
			b.WriteString(l + "\n")
			if c.chance(6) {
				b.WriteString(pick(c.Random, "\n", "# and then\n", "\n# next\n"))
			}
		}
		if c.chance(50) {
			b.WriteString("\n")
		}
	}
	text := b.String()
	switch c.IntN(30) {
	case 0:
		text = "# escape=`\n" + strings.ReplaceAll(text, "\\\n", "`\n")
	case 1:
		text = strings.ReplaceAll(text, "\\\n", "\\  \n")
	case 2:
		text = keyword.ReplaceAllStringFunc(text, strings.ToLower)
	case 3:
		text = keyword.ReplaceAllString(text, "$1   $2")
	case 4:
		text = keyword.ReplaceAllString(text, "  $1\t$2")
	}
	if c.chance(10) {
		text = strings.TrimRight(text, "\n")
	}
	if c.chance(4) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// keyword begins an instruction.
var keyword = regexp.MustCompile(`(?m)^(RUN|COPY|ADD|ENV|ARG|WORKDIR|USER|LABEL) ([^<]*?)`)

func (s *cook) add(lines ...string) { s.lines = append(s.lines, lines...) }

// write is one stage from first to last.
func (s *cook) write(last bool) {
	s.calm = s.chance(65)
	var opening []func()
	for _, o := range []struct {
		percent int
		do      func()
	}{
		{75, s.enter}, {25, s.environment}, {20, s.environment}, {8, s.setShell}, {35, s.account}, {20, s.volatile}, {8, s.label}, {8, s.settings},
	} {
		if s.chance(o.percent) && (!s.calm || s.chance(50)) {
			opening = append(opening, o.do)
		}
	}
	s.Shuffle(len(opening), func(i, j int) { opening[i], opening[j] = opening[j], opening[i] })
	for _, do := range opening {
		do()
	}
	system, source, install := s.system, s.source, s.install
	if s.calm && s.chance(30) {
		source = func() {
			s.source()
			s.own()
		}
	}
	steps := []func(){source}
	for range 1 + s.IntN(5)/4 {
		steps = append(steps, install)
	}
	for range pick(s.Random, 0, 1, 1, 2) {
		steps = append(steps, system)
	}
	others := 1 + s.IntN(3)
	if s.calm {
		others = s.IntN(2)
	}
	for range others {
		steps = append(steps, pick(s.Random, s.reader, s.reader, s.enter, s.environment, s.account, s.volatile, s.become, s.extraCopy, s.extraCopy, s.make, s.make, s.change, s.own, s.own, s.clean, s.clean, s.fetch, s.acrossStages, s.use, s.sources, s.oddity))
	}
	if len(s.stages) > 1 {
		steps = append(steps, s.acrossStages)
	}
	s.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	if s.calm && s.chance(70) { // the source first
		steps = append([]func(){source}, steps[1:]...)
	}
	for _, do := range steps {
		do()
		if !s.calm && s.chance(10) {
			s.clean()
		}
	}
	for _, o := range []func(){s.own, s.reader, s.use} {
		if s.chance(20) {
			o()
		}
	}
	if last {
		if s.chance(40) {
			s.become()
		}
		if s.chance(20) {
			s.add(pick(s.Random, "RUN touch ready || true", "RUN mkdir -p /tmp/x && touch /tmp/x/y", "RUN id -u > /tmp/who", "RUN stat -c \"%U %a\" . > /tmp/here", "RUN touch ready"))
		}
		s.add(pick(s.Random, `CMD ["python", "app.py"]`, "EXPOSE 8000", `ENTRYPOINT ["./run.sh"]`, "HEALTHCHECK CMD true"))
	}
}

// enter is a WORKDIR.
func (s *cook) enter() {
	to := pick(s.Random, "/app", "/app", "/app", "/app/", "/srv/app", "/opt/app", "app", "/home/app", "/usr/src/app", "/app/src", "src", "${APP_DIR:-/app}", "/")
	s.add("WORKDIR " + to)
	switch {
	case strings.HasPrefix(to, "$"):
		s.workdir = "/app"
	default:
		s.workdir = s.at(to)
	}
}

// at is a path from the working directory.
func (s *cook) at(p string) string {
	if gopath.IsAbs(p) {
		return gopath.Clean(p)
	}
	return gopath.Join(s.workdir, p)
}

func (s *cook) environment() {
	s.add(pick(s.Random, "ENV PYTHONUNBUFFERED=1", "ENV PIP_NO_CACHE_DIR=1", "ENV PIP_NO_CACHE_DIR=off", "ENV HOME=/home/app", "ENV HOME=/tmp", "ENV XDG_CACHE_HOME=/var/pip-cache", "ENV PIP_CACHE_DIR=/var/pip-cache", "ENV DEBIAN_FRONTEND=noninteractive",
		"ENV PATH=/opt/venv/bin:$PATH", "ENV PATH=\"/app/bin:$PATH\"", "ENV UV_CACHE_DIR=/var/uv-cache", "ENV PIP_TARGET=/opt/deps", "ENV POETRY_VIRTUALENVS_CREATE=false", "ENV PYTHONPATH=/app", "ENV NODE_ENV=production", "ENV A=1 B=2",
		"ARG PIP_NO_CACHE_DIR", "ARG DEBIAN_FRONTEND=noninteractive", "ENV HTTP_PROXY=http://proxy:3128", "ENV PIP_CONFIG_FILE=/app/conf/pip.ini", "ARG APP_DIR=/app", "ENV TMPDIR=/var/tmp"))
}

func (s *cook) setShell() {
	s.add(pick(s.Random, `SHELL ["/bin/bash", "-o", "pipefail", "-c"]`, `SHELL ["/bin/bash", "-c"]`, `SHELL ["/bin/sh", "-ec"]`, `SHELL ["/bin/bash", "-euxo", "pipefail", "-c"]`))
}

func (s *cook) label() {
	s.add(pick(s.Random, `LABEL org.opencontainers.image.title="app"`, "LABEL a=b c=d", `LABEL maintainer="me <me@example.org>"`))
}

// account makes a user.
func (s *cook) account() {
	if s.user != "" || slices.Contains(s.users, "app") {
		return
	}
	s.users = append(s.users, "app")
	s.add("RUN " + pick(s.Random, "useradd app", "useradd -m app", "useradd --create-home --shell /bin/bash app", "groupadd -g 1500 app && useradd -u 1500 -g app -m app", "adduser --disabled-password --gecos '' app",
		"useradd -m -d /app app", "groupadd -r app && useradd -r -g app app", "useradd -m -d /home/app -s /bin/false app && mkdir -p /home/app/data"))
}

// become is a USER.
func (s *cook) become() {
	if s.user != "" && s.chance(60) {
		s.user = ""
		s.add("USER " + pick(s.Random, "root", "0"))
		return
	}
	s.user = pick(s.Random, "www-data", "1000", "nobody", "1000:1000")
	if len(s.users) > 0 && s.chance(80) {
		s.user = "app"
	}
	s.add("USER " + s.user)
}

// root goes back to root, mostly.
func (s *cook) root(percent int) {
	if s.user != "" && s.chance(percent) {
		s.user = ""
		s.add("USER root")
	}
}

// owner is one that COPY --chown and chown may name.
func (s *cook) owner() string {
	if len(s.users) > 0 && s.chance(70) {
		return pick(s.Random, "app", "app:app", "app:app")
	}
	return pick(s.Random, "1000:1000", "1000", "www-data:www-data", "www-data", "nobody", "root:root")
}

func (s *cook) copyFlags() string {
	flags := ""
	if s.calm && s.chance(60) {
		return flags
	}
	if s.chance(20) {
		flags += " --chown=" + s.owner()
	}
	if s.chance(5) {
		flags += " --chmod=" + pick(s.Random, "755", "0644", "u=rwX,go=rX")
	}
	if s.chance(7) {
		flags += " --link"
	}
	if s.chance(4) {
		flags += " --exclude=" + pick(s.Random, "*.md", "tests", "docs")
	}
	return flags
}

// source copies the project.
func (s *cook) source() {
	to := pick(s.Random, ".", ".", ".", "./", "/app", "/app/", "/srv/app", "/srv/app/", "/home/app", "/opt/app/code", "src/", "/usr/src/app", "/app/sub")
	if s.workdir == "/" && !gopath.IsAbs(to) {
		to = pick(s.Random, "/app", "/app/", "/srv/app")
	}
	s.dest, s.copied, s.full = s.at(to), true, true
	from := "."
	if s.chance(6) {
		from = pick(s.Random, "./", "*", "src lib requirements.txt package.json", "requirements.txt src")
		if from != "./" && !strings.HasSuffix(to, "/") {
			to += "/"
		}
	}
	s.add(pick(s.Random, "COPY", "COPY", "COPY", "COPY", "ADD") + s.copyFlags() + " " + from + " " + to)
	if s.chance(30) {
		s.add(pick(s.Random, "WORKDIR "+s.dest, "WORKDIR "+s.dest+"/"))
		s.workdir = s.dest
	}
}

// extraCopy copies a part of the project.
func (s *cook) extraCopy() {
	to := pick(s.Random, "./", "./", "/app/", "/app/src/", "/srv/app/", "/opt/", "conf/", "/etc/app/", "/app/sub/", "/tmp/", "/home/app/")
	from := pick(s.Random, "requirements.txt", "requirements.txt constraints.txt", "package.json package-lock.json", "package*.json", "conf", "src", "src/main.py src/util.py", "requirements", "run.sh", "scripts/", "conf/app.ini", "static", "*.py", "wheels", "setup.py")
	flags := s.copyFlags()
	if s.chance(6) {
		flags += " --parents"
	}
	s.add("COPY" + flags + " " + from + " " + to)
	if strings.HasPrefix(from, "requirements.txt") && s.dest == "" {
		s.dest, s.copied, s.full = s.at(to), true, false
	}
}

// settings bring package managers' own.
func (s *cook) settings() {
	s.add(pick(s.Random, "COPY conf/pip.* /etc/pip.conf", "COPY conf/pip.* /root/.config/pip/pip.conf", "COPY conf/extra.list /etc/apt/sources.list.d/", "RUN rm -f /etc/apt/apt.conf.d/docker-clean", "RUN pip config set global.no-cache-dir true", "RUN mkdir -p /root/.cache/pip && touch /root/.cache/pip/mine"))
}

// sources change what apt's index is fetched from.
func (s *cook) sources() {
	if !s.debian {
		s.label()
		return
	}
	s.add(s.run(pick(s.Random, "echo deb https://example.org stable main > /etc/apt/sources.list.d/more.list", "add-apt-repository -y ppa:me/more", "curl -fsSL https://example.org/key -o /etc/apt/keyrings/key.asc", "cp conf/extra.list /etc/apt/sources.list.d/ || true", "rm -f /etc/apt/sources.list.d/more.list"))...)
}

// system installs packages of the system.
func (s *cook) system() {
	s.root(95)
	if !s.debian {
		s.add(s.run(pick(s.Random, [][]string{{"apk add --no-cache curl"}, {"apk update", "apk add git"}, {"apk add -U gcc"}, {"apk add --no-cache --virtual .build gcc", "apk del .build"}}...)...)...)
		return
	}
	names := pick(s.Random, "curl", "git curl", "build-essential", "libpq5 libpq-dev", "gcc", "wget ca-certificates", "$PACKAGES nano", "nginx=1.22", "$(cat packages.txt 2>/dev/null) nano")
	install := pick(s.Random, "apt-get install -y ", "apt-get install -y --no-install-recommends ", "apt-get -y install ", "apt install -y ", "apt-get install -qq -y ", "DEBIAN_FRONTEND=noninteractive apt-get install -y ") + names
	update := pick(s.Random, "apt-get update", "apt-get update", "apt-get update -y", "apt-get -qq update", "apt update")
	remove := pick(s.Random, "rm -rf /var/lib/apt/lists/*", "rm -rf /var/lib/apt/lists/*", "apt-get clean", "apt-get clean && rm -rf /var/lib/apt/lists/*", "apt-get autoremove -y", "apt-get distclean", "rm -r /var/lib/apt/lists", "rm -rf /var/cache/apt/*", "rm -rf /var/lib/apt/lists/* /tmp/* /var/tmp/*")
	switch s.IntN(10) {
	case 0, 1:
		s.add(s.run(update)...)
		if s.chance(40) {
			pick(s.Random, s.reader, s.extraCopy, s.environment, s.become, s.sources, s.use)()
			s.root(95)
		}
		s.add(s.run(install)...)
		if s.chance(40) {
			s.add(s.run(remove)...)
		}
	case 2:
		s.add(s.run(update)...)
		s.add(s.run(install)...)
		s.add(s.run("apt-get install -y second")...)
	case 3:
		s.add(s.run(update, "apt-get upgrade -y", install)...)
	case 4, 5:
		s.add(s.run(update, install, remove)...)
	case 6:
		s.add(s.run(update, install)...)
		if s.chance(50) {
			s.add(s.run(remove)...)
		}
	case 7:
		s.add(s.run(update, install)...)
		s.add(s.run("apt-get install -y later")...)
	default:
		s.add(s.run(update, install)...)
	}
}

// install is one of dependencies.
func (s *cook) install() {
	s.root(85)
	if !s.full {
		switch s.IntN(6) {
		case 0:
			if !s.copied {
				s.add("COPY" + s.copyFlags() + " . " + s.workdir + "/app/")
				s.dest, s.copied, s.full = gopath.Join(s.workdir, "app"), true, true
			}
		case 1:
			to := pick(s.Random, "./requirements.txt", "/tmp/requirements.txt", "/app/requirements.txt")
			s.add("COPY"+s.copyFlags()+" requirements.txt "+to, "COPY"+s.copyFlags()+" requirements constraints.txt setup.py "+gopath.Dir(to)+"/")
			s.add(s.mounted("pip install -r " + to)...)
			return
		default:
			s.source()
		}
	}
	if strings.HasPrefix(s.base, "node") && s.chance(80) {
		s.in(pick(s.Random, "npm ci", "npm ci", "npm install", "npm ci --omit=dev", "yarn install --frozen-lockfile", "npm ci && npm run build", "npm install && npm cache clean --force", "npm install -g serve"))
		return
	}
	pip := pick(s.Random, "pip install", "pip install", "pip3 install", "python -m pip install", "pip install --no-cache-dir", "pip install --user", "pip install -q --upgrade", "pip install --no-deps")
	choice := s.IntN(16)
	if s.calm && s.chance(60) {
		choice = 15
	}
	if _, there := s.tree["pyproject.toml"]; !there && choice < 2 {
		choice = 9
	}
	if _, there := s.tree["Pipfile"]; !there && choice == 2 {
		choice = 9
	}
	switch choice {
	case 0:
		s.in("poetry install" + pick(s.Random, "", " --no-root", " --only main --no-root", " --no-interaction --no-root"))
	case 1:
		s.in(pick(s.Random, "uv sync --frozen --no-install-project", "uv sync", "uv sync --locked --no-dev", "uv pip install --system -r requirements.txt", "uv pip install --system --no-cache -r requirements.txt"))
	case 2:
		s.in(pick(s.Random, "pipenv install --system --deploy", "pipenv sync", "pipenv install --deploy --ignore-pipfile"))
	case 3:
		s.in(pip + pick(s.Random, " .", " -e .", " ./lib", " wheels/*.whl", " -r requirements.txt ."))
	case 4:
		dir := pick(s.Random, "/opt/venv", "venv", ".venv")
		s.in("python -m venv "+dir+" && . "+dir+"/bin/activate && pip install -r requirements.txt", "python -m venv /opt/venv && /opt/venv/bin/pip install -r requirements.txt")
	case 5:
		s.in(pip+" -r requirements.txt && "+pick(s.Random, "rm -rf /root/.cache", "rm requirements.txt", "pip freeze > installed.txt", "rm -rf tests", "pip cache purge", "cp -r src /tmp/src", "python manage.py collectstatic", "ls -a", "rm -rf ~/.cache/pip", "chmod +x run.sh", "mkdir -p static/built", "touch src/x", "echo done"),
			pick(s.Random, "cp .env.example .env", "sed -i s/flask/Flask/ requirements.txt", "ls", "mkdir -p logs", "echo installing", "cat constraints.txt", "git rev-parse HEAD", "touch log")+" && "+pip+" -r requirements.txt")
	case 6:
		s.in(pip+pick(s.Random, " -t deps -r requirements.txt", " --target=/opt/deps -r requirements.txt", " --prefix=/install -r requirements.txt", " --find-links wheels -r requirements.txt", " -c constraints.txt -r requirements.txt", " --cache-dir /var/pip-cache -r requirements.txt"), "pip wheel -w /wheels -r requirements.txt")
	case 7:
		s.add(s.mounted(pip + " flask==3.0.3 gunicorn")...)
	case 8:
		s.in("npm ci", "npm install", "yarn install")
	default:
		s.in(pip+" -r requirements.txt", pip+" -r requirements.txt", pip+" -r requirements/dev.txt", pip+" -r ./requirements.txt gunicorn")
	}
}

// in runs one of some commands where the source is.
func (s *cook) in(commands ...string) {
	command := pick(s.Random, commands...)
	if s.dest == "" {
		s.dest = s.workdir
	}
	if s.dest != s.workdir && s.chance(93) {
		switch s.IntN(3) {
		case 0:
			s.add("WORKDIR " + s.dest)
			s.workdir = s.dest
		case 1:
			command = "cd " + s.dest + " && " + command
		default:
			if strings.Contains(command, "-r requirements.txt") && !strings.Contains(command, "&&") {
				command = strings.ReplaceAll(command, "-r requirements.txt", "-r "+gopath.Join(s.dest, "requirements.txt"))
			} else {
				command = "cd " + s.dest + " && " + command
			}
		}
	}
	s.add(s.mounted(command)...)
}

// mounted is a RUN of an install, at times with a mount.
func (s *cook) mounted(command string) []string {
	lines := s.run(strings.Split(command, " && ")...)
	mount := ""
	switch s.IntN(14) {
	case 0, 1:
		mount = "--mount=type=cache,target=/root/.cache/pip "
	case 2:
		mount = pick(s.Random, "--mount=type=cache,target=/root/.cache ", "--mount=type=cache,target=/root/.npm ", "--mount=type=cache,target=/root/.cache/uv ", "--mount=type=cache,id=pip,target=/home/app/.cache/pip,uid=1000 ", "--mount=type=secret,id=token ",
			"--mount=type=bind,source=requirements.txt,target=/tmp/r.txt ", "--mount=type=bind,target=/src ", "--mount=type=tmpfs,target=/tmp ", "--mount=type=cache,target=/var/pip-cache ", "--mount=type=cache,target=/root/.cache/pip,sharing=locked --mount=type=cache,target=/var/cache/apt ")
	}
	if mount != "" && strings.HasPrefix(lines[0], "RUN ") {
		lines[0] = "RUN " + mount + strings.TrimPrefix(lines[0], "RUN ")
	}
	return lines
}

// run is a RUN of commands that belong together, in one of the ways that people write it.
func (s *cook) run(commands ...string) []string {
	var split []string
	for _, c := range commands {
		split = append(split, strings.Split(c, " && ")...)
	}
	commands = split
	n := s.IntN(40)
	if s.calm {
		n = s.IntN(30)
	}
	switch {
	case n < 14:
		return []string{"RUN " + strings.Join(commands, " && ")}
	case n < 24:
		return strings.Split("RUN "+strings.Join(commands, " \\\n    && "), "\n")
	case n < 28:
		return strings.Split("RUN "+strings.Join(commands, " && \\\n    "), "\n")
	case n == 28:
		return strings.Split("RUN "+strings.Join(commands, " \\\n# why\n    && "), "\n")
	case n == 29:
		return strings.Split("RUN set -ex; \\\n    "+strings.Join(commands, "; \\\n    "), "\n")
	case n == 30:
		return []string{"RUN set -e && " + strings.Join(commands, " && ")}
	case n == 31:
		return []string{"RUN " + strings.Join(commands, "; ")}
	case n == 32:
		return []string{"RUN " + strings.Join(commands, " && ") + pick(s.Random, " || true", " || exit 1", " || (echo failed && exit 1)", " | tee /tmp/log", " > /tmp/out", " 2>&1", "; true", " && true", " & wait", " && echo done")}
	case n == 33:
		around := pick(s.Random, [2]string{"(", ")"}, [2]string{"{ ", "; }"}, [2]string{"( ", " ; )"})
		return []string{"RUN " + around[0] + strings.Join(commands, " && ") + around[1]}
	case n == 34:
		return append(append([]string{"RUN <<EOF"}, append([]string{pick(s.Random, "set -e", "set -eux", "true")}, commands...)...), "EOF")
	case n == 35:
		return []string{"RUN if " + pick(s.Random, "true", "[ -n \"$HOME\" ]", "test -d /app") + "; then " + strings.Join(commands, " && ") + "; fi"}
	case n == 36:
		return []string{"RUN " + pick(s.Random, "cd /tmp && ", "cd /app && ", "export X=1 && ", "X=1; ", "umask 027 && ", "set +e; ", "time ", "sudo ", "exec ", "mkdir -p /tmp/w && cd /tmp/w && ") + strings.Join(commands, " && ")}
	case n == 37:
		return []string{"RUN bash -c '" + strings.ReplaceAll(strings.Join(commands, " && "), "'", "") + "'"}
	default:
		return strings.Split("RUN "+strings.Join(commands, " && \\\n\n    "), "\n")
	}
}

// reader looks at what a suggestion may take away or move.
func (s *cook) reader() {
	what := []string{"ls -R /root/.cache > /tmp/caches 2>&1 || true", "ls -R ~/.cache > /tmp/caches 2>&1 || true", "ls /app 2>&1 | grep -v -e ocker -e HEAD > /tmp/app || true", "ls . | grep -v -e ocker -e HEAD > /tmp/dot || true", "pip freeze > /tmp/freeze", "pip list", "python -c 'import flask'",
		"find /app -name '*.py' > /tmp/found 2>/dev/null || true", "stat -c %U /app > /tmp/owner || true", "test ! -e /app/app.py", "test -e /app/app.py || touch /tmp/none", "cp -r /root/.cache /opt/cache 2>/dev/null || true", "touch ~/.cache/mine", "touch $HOME/mine", "mkdir /root/.cache || true", "test ! -d /root/.cache", "env | grep -v TRACE > /tmp/env", "printenv HOME > /tmp/home", "id > /tmp/id",
		"stat -c \"%n %u\" /app /srv/app > /tmp/dirs 2>&1 || true", "du -s /app > /dev/null || true", "cat /etc/passwd > /tmp/users", "ls -d /app/*.py > /tmp/all 2>&1 || true", "[ -f requirements.txt ] && cp requirements.txt /tmp/r.txt || true", "echo $PWD > /tmp/pwd", "python app.py", "python manage.py check", "make", "grep -r case src > /tmp/grep 2>/dev/null || true"}
	if s.debian {
		what = append(what, "apt-cache policy curl || true", "ls /var/lib/apt/lists > /tmp/lists 2>&1 || true", "apt-get install -y reader || true", "dpkg -l > /tmp/packages", "cp -r /var/lib/apt /opt/apt || true", "apt-cache search curl > /tmp/search || true", "apt list --installed > /tmp/installed || true", "cat /var/lib/apt/lists/*Packages > /tmp/index || true", "test -n \"$(ls /var/lib/apt/lists)\"")
	}
	s.add(s.run(pick(s.Random, what...))...)
}

// make makes directories and files that copies and installs may meet.
func (s *cook) make() {
	s.add(s.run(pick(s.Random, "mkdir -p /app", "mkdir -p /app/data /app/logs", "mkdir -p /srv/app && chmod 700 /srv/app", "mkdir -m 750 -p /app/private", "install -d -o 1000 /app/data", "touch /app/made || true", "echo mine > /app/app.py || true", "mkdir -p static && touch static/site.css", "ln -s /app/src /app/link || true", "ln -sfn /srv /app || true",
		"mkdir -p /home/app/.cache", "mkdir -p /tmp/work && touch /tmp/work/file", "printf x > /tmp/file", "cp /etc/passwd /tmp/passwd", "mkdir -p "+s.dest+"/out", "mkdir -p /app && chown www-data /app", "mv /app/src /app/code || true", "rm -rf /app/tests"))...)
}

// change is another mode of what was copied.
func (s *cook) change() {
	s.add(s.run(pick(s.Random, "chmod +x run.sh || true", "chmod -R 755 /app || true", "chmod -R u+rwX,g+rX . || true", "chmod 600 /app/app.py || true", "chmod -R a+r /app", "sed -i 's/case/x/' /app/app.py || true", "chgrp -R www-data /app || true"))...)
}

// own is a chown.
func (s *cook) own() {
	s.root(80)
	dir := s.dest
	if dir == "" || s.chance(8) {
		dir = pick(s.Random, "/app", ".", "/srv", "/opt", "/home/app", "/app/src", "/app/", "\"$PWD\"", "/app/*", "/app /srv/app", "/app/run.sh")
	}
	command := pick(s.Random, "chown -R ", "chown -R ", "chown -R ", "chown --recursive ", "chown ", "chown -hR ", "chown -R -c ") + s.owner() + " " + dir
	more := []string{command}
	if s.chance(25) {
		more = append(more, pick(s.Random, "chmod -R 750 "+dir, "mkdir -p /var/log/app", "chmod +x "+s.dest+"/run.sh", "chown 1000 /tmp", "touch "+s.dest+"/owned"))
	}
	if s.chance(12) {
		more = append([]string{pick(s.Random, "mkdir -p "+s.dest+"/data", "useradd late", "touch "+s.dest+"/before", "ls")}, more...)
	}
	s.add(s.run(more...)...)
}

// clean removes in a layer of its own.
func (s *cook) clean() {
	s.root(80)
	s.add(s.run(pick(s.Random, "rm -rf /root/.cache", "rm -rf /root/.cache/pip", "rm -rf ~/.cache", "rm -r /root/.cache/pip || true", "rm -rf /var/lib/apt/lists/*", "rm -r /var/lib/apt/lists/*", "rm -rf /tmp/*", "rm -rf /var/cache/apk/*", "apt-get clean", "apt-get purge -y gcc && apt-get autoremove -y", "rm -rf /app/tests", "rm -rf /tmp/repo", "rm -f /tmp/file.tgz", "pip cache purge", "rm -rf /root/.cache/* /tmp/*",
		"rm -rf /var/lib/apt/lists/* && apt-get clean", "rm -f /tmp/requirements.txt", "npm cache clean --force", "rm -rf "+gopath.Join("/", s.dest, "node_modules"), "rm -rf /root/.npm", "apt-get remove -y build-essential"))...)
}

// fetch downloads, and may be cleaned up by the next step.
func (s *cook) fetch() {
	s.add(s.run(pick(s.Random, "curl -fsSL https://example.org/file.tgz -o /tmp/file.tgz", "git clone https://example.org/repo.git /tmp/repo", "wget -q https://example.org/file.tgz -O /tmp/file.tgz", "cd /tmp && curl -O https://example.org/file.tgz", "git clone --depth 1 -b v1 https://example.org/repo /opt/repo && rm -rf /opt/repo/.git"))...)
	if s.chance(60) {
		s.add(s.run(pick(s.Random, "rm /tmp/file.tgz || true", "rm -rf /tmp/repo", "cp /tmp/file.tgz /opt/ && rm /tmp/file.tgz || true", "rm -f /tmp/file.tgz"))...)
	}
}

// acrossStages copies from an earlier stage what an edit there may move or remove.
func (s *cook) acrossStages() {
	var earlier []*cook
	for _, o := range s.stages {
		if o != s && o.name != s.base {
			earlier = append(earlier, o)
		}
	}
	if len(earlier) == 0 {
		s.label()
		return
	}
	from := pick(s.Random, earlier...)
	dest := from.dest
	if dest == "" {
		dest = "/tmp"
	}
	flags := s.copyFlags()
	s.add(pick(s.Random, "COPY --from="+from.name+flags+" "+dest+" "+dest, "COPY --from="+from.name+flags+" "+dest+"/ ./", "COPY --from="+from.name+flags+" /usr/local /usr/local", "COPY --from="+from.name+" /root /root", "COPY --from="+from.name+" /var/lib /var/lib", "COPY --from="+from.name+flags+" / /old/",
		"COPY --from="+from.name+" /root/.cach[e] /opt/cache/", "COPY --from="+from.name+" /usr/local/li* /usr/local/lib/", "COPY --from="+from.name+" /tmp /opt/tmp", "RUN --mount=type=bind,from="+from.name+",source="+dest+",target=/mnt ls -R /mnt | grep -v -e ocker -e HEAD > /tmp/mounted",
		"RUN --mount=from="+from.name+",target=/mnt cp -r /mnt/root /opt/root", "COPY --from="+from.name+" /var/lib/ap[t] /var/lib/apt/"))
}

// volatile is an argument that changes with each build, and what is made of it.
func (s *cook) volatile() {
	name := pick(s.Random, "GIT_SHA", "BUILD_DATE", "VERSION", "GIT_SHA")
	if slices.Contains(s.args, name) && s.chance(60) {
		return
	}
	if !slices.Contains(s.args, name) {
		s.args = append(s.args, name)
	}
	s.add("ARG " + name + pick(s.Random, "", "", "=dev"))
	if s.chance(50) {
		s.add(pick(s.Random, "ENV "+name+"=$"+name, "ENV APP_"+name+"=${"+name+"}", "LABEL version=$"+name, "LABEL org.opencontainers.image.revision=\"${"+name+"}\"", "ENV A=$"+name+" B=2"))
	}
}

// use is a step that uses such an argument.
func (s *cook) use() {
	name := pick(s.Random, "GIT_SHA", "BUILD_DATE", "VERSION", "APP_GIT_SHA")
	if len(s.args) > 0 {
		name = pick(s.Random, s.args...)
	}
	s.add(pick(s.Random, "RUN echo $"+name+" > /tmp/version", "RUN echo \"${"+name+":-none}\" > /tmp/version", "RUN printenv "+name+" > /tmp/version || true", "RUN env | grep -v TRACE | sort > /tmp/env", "RUN python app.py --version $"+name, "RUN sh -c 'echo $"+name+"' > /tmp/version", "COPY app.py /opt/$"+name+"/", "RUN export -p | grep -v TRACE > /tmp/env",
		"RUN echo \"$"+name+"\" | tee /tmp/version", "LABEL built=$"+name, "ENV LATE=$"+name, "RUN ./run.sh || true", "RUN git rev-parse HEAD > /tmp/commit || true", "RUN ./scripts/version.sh", "RUN set > /dev/null; eval echo \\$"+name+" > /tmp/version", "RUN ["+`"sh", "-c", "echo $`+name+` > /tmp/version"]`))
}

// oddity is an instruction that changes what others mean.
func (s *cook) oddity() {
	s.add(pick(s.Random, "VOLUME /app/data", "VOLUME /root/.cache", "ONBUILD COPY . /app", "ONBUILD RUN pip install -r requirements.txt", "ONBUILD RUN apt-get install -y onbuild", "STOPSIGNAL SIGINT", "RUN --network=none true", "RUN [\"pip\", \"install\", \"flask==3.0.3\"]", "RUN --mount=type=cache,target=/var/lib/apt/lists --mount=type=cache,target=/var/cache/apt apt-get update && apt-get install -y mounted",
		"COPY <<EOF /app/made.txt\nmade\nEOF", "RUN --mount=type=bind,target=. ls | grep -v -e ocker -e HEAD > /tmp/bound", "ADD conf/app.ini /app/", "COPY --chown=1000:1000 conf /app/conf/", "COPY --chown=1000:1000 conf/app.ini /srv/app/conf/", "RUN ./scripts/setup.sh || true", "RUN . ./scripts/setup.sh || true"))
}
