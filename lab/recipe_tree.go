package lab

import (
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
