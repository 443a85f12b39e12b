package lab

import (
	gopath "path"
	"slices"
)

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

// own is a chown.
func (s *cook) own() {
	s.root(80)
	dir := s.dest
	switch {
	case dir == "" || dir == "/":
		dir = pick(s.Random, "/srv", "/opt", "/home", "/tmp")
	case s.full && s.chance(12):
		dir = pick(s.Random, dir+"/src", dir+"/", "\"$PWD\"", dir+"/*", dir+" /srv", dir+"/run.sh")
	}
	command := pick(s.Random, "chown -R ", "chown -R ", "chown -R ", "chown --recursive ", "chown ", "chown -hR ", "chown -R -c ") + s.owner() + " " + dir
	more := []string{command}
	if s.chance(25) {
		more = append(more, pick(s.Random, "chmod -R 750 "+dir, "mkdir -p /var/log/app", "chmod +x "+gopath.Join("/", s.dest, "run.sh")+" || true", "chown 1000 /tmp", "touch "+gopath.Join("/", s.dest, "owned")))
	}
	if s.chance(12) {
		more = append([]string{pick(s.Random, "mkdir -p "+s.dest+"/data", "useradd late", "touch "+s.dest+"/before", "ls")}, more...)
	}
	s.add(s.run(more...)...)
}

// change is another mode of what was copied.
func (s *cook) change() {
	s.add(s.run(pick(s.Random, "chmod +x run.sh || true", "chmod -R 755 /app || true", "chmod -R u+rwX,g+rX /app || true", "chmod 600 /app/app.py || true", "chmod u+s /app/run.sh || true", "chmod 4755 /app/run.sh || true", "chmod g+s /app || true", "chmod u+s run.sh || true", "chmod -R a+r /app", "sed -i 's/case/x/' /app/app.py || true", "chgrp -R www-data /app || true"))...)
}
