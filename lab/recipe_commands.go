package lab

import "slices"

func (s *cook) environment() {
	s.add(pick(s.Random, "ENV PYTHONUNBUFFERED=1", "ENV PIP_NO_CACHE_DIR=1", "ENV PIP_NO_CACHE_DIR=off", "ENV HOME=/home/app", "ENV HOME=/tmp", "ENV XDG_CACHE_HOME=/var/pip-cache", "ENV PIP_CACHE_DIR=/var/pip-cache", "ENV DEBIAN_FRONTEND=noninteractive",
		"ENV PATH=/opt/venv/bin:$PATH", "ENV PATH=\"/app/bin:$PATH\"", "ENV UV_CACHE_DIR=/var/uv-cache", "ENV PIP_TARGET=/opt/deps", "ENV POETRY_VIRTUALENVS_CREATE=false", "ENV PYTHONPATH=/app", "ENV NODE_ENV=production", "ENV A=1 B=2",
		"ARG PIP_NO_CACHE_DIR", "ARG DEBIAN_FRONTEND=noninteractive", "ENV HTTP_PROXY=http://proxy:3128", "ENV PIP_CONFIG_FILE=/app/conf/pip.ini", "ARG APP_DIR=/app", "ENV TMPDIR=/var/tmp", "ENV PIP_CONSTRAINT=/app/constraints.txt", "ENV PIP_FIND_LINKS=/app/wheels", "ENV PIP_REQUIREMENT=/app/requirements/base.txt", "ENV NPM_CONFIG_USERCONFIG=/app/.npmrc", "ENV BASH_ENV=/app/conf/env.sh", "ENV APP_HOME=/elsewhere", "ENV UV_CONSTRAINT=/app/constraints.txt", "ENV PIP_USER=1", "ENV PYTHONDONTWRITEBYTECODE=1"))
}

func (s *cook) setShell() {
	s.add(pick(s.Random, `SHELL ["/bin/bash", "-o", "pipefail", "-c"]`, `SHELL ["/bin/bash", "-c"]`, `SHELL ["/bin/sh", "-ec"]`, `SHELL ["/bin/bash", "-euxo", "pipefail", "-c"]`))
}

func (s *cook) label() {
	s.add(pick(s.Random, `LABEL org.opencontainers.image.title="app"`, "LABEL a=b c=d", `LABEL maintainer="me <me@example.org>"`))
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
		"RUN echo \"$"+name+"\" | tee /tmp/version", "LABEL built=$"+name, "ENV LATE=$"+name, "RUN ./run.sh || true", "RUN helper || true", "RUN git rev-parse HEAD > /tmp/commit || true", "RUN ./scripts/version.sh || true", "RUN echo $A $B > /tmp/ab", "RUN echo $LATE > /tmp/late", "RUN make", "RUN npm run build", "RUN pip install . || true", "RUN bash -c 'echo ${"+name+"}' > /tmp/version", "RUN cat /proc/self/environ | tr '\\0' '\\n' | grep -c = > /tmp/count || true", "RUN set > /dev/null; eval echo \\$"+name+" > /tmp/version", "RUN ["+`"sh", "-c", "echo $`+name+` > /tmp/version"]`))
}

// reader looks at what a suggestion may take away or move.
func (s *cook) reader() {
	what := []string{"ls -R /root/.cache > /tmp/caches 2>&1 || true", "ls -R ~/.cache > /tmp/caches 2>&1 || true", "ls /app 2>&1 | grep -v -e ocker -e HEAD > /tmp/app || true", "ls . | grep -v -e ocker -e HEAD > /tmp/dot || true", "pip freeze > /tmp/freeze", "pip list", "python -c 'import flask'",
		"find /app -name '*.py' 2>/dev/null | sort > /tmp/found || true", "stat -c %U /app > /tmp/owner || true", "test ! -e /app/app.py || touch /tmp/there", "test -e /app/app.py || touch /tmp/none", "cp -r /root/.cache /opt/cache 2>/dev/null || true", "touch ~/.cache/mine", "touch $HOME/mine", "mkdir /root/.cache || true", "test ! -d /root/.cache || touch /tmp/there", "env | grep -v TRACE > /tmp/env", "printenv HOME > /tmp/home", "id > /tmp/id",
		"stat -c \"%n %u\" /app /srv/app > /tmp/dirs 2>&1 || true", "du -s /app > /dev/null || true", "find / -xdev -name '*.pyc' -exec rm -f {} + || true", "find / -xdev -type d -name tests -exec rm -rf {} + || true", "find /usr/local -depth -name __pycache__ -exec rm -rf {} + || true", "cat /etc/passwd > /tmp/users", "ls -d /app/*.py > /tmp/all 2>&1 || true", "[ -f requirements.txt ] && cp requirements.txt /tmp/r.txt || true", "echo $PWD > /tmp/pwd", "python app.py", "python manage.py check", "make", "grep -r case src 2>/dev/null | sort > /tmp/grep || true"}
	if s.debian {
		what = append(what, "apt-cache policy curl || true", "ls /var/lib/apt/lists > /tmp/lists 2>&1 || true", "apt-get install -y reader || true", "dpkg -l > /tmp/packages", "cp -r /var/lib/apt /opt/apt || true", "apt-cache search curl > /tmp/search || true", "apt list --installed > /tmp/installed || true", "cat /var/lib/apt/lists/*Packages > /tmp/index || true", "test -n \"$(ls /var/lib/apt/lists)\" || touch /tmp/none")
	}
	s.add(s.run(pick(s.Random, what...))...)
}

// make makes directories and files that copies and installs may meet.
func (s *cook) make() {
	s.add(s.run(pick(s.Random, "mkdir -p /app", "mkdir -p /app/data /app/logs", "mkdir -p /srv/app && chmod 700 /srv/app", "mkdir -m 750 -p /app/private", "install -d -o 1000 /app/data", "touch /app/made || true", "echo mine > /app/app.py || true", "mkdir -p static && touch static/site.css", "ln -s /app/src /app/link || true", "ln -sfn /srv /app || true",
		"mkdir -p /home/app/.cache", "mkdir -p /tmp/work && touch /tmp/work/file", "printf x > /tmp/file", "cp /etc/passwd /tmp/passwd", "mkdir -p "+s.dest+"/out", "mkdir -p /app && chown www-data /app", "mv /app/src /app/code || true", "rm -rf /app/tests", "echo six==1.16.0 >> /app/requirements.txt || true", "echo six==1.16.0 >> requirements.txt || true", "cp -r /app /opt/copy || true"))...)
}

// oddity is an instruction that changes what others mean.
func (s *cook) oddity() {
	s.add(pick(s.Random, "VOLUME /app/data", "VOLUME /root/.cache", "ONBUILD COPY . /app", "ONBUILD RUN pip install -r requirements.txt", "ONBUILD RUN apt-get install -y onbuild", "STOPSIGNAL SIGINT", "RUN --network=none true", "RUN [\"pip\", \"install\", \"flask==3.0.3\"]", "RUN --mount=type=cache,target=/var/lib/apt/lists --mount=type=cache,target=/var/cache/apt apt-get update && apt-get install -y mounted",
		"COPY <<EOF /app/made.txt\nmade\nEOF", "COPY <<EOF /app/requirements.txt\nsix==1.16.0\nEOF", "COPY <<EOF requirements.txt\nsix==1.16.0\nEOF", "ADD vendor.tar /app/", "ADD vendor.tar ./", "COPY --from=ghcr.io/astral-sh/uv:0.5 /uv /uvx /bin/", "COPY --from=ghcr.io/astral-sh/uv:0.5 /uv /usr/local/bin/uv", "RUN --mount=type=bind,target=. ls | grep -v -e ocker -e HEAD > /tmp/bound", "ADD conf/app.ini /app/", "COPY --chown=1000:1000 conf /app/conf/", "COPY --chown=1000:1000 conf/app.ini /srv/app/conf/", "RUN ./scripts/setup.sh || true", "RUN . ./scripts/setup.sh || true"))
}
