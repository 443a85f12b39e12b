package githubtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// gitTimeout bounds one run of git: far above what a repository of a test takes.
const gitTimeout = time.Minute

// gitDir is a bare repository on disk.
type gitDir string

// gitEnvironment is all that git sees: nothing of the user's configuration, no prompt, no transport
// but local files, no housekeeping that would drop the objects of a force-pushed head.
func gitEnvironment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.DevNull,
		"LC_ALL=C",
		"TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_SYSTEM=" + os.DevNull,
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ALLOW_PROTOCOL=file",
		"GIT_NO_REPLACE_OBJECTS=1",
	}
	config := []string{"gc.auto=0", "maintenance.auto=false", "core.fsync=none", "core.quotePath=false", "safe.bareRepository=all"}
	env = append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)))
	for i, c := range config {
		key, value, _ := strings.Cut(c, "=")
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, value))
	}
	return env
}

// run runs git in the repository and returns its output.
func (d gitDir) run(stdin []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gitTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + string(d)}, args...)...)
	cmd.Env = gitEnvironment()
	cmd.Stdin = bytes.NewReader(stdin)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run git %s: %w: %s", args[0], err, strings.TrimSpace(diagnostics.String()))
	}
	return out.Bytes(), nil
}

// line runs git and returns its output without the final newline.
func (d gitDir) line(args ...string) (string, error) {
	out, err := d.run(nil, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

// initialise makes an empty bare repository.
func (d gitDir) initialise(branch string) error {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	_, err := d.run(nil, "init", "--quiet", "--bare", "--template=", "--initial-branch="+branch, string(d))
	return err
}

// errNotFound is a revision, path or object that is not there.
var errNotFound = errors.New("not found")

// resolve returns the object id of a revision of the given kind (commit, tree, blob).
func (d gitDir) resolve(revision, kind string) (string, error) {
	if revision == "" || strings.HasPrefix(revision, "-") || strings.ContainsAny(revision, "\x00\n") {
		return "", errNotFound
	}
	id, err := d.line("rev-parse", "--verify", "--quiet", revision+"^{"+kind+"}")
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", kind, revision, errNotFound)
	}
	return id, nil
}

// branch returns the head of a branch.
func (d gitDir) branch(name string) (string, error) { return d.resolve("refs/heads/"+name, "commit") }

// commitish resolves what the API takes for a commit: a branch first, then an id or any other name.
func (d gitDir) commitish(ref string) (string, error) {
	if id, err := d.branch(ref); err == nil {
		return id, nil
	}
	return d.resolve(ref, "commit")
}

// mergeBase returns the best common ancestor of two commits.
func (d gitDir) mergeBase(a, b string) (string, error) {
	id, err := d.line("merge-base", a, b)
	if err != nil {
		return "", fmt.Errorf("merge base of %s and %s: %w", a, b, errNotFound)
	}
	return id, nil
}

// isAncestor says whether a is an ancestor of b or b itself.
func (d gitDir) isAncestor(a, b string) bool {
	_, err := d.run(nil, "merge-base", "--is-ancestor", a, b)
	return err == nil
}

// blob returns the bytes of a blob.
func (d gitDir) blob(id string) ([]byte, error) {
	if !isObjectID(id) {
		return nil, errNotFound
	}
	data, err := d.run(nil, "cat-file", "blob", id)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", id, errNotFound)
	}
	return data, nil
}

// treeEntry is one row of a tree.
type treeEntry struct {
	mode, kind, id string
	size           int64 // of a blob
	path           string
}

// tree lists a tree, with the trees inside when recursive, as GitHub does.
func (d gitDir) tree(id string, recursive bool) ([]treeEntry, error) {
	args := []string{"ls-tree", "-z", "--long"}
	if recursive {
		args = append(args, "-r", "-t")
	}
	out, err := d.run(nil, append(args, id)...)
	if err != nil {
		return nil, err
	}
	var entries []treeEntry
	for _, row := range strings.Split(string(out), "\x00") {
		meta, path, ok := strings.Cut(row, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 4 {
			continue
		}
		size, _ := strconv.ParseInt(fields[3], 10, 64) // "-" for trees and submodules
		entries = append(entries, treeEntry{mode: fields[0], kind: fields[1], id: fields[2], size: size, path: path})
	}
	return entries, nil
}

// entry returns the row of a path in a tree.
func (d gitDir) entry(treeish, path string) (treeEntry, error) {
	out, err := d.run(nil, "--literal-pathspecs", "ls-tree", "-z", "--long", treeish, "--", path)
	if err != nil {
		return treeEntry{}, err
	}
	meta, name, ok := strings.Cut(strings.TrimSuffix(string(out), "\x00"), "\t")
	fields := strings.Fields(meta)
	if !ok || len(fields) != 4 {
		return treeEntry{}, fmt.Errorf("path %q: %w", path, errNotFound)
	}
	size, _ := strconv.ParseInt(fields[3], 10, 64)
	return treeEntry{mode: fields[0], kind: fields[1], id: fields[2], size: size, path: name}, nil
}

// commitInfo is what is shown of a commit.
type commitInfo struct {
	id, tree                      string
	parents                       []string
	authorName, authorEmail       string
	committerName, committerEmail string
	authored, committed           time.Time
	message                       string
}

// commits reads commits, newest first, as rev-list selects them.
func (d gitDir) commits(args ...string) ([]commitInfo, error) {
	const format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00"
	out, err := d.run(nil, append([]string{"log", "-z", "--no-color", format}, args...)...)
	if err != nil {
		return nil, err
	}
	fields := strings.Split(string(out), "\x00")
	const n = 11 // ten fields and the separator of -z
	var infos []commitInfo
	for ; len(fields) >= n; fields = fields[n:] {
		infos = append(infos, commitInfo{
			id: fields[0], tree: fields[1], parents: strings.Fields(fields[2]),
			authorName: fields[3], authorEmail: fields[4], authored: unixTime(fields[5]),
			committerName: fields[6], committerEmail: fields[7], committed: unixTime(fields[8]),
			message: strings.TrimSuffix(fields[9], "\n"),
		})
	}
	return infos, nil
}

func unixTime(s string) time.Time {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0).UTC()
}

// setRef moves a reference, creating it where needed.
func (d gitDir) setRef(ref, id string) error {
	_, err := d.run(nil, "update-ref", ref, id)
	return err
}

// fetch copies a commit and what it needs from another repository of this server.
func (d gitDir) fetch(from gitDir, commit, ref string) error {
	_, err := d.run(nil, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc",
		"--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack", string(from), "+"+commit+":"+ref)
	return err
}

// validBranch says whether a name can be handed to git, which refuses the other bad ones itself.
func validBranch(name string) bool {
	return name != "" && !strings.HasPrefix(name, "-") && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// isObjectID says whether s is a whole SHA-1.
func isObjectID(s string) bool {
	if len(s) != 40 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// Edit is what a commit changes.
type Edit struct {
	Files  map[string]string // path to new content
	Modes  map[string]string // of paths in Files: 100755, 120000 (the content is the link's text), 160000 (a submodule: the content is a commit id); default 100644
	Delete []string          // paths that go
}

// signature is the author or committer of a commit.
type signature struct{ name, email string }

// Commit is a commit to make.
type Commit struct {
	Message string
	Edit    Edit
}

// commit makes commits on top of parent ("" for a first one), each on the one before, and moves ref to
// the last of them.
func (d gitDir) commit(ref, parent string, by signature, at time.Time, commits ...Commit) (string, error) {
	var in bytes.Buffer
	for n, c := range commits {
		fmt.Fprintf(&in, "commit %s\nmark :1\ncommitter %s <%s> %d +0000\n", ref, by.name, by.email, at.Unix())
		writeData(&in, c.Message)
		if parent != "" && n == 0 {
			fmt.Fprintf(&in, "from %s\n", parent)
		}
		c.Edit.write(&in)
	}
	in.WriteString("get-mark :1\ndone\n")
	out, err := d.run(in.Bytes(), "fast-import", "--quiet", "--force", "--done", "--date-format=raw")
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// write says what a commit changes, as fast-import reads it.
func (e Edit) write(in *bytes.Buffer) {
	for _, path := range e.Delete {
		fmt.Fprintf(in, "D %s\n", quotePath(path))
	}
	for _, path := range sortedKeys(e.Files) {
		content := e.Files[path]
		mode := e.Modes[path]
		switch mode {
		case "":
			mode = "100644"
		case "160000":
			fmt.Fprintf(in, "M 160000 %s %s\n", content, quotePath(path))
			continue
		}
		fmt.Fprintf(in, "M %s inline %s\n", mode, quotePath(path))
		writeData(in, content)
	}
}

func writeData(b *bytes.Buffer, s string) {
	fmt.Fprintf(b, "data %d\n%s\n", len(s), s)
}

// quotePath writes a path as fast-import reads it, whatever bytes it has.
func quotePath(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
