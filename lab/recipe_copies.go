package lab

import (
	gopath "path"
	"strings"
)

// enter is a WORKDIR.
func (s *cook) enter() {
	to := pick(s.Random, "/app", "/app", "/app", "/app/", "/srv/app", "/opt/app", "app", "/home/app", "/usr/src/app", "/app/src", "src", "${APP_DIR:-/app}", "/")
	if s.chance(8) {
		s.projectHome()
		return
	}
	s.add("WORKDIR " + to)
	switch {
	case strings.HasPrefix(to, "$"):
		s.workdir = "/app"
	default:
		s.workdir = s.at(to)
	}
}

// projectHome names the project's directory by a variable, and may change it later.
func (s *cook) projectHome() {
	to := pick(s.Random, "/app", "/srv/app", "/opt/app")
	s.add(pick(s.Random, "ENV APP_HOME="+to, "ENV APP_HOME "+to, "ARG APP_HOME="+to), "WORKDIR "+pick(s.Random, "$APP_HOME", "${APP_HOME}", "${APP_HOME}/"))
	s.workdir, s.variable = to, to
}

// at is a path from the working directory.
func (s *cook) at(p string) string {
	if gopath.IsAbs(p) {
		return gopath.Clean(p)
	}
	return gopath.Join(s.workdir, p)
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
	if s.variable != "" && s.chance(50) {
		to = s.variable
	}
	s.dest, s.copied, s.full = s.at(to), true, true
	if to == s.variable && to != "" {
		to = pick(s.Random, "$APP_HOME", "${APP_HOME}/", "$APP_HOME/")
	}
	from := "."
	if s.chance(6) {
		from = pick(s.Random, "./", "*", "src lib requirements.txt package.json", "requirements.txt src")
		if from != "./" && !strings.HasSuffix(to, "/") {
			to += "/"
		}
	}
	words := from + " " + to
	if s.chance(4) {
		words = "[\"" + strings.ReplaceAll(words, " ", "\", \"") + "\"]"
	}
	s.add(pick(s.Random, "COPY", "COPY", "COPY", "COPY", "ADD") + s.copyFlags() + " " + words)
	if s.chance(30) {
		s.add(pick(s.Random, "WORKDIR "+s.dest, "WORKDIR "+s.dest+"/"))
		s.workdir = s.dest
	}
}

// extraCopy copies a part of the project.
func (s *cook) extraCopy() {
	to := pick(s.Random, "./", "./", "/app/", "/app/src/", "/srv/app/", "/opt/", "conf/", "/etc/app/", "/app/sub/", "/tmp/", "/home/app/")
	from := pick(s.Random, "requirements.txt", "requirements.txt constraints.txt", "package.json package-lock.json", "package*.json", "conf", "src", "src/main.py src/util.py", "requirements", "run.sh", "scripts/", "conf/app.ini", "static", "*.py", "wheels", "setup.py", "bin", ".env.example", "vendor.tar", "vendor.tar src")
	flags := s.copyFlags()
	keyword := pick(s.Random, "COPY", "COPY", "ADD")
	if s.chance(6) {
		keyword, flags = "COPY", flags+" --parents"
	}
	s.add(keyword + flags + " " + from + " " + to)
	if strings.HasPrefix(from, "requirements.txt") && s.dest == "" {
		s.dest, s.copied, s.full = s.at(to), true, false
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
		"RUN --mount=from="+from.name+",target=/mnt cp -r /mnt/root /opt/root", "COPY --from="+from.name+" /var/lib/ap[t] /var/lib/apt/", "COPY --from="+from.name+" /var/lib/ap? /opt/lists/", "COPY --from="+from.name+" /var/lib /opt/varlib", "COPY --from="+from.name+" /root/.cache/p* /opt/cache/", "COPY --from="+from.name+" $HOME/.cache /opt/cache/", "COPY --from="+from.name+" ${APP_HOME:-/app} /opt/app/",
		"RUN --mount=from="+from.name+",target=/mnt cp -r /mnt/var/lib/apt /opt/apt || true", "RUN --mount=type=bind,from="+from.name+",source=/root,target=/mnt cp -r /mnt/.cache /opt/cache || true"))
}
