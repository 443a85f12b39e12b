package lab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"strings"
)

const (
	someDigest  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	otherDigest = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// runs is a Dockerfile of some lines on the base image.
func runs(lines ...string) string { return "FROM base\n" + strings.Join(lines, "\n") + "\n" }

// cases are grouped by what they show.
func cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		baseCases(), dockerfileCases(), copyCases(), linkCases(), wildcardCases(), ignoreCases(),
		flagCases(), textCases(), contentCases(), variableCases(), userCases(), stageCases(), mountCases(), addCases(), namedContextCases(),
	} {
		all = append(all, group...)
	}
	return all
}

func baseCases() []testCase {
	return []testCase{
		{name: "base: another tag", before: "FROM base\nRUN true\n", after: "FROM base:2\nRUN true\n", want: "r"},
		{name: "base: another name", before: "FROM base\nCOPY a /\nRUN true\n", after: "FROM other\nCOPY a /\nRUN true\n", tree: Tree{"a": text("a")}, want: "r r"},
		{name: "base: the default tag and registry written out", before: "FROM base\nRUN true\n", after: "FROM docker.io/library/base:latest\nRUN true\n", want: "c"},
		{name: "base: a digest added, the same image",
			before: "FROM base\nRUN true\n", after: "FROM base@" + someDigest + "\nRUN true\n",
			images: map[string]string{"base@" + someDigest: "base"}, want: "mc"},
		{name: "base: a digest added, another image",
			before: "FROM base\nRUN true\n", after: "FROM base@" + someDigest + "\nRUN true\n",
			images: map[string]string{"base@" + someDigest: "moved"}, want: "mr"},
		{name: "base: a digest taken away",
			before: "FROM base@" + someDigest + "\nCOPY a /\nRUN true\n", after: "FROM base\nCOPY a /\nRUN true\n", tree: Tree{"a": text("a")},
			images: map[string]string{"base@" + someDigest: "base"}, want: "mc mc"},
		{name: "base: a digest added and a file changed",
			before: "FROM base\nCOPY a /\nRUN true\n", after: "FROM base@" + someDigest + "\nCOPY a /\nRUN true\n",
			tree: Tree{"a": text("a")}, edit: Tree{"a": text("b")},
			images: map[string]string{"base@" + someDigest: "base"}, want: "r r"},
		{name: "base: another tag of the same digest",
			before: "FROM base:2@" + someDigest + "\nRUN true\n", after: "FROM base:3@" + someDigest + "\nRUN true\n",
			images: map[string]string{"base:2@" + someDigest: "base", "base:3@" + someDigest: "base"}, want: "c"},
		{name: "base: another digest",
			before: "FROM base@" + someDigest + "\nRUN true\n", after: "FROM base@" + otherDigest + "\nRUN true\n",
			images: map[string]string{"base@" + someDigest: "base", "base@" + otherDigest: "moved"}, want: "r"},
		{name: "base: the platform that it has anyway", before: "FROM base\nRUN true\n", after: "FROM --platform=linux/amd64 base\nRUN true\n", want: "c"},
		{name: "base: by an argument", before: "ARG V=1\nFROM base:$V\nRUN true\n", after: "ARG V=2\nFROM base:${V}\nRUN true\n",
			images: map[string]string{"base:1": "base"}, want: "r"},
		{name: "base: COPY from another tag with an equal file", before: "FROM base\nCOPY --from=other /etc/passwd /p\nRUN true\n",
			after: "FROM base\nCOPY --from=other:2 /etc/passwd /p\nRUN true\n", images: map[string]string{"other:2": "2"}, want: "mc mc"},
		{name: "base: COPY from the same image", before: "FROM base\nCOPY --from=other /etc/passwd /p\nRUN true\n",
			after: "FROM base\nCOPY --from=other:latest /etc/passwd /p\nRUN true\n", want: "c c"},
		{name: "base: COPY from the same image, another file", before: "FROM base\nCOPY --from=other /etc/passwd /p\n",
			after: "FROM base\nCOPY --from=other /etc/group /p\n", want: "r"},
	}
}

func dockerfileCases() []testCase {
	app := Tree{"app.py": text("x")}
	return []testCase{
		{name: "Dockerfile: a comment, and everything copied", before: runs("COPY . ."), after: runs("# hi", "COPY . ."), tree: app, want: "r"},
		{name: "Dockerfile: a comment, ignored", before: runs("COPY . ."), after: runs("# hi", "COPY . ."),
			tree: Tree{"app.py": text("x"), ".dockerignore": text("Dockerfile\n")}, want: "c"},
		{name: "Dockerfile: outside the context", before: runs("COPY . ."), after: runs("# hi", "COPY . ."),
			tree: Tree{"src/app.py": text("x")}, context: "src", dockerfile: "docker/Dockerfile", want: "c"},
		{name: "Dockerfile: a comment, and a mount of everything", before: runs("RUN --mount=target=/src true"), after: runs("# hi", "RUN --mount=target=/src true"), tree: app, want: "r"},
		{name: "ignore file: a comment, and everything copied", before: runs("COPY . ."), tree: Tree{"app.py": text("x"), ".dockerignore": text("docs\n")},
			edit: Tree{".dockerignore": text("# nothing\ndocs\n")}, want: "r"},
		{name: "ignore file: a comment, ignored", before: runs("COPY . ."), tree: Tree{"app.py": text("x"), ".dockerignore": text(".dockerignore\n")},
			edit: Tree{".dockerignore": text("# nothing\n.dockerignore\n")}, want: "c"},
		{name: "ignore file: a pattern without effect, and one folder copied", before: runs("COPY src /src"),
			tree: Tree{"src/a": text("a"), ".dockerignore": text("docs\n")}, edit: Tree{".dockerignore": text("docs\nnothing\n")}, want: "c"},
		{name: "Dockerfile: LABEL, EXPOSE, CMD and others change nothing", before: runs("RUN true"),
			after: "FROM base\nLABEL a=b\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL 9\nHEALTHCHECK CMD true\nRUN true\nCMD [\"x\"]\nENTRYPOINT [\"y\"]\nMAINTAINER me\n", want: "c"},
		{name: "Dockerfile: a step put in between", before: runs("RUN true", "RUN echo 2"), after: runs("RUN true", "RUN echo 1", "RUN echo 2"), want: "c r r"},
		{name: "Dockerfile: the last step taken away", before: runs("RUN true", "RUN echo 2"), after: runs("RUN true"), want: "c"},
		{name: "Dockerfile: the first step taken away", before: runs("RUN true", "RUN echo 2"), after: runs("RUN echo 2"), want: "r"},
		{name: "Dockerfile: two steps exchanged", before: runs("RUN echo 1", "RUN echo 2"), after: runs("RUN echo 2", "RUN echo 1"), want: "r r"},
		{name: "Dockerfile: its own ignore file wins", before: runs("COPY . ."),
			tree: Tree{"app.py": text("x"), "b": text("b"), ".dockerignore": text("*.py\n"), "Dockerfile.dockerignore": text("b\n")},
			edit: Tree{"b": text("changed")}, want: "c"},
	}
}

func copyCases() []testCase {
	conf := Tree{"conf/app.ini": text("x"), "conf/other": text("o")}
	return []testCase{
		{name: "COPY: nothing changed", before: runs("COPY a /a", "RUN true"), tree: Tree{"a": text("a")}, want: "c c"},
		{name: "COPY: the file changed", before: runs("COPY a /a", "RUN true"), tree: Tree{"a": text("a")}, edit: Tree{"a": text("b")}, want: "r r"},
		{name: "COPY: another file changed", before: runs("COPY a /a", "RUN true"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"b": text("c")}, want: "c c"},
		{name: "COPY: another folder, the same base name", before: runs("COPY conf/app.ini /x"), after: runs("COPY settings/app.ini /x"), tree: conf,
			edit: Tree{"settings/app.ini": text("x")}, want: "c"},
		{name: "COPY: another base name", before: runs("COPY conf/app.ini /x"), after: runs("COPY conf/prod.ini /x"), tree: conf, edit: Tree{"conf/prod.ini": text("x")}, want: "r"},
		{name: "COPY: a folder under another name", before: runs("COPY app /x"), after: runs("COPY lib /x"), tree: Tree{"app/a": text("a")},
			edit: Tree{"lib/a": text("a")}, remove: []string{"app/a"}, want: "r"},
		{name: "COPY: a folder in another folder", before: runs("COPY app /x"), after: runs("COPY sub/app /x"), tree: Tree{"app/a": text("a")},
			edit: Tree{"sub/app/a": text("a")}, want: "c"},
		{name: "COPY: a file in the folder renamed", before: runs("COPY app /x"), tree: Tree{"app/a": text("a")}, edit: Tree{"app/b": text("a")}, remove: []string{"app/a"}, want: "r"},
		{name: "COPY: a file in the folder added and empty", before: runs("COPY app /x"), tree: Tree{"app/a": text("a")}, edit: Tree{"app/b": text("")}, want: "r"},
		{name: "COPY: a wildcard for the one file", before: runs("COPY conf/app.ini /x/"), after: runs("COPY conf/*.ini /x/"), tree: conf, want: "r"},
		{name: "COPY: destinations . and ./", before: runs("COPY a ."), after: runs("COPY a ./"), tree: Tree{"a": text("a")}, want: "c"},
		{name: "COPY: destinations . and the working directory", before: runs("WORKDIR /app", "COPY a ."), after: runs("WORKDIR /app", "COPY a /app/"), tree: Tree{"a": text("a")}, want: "c c"},
		{name: "COPY: destination ./x for .", before: runs("WORKDIR /app", "COPY a ."), after: runs("WORKDIR /app", "COPY a ./a"), tree: Tree{"a": text("a")}, want: "c r"},
		{name: "COPY: a slash at the destination's end", before: runs("COPY app app"), after: runs("COPY app app/"), tree: Tree{"app/a": text("a")}, want: "r"},
		{name: "COPY: . . for . /app", before: runs("WORKDIR /app", "COPY app ."), after: runs("WORKDIR /app", "COPY app /app"), tree: Tree{"app/a": text("a")}, want: "c r"},
		{name: "COPY: a slash at the source's end", before: runs("COPY app /x"), after: runs("COPY app/ /x"), tree: Tree{"app/a": text("a")}, want: "c"},
		{name: "COPY: ./ before the source", before: runs("COPY app /x"), after: runs("COPY ./app /x"), tree: Tree{"app/a": text("a")}, want: "c"},
		{name: "COPY: the executable bit", before: runs("COPY a /x"), tree: Tree{"a": text("a")}, edit: Tree{"a": {Data: "a", Exec: true}}, want: "r"},
		{name: "COPY: the executable bit under --chmod", before: runs("COPY --chmod=755 a /x"), tree: Tree{"a": text("a")}, edit: Tree{"a": {Data: "a", Exec: true}}, want: "r"},
		{name: "COPY: two sources exchanged", before: runs("COPY a b /x/"), after: runs("COPY b a /x/"), tree: Tree{"a": text("a"), "b": text("b")}, want: "r"},
		{name: "COPY: two sources, one changed", before: runs("COPY a b /x/", "RUN true"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"b": text("c")}, want: "r r"},
		{name: "COPY: two sources, contents exchanged", before: runs("COPY a b /x/"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"a": text("b"), "b": text("a")}, want: "r"},
		{name: "COPY: a source given twice", before: runs("COPY a/x b/x /d/"), tree: Tree{"a/x": text("1"), "b/x": text("2")}, edit: Tree{"b/x": text("3")}, want: "r"},
		{name: "COPY: two steps, the second changed", before: runs("COPY a /", "RUN echo 1", "COPY b /", "RUN echo 2"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"b": text("c")}, want: "c c r r"},
		{name: "COPY: a file made a folder", before: runs("COPY a /a"), tree: Tree{"a": text("x")}, edit: Tree{"a/b": text("x")}, remove: []string{"a"}, want: "r"},
		{name: "COPY: from a variable", before: runs("ARG D=a", "COPY $D/x /d"), after: runs("ARG D=b", "COPY $D/x /d"), tree: Tree{"a/x": text("1"), "b/x": text("1")}, want: "c"},
		{name: "COPY: a heredoc's text", before: runs("COPY <<E /x", "1", "E"), after: runs("COPY <<E /x", "2", "E"), want: "r"},
		{name: "COPY: a heredoc's delimiter", before: runs("COPY <<E /x", "1", "E"), after: runs("COPY <<F /x", "1", "F"), want: "r"},
		{name: "COPY: ADD for COPY of a plain file", before: runs("COPY a /x"), after: runs("ADD a /x"), tree: Tree{"a": text("a")}, want: "r"},
	}
}

func linkCases() []testCase {
	link := func(to string) File { return File{Link: to} }
	return []testCase{
		{name: "symlink: made a file", before: runs("COPY l /x"), tree: Tree{"l": link("a"), "a": text("a")}, edit: Tree{"l": text("a")}, want: "c"},
		{name: "symlink: pointed at an equal file", before: runs("COPY l /x"), tree: Tree{"l": link("a"), "a": text("a"), "b": text("a")}, edit: Tree{"l": link("b")}, want: "c"},
		{name: "symlink: pointed at another file", before: runs("COPY l /x"), tree: Tree{"l": link("a"), "a": text("a"), "b": text("b")}, edit: Tree{"l": link("b")}, want: "r"},
		{name: "symlink: its target changed", before: runs("COPY l /x"), tree: Tree{"l": link("a"), "a": text("a")}, edit: Tree{"a": text("b")}, want: "r"},
		{name: "symlink: in a folder, its text", before: runs("COPY d /x"), tree: Tree{"d/l": link("a"), "d/a": text("a"), "d/b": text("a")}, edit: Tree{"d/l": link("b")}, want: "r"},
		{name: "symlink: in a folder, its target", before: runs("COPY d /x"), tree: Tree{"d/l": link("../a"), "a": text("a")}, edit: Tree{"a": text("b")}, want: "c"},
		{name: "symlink: to a folder", before: runs("COPY l /x"), tree: Tree{"l": link("d"), "d/a": text("a")}, edit: Tree{"d/a": text("b")}, want: "r"},
		{name: "symlink: to a folder, below it", before: runs("COPY l/a /x"), tree: Tree{"l": link("d"), "d/a": text("a"), "d/b": text("b")}, edit: Tree{"d/b": text("c")}, want: "c"},
		{name: "symlink: through two", before: runs("COPY l /x"), tree: Tree{"l": link("m"), "m": link("d/a"), "d/a": text("a")}, edit: Tree{"d/a": text("b")}, want: "r"},
		{name: "symlink: matched by a wildcard", before: runs("COPY l* /x/"), tree: Tree{"l1": link("a"), "a": text("a")}, edit: Tree{"a": text("b")}, want: "r"},
		{name: "symlink: in a folder under --exclude", before: runs("COPY --exclude=z d /x/"), tree: Tree{"d/l": link("../a"), "a": text("a"), "d/k": text("k")}, edit: Tree{"a": text("b")}, want: "c"},
		{name: "symlink: absolute", before: runs("COPY l /x"), tree: Tree{"l": link("/d/a"), "d/a": text("a")}, edit: Tree{"d/a": text("b")}, want: "r"},
		{name: "symlink: mounted", before: runs("RUN --mount=source=l,target=/x true"), tree: Tree{"l": link("a"), "a": text("a")}, edit: Tree{"a": text("b")}, want: "r"},
	}
}

func wildcardCases() []testCase {
	return []testCase{
		{name: "wildcard: dotfiles", before: runs("COPY * /x/"), tree: Tree{"a": text("a"), ".h": text("h")}, edit: Tree{".h": text("i")}, want: "r"},
		{name: "wildcard: not below", before: runs("COPY *.txt /x/"), tree: Tree{"a.txt": text("a"), "d/b.txt": text("b")}, edit: Tree{"d/b.txt": text("c")}, want: "c"},
		{name: "wildcard: ** is *", before: runs("COPY **/x.txt /x/"), tree: Tree{"d/x.txt": text("a"), "d/e/x.txt": text("b"), "x.txt": text("0")}, edit: Tree{"d/e/x.txt": text("c"), "x.txt": text("1")}, want: "c"},
		{name: "wildcard: another match", before: runs("COPY *.txt /x/"), tree: Tree{"a.txt": text("a")}, edit: Tree{"b.txt": text("b")}, want: "r"},
		{name: "wildcard: a match renamed", before: runs("COPY *.txt /x/"), tree: Tree{"a.txt": text("a")}, edit: Tree{"b.txt": text("a")}, remove: []string{"a.txt"}, want: "r"},
		{name: "wildcard: a folder matched", before: runs("COPY d* /x/"), tree: Tree{"d1/a": text("a"), "d2/b": text("b")}, edit: Tree{"d2/b": text("c")}, want: "r"},
		{name: "wildcard: an optional file appears", before: runs("COPY a b* /x/"), tree: Tree{"a": text("a")}, edit: Tree{"b": text("b")}, want: "r"},
		{name: "wildcard: a class", before: runs("COPY [ab].c /x/"), tree: Tree{"a.c": text("a"), "b.c": text("b"), "c.c": text("c")}, edit: Tree{"c.c": text("d")}, want: "c"},
		{name: "wildcard: question mark", before: runs("COPY ?.c /x/"), tree: Tree{"a.c": text("a"), "bb.c": text("b")}, edit: Tree{"bb.c": text("d")}, want: "c"},
		{name: "wildcard: in the middle", before: runs("COPY */go.mod /x/"), tree: Tree{"a/go.mod": text("a"), "b/go.mod": text("b"), "a/x": text("x")}, edit: Tree{"a/x": text("y")}, want: "c"},
		{name: "parents: a folder's name counts", before: runs("COPY --parents a/x /d/"), after: runs("COPY --parents b/x /d/"), tree: Tree{"a/x": text("1"), "b/x": text("1")}, want: "r"},
		{name: "parents: ** goes down", before: runs("COPY --parents **/go.mod /d/"), tree: Tree{"a/go.mod": text("1"), "a/b/go.mod": text("1"), "a/b/x": text("x")}, edit: Tree{"a/b/go.mod": text("2")}, want: "r"},
		{name: "parents: what is beside does not count", before: runs("COPY --parents **/go.mod /d/"), tree: Tree{"a/go.mod": text("1"), "a/b/go.mod": text("1"), "a/b/x": text("x")}, edit: Tree{"a/b/x": text("2")}, want: "c"},
		{name: "parents: from a pivot", before: runs("COPY --parents a/./b/x /d/"), tree: Tree{"a/b/x": text("1"), "a/y": text("y")}, edit: Tree{"a/y": text("2")}, want: "c"},
		{name: "exclude: an excluded file changed", before: runs("COPY --exclude=*.md d /x"), tree: Tree{"d/a": text("a"), "d/r.md": text("r")}, edit: Tree{"d/r.md": text("s")}, want: "c"},
		{name: "exclude: does not reach down", before: runs("COPY --exclude=*.css d /x"), tree: Tree{"d/a.css": text("a"), "d/e/b.css": text("b")}, edit: Tree{"d/e/b.css": text("c")}, want: "r"},
		{name: "exclude: a folder", before: runs("COPY --exclude=e d /x"), tree: Tree{"d/a": text("a"), "d/e/b": text("b")}, edit: Tree{"d/e/b": text("c"), "d/e/f/g": text("g")}, want: "c"},
		{name: "exclude: a pattern without a match", before: runs("COPY d /x"), after: runs("COPY --exclude=nothing d /x"), tree: Tree{"d/a": text("a")}, want: "r"},
		{name: "exclude: another order", before: runs("COPY --exclude=p --exclude=q d /x"), after: runs("COPY --exclude=q --exclude=p d /x"), tree: Tree{"d/a": text("a")}, want: "r"},
		{name: "exclude: the only file of a new folder", before: runs("COPY --exclude=**/*.md d /x"), tree: Tree{"d/a": text("a")}, edit: Tree{"d/e/b.md": text("b")}, want: "r"},
	}
}

func ignoreCases() []testCase {
	return []testCase{
		{name: "ignore: an ignored file changed", before: runs("COPY . /x"), tree: Tree{"a": text("a"), "docs/b": text("b"), ".dockerignore": text("docs\n")}, edit: Tree{"docs/b": text("c"), "docs/d/e": text("e")}, want: "c"},
		{name: "ignore: a folder that is emptied appears", before: runs("COPY . /x"), tree: Tree{"a": text("a"), ".dockerignore": text("**/*.md\n")}, edit: Tree{"docs/b.md": text("b")}, want: "r"},
		{name: "ignore: in a folder that was emptied before", before: runs("COPY . /x"), tree: Tree{"a": text("a"), "docs/b.md": text("b"), ".dockerignore": text("**/*.md\n")}, edit: Tree{"docs/c.md": text("c")}, want: "c"},
		{name: "ignore: an exception", before: runs("COPY . /x"), tree: Tree{"a": text("a"), "docs/b": text("b"), "docs/keep": text("k"), ".dockerignore": text("docs\n!docs/keep\n")}, edit: Tree{"docs/b": text("c")}, want: "c"},
		{name: "ignore: the excepted file changed", before: runs("COPY . /x"), tree: Tree{"a": text("a"), "docs/b": text("b"), "docs/keep": text("k"), ".dockerignore": text("docs\n!docs/keep\n")}, edit: Tree{"docs/keep": text("c")}, want: "r"},
		{name: "ignore: everything but one folder", before: runs("COPY . /x"), tree: Tree{"src/a": text("a"), "b": text("b"), ".dockerignore": text("*\n!src\n")}, edit: Tree{"b": text("c"), "n/m": text("m")}, want: "c"},
		{name: "ignore: an exception with a wildcard", before: runs("COPY . /x"), tree: Tree{"d/e/a.py": text("a"), "d/e/b.js": text("b"), ".dockerignore": text("**\n!**/*.py\n")}, edit: Tree{"d/e/b.js": text("c"), "d/f/g.js": text("g")}, want: "c"},
		{name: "ignore: everything in a folder leaves the folder", before: runs("COPY . /x"), tree: Tree{"a": text("a"), "docs/b": text("b"), ".dockerignore": text("docs/*\n")}, remove: []string{"docs/b"}, want: "r"},
		{name: "ignore: a folder given with ** leaves it too", before: runs("COPY . /x"), tree: Tree{"a": text("a"), "docs/b": text("b"), ".dockerignore": text("docs/**\n")}, remove: []string{"docs/b"}, want: "r"},
	}
}

func flagCases() []testCase {
	flag := func(name, before, after, want string) testCase {
		return testCase{name: "flags: " + name, before: runs("COPY" + before + " a /x"), after: runs("COPY" + after + " a /x"), tree: Tree{"a": text("a")}, want: want}
	}
	return []testCase{
		flag("chown of root added", "", " --chown=0:0", "r"),
		flag("chown without the group", " --chown=1000:1000", " --chown=1000", "r"),
		flag("chown by number for name", " --chown=app", " --chown=1000", "r"),
		flag("chown root:root for 0:0", " --chown=0:0", " --chown=root:root", "c"),
		flag("chmod by letters", " --chmod=755", " --chmod=u=rwx,go=rx", "r"),
		flag("chmod with a zero", " --chmod=755", " --chmod=0755", "c"),
		flag("another order", " --chmod=755 --chown=0:0", " --chown=0:0 --chmod=755", "c"),
		flag("link added", "", " --link", "r"),
	}
}

func textCases() []testCase {
	text := func(name, before, after, want string) testCase {
		return testCase{name: "text: " + name, before: runs(before), after: runs(after), want: want}
	}
	return []testCase{
		text("a line broken where a blank was", "RUN echo a b", "RUN echo a \\\nb", "c"),
		text("the next line indented", "RUN echo a b", "RUN echo a \\\n    b", "r"),
		text("re-indented", "RUN echo a \\\n  b", "RUN echo a \\\n    b", "r"),
		text("a comment and an empty line in a continuation", "RUN echo a \\\n  b", "RUN echo a \\\n# hello\n\n  b", "c"),
		text("a blank at the end", "RUN echo a", "RUN echo a  ", "c"),
		text("a comment at the end of the line", "RUN echo a", "RUN echo a # b", "r"),
		text("the keyword in small letters", "RUN echo a", "run echo a", "c"),
		text("blanks after the keyword", "RUN echo a", "RUN   echo a", "c"),
		text("two blanks between words", "RUN echo a", "RUN echo  a", "r"),
		text("exec form of the same", "RUN true", `RUN ["/bin/sh","-c","true"]`, "c"),
		text("a heredoc of the same line", "RUN true", "RUN <<E\ntrue\nE", "r"),
		text("a comment in a heredoc", "RUN <<E\ntrue\nE", "RUN <<E\n# x\ntrue\nE", "r"),
		text("a heredoc's delimiter", "RUN <<E\ntrue\nE", "RUN <<F\ntrue\nF", "c"),
		{name: "text: carriage returns", before: runs("RUN true", "RUN echo 2"), after: "FROM base\r\nRUN true\r\nRUN echo 2\r\n", want: "c c"},
		{name: "text: a byte order mark", before: runs("RUN true"), after: "\ufeff" + runs("RUN true"), want: "c"},
		{name: "text: an escape directive", before: runs("RUN echo a \\\nb"), after: "# escape=`\nFROM base\nRUN echo a `\nb\n", want: "c"},
	}
}

func variableCases() []testCase {
	return []testCase{
		{name: "ENV: a variable added", before: runs("RUN true"), after: runs("ENV A=1", "RUN true"), want: "r"},
		{name: "ENV: a value changed", before: runs("ENV A=1", "COPY a /", "RUN true"), after: runs("ENV A=2", "COPY a /", "RUN true"), tree: Tree{"a": text("a")}, want: "c r"},
		{name: "ENV: another order", before: runs("ENV A=1", "ENV B=2", "RUN true"), after: runs("ENV B=2", "ENV A=1", "RUN true"), want: "r"},
		{name: "ENV: one line for two", before: runs("ENV A=1", "ENV B=2", "RUN true"), after: runs("ENV A=1 B=2", "RUN true"), want: "c"},
		{name: "ENV: set again to its value, not the last", before: runs("ENV A=1 B=2", "RUN true"), after: runs("ENV A=1 B=2", "ENV A=1", "RUN true"), want: "r"},
		{name: "ENV: set again to its value, the last", before: runs("ENV A=1 B=2", "RUN true"), after: runs("ENV A=1 B=2", "ENV B=2", "RUN true"), want: "c"},
		{name: "ENV: quotes", before: runs("ENV A=1", "RUN true"), after: runs(`ENV A="1"`, "RUN true"), want: "c"},
		{name: "ENV: below the RUN", before: runs("RUN true"), after: runs("RUN true", "ENV A=1"), want: "c"},
		{name: "ENV: in a COPY", before: runs("ENV D=/x", "COPY a $D"), after: runs("ENV D=/y", "COPY a $D"), tree: Tree{"a": text("a")}, want: "r"},
		{name: "ARG: that nothing names", before: runs("RUN true"), after: runs("ARG X=1", "RUN true"), want: "r"},
		{name: "ARG: with an empty default", before: runs("RUN true"), after: runs("ARG X=", "RUN true"), want: "r"},
		{name: "ARG: without a value", before: runs("RUN true"), after: runs("ARG X", "RUN true"), want: "c"},
		{name: "ARG: without a default, given another value", before: runs("ARG X", "RUN true"), args: map[string]string{"X": "1"}, newArgs: map[string]string{"X": "2"}, want: "r"},
		{name: "ARG: given a value below the RUN", before: runs("RUN true", "ARG X"), args: map[string]string{"X": "1"}, newArgs: map[string]string{"X": "2"}, want: "c"},
		{name: "ARG: a default that a build argument overrides", before: runs("ARG X=1", "RUN true"), after: runs("ARG X=2", "RUN true"), args: map[string]string{"X": "3"}, want: "c"},
		{name: "ARG: the default given", before: runs("ARG X=1", "RUN true"), newArgs: map[string]string{"X": "1"}, want: "c"},
		{name: "ARG: for ENV", before: runs("ENV X=1", "RUN true"), after: runs("ARG X=1", "RUN true"), want: "c"},
		{name: "ARG: a default that ENV overrides", before: runs("ARG X=2", "ENV X=1", "RUN true"), after: runs("ARG X=3", "ENV X=1", "RUN true"), want: "c"},
		{name: "ARG: a default below the ENV that overrides it", before: runs("ENV X=1", "ARG X=2", "RUN true"), after: runs("ENV X=1", "ARG X=3", "RUN true"), want: "r"},
		{name: "ARG: another order", before: runs("ARG X=1", "ARG Y=2", "RUN true"), after: runs("ARG Y=2", "ARG X=1", "RUN true"), want: "r"},
		{name: "ARG: TARGETPLATFORM declared", before: runs("RUN true"), after: runs("ARG TARGETPLATFORM", "RUN true"), want: "r"},
		{name: "ARG: BUILDKIT_INLINE_CACHE declared and given", before: runs("RUN true"), after: runs("ARG BUILDKIT_INLINE_CACHE", "RUN true"), args: map[string]string{"BUILDKIT_INLINE_CACHE": "1"}, want: "r"},
		{name: "ARG: a proxy given and not declared", before: runs("RUN true"), newArgs: map[string]string{"HTTP_PROXY": "http://127.0.0.1:1"}, want: "c"},
		{name: "ARG: a proxy declared", before: runs("RUN true"), after: runs("ARG HTTP_PROXY", "RUN true"), args: map[string]string{"HTTP_PROXY": "http://127.0.0.1:1"}, want: "r"},
		{name: "ARG: SOURCE_DATE_EPOCH given and not declared", before: runs("COPY a /", "RUN true"), tree: Tree{"a": text("a")}, newArgs: map[string]string{"SOURCE_DATE_EPOCH": "1700000000"}, want: "c c"},
		{name: "ARG: not declared", before: runs("RUN true"), newArgs: map[string]string{"NOTHING": "1"}, want: "c"},
		{name: "ARG: above FROM only", before: "ARG X=1\nFROM base\nRUN true\n", after: "ARG X=2\nFROM base\nRUN true\n", want: "c"},
		{name: "ARG: above FROM and declared in the stage", before: "ARG X=1\nFROM base\nARG X\nRUN true\n", after: "ARG X=2\nFROM base\nARG X\nRUN true\n", want: "r"},
	}
}

func userCases() []testCase {
	return []testCase{
		{name: "USER: root for none", before: runs("RUN true"), after: runs("USER root", "RUN true"), want: "r"},
		{name: "USER: before a COPY", before: runs("COPY a /"), after: runs("USER app", "COPY a /"), tree: Tree{"a": text("a")}, want: "c"},
		{name: "USER: before a WORKDIR", before: runs("WORKDIR /w"), after: runs("USER app", "WORKDIR /w"), want: "r"},
		{name: "USER: by number", before: runs("USER app", "RUN true"), after: runs("USER 1000", "RUN true"), want: "r"},
		{name: "SHELL: the default", before: runs("RUN true"), after: runs(`SHELL ["/bin/sh", "-c"]`, "RUN true"), want: "c"},
		{name: "SHELL: with -e", before: runs("RUN true"), after: runs(`SHELL ["/bin/sh", "-ec"]`, "RUN true"), want: "r"},
		{name: "WORKDIR: a slash at the end", before: runs("WORKDIR /app", "RUN true"), after: runs("WORKDIR /app/", "RUN true"), want: "c r"},
		{name: "WORKDIR: the root", before: runs("RUN true"), after: runs("WORKDIR /", "RUN true"), want: "c"},
		{name: "WORKDIR: where one is already", before: runs("WORKDIR /w", "RUN true"), after: runs("WORKDIR /w", "WORKDIR /w", "RUN true"), want: "c r r"},
		{name: "WORKDIR: two for one", before: runs("WORKDIR /a/b", "RUN true"), after: runs("WORKDIR /a", "WORKDIR b", "RUN true"), want: "r r r"},
		{name: "WORKDIR: relative", before: runs("WORKDIR /a", "WORKDIR b", "RUN true"), after: runs("WORKDIR /a", "WORKDIR /a/b", "RUN true"), want: "c c c"},
		{name: "WORKDIR: between COPY and RUN", before: runs("COPY a /", "RUN true"), after: runs("COPY a /", "WORKDIR /w", "RUN true"), tree: Tree{"a": text("a")}, want: "c r r"},
	}
}

func stageCases() []testCase {
	two := "FROM base AS build\nCOPY src /src\nRUN cp /src/a /out\nFROM base\nCOPY --from=build /out /out\nRUN true\n"
	return []testCase{
		{name: "stages: ran again, equal contents", before: two, tree: Tree{"src/a": text("a"), "src/b": text("b")}, edit: Tree{"src/b": text("c")}, want: "r r mc mc"},
		{name: "stages: ran again, other contents", before: two, tree: Tree{"src/a": text("a"), "src/b": text("b")}, edit: Tree{"src/a": text("c")}, want: "r r mr mr"},
		{name: "stages: nothing changed", before: two, tree: Tree{"src/a": text("a")}, want: "c c c c"},
		{name: "stages: another path of the stage", before: two, after: strings.Replace(two, "--from=build /out", "--from=build /src/a", 1), tree: Tree{"src/a": text("a")}, want: "c c r r"},
		{name: "stages: another folder of the stage, the same name", before: strings.Replace(two, "/out /out", "/etc/passwd /out", 1), after: strings.Replace(two, "/out /out", "/src/passwd /out", 1),
			tree: Tree{"src/a": text("a"), "src/passwd": text("a")}, want: "c c mr mr"},
		{name: "stages: renamed", before: two, after: strings.ReplaceAll(two, "build", "compile"), tree: Tree{"src/a": text("a")}, want: "c c c c"},
		{name: "stages: by number", before: two, after: strings.Replace(two, "--from=build", "--from=0", 1), tree: Tree{"src/a": text("a")}, want: "c c c c"},
		{name: "stages: reordered", before: "FROM base AS a\nRUN echo a > /a\nFROM base AS b\nRUN echo b > /b\nFROM base\nCOPY --from=a /a /\nCOPY --from=b /b /\n",
			after: "FROM base AS b\nRUN echo b > /b\nFROM base AS a\nRUN echo a > /a\nFROM base\nCOPY --from=a /a /\nCOPY --from=b /b /\n", want: "c c c c"},
		{name: "stages: split", before: runs("RUN echo 1", "RUN echo 2"), after: "FROM base AS a\nRUN echo 1\nFROM a\nRUN echo 2\n", want: "c c"},
		{name: "stages: the target does not need it", before: "FROM base AS a\nRUN echo a\nFROM base\nRUN true\n", after: "FROM base AS a\nRUN echo b\nFROM base\nRUN true\n", want: "c"},
		{name: "stages: a target", before: "FROM base AS a\nRUN echo a\nFROM base\nRUN true\n", target: "a", want: "c"},
		{name: "stages: becomes equal to a twin", before: "FROM base AS a\nRUN echo 1 > /a\nFROM base AS b\nRUN echo 2 > /a\nFROM base\nCOPY --from=a /a /x\nCOPY --from=b /a /y\n",
			after: "FROM base AS a\nRUN echo 1 > /a\nFROM base AS b\nRUN echo 1 > /a\nFROM base\nCOPY --from=a /a /x\nCOPY --from=b /a /y\n", want: "c c c mr"},
		{name: "stages: a twin changes", before: "FROM base AS a\nRUN echo 1 > /a\nFROM base AS b\nRUN echo 1 > /a\nFROM base\nCOPY --from=a /a /x\nCOPY --from=b /a /y\n",
			after: "FROM base AS a\nRUN echo 1 > /a\nFROM base AS b\nRUN echo 2 > /a\nFROM base\nCOPY --from=a /a /x\nCOPY --from=b /a /y\n", want: "c r c mr"},
		{name: "stages: a bind mount of a stage that ran again, equal", before: "FROM base AS a\nCOPY n /n\nRUN echo 1 > /a\nFROM base\nRUN --mount=from=a,source=/a,target=/m true\n",
			tree: Tree{"n": text("1")}, edit: Tree{"n": text("2")}, want: "r r mc"},
		{name: "stages: a bind mount with rw of a stage that ran again, equal", before: "FROM base AS a\nCOPY n /n\nRUN echo 1 > /a\nFROM base\nRUN --mount=from=a,source=/a,target=/m,rw true\n",
			tree: Tree{"n": text("1")}, edit: Tree{"n": text("2")}, want: "r r mc"},
		{name: "stages: FROM a stage that ran again", before: "FROM base AS a\nCOPY n /n\nRUN echo 1 > /a\nFROM a\nRUN true\n", tree: Tree{"n": text("1")}, edit: Tree{"n": text("2")}, want: "r r r"},
		{name: "stages: below the maybe a file changed", before: two + "COPY z /z\nRUN echo z\n", tree: Tree{"src/a": text("a"), "src/b": text("b"), "z": text("z")}, edit: Tree{"src/b": text("c"), "z": text("y")}, want: "r r mc mc r r"},
		{name: "stages: a chain of maybes", before: "FROM base AS a\nCOPY n /n\nRUN echo 1 > /a\nFROM base AS b\nCOPY --from=a /a /\nRUN cp /a /b\nFROM base\nCOPY --from=b /b /\n",
			tree: Tree{"n": text("1")}, edit: Tree{"n": text("2")}, want: "r r mc mc mc"},
		{name: "link: what is before it runs again", before: runs("COPY a /a", "COPY --link b /b", "RUN true"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"a": text("c")}, want: "r c r"},
		{name: "link: two do not concern each other", before: runs("COPY --link a /a", "COPY --link b /b"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"a": text("c")}, want: "r c"},
		{name: "link: changed", before: runs("COPY --link a /a", "RUN true"), tree: Tree{"a": text("a")}, edit: Tree{"a": text("c")}, want: "r r"},
		{name: "link: another base", before: "FROM base\nCOPY --link a /a\nRUN true\n", after: "FROM other\nCOPY --link a /a\nRUN true\n", tree: Tree{"a": text("a")}, want: "c r"},
		{name: "link: with a directory", before: runs("COPY --link --chown=1000 d /d", "RUN true"), tree: Tree{"d/a": text("a")}, want: "c c"},
		{name: "ONBUILD: its COPY changes", before: "FROM base AS a\nONBUILD COPY n /n\nRUN echo 1\nFROM a\nRUN true\n", tree: Tree{"n": text("1")}, edit: Tree{"n": text("2")}, want: "c r"},
		{name: "ONBUILD: nothing changes", before: "FROM base AS a\nONBUILD COPY n /n\nRUN echo 1\nFROM a\nRUN true\n", tree: Tree{"n": text("1")}, want: "c c"},
		{name: "scratch: a copy", before: "FROM scratch\nCOPY a /\nCOPY b /\n", tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"b": text("c")}, want: "c r"},
		{name: "scratch: the base taken away", before: "FROM base\nCOPY a /\n", after: "FROM scratch\nCOPY a /\n", tree: Tree{"a": text("a")}, want: "r"},
	}
}

func mountCases() []testCase {
	mount := func(name, before, after, want string) testCase {
		return testCase{name: "mount: " + name, before: runs("RUN " + before + " true"), after: runs("RUN " + after + " true"), tree: Tree{"a": text("a"), "e": text("a"), "d/b": text("b")}, want: want}
	}
	return []testCase{
		mount("another order", "--mount=type=cache,target=/a --mount=type=tmpfs,target=/b", "--mount=type=tmpfs,target=/b --mount=type=cache,target=/a", "c"),
		mount("a cache added", "", "--mount=type=cache,target=/c", "r"),
		mount("a cache's id", "--mount=type=cache,target=/c,id=x", "--mount=type=cache,target=/c,id=y", "c"),
		mount("a cache's default id", "--mount=type=cache,target=/c", "--mount=type=cache,target=/c,id=/c", "c"),
		mount("a cache's id given", "--mount=type=cache,target=/c", "--mount=type=cache,target=/c,id=y", "r"),
		mount("a cache's sharing", "--mount=type=cache,target=/c", "--mount=type=cache,target=/c,sharing=locked", "r"),
		mount("a cache's default sharing", "--mount=type=cache,target=/c", "--mount=type=cache,target=/c,sharing=shared", "c"),
		mount("a cache's owner", "--mount=type=cache,target=/c", "--mount=type=cache,target=/c,uid=1000", "r"),
		mount("a cache's mode", "--mount=type=cache,target=/c,mode=0755", "--mount=type=cache,target=/c,mode=0700", "r"),
		mount("a secret's id", "--mount=type=secret,id=token", "--mount=type=secret,id=other", "r"),
		mount("a secret's target", "--mount=type=secret,id=token", "--mount=type=secret,id=token,target=/t", "r"),
		mount("a secret required", "--mount=type=secret,id=token", "--mount=type=secret,id=token,required", "r"),
		mount("a secret's mode", "--mount=type=secret,id=token", "--mount=type=secret,id=token,mode=0444", "r"),
		mount("a tmpfs with a slash", "--mount=type=tmpfs,target=/s", "--mount=type=tmpfs,target=/s/", "r"),
		mount("a tmpfs's size", "--mount=type=tmpfs,target=/s", "--mount=type=tmpfs,target=/s,size=1m", "r"),
		mount("a bind of another file with equal contents", "--mount=source=a,target=/m", "--mount=source=e,target=/m", "c"),
		mount("network", "", "--network=none", "r"),
		{name: "mount: one file, another changed", before: runs("RUN --mount=source=a,target=/m true"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"b": text("c")}, want: "c"},
		{name: "mount: one file with rw, another changed", before: runs("RUN --mount=source=a,target=/m,rw true"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"b": text("c")}, want: "c"},
		{name: "mount: one file, changed", before: runs("RUN --mount=source=a,target=/m true"), tree: Tree{"a": text("a")}, edit: Tree{"a": text("c")}, want: "r"},
		{name: "mount: a folder, a file in it renamed", before: runs("RUN --mount=source=d,target=/m true"), tree: Tree{"d/a": text("a")}, edit: Tree{"d/b": text("a")}, remove: []string{"d/a"}, want: "r"},
		{name: "mount: two of the context, one changed", before: runs("RUN --mount=source=a,target=/m --mount=source=b,target=/n true"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"b": text("c")}, want: "r"},
		{name: "mount: all of the context and one file", before: runs("RUN --mount=target=/m --mount=source=b,target=/n true"), tree: Tree{"a": text("a"), "b": text("b")}, edit: Tree{"a": text("c")}, want: "r"},
	}
}

func addCases() []testCase {
	type files = map[string]string
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("1")))
	url := "ADD http://SERVER/f /f"
	return []testCase{
		{name: "ADD: a plain file", before: runs("ADD a /x"), tree: Tree{"a": text("a")}, edit: Tree{"a": text("b")}, want: "r"},
		{name: "ADD: unpack said", before: runs("ADD a /x"), after: runs("ADD --unpack=false a /x"), tree: Tree{"a": text("a")}, want: "r"},
		{name: "ADD: an archive compressed again", before: runs("ADD a.tgz /x/", "RUN true"), tree: Tree{"a.tgz": text(archive(gzip.BestSpeed))}, edit: Tree{"a.tgz": text(archive(gzip.BestCompression))}, want: "r r"},
		{name: "ADD: an archive, nothing changed", before: runs("ADD a.tgz /x/"), tree: Tree{"a.tgz": text(archive(gzip.BestSpeed))}, want: "c"},
		{name: "ADD: a URL, nothing changed", before: runs(url, "RUN true"), served: files{"f": "1"}, want: "mc mc"},
		{name: "ADD: a URL, other contents", before: runs(url, "RUN true"), served: files{"f": "1"}, newServed: files{"f": "2"}, want: "mr mr"},
		{name: "ADD: a URL with a checksum, nothing changed", before: runs("ADD --checksum=" + sum + " http://SERVER/f /f"), served: files{"f": "1"}, want: "c"},
		{name: "ADD: a URL, a checksum added", before: runs(url), after: runs("ADD --checksum=" + sum + " http://SERVER/f /f"), served: files{"f": "1"}, want: "mc"},
		{name: "ADD: another URL of the same base name", before: runs(url), after: runs("ADD http://SERVER/d/f /f"), served: files{"f": "1", "d/f": "1"}, want: "mc"},
		{name: "ADD: another URL of another base name", before: runs(url), after: runs("ADD http://SERVER/g /f"), served: files{"f": "1", "g": "1"}, want: "r"},
		{name: "ADD: a URL below a step that runs again", before: runs("COPY a /a", url), served: files{"f": "1"}, tree: Tree{"a": text("a")}, edit: Tree{"a": text("b")}, want: "r r"},
	}
}

// archive is a tar archive of one file.
func archive(level int) string {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, level)
	data := strings.Repeat("some text ", 1000)
	w := tar.NewWriter(z)
	_ = w.WriteHeader(&tar.Header{Name: "f", Mode: 0o644, Size: int64(len(data))})
	_, _ = w.Write([]byte(data))
	_, _ = w.Close(), z.Close()
	return b.String()
}

// contentCases take files of a stage that ran again, where the Dockerfile and the context say what
// comes of it.
func contentCases() []testCase {
	deps := "FROM base AS deps\nWORKDIR /app\nRUN mkdir node_modules && echo 1 > node_modules/x\nCOPY . .\nFROM base\nCOPY --from=deps /app/node_modules /app/node_modules\nCOPY --from=deps /app/src /src\nRUN true\n"
	pure := "FROM scratch AS files\nCOPY conf /conf\nCOPY src /src\nFROM base\nCOPY --from=files /conf /conf\nRUN --mount=from=files,source=/src,target=/s true\n"
	tree := Tree{"conf/a": text("a"), "src/b": text("b"), "src/c": text("c"), ".dockerignore": text("Dockerfile\n.dockerignore\n")}
	return []testCase{
		{name: "contents: below a copy of everything", before: deps, tree: tree, edit: Tree{"README": text("r")}, want: "c c r c c c"},
		{name: "contents: a file of it changed", before: deps, tree: tree, edit: Tree{"src/b": text("x")}, want: "c c r c r r"},
		{name: "contents: the copy has the folder too", before: deps, tree: tree, edit: Tree{"node_modules/y": text("x")}, want: "c c r mr mr mr"},
		{name: "contents: a file in the folder's place", before: strings.ReplaceAll(deps, "COPY . .", "COPY src ."), tree: Tree{"src/src/a": text("a"), "src/b": text("b")}, edit: Tree{"src/b": text("c")}, want: "c c r c c c"},
		{name: "contents: of copies alone, another folder", before: pure, tree: tree, edit: Tree{"src/b": text("x")}, want: "c r c r"},
		{name: "contents: of copies alone, the folder before", before: pure, tree: tree, edit: Tree{"conf/a": text("x")}, want: "r r r r"},
		{name: "contents: of copies alone, one file", before: "FROM base AS files\nCOPY src /src\nFROM base\nCOPY --from=files /src/c /c\n", tree: tree, edit: Tree{"src/b": text("x")}, want: "r c"},
		{name: "contents: of copies alone, the file changed", before: "FROM base AS files\nCOPY src /src\nFROM base\nCOPY --from=files /src/b /c\n", tree: tree, edit: Tree{"src/b": text("x")}, want: "r r"},
		{name: "contents: the executable bit under --chmod", before: "FROM base AS files\nCOPY --chmod=755 src /src\nFROM base\nCOPY --from=files /src/b /c\n", tree: tree, edit: Tree{"src/b": {Data: "b", Exec: true}}, want: "r mc"},
		{name: "contents: ADD for COPY of a folder", before: "FROM base AS files\nCOPY src /src\nFROM base\nCOPY --from=files /src/b /c\n", after: "FROM base AS files\nADD src /src\nFROM base\nCOPY --from=files /src/b /c\n", tree: tree, want: "r c"},
		{name: "contents: through two stages", before: "FROM base AS a\nCOPY src /src\nFROM base AS b\nCOPY --from=a /src/c /x/c\nFROM base\nCOPY --from=b /x /y\n", tree: tree, edit: Tree{"src/b": text("x")}, want: "r c c"},
		{name: "contents: excluded from the copy", before: "FROM base AS a\nRUN mkdir /w && echo 1 > /w/out\nCOPY --exclude=b src /w\nFROM base\nCOPY --from=a /w/out /out\n", tree: tree, edit: Tree{"src/c": text("x")}, want: "c r c"},
		{name: "contents: a linked copy beside", before: "FROM base AS a\nRUN echo 1 > /out\nCOPY --link src /w\nFROM base\nCOPY --from=a /out /out\n", tree: tree, edit: Tree{"src/c": text("x")}, want: "c r c"},
		{name: "contents: a command after the copy", before: "FROM base AS a\nCOPY src /src\nRUN true\nFROM base\nCOPY --from=a /src/c /c\n", tree: tree, edit: Tree{"src/b": text("x")}, want: "r r mc"},
		{name: "contents: a WORKDIR more", before: "FROM base AS a\nRUN echo 1 > /out\nWORKDIR /w\nFROM base\nCOPY --from=a /out /out\n", after: "FROM base AS a\nRUN echo 1 > /out\nWORKDIR /v\nFROM base\nCOPY --from=a /out /out\n", want: "c r c"},
		{name: "contents: two linked copies of it, other contents", before: "FROM base\nRUN true\n", after: "FROM base AS a\nRUN mkdir /o && echo 1 > /o/f\nFROM base AS b\nRUN mkdir /o && echo 2 > /o/f\nFROM base\nCOPY --link --from=a /o /o\nCOPY --link --from=b /o /o\n", want: "r r mr mr"},
		{name: "contents: two linked copies of it to two places", before: "FROM base\nRUN true\n", after: "FROM base AS a\nRUN mkdir /o && echo 1 > /o/f\nFROM base AS b\nRUN mkdir /o && echo 1 > /o/f && true\nFROM base\nCOPY --link --from=a /o /o\nCOPY --link --from=b /o /p\n", want: "r r r r"},
		{name: "contents: a wildcard of a stage", before: "FROM base AS a\nRUN mkdir /o && echo 1 > /o/x.whl\nCOPY src /src\nFROM base\nCOPY --from=a /o/*.whl /w/\n", tree: tree, edit: Tree{"src/b": text("x")}, want: "c r c"},
	}
}

// namedContextCases read from named contexts (docker buildx build --build-context): directories of the
// repository, which have ignore files of their own, and images, also in a stage's place.
func namedContextCases() []testCase {
	type contexts = map[string]string
	lib := contexts{"lib": "shared/lib"}
	from := runs("COPY --from=lib . /lib", "RUN true")
	tree := Tree{"shared/lib/a": text("a"), "shared/lib/b": text("b"), "src/a": text("s")}
	staged := "FROM base AS lib\nRUN echo 1 > /a\nFROM base\nCOPY --from=lib /a /a\nRUN true\n"
	return []testCase{
		{name: "named context: nothing changed", before: from, contexts: lib, tree: tree, want: "c c"},
		{name: "named context: a file changed", before: from, contexts: lib, tree: tree, edit: Tree{"shared/lib/a": text("x")}, want: "r r"},
		{name: "named context: a file beside it changed", before: from, contexts: lib, tree: tree, edit: Tree{"src/a": text("x"), "shared/c": text("c")}, want: "c c"},
		{name: "named context: one file of it, another changed", before: runs("COPY --from=lib a /a"), contexts: lib, tree: tree, edit: Tree{"shared/lib/b": text("x")}, want: "c"},
		{name: "named context: its own ignore file", before: from, contexts: lib, tree: Tree{"shared/lib/a": text("a"), "shared/lib/b": text("b"), "shared/lib/.dockerignore": text("b\n")}, edit: Tree{"shared/lib/b": text("x")}, want: "c c"},
		{name: "named context: the main context's ignore file", before: from, contexts: lib, tree: Tree{"shared/lib/a": text("a"), "shared/lib/b": text("b"), ".dockerignore": text("**/b\n")}, edit: Tree{"shared/lib/b": text("x")}, want: "r r"},
		{name: "named context: another directory of equal files", before: from, contexts: lib, newContexts: contexts{"lib": "other"}, tree: Tree{"shared/lib/a": text("a"), "other/a": text("a")}, want: "c c"},
		{name: "named context: another directory of other files", before: from, contexts: lib, newContexts: contexts{"lib": "src"}, tree: tree, want: "r r"},
		{name: "named context: the same file as the main context", before: runs("COPY a /a"), after: runs("COPY --from=lib a /a"), contexts: lib, tree: Tree{"a": text("a"), "shared/lib/a": text("a")}, want: "c"},
		{name: "named context: mounted, a file changed", before: runs("RUN --mount=from=lib,target=/m true"), contexts: lib, tree: tree, edit: Tree{"shared/lib/a": text("x")}, want: "r"},
		{name: "named context: mounted, one file, another changed", before: runs("RUN --mount=from=lib,source=a,target=/m true"), contexts: lib, tree: tree, edit: Tree{"shared/lib/b": text("x")}, want: "c"},
		{name: "named context: a directory in a stage's place", before: staged, contexts: lib, tree: tree, edit: Tree{"shared/lib/b": text("x")}, want: "c c"},
		{name: "named context: a directory in a stage's place, its file changed", before: staged, contexts: lib, tree: tree, edit: Tree{"shared/lib/a": text("x")}, want: "r r"},
		{name: "named context: an image in the base image's place", before: runs("RUN true"), contexts: contexts{"base": "docker-image://other"}, want: "c"},
		{name: "named context: another image in the base image's place", before: runs("RUN true"), newContexts: contexts{"base": "docker-image://other"}, want: "r"},
	}
}
