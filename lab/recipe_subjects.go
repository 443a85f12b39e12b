package lab

import (
	gopath "path"
	"slices"
	"strings"
)

// subject writes a step of what the case is about; nil where it is about nothing that one step shows.
func (s *cook) subject() func() {
	return map[string]func(){
		"idle mounts": s.idleMount, "owners": s.ownedCopies, "late removals": s.lateRemoval, "uv": s.uv, "poetry": s.poetry, "node": s.node,
		"other languages": s.otherLanguage, "pins": s.pinned, "stages": s.artifact, "users": s.asUser, "homes": s.inHome,
	}[s.about]
}

// there sees to it that the source is there, and the working directory with it.
func (s *cook) there(percent int) {
	if !s.full {
		s.source()
	}
	if s.workdir != s.dest && s.chance(percent) {
		s.add("WORKDIR " + s.dest)
		s.workdir = s.dest
	}
}

// home is that of the user who runs commands.
func (s *cook) home() string {
	if s.user == "" {
		return "/root"
	}
	return "/home/app"
}

// idleMount is an install with its cache turned off and mounted.
func (s *cook) idleMount() {
	s.root(85)
	s.there(96)
	tool := pick(s.Random, "pip", "pip", "pip", "uv", "uv", "poetry")
	if _, there := s.tree["pyproject.toml"]; !there && tool == "poetry" {
		tool = "pip"
	}
	target := s.home() + "/.cache/" + map[string]string{"pip": "pip", "uv": "uv", "poetry": "pypoetry"}[tool]
	target = pick(s.Random, target, target, target, s.home()+"/.cache", target+"/", "/var/pip-cache")
	off := pick(s.Random, " --no-cache-dir", " --no-cache-dir", " --no-cache-dir", " --no-cache", "")
	var command string
	switch tool {
	case "pip":
		command = pick(s.Random, "pip install"+off+" -r requirements.txt", "pip install -r requirements.txt"+off, "python -m pip install"+off+" flask==3.0.3", "pip3 install"+off+" --upgrade -r requirements.txt", "pip install"+off+" \\\n    -r requirements.txt", "pip"+off+" install -r requirements.txt",
			"pip install"+off+" -r requirements.txt && pip install"+off+" gunicorn==22.0.0", "pip install -U pip && pip install"+off+" -r requirements.txt", "pip install"+off+" -r requirements.txt && rm -rf "+s.home()+"/.cache", "pip install"+off+" -r requirements.txt && ls "+s.home()+"/.cache/pip > /tmp/mounted || true",
			"pip install"+off+" -r requirements.txt && pip cache purge", "pip install"+off+" -r requirements.txt && cp -r "+s.home()+"/.cache /opt/cache", "pip install"+off+" -r requirements.txt && du -s "+s.home()+"/.cache > /dev/null")
	case "uv":
		command = pick(s.Random, "uv pip install --system --no-cache -r requirements.txt", "uv pip install --system -r requirements.txt --no-cache-dir", "uv sync --no-cache --frozen", "uv sync -n", "uv pip install --system -n -r requirements.txt", "UV_NO_CACHE=1 uv pip install --system -r requirements.txt")
		if _, there := s.tree["pyproject.toml"]; !there {
			command = "uv pip install --system --no-cache -r requirements.txt"
		}
	default:
		command = pick(s.Random, "poetry install --no-cache --no-root", "poetry install --no-root --no-cache --only main", "poetry install --no-cache")
	}
	if s.chance(15) {
		s.add(pick(s.Random, "ENV PIP_NO_CACHE_DIR=1", "ENV UV_NO_CACHE=1", "ENV PIP_CACHE_DIR=/var/pip-cache", "ARG PIP_NO_CACHE_DIR=off"))
	}
	mount := "--mount=type=cache,target=" + target + pick(s.Random, "", "", "", ",sharing=locked", ",id=cache", ",uid=1000,gid=1000")
	if s.chance(15) {
		mount += " \\\n   "
	}
	s.add(strings.Split("RUN "+mount+" "+command, "\n")...)
}

// inHome is an install whose cache lies in a home of which the file does not tell where it is, and at times what
// reads it.
func (s *cook) inHome() {
	if s.user == "" && s.base != unknownBase && s.chance(75) {
		s.account()
		s.become()
	}
	s.there(70)
	reads := []string{"rm -rf ~/.cache", "rm -r ~/.cache/pip || true", "mkdir -p ~/.cache/app", "mkdir ~/.cache/app || true", "ls -R ~ > /tmp/home 2>&1 || true", "find ~ -name '*.whl' > /tmp/wheels || true", "find /home -type f | sort > /tmp/files || true", "cp -r ~ /tmp/copy || true",
		"tar -C ~ -cf /tmp/home.tar . || true", "du -s ~ > /dev/null || true", "test -d ~/.cache/pip && touch /tmp/kept || true", "pip cache purge", "pip cache dir > /tmp/dir || true", "touch ~/mine || true", "ls /home > /tmp/homes", "chmod -R go-w ~ || true", "echo done", "id > /tmp/id", "./run.sh || true", "grep -r flask ~ > /tmp/found || true"}
	command := pick(s.Random, "pip install -r requirements.txt", "pip install flask==3.0.3", "pip3 install -U -r requirements.txt", "python -m pip install --user -r requirements.txt", "pip install flask==3.0.3 && pip3 install gunicorn==22.0.0", "pip wheel -w /tmp/wheels -r requirements.txt",
		"pip wheel -w /tmp/wheels -r requirements.txt && pip install --no-index --find-links=/tmp/wheels -r requirements.txt", "pip download -d /tmp/downloads flask==3.0.3 && pip install flask==3.0.3", "python -m venv /tmp/venv && /tmp/venv/bin/pip install -r requirements.txt", "pip install -t /tmp/deps flask==3.0.3",
		"uv pip install --system -r requirements.txt", "uv pip install -r requirements.txt && uv pip install gunicorn==22.0.0", "pip install --cache-dir=/tmp/pip flask==3.0.3", "pip install --force-reinstall flask==3.0.3", "sudo pip install flask==3.0.3", "pip install -q flask==3.0.3 --no-deps", "HOME=/tmp pip install flask==3.0.3")
	if s.chance(45) {
		command += " && " + pick(s.Random, reads...)
	}
	s.add(s.mounted(command)...)
	if s.chance(40) {
		s.add("RUN " + pick(s.Random, append(reads, "pip install -r requirements.txt", "pip install --no-cache-dir gunicorn==22.0.0", "/tmp/venv/bin/pip install flask==3.0.3 || true", "rm -rf $HOME/.cache/pip")...))
	}
	if s.chance(20) {
		s.become()
	}
}

// ownedCopies are copies whose owner or mode a RUN changes.
func (s *cook) ownedCopies() {
	s.root(95)
	if s.chance(40) && s.user == "" {
		s.account()
	}
	dir := pick(s.Random, "/app", "/srv/app", "/opt/app", "/app")
	switch s.IntN(5) {
	case 0:
		s.add("WORKDIR " + dir)
		s.workdir = dir
	case 1:
		s.add("RUN mkdir -p " + dir)
	}
	at := func(below string) string {
		to := gopath.Join(dir, below) + "/"
		if s.workdir == dir && s.chance(60) {
			to = "./" + below
			if below != "" {
				to += "/"
			}
		}
		return to
	}
	flags := pick(s.Random, "", "", "", "", " --chown=root", " --chmod=755", " --link", " --chown=1000")
	switch s.IntN(5) {
	case 0:
		s.add("COPY"+flags+" src "+at("src"), "COPY"+flags+" static "+at("static"), "COPY app.py manage.py run.sh requirements.txt "+at(""))
	case 1:
		s.add("COPY"+flags+" . "+at(""), "COPY conf "+at("conf"))
	case 2:
		s.add(pick(s.Random, "COPY", "ADD") + flags + " . " + at("code"))
	default:
		s.add("COPY" + flags + " . " + at(""))
	}
	s.dest, s.copied, s.full = dir, true, true
	if s.chance(25) {
		pick(s.Random, s.reader, s.make, s.install, s.enter, s.environment)()
		s.root(95)
	}
	who := s.owner()
	if s.chance(30) {
		who = pick(s.Random, "1000", "1000:1000", "www-data:www-data", "www-data", "nobody", "33:33", "app", ":1000")
	}
	chown := pick(s.Random, "chown -R "+who+" "+dir, "chown -R "+who+" "+dir, "chown -R "+who+" "+dir+"/", "chmod -R 755 "+dir, "chmod -R 0750 "+dir, "chmod -R 777 "+dir, "chown -Rh "+who+" "+dir, "chown "+who+" -R "+dir)
	if s.workdir == dir && s.chance(25) {
		chown = strings.ReplaceAll(chown, dir, ".")
	}
	s.add(s.run(pick(s.Random, [][]string{{chown}, {chown}, {chown, "chmod +x " + dir + "/run.sh"}, {"mkdir -p " + dir + "/data " + dir + "/logs", chown}, {"mkdir -p /var/log/app", chown}, {chown, "rm -rf " + dir + "/tests"}, {"touch " + dir + "/made", chown}, {"useradd -m late", chown}, {chown, chown}, {"ls " + dir + " > /dev/null", chown}}...)...)...)
}

// lateRemoval is a RUN, and another that removes what the first made.
func (s *cook) lateRemoval() {
	s.root(95)
	type pair struct{ makes, removes []string }
	pairs := []pair{
		{[]string{"curl -fsSL https://example.org/file.tgz -o /tmp/file.tgz"}, []string{"rm /tmp/file.tgz"}},
		{[]string{"curl -fsSLO https://example.org/file.tgz"}, []string{"rm -f file.tgz"}},
		{[]string{"cd /opt", "wget -q https://example.org/file.tgz"}, []string{"rm /opt/file.tgz"}},
		{[]string{"git clone https://example.org/repo.git /opt/repo", "cp /opt/repo/setup.py /opt/"}, []string{"rm -rf /opt/repo"}},
		{[]string{"git clone https://example.org/repo.git"}, []string{"rm -rf repo"}},
		{[]string{"npm install -g serve"}, []string{"rm -rf /root/.npm"}},
		{[]string{"mkdir -p /tmp/build", "wget -q https://example.org/x.tgz -O /tmp/build/x.tgz"}, []string{"rm -rf /tmp/build"}},
		{[]string{"pip install flask==3.0.3"}, []string{pick(s.Random, "rm -rf /root/.cache/pip", "rm -rf /root/.cache", "pip cache purge", "rm -rf ~/.cache")}},
		{[]string{"pip install flask==3.0.3"}, []string{"rm -rf /root/.cache/pip"}},
	}
	if s.debian {
		gone := pick(s.Random, "rm -rf /var/lib/apt/lists/*", "rm -r /var/lib/apt/lists/*", "rm -rf /var/lib/apt/lists/* /tmp/*", "apt-get clean && rm -rf /var/lib/apt/lists/*", "rm -rf /var/lib/apt/lists /var/cache/apt")
		purge := pick(s.Random, "apt-get purge -y gcc", "apt-get remove -y gcc && apt-get autoremove -y", "apt-get purge -y --auto-remove gcc")
		pairs = append(pairs, pair{[]string{"apt-get update", "apt-get install -y curl"}, strings.Split(gone, " && ")}, pair{[]string{"apt-get update", "apt-get install -y --no-install-recommends git gcc"}, strings.Split(gone, " && ")},
			pair{[]string{"apt-get update", "apt-get install -y gcc", "rm -rf /var/lib/apt/lists/*"}, strings.Split(purge, " && ")})
	} else {
		pairs = append(pairs, pair{[]string{"apk add --no-cache gcc musl-dev"}, []string{"apk del gcc musl-dev"}}, pair{[]string{"apk add --no-cache --virtual .build gcc"}, []string{"apk del .build"}}, pair{[]string{"apk add -U git"}, []string{"rm -rf /var/cache/apk/*"}})
	}
	p := pick(s.Random, pairs...)
	if s.chance(20) {
		p.makes = append([]string{pick(s.Random, "set -e", "set -x", "cd /tmp", "export A=1", "umask 077", "mkdir -p /tmp/work", "echo start", "trap 'echo end' EXIT", "A=1", "true || false")}, p.makes...)
	}
	if s.chance(20) {
		p.removes = append(p.removes, pick(s.Random, "echo done", "ls / > /dev/null", "touch /tmp/removed", "pwd > /tmp/where", "echo $A > /tmp/a", "umask > /tmp/mask", "date > /dev/null"))
	}
	s.add(s.run(p.makes...)...)
	if s.chance(25) {
		pick(s.Random, s.reader, s.label, s.environment, s.enter, s.extraCopy, s.volatile, s.become, s.use, s.system)()
		s.root(95)
	}
	s.add(s.run(p.removes...)...)
}

// uv installs with it, below a copy of what it needs or of everything.
func (s *cook) uv() {
	s.root(90)
	if s.chance(35) {
		s.add(pick(s.Random, "ENV UV_LINK_MODE=copy", "ENV UV_COMPILE_BYTECODE=1", "ENV UV_PROJECT_ENVIRONMENT=/opt/venv", "ENV UV_SYSTEM_PYTHON=1", "ENV UV_CACHE_DIR=/var/uv-cache", "ENV UV_NO_CACHE=1", "ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1"))
	}
	if _, there := s.tree["pyproject.toml"]; !there {
		s.put("pyproject.toml", "[project]\nname = \"app\"\nversion = \"1\"\ndependencies = [\"flask\"]\n")
		s.put("uv.lock", "version = 1\n")
	}
	if !s.full && s.chance(30) {
		dir := pick(s.Random, "/app", "/srv/app")
		s.add("WORKDIR "+dir, "COPY"+s.copyFlags()+" "+pick(s.Random, "pyproject.toml uv.lock", "pyproject.toml uv.lock README.md", "pyproject.toml uv.loc[k]")+" ./")
		s.workdir, s.dest, s.copied = dir, dir, true
	} else {
		s.there(96)
	}
	mount := pick(s.Random, "", "", "--mount=type=cache,target=/root/.cache/uv ", "--mount=type=cache,target=/root/.cache ", "--mount=type=bind,source=uv.lock,target=uv.lock --mount=type=bind,source=pyproject.toml,target=pyproject.toml ")
	s.add("RUN " + mount + pick(s.Random, "uv sync --frozen --no-install-project", "uv sync --locked --no-install-project --no-dev", "uv sync --frozen", "uv sync", "uv sync --no-install-project --no-editable", "uv pip install --system -r requirements.txt", "uv pip install --system .", "uv pip install --system -r pyproject.toml",
		"uv sync --frozen --no-cache", "pip install uv && uv sync --frozen --no-install-project", "uv venv && uv sync", "uv export > /dev/null && uv sync --frozen --no-install-project", "cd "+s.dest+" && uv sync --frozen --no-install-project", "uv sync --all-extras --frozen --no-install-workspace"))
	if s.chance(30) {
		s.add(pick(s.Random, "RUN uv cache clean || true", "RUN rm -rf /root/.cache/uv", "ENV PATH=\""+s.dest+"/.venv/bin:$PATH\"", "RUN ls -a > /dev/null", "RUN uv sync --frozen"))
	}
}

// poetry installs with it.
func (s *cook) poetry() {
	s.root(90)
	if _, there := s.tree["pyproject.toml"]; !there {
		s.put("pyproject.toml", "[tool.poetry]\nname = \"app\"\n[tool.poetry.dependencies]\npython = \"^3.12\"\n")
		s.put("poetry.lock", "# nothing\n")
	}
	if s.chance(35) {
		s.add(pick(s.Random, "ENV POETRY_VIRTUALENVS_CREATE=false", "ENV POETRY_NO_INTERACTION=1 POETRY_VIRTUALENVS_CREATE=0", "ENV POETRY_CACHE_DIR=/var/pip-cache/poetry", "ENV POETRY_VIRTUALENVS_IN_PROJECT=1", "RUN pip install poetry==1.8.0", "RUN pip install --no-cache-dir poetry"))
	}
	if !s.full && s.chance(30) {
		s.add("WORKDIR /app", "COPY"+s.copyFlags()+" "+pick(s.Random, "pyproject.toml poetry.lock", "pyproject.toml poetry.lock*", "poetry.lock pyproject.toml README.md")+" /app/")
		s.workdir, s.dest, s.copied = "/app", "/app", true
	} else {
		s.there(96)
	}
	mount := pick(s.Random, "", "", "", "--mount=type=cache,target=/root/.cache/pypoetry ", "--mount=type=cache,target=/root/.cache ")
	s.add("RUN " + mount + pick(s.Random, "poetry install --no-root", "poetry install --no-root --only main", "poetry install --no-interaction --no-ansi --no-root", "poetry install", "poetry install --without dev", "poetry config virtualenvs.create false && poetry install --no-root", "poetry config virtualenvs.create false && poetry install --no-interaction --no-root && rm -rf /root/.cache/pypoetry",
		"poetry install --no-root && rm -rf $POETRY_CACHE_DIR", "poetry install --no-cache --no-root", "pip install poetry && poetry install --no-root", "poetry install --sync --no-root", "poetry export -f requirements.txt > /dev/null && poetry install --no-root", "poetry install --no-directory --no-root"))
}

// node installs with one of its package managers.
func (s *cook) node() {
	s.root(90)
	if !s.full && s.chance(25) {
		s.add("WORKDIR /app", "COPY"+s.copyFlags()+" "+pick(s.Random, "package.json package-lock.json", "package*.json", "package.json *lock* .npmr[c]", "package.json")+" ./")
		s.workdir, s.dest, s.copied = "/app", "/app", true
	} else {
		s.there(96)
	}
	tools := []string{"npm ci", "npm ci", "npm install", "npm ci --omit=dev", "npm ci --ignore-scripts", "npm ci && npm cache clean --force", "npm ci --cache /tmp/npm", "npm ci --no-audit --no-fund && npm run build", "npm i", "npm install --production", "cd web && npm ci", "npm ci --prefix web", "npm ci && cd web && npm ci", "npm install express", "corepack enable && npm ci"}
	for _, other := range []struct {
		lock     string
		commands []string
	}{
		{"yarn.lock", []string{"yarn install --frozen-lockfile", "yarn", "yarn install --production"}},
		{"pnpm-lock.yaml", []string{"pnpm install --frozen-lockfile", "corepack enable && pnpm i --frozen-lockfile"}},
		{"bun.lock", []string{"bun install --frozen-lockfile", "bun install"}},
	} {
		if _, there := s.tree[other.lock]; there {
			tools = append(other.commands, tools[:4]...)
			break
		}
	}
	mount := pick(s.Random, "", "", "", "--mount=type=cache,target=/root/.npm ", "--mount=type=cache,target=/app/node_modules ")
	s.add("RUN " + mount + pick(s.Random, tools...))
	if s.chance(40) {
		s.add(pick(s.Random, "RUN npm run build", "RUN rm -rf /root/.npm", "RUN node src/x.js || true", "ENV NODE_ENV=production", "RUN npm prune --production", "RUN ls node_modules > /dev/null", "RUN npm run test || true"))
	}
}

// otherLanguage installs with the package manager of the base image.
func (s *cook) otherLanguage() {
	s.root(90)
	language, _, _ := strings.Cut(s.base, ":")
	var files string
	var commands []string
	switch language {
	case "golang":
		files, commands = "go.mod go.sum", []string{"go mod download", "go mod download && go mod verify", "go mod download -x"}
	case "ruby":
		files, commands = "Gemfile Gemfile.lock", []string{"bundle install", "bundle config set without development && bundle install", "bundle install --jobs 4 && rm -rf /root/.bundle"}
	case "php":
		files, commands = "composer.json composer.lock", []string{"composer install --no-dev --no-scripts", "composer install", "composer install --no-scripts --no-autoloader && composer dump-autoload"}
	default:
		s.install()
		return
	}
	if !s.full && s.chance(25) {
		s.add("WORKDIR /app", "COPY"+s.copyFlags()+" "+files+" ./")
		s.workdir, s.dest, s.copied = "/app", "/app", true
	} else {
		s.there(95)
	}
	s.add("RUN " + pick(s.Random, "", "", "", "--mount=type=cache,target=/go/pkg/mod ", "--mount=type=cache,target=/root/.composer ") + pick(s.Random, commands...))
	if s.chance(50) {
		s.add(pick(s.Random, "RUN make", "RUN go build ./... && make", "RUN bundle exec rake || true", "RUN ls > /dev/null"))
	}
}

// pinned installs requirements that a lock file may name the versions of.
func (s *cook) pinned() {
	s.root(90)
	if !s.full && s.chance(50) {
		s.add("WORKDIR /app", "COPY"+s.copyFlags()+" "+pick(s.Random, "requirements.txt", "requirements.txt constraints.tx[t]", "requirements* ./requirements/", "*.txt")+" ./", "COPY requirements requirements/")
		s.workdir, s.dest, s.copied = "/app", "/app", true
	} else {
		s.there(95)
	}
	s.add(s.run(pick(s.Random, "pip install -r requirements.txt", "pip install --no-cache-dir -r requirements.txt", "pip install -r requirements.txt -r requirements/base.txt", "uv pip install --system -r requirements.txt", "pip install --require-hashes -r requirements.txt || pip install -r requirements.txt", "pip install -r requirements/base.txt",
		"pip install -c constraints.txt -r requirements.txt", "pip wheel -w /wheels -r requirements.txt", "pip install -r requirements.txt && pip freeze > /dev/null", "pip install --pre -r requirements.txt"))...)
	if s.chance(25) {
		s.add(pick(s.Random, "RUN python app.py", "RUN make", "RUN cp requirements.txt /opt/", "RUN wc -l requirements.txt > /tmp/lines", "RUN pip freeze > /tmp/freeze"))
	}
}

// artifact makes in one stage what another may take.
func (s *cook) artifact() {
	s.root(90)
	if s.chance(25) {
		s.add("RUN python -m venv /opt/venv", pick(s.Random, "ENV PATH=/opt/venv/bin:$PATH", "ENV PATH=\"/opt/venv/bin:$PATH\" VIRTUAL_ENV=/opt/venv"))
	}
	s.there(96)
	s.add(s.run(pick(s.Random, "pip install --prefix=/install -r requirements.txt", "pip wheel -w /wheels -r requirements.txt", "python -m venv /opt/venv && /opt/venv/bin/pip install -r requirements.txt", "pip install --user -r requirements.txt", "pip install -t /opt/deps -r requirements.txt", "npm ci && npm run build", "make", "python manage.py collectstatic",
		"apt-get update && apt-get install -y gcc && pip install -r requirements.txt"))...)
}

// asUser installs as another user than root.
func (s *cook) asUser() {
	if s.user == "" {
		if !slices.Contains(s.users, "app") {
			s.users = append(s.users, "app")
			s.add("RUN " + pick(s.Random, "useradd -m app", "useradd --create-home -u 1000 app", "groupadd -g 1500 app && useradd -u 1500 -g app -m app", "adduser --disabled-password --gecos '' app"))
		}
		if s.chance(30) {
			s.add("RUN mkdir -p /app && chown app /app || true")
		}
		s.user = "app"
		s.add("USER " + pick(s.Random, "app", "app", "app:app"))
	}
	flags := pick(s.Random, " --chown=app", " --chown=app:app", "", " --chown=1000")
	dir := pick(s.Random, "/app", "/home/app/code", "/srv/app")
	s.add("COPY"+flags+" . "+dir+"/", "WORKDIR "+dir)
	s.workdir, s.dest, s.copied, s.full = dir, dir, true, true
	mount := pick(s.Random, "", "", "--mount=type=cache,target=/home/app/.cache/pip,uid=1001 ", "--mount=type=cache,target=/home/app/.cache/pip,uid=1000,gid=1000 ", "--mount=type=cache,target=/root/.cache/pip ", "--mount=type=cache,mode=0777,target=/home/app/.cache/pip ")
	s.add("RUN " + mount + pick(s.Random, "pip install --user -r requirements.txt", "pip install -r requirements.txt", "pip install --no-cache-dir --user -r requirements.txt", "uv pip install -r requirements.txt", "pip install --user --no-warn-script-location -r requirements.txt && ls -a ~ | grep -v -e git -e ocker -e cache > /tmp/home", "poetry install --no-root || true", "npm ci || true"))
	if s.chance(40) {
		s.root(100)
	}
}
