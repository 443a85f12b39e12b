package shelleffects

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// silent are commands that read and write no file whatever their arguments are, besides what belongs
// to the system itself: users, groups, locales, certificates, package databases.
var silent = map[string]bool{
	"echo": true, "printf": true, "true": true, "false": true, ":": true, "set": true, "export": true, "unset": true,
	"exit": true, "return": true, "umask": true, "sleep": true, "date": true, "id": true, "whoami": true, "uname": true,
	"hash": true, "type": true, "which": true, "command": true, "ulimit": true, "trap": true, "shopt": true, "local": true,
	"readonly": true, "declare": true, "typeset": true, "cd": true, "pushd": true, "popd": true, "seq": true, "arch": true, "nproc": true,
	"getent": true, "useradd": true, "groupadd": true, "adduser": true, "addgroup": true, "usermod": true, "groupmod": true,
	"userdel": true, "groupdel": true, "deluser": true, "delgroup": true, "passwd": true, "chpasswd": true,
	"fc-cache": true, "locale-gen": true, "localedef": true, "ldconfig": true, "update-ca-certificates": true, "update-locale": true,
	"apt-key": true, "apt-mark": true, "apt-cache": true, "apt-config": true, "add-apt-repository": true, "dpkg-reconfigure": true, "lsb_release": true,
	"debconf-set-selections": true, "dpkg-query": true, "dpkg-architecture": true, "rpm-ostree": true, "update-alternatives": true,
	"break": true, "continue": true, "yes": true, "basename": true, "dirname": true, "tr": true, "expr": true, "let": true, "shift": true, "read": true, "wait": true, "times": true,
}

// onPaths are commands that read and write what their operands name and nothing else. The value is
// the letters of options that take a value.
var onPaths = map[string]string{
	"mkdir": "m", "rmdir": "", "touch": "drt", "chmod": "", "chown": "", "chgrp": "", "ln": "tS", "cp": "tS", "mv": "tS", "install": "mogtS",
	"ls": "", "cat": "", "head": "nc", "tail": "nc", "wc": "", "stat": "c", "du": "", "df": "",
	"sed": "", "grep": "", "egrep": "", "fgrep": "", "awk": "", "gawk": "", "sort": "kt", "uniq": "", "cut": "dfbc", "tee": "", "diff": "",
	"tar": "fCXT", "unzip": "dxP", "gzip": "", "gunzip": "", "xz": "", "unxz": "", "bzip2": "", "strip": "", "readlink": "", "realpath": "", "mktemp": "",
	"sha256sum": "", "sha512sum": "", "sha1sum": "", "md5sum": "", "gpg": "", "jq": "Lf", "dpkg": "", "rpm": "", "file": "",
	".": "", "source": "", "rm": "", "unlink": "", "shred": "", "truncate": "sr",
}

// inDirectory are commands that, besides what their operands name, may write into the directory that
// they run in.
var inDirectory = map[string]bool{
	"tar": true, "unzip": true, "curl": true, "wget": true, "git": true, "mktemp": true,
}

// harmless reads the commands that install nothing. It knows little: what it does not recognise is
// unknown.
func (c *call) harmless() kind {
	switch c.name {
	case "find":
		return c.find()
	case "curl", "wget":
		return c.download()
	case "git":
		return c.git()
	case "test", "[", "[[":
		return c.test()
	}
	if silent[c.name] {
		return kind{known: true}
	}
	letters, ok := onPaths[c.name]
	if !ok {
		return unknown
	}
	if c.name == "jq" && slices.ContainsFunc(c.args, func(a arg) bool { return asksBeyond.MatchString(a.text) }) {
		return unknown
	}
	if c.name == "rm" {
		if tool := c.takesCache(); tool != "" {
			return kind{known: true, removes: true, cacheOf: tool}
		}
	}
	k := kind{known: true, removes: c.name == "rm"}
	args := c.args
	if c.name == "tar" && len(args) > 0 && !strings.HasPrefix(args[0].text, "-") {
		// tar's first word is options with or without a dash.
		args = append([]arg{{text: "-" + args[0].text, known: args[0].known}}, args[1:]...)
	}
	p := options{short: letters, long: valueOptions[c.name]}.parse(args)
	words := p.words
	if c.firstIsNoPath(p) {
		words = words[1:]
	}
	for _, o := range p.options {
		// "--target-directory=/x", "-t/x": a path may hide in any option's value.
		if strings.Contains(o.value.text, "/") || (o.name == "t" || o.name == "f" || o.name == "C") && o.value.text != "" && o.value.text != "-" {
			words = append(words, o.value)
		}
	}
	if len(words) == 0 && (c.name == "ls" || c.name == "du" || strings.HasSuffix(c.name, "grep") && p.has("r", "R", "recursive")) {
		if here, ok := c.abs("."); ok {
			k.paths = append(k.paths, here)
		}
	}
	if inDirectory[c.name] && !p.has("C", "directory", "d") {
		words = append(words, arg{text: ".", known: true})
	}
	for _, w := range words {
		if w.text == "" && w.known {
			continue
		}
		path, ok := c.touched(w)
		if !ok {
			return unknown
		}
		k.paths = append(k.paths, path)
		everything := strings.TrimRight(w.text, "*")
		if k.removes && (w.known || w.glob && strings.HasSuffix(everything, "/") && !strings.ContainsAny(everything, "*?[")) {
			k.whole = append(k.whole, path)
		}
	}
	return k
}

// cacheQuestions are the commands that put out where a tool keeps its cache.
// Source: pip's documentation, "pip cache"; uv's, "uv cache dir"; Poetry's, "Configuration", cache-dir.
var cacheQuestions = []struct {
	tool    string
	command *lazyregexp.Regexp
}{
	{"pip", lazyregexp.New(`^([\w./${}-]*/)?(python[\d.]* -m )?pip[\d.]* cache dir$`)},
	{"uv", lazyregexp.New(`^([\w./${}-]*/)?uv cache dir$`)},
	{"poetry", lazyregexp.New(`^([\w./${}-]*/)?poetry config cache-dir$`)},
}

// substituted is the command of a word that is nothing but a command substitution.
func substituted(word string) (command string, ok bool) {
	for _, quotes := range [][2]string{{"$(", ")"}, {"`", "`"}} {
		if rest, begins := strings.CutPrefix(word, quotes[0]); begins {
			return strings.CutSuffix(rest, quotes[1])
		}
	}
	return "", false
}

// takesCache is the tool whose cache an rm takes away and nothing else: "rm -rf $(pip cache dir)"; ""
// where it is not that.
func (c *call) takesCache() string {
	found := ""
	for _, a := range c.args {
		text := strings.Trim(a.text, `"`)
		if strings.HasPrefix(text, "-") {
			continue
		}
		asked, ok := substituted(text)
		if !ok || found != "" {
			return ""
		}
		asked = strings.Join(strings.Fields(asked), " ")
		for _, q := range cacheQuestions {
			if q.command.MatchString(asked) {
				found = q.tool
			}
		}
		if found == "" {
			return ""
		}
	}
	return found
}

// valueOptions are long options that take a value.
var valueOptions = map[string][]string{
	"tar": {"directory", "file", "transform", "exclude", "strip-components", "files-from"}, "cp": {"target-directory"},
	"mv": {"target-directory"}, "ln": {"target-directory"}, "install": {"target-directory", "mode", "owner", "group"},
	"chown": {"from"}, "mktemp": {"tmpdir"},
}

// asksBeyond is a program of jq that reads modules or the environment.
var asksBeyond = lazyregexp.New(`\b(env|ENV|import|include)\b`)

// deleteLines is sed's command d behind an address.
var deleteLines = lazyregexp.New(`^(\d+|\$|/[^/]*/)(,(\d+|\$|/[^/]*/))?I?d$`)

// firstIsNoPath says whether a command's first operand is a mode, an owner, a pattern or a program.
func (c *call) firstIsNoPath(p parsed) bool {
	if len(p.words) == 0 || p.has("reference") {
		return false
	}
	first := p.words[0].text
	switch c.name {
	case "chmod", "chown", "chgrp":
		return true
	case "grep", "egrep", "fgrep":
		return !p.has("e", "f", "regexp", "file")
	case "awk", "gawk":
		return p.words[0].known && !p.has("f", "file") && !strings.Contains(first, "getline") && !strings.Contains(first, ">")
	case "jq":
		return p.words[0].known && !p.has("f", "from-file", "args", "jsonargs", "arg", "argjson", "slurpfile", "rawfile")
	case "sed":
		// The commands s and d read and write nothing else; r, w and e would.
		return p.words[0].known && !p.has("e", "f", "expression", "file") && !strings.ContainsAny(first, "\n;{") &&
			(len(first) > 3 && first[0] == 's' && strings.ContainsRune("/|#,@%!:~", rune(first[1])) && !strings.ContainsAny(first[strings.LastIndexByte(first, first[1]):], "we") ||
				deleteLines.MatchString(first))
	}
	return false
}

// fileTests are the operators of test that look at the file behind them. All others compare texts and
// numbers, which may be anything.
// Source: POSIX.1-2024, XCU, test; GNU coreutils "test: File type tests".
var fileTests = map[string]bool{
	"-b": true, "-c": true, "-d": true, "-e": true, "-f": true, "-g": true, "-h": true, "-k": true, "-L": true, "-N": true,
	"-O": true, "-G": true, "-p": true, "-r": true, "-s": true, "-S": true, "-u": true, "-w": true, "-x": true, "-a": true,
}

// test reads "test", "[" and "[[": the files that they look at.
func (c *call) test() kind {
	k := kind{known: true}
	look := func(n int) bool {
		if n < 0 || n >= len(c.args) {
			return true
		}
		path, ok := c.touched(c.args[n])
		if ok {
			k.paths = append(k.paths, path)
		}
		return ok
	}
	for n, a := range c.args {
		ok := true
		switch {
		case a.text == "-nt" || a.text == "-ot" || a.text == "-ef":
			ok = look(n-1) && look(n+1)
		case a.text == "-a" && n > 0 && c.args[n-1].text != "!" && c.args[n-1].text != "(":
			// "and" between two tests.
		case fileTests[a.text]:
			ok = look(n + 1)
		}
		if !ok {
			return unknown
		}
	}
	return k
}

func (c *call) find() kind {
	k := kind{known: true}
	rest := c.args
	for len(rest) > 0 && !strings.HasPrefix(rest[0].text, "-") && rest[0].text != "(" && rest[0].text != "!" {
		p, ok := c.touched(rest[0])
		if !ok {
			return unknown
		}
		k.paths = append(k.paths, p)
		rest = rest[1:]
	}
	if len(k.paths) == 0 {
		p, ok := c.abs(".")
		if !ok {
			return unknown
		}
		k.paths = append(k.paths, p)
	}
	all := true // nothing in the directories is left out
	for n, a := range rest {
		switch a.text {
		case "-exec", "-execdir", "-ok", "-okdir":
			if n+1 >= len(rest) || !contains([]string{"rm", "rmdir", "chmod", "chown", "strip", "touch", "ls"}, rest[n+1].text) {
				return unknown
			}
			k.removes = k.removes || rest[n+1].text == "rm"
		case "-delete":
			k.removes = true
		case "-fprint", "-fprintf", "-fls":
			return unknown
		case "-type", "-mindepth", "-depth", "-xdev", "-print":
		default:
			all = all && (!strings.HasPrefix(a.text, "-") || n > 0 && rest[n-1].text == "rm") && a.text != "!"
		}
	}
	if k.removes = k.removes && all; k.removes {
		k.whole = k.paths
	}
	return k
}

// download reads curl and wget: they write what -o and -O name, else into their directory.
func (c *call) download() kind {
	letters := "oHAebdFTuXxKmwrCDEyYzQUP"
	if c.name == "wget" {
		letters = "oOaeitTQPUlADIRX"
	}
	p := options{short: letters, long: []string{"output", "output-document", "header", "user-agent", "retry", "retry-delay", "retry-max-time", "connect-timeout", "max-time", "proto", "data", "directory-prefix", "output-dir", "tries", "timeout", "user", "cacert", "request", "ciphers", "tls-max", "write-out", "speed-limit", "speed-time", "max-redirs", "url"}}.parse(c.args)
	k := kind{known: true}
	names := []string{"o", "output", "T", "upload-file", "K", "config", "data", "d", "F", "form", "output-dir", "cacert"}
	if c.name == "wget" {
		names = []string{"O", "output-document", "o", "P", "directory-prefix", "i", "input-file"}
	}
	wrote := false
	for _, o := range p.options {
		if !contains(names, o.name) {
			continue
		}
		if o.value.text == "-" {
			wrote = true
			continue
		}
		path, ok := c.touched(o.value)
		if !ok {
			return unknown
		}
		wrote = wrote || o.name != "data" && o.name != "d" && o.name != "cacert"
		k.paths = append(k.paths, path)
	}
	if !wrote && (c.name == "wget" || p.has("O", "remote-name", "remote-name-all", "J")) {
		path, ok := c.abs(".")
		if !ok {
			return unknown
		}
		k.paths = append(k.paths, path)
	}
	for _, w := range p.words {
		if strings.HasPrefix(w.text, "file:") {
			return unknown
		}
	}
	return k
}

// git reads clones and the configuration; everything else may read the source.
func (c *call) git() kind {
	p := options{short: "bcoCu", long: []string{"branch", "depth", "config", "origin", "reference", "jobs", "filter", "shallow-since", "template", "separate-git-dir"}}.parse(c.args)
	switch p.word(0) {
	case "config":
		if p.has("global", "system") {
			return kind{known: true}
		}
	case "version", "--version":
		return kind{known: true}
	case "clone":
		into := arg{known: true}
		switch {
		case len(p.words) == 3:
			into = p.words[2]
		case len(p.words) == 2 && p.words[1].known:
			name := strings.TrimSuffix(strings.TrimRight(p.words[1].text, "/"), ".git")
			into.text = name[strings.LastIndexByte(name, '/')+1:]
		default:
			return unknown
		}
		if len(p.words) > 1 && !strings.Contains(p.words[1].text, ":") {
			return unknown // a repository on the image's own disk
		}
		dir, ok := c.touched(into)
		if !ok {
			return unknown
		}
		return kind{known: true, paths: []string{dir}}
	}
	return unknown
}
