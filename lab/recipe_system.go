package lab

import gopath "path"

// system installs packages of the system.
func (s *cook) system() {
	s.root(95)
	if !s.debian {
		s.add(s.run(pick(s.Random, [][]string{{"apk add --no-cache curl"}, {"apk update", "apk add git"}, {"apk add -U gcc"}, {"apk add --no-cache --virtual .build gcc", "apk del .build"}}...)...)...)
		return
	}
	names := pick(s.Random, "curl", "git curl", "build-essential", "libpq5 libpq-dev", "gcc", "wget ca-certificates", "$PACKAGES nano", "nginx=1.22", "$(cat packages.txt 2>/dev/null) nano", "ca-certificates", "ca-certificates curl")
	if s.full && s.chance(15) {
		names = pick(s.Random, s.dest+"/local.deb", s.dest+"/local.deb curl")
	}
	install := pick(s.Random, "apt-get install -y ", "apt-get install -y --no-install-recommends ", "apt-get -y install ", "apt install -y ", "apt-get install -qq -y ", "DEBIAN_FRONTEND=noninteractive apt-get install -y ") + names
	update := pick(s.Random, "apt-get update", "apt-get update", "apt-get update -y", "apt-get -qq update", "apt update")
	remove := pick(s.Random, "rm -rf /var/lib/apt/lists/*", "rm -rf /var/lib/apt/lists/*", "apt-get clean", "apt-get clean && rm -rf /var/lib/apt/lists/*", "apt-get autoremove -y", "apt-get distclean", "rm -r /var/lib/apt/lists", "rm -rf /var/cache/apt/*", "rm -rf /var/lib/apt/lists/* /tmp/* /var/tmp/*")
	if s.chance(10) {
		install += pick(s.Random, " && update-ca-certificates", " && find / -xdev -name '*.md' -exec rm {} +", " && useradd -m packaged", " && xargs apt-get install -y < /app/packages.txt || true", " && rm -rf /usr/share/doc/nothing", " && apt-get install -y $(grep -v nothing packages.txt || true) more")
	}
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

// sources change what apt's index is fetched from.
func (s *cook) sources() {
	if !s.debian {
		s.label()
		return
	}
	s.add(s.run(pick(s.Random, "echo deb https://example.org stable main > /etc/apt/sources.list.d/more.list", "add-apt-repository -y ppa:me/more", "curl -fsSL https://example.org/key -o /etc/apt/keyrings/key.asc", "cp conf/extra.list /etc/apt/sources.list.d/ || true", "rm -f /etc/apt/sources.list.d/more.list"))...)
}

// settings bring package managers' own.
func (s *cook) settings() {
	s.add(pick(s.Random, "COPY conf/pip.* /etc/pip.conf", "COPY conf/pip.* /root/.config/pip/pip.conf", "COPY conf/extra.list /etc/apt/sources.list.d/", "COPY conf/preferences /etc/apt/preferences.d/mine", "COPY .npmr[c] /root/", "COPY conf/ca.crt /usr/local/share/ca-certificates/", "COPY conf/apt.conf /etc/apt/apt.conf.d/99mine", "COPY conf/skel /etc/skel/", "RUN rm -f /etc/apt/apt.conf.d/docker-clean", "RUN pip config set global.no-cache-dir true", "RUN mkdir -p /root/.cache/pip && touch /root/.cache/pip/mine"))
}

// fetch downloads, and may be cleaned up by the next step.
func (s *cook) fetch() {
	s.add(s.run(pick(s.Random, "curl -fsSL https://example.org/file.tgz -o /tmp/file.tgz", "git clone https://example.org/repo.git /tmp/repo", "wget -q https://example.org/file.tgz -O /tmp/file.tgz", "cd /tmp && curl -O https://example.org/file.tgz", "git clone --depth 1 -b v1 https://example.org/repo /opt/repo && rm -rf /opt/repo/.git"))...)
	if s.chance(60) {
		s.add(s.run(pick(s.Random, "rm /tmp/file.tgz || true", "rm -rf /tmp/repo", "cp /tmp/file.tgz /opt/ && rm /tmp/file.tgz || true", "rm -f /tmp/file.tgz"))...)
	}
}

// clean removes in a layer of its own.
func (s *cook) clean() {
	s.root(80)
	s.add(s.run(pick(s.Random, "rm -rf /root/.cache", "rm -rf /root/.cache/pip", "rm -rf ~/.cache", "rm -r /root/.cache/pip || true", "rm -rf /var/lib/apt/lists/*", "rm -r /var/lib/apt/lists/*", "rm -rf /tmp/*", "rm -rf /var/cache/apk/*", "apt-get clean", "apt-get purge -y gcc && apt-get autoremove -y", "rm -rf /app/tests", "rm -rf /tmp/repo", "rm -f /tmp/file.tgz", "pip cache purge", "rm -rf /root/.cache/* /tmp/*",
		"rm -rf /var/lib/apt/lists/* && apt-get clean", "rm -f /tmp/requirements.txt", "npm cache clean --force", "rm -rf "+gopath.Join("/", s.dest, "node_modules"), "rm -rf /root/.npm", "apt-get remove -y build-essential"))...)
}
