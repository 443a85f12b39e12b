package lab

import (
	gopath "path"
	"strings"
)

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
	if s.chance(5) {
		s.add(pick(s.Random, "RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt pip install -r /tmp/requirements.txt", "RUN --mount=type=bind,source=.,target=/src cd /src && pip install -r requirements.txt", "RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt --mount=type=cache,target=/root/.cache/pip pip install --requirement /tmp/requirements.txt",
			"RUN --mount=type=bind,target=/src,rw pip install -r /src/requirements.txt"))
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
		s.in("npm ci", "npm install", "yarn install", "cat requirements.txt | xargs -n 1 pip install", "pip install $(grep == requirements.txt)", "grep == requirements.txt | pip install -r /dev/stdin", "cp requirements.txt /tmp/r.txt && pip install -r /tmp/r.txt", "while read p; do pip install \"$p\" || true; done < requirements.txt",
			"pip install -r requirements.txt && find / -xdev -type d -name tests -exec rm -rf {} +", "pip install -r requirements.txt && find / -xdev -name '*.py[co]' -exec rm -f {} +")
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
