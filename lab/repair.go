package lab

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	gopath "path"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Repair is a Dockerfile with one of hitrate's suggestions, or all of them, made.
type Repair struct {
	Case   string   // what people find it by
	Rules  []string // that found what is settled; sorted
	Before Side
	After  Side
	// Manifests are files of the repository that its installs read.
	Manifests []string
}

// Repairs are those of every Dockerfile of a tree: with each suggestion alone, and with all where
// there are several.
func Repairs(ctx context.Context, tree Tree, settings config.Repository) ([]Repair, error) {
	run := func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	}
	report, err := analysis.Complete(ctx, run, analysis.Request{Config: settings, Tree: tree.git().Entries},
		func(_ context.Context, e buildcontext.Entry) ([]byte, error) { return tree.read(e.Path) })
	if err != nil {
		return nil, err
	}
	var repairs []Repair
	for _, d := range report.Dockerfiles {
		own := proposed(report, d)
		sets := [][]proposal{}
		for i := range own {
			sets = append(sets, own[i:i+1])
		}
		if len(own) > 1 {
			sets = append(sets, own)
		}
		for _, set := range sets {
			r := Repair{Before: Side{Tree: tree, Build: d.Builds[0]}, Manifests: d.Manifests}
			r.After = r.Before
			for _, p := range slices.Backward(set) {
				r.Rules = append(r.Rules, p.rules...)
				if p.file != nil {
					r.After = r.After.with(p.file.Path, p.file.Text)
				} else {
					r.After = r.After.with(p.Path, replaceLines(r.After.Tree[p.Path].Data, p.Suggestion))
				}
			}
			slices.Sort(r.Rules)
			r.Rules = slices.Compact(r.Rules)
			repairs = append(repairs, r)
		}
	}
	return repairs, nil
}

// proposal is a suggestion, or a new file.
type proposal struct {
	analysis.Suggestion
	file  *rules.NewFile
	rules []string
}

// proposed are the suggestions for a Dockerfile, its ignore file and the manifests that it reads, those for one
// file by line, and the ignore file that it lacks.
func proposed(report analysis.Report, d analysis.Dockerfile) []proposal {
	var own []proposal
	for _, s := range report.Suggestions {
		if s.Path != d.Path && (s.Path != d.IgnoreFile || d.IgnoreFile == "") && !slices.Contains(d.Manifests, s.Path) {
			continue
		}
		p := proposal{Suggestion: s}
		for _, f := range s.Findings {
			p.rules = append(p.rules, report.Findings[f].Rule)
		}
		own = append(own, p)
	}
	for _, f := range report.Findings {
		if f.NewFile != nil && f.Dockerfile == d.Path {
			return append(own, proposal{file: f.NewFile, rules: []string{f.Rule}})
		}
	}
	return own
}

func (r Repair) String() string {
	return fmt.Sprintf("%s%s with %s", r.Case, r.Before.Build.Dockerfile, strings.Join(r.Rules, " and "))
}

// edited are the texts of files that the suggestions change, before and after.
func (r Repair) edited() [][2]string {
	var out [][2]string
	for _, p := range sortedKeys(r.After.Tree) {
		if before, there := r.Before.Tree[p]; there && before != r.After.Tree[p] {
			out = append(out, [2]string{before.Data, r.After.Tree[p].Data})
		}
	}
	return out
}

// texts are the Dockerfile before, and each file after that is not the same, for people.
func (r Repair) texts() string {
	text := r.Before.Tree[r.Before.Build.Dockerfile].Data
	for _, p := range sortedKeys(r.After.Tree) {
		if f := r.After.Tree[p]; f != r.Before.Tree[p] {
			text += "\n--- " + p + " with the suggestion ---\n" + f.Data
		}
	}
	return text
}

// with is the side with another text of a file.
func (s Side) with(p, text string) Side {
	s.Tree = maps.Clone(s.Tree)
	f := s.Tree[p]
	f.Data = text
	s.Tree[p] = f
	return s
}

// replaceLines makes a suggestion.
func replaceLines(text string, s analysis.Suggestion) string {
	lines := strings.SplitAfter(text, "\n")
	var with []string
	if s.Replacement != "" {
		with = []string{s.Replacement}
		if strings.HasSuffix(lines[s.Lines.Last-1], "\n") {
			with[0] += "\n"
		}
	}
	return strings.Join(slices.Replace(lines, s.Lines.First-1, s.Lines.Last, with...), "")
}

// dress gives both sides base images with a real shell and package managers that leave what real ones
// leave. What ADD takes from the web comes from the server instead.
func (r *Repair) dress(ctx context.Context, images *Images, tools []byte, server string) error {
	n := newNeeds()
	for _, at := range []*Side{&r.Before, &r.After} {
		addFrom(at, server)
		ownBases(at)
		side := *at
		text := []byte(side.Tree[side.Build.Dockerfile].Data)
		if err := n.add(ctx, text, side.Build); err != nil {
			return err
		}
		file, err := dockerfile.Parse(source.New(side.Build.Dockerfile, text))
		if err != nil {
			return err
		}
		for _, in := range file.Instructions {
			if run := in.Run(); run != nil {
				for _, c := range run.Commands {
					n.ownUsers = n.ownUsers || c.Name == "useradd" || c.Name == "adduser"
					n.made(c)
					n.run(c)
					if c.Name != "" && !strings.Contains(c.Words[0].Value, "/") {
						n.programs[c.Name] = true
					}
				}
			}
		}
	}
	names, versions := map[string]digest.Digest{}, lockedVersions(r.Before.Tree, r.Manifests)
	for _, name := range sortedKeys(n.images) {
		files, err := n.system(ctx, tools, name)
		if err != nil {
			return err
		}
		files = append(files, LayerFile{Name: ".lab/versions", Mode: 0o644, Data: []byte(versions)},
			LayerFile{Name: ".lab/unpacked", Mode: 0o644, Data: []byte(strings.Join(sortedKeys(n.unpacked), "\n"))})
		layer, err := images.Layer(files)
		if err != nil {
			return err
		}
		if names[name], err = images.AddOn(name, layer); err != nil {
			return err
		}
	}
	r.Before.Images, r.After.Images = names, names
	return nil
}

// ownBases gives each stage on an image a name of its own for it, where several stages stand on the image: what is
// put there because a COPY takes it of the one would lie in the others too.
func ownBases(side *Side) {
	text := side.Tree[side.Build.Dockerfile].Data
	file, err := dockerfile.Parse(source.New(side.Build.Dockerfile, []byte(text)))
	if err != nil {
		return // what refuses it says so
	}
	image := func(s *dockerfile.Stage) string {
		name, missing := file.BaseImage(s, side.Build.Args)
		if s.Parent != nil || missing != "" || name == "scratch" || strings.Contains(name, "@") || side.Build.Contexts[name] != "" {
			return ""
		}
		return name
	}
	on := map[string]int{}
	for _, s := range file.Stages {
		on[image(s)]++
	}
	for _, s := range slices.Backward(file.Stages) {
		name := image(s)
		if name == "" || on[name] < 2 {
			continue
		}
		own := fmt.Sprintf(":lab%d", s.Index)
		if strings.Contains(gopath.Base(name), ":") {
			own = fmt.Sprintf("-lab%d", s.Index)
		}
		at := s.From.Args[0].Span.End
		text = text[:at] + own + text[at:]
	}
	*side = side.with(side.Build.Dockerfile, text)
}

// addFrom puts a server in the place of the hosts that ADD fetches from.
func addFrom(side *Side, server string) {
	text := side.Tree[side.Build.Dockerfile].Data
	file, err := dockerfile.Parse(source.New(side.Build.Dockerfile, []byte(text)))
	if err != nil {
		return // what refuses it says so
	}
	for _, in := range slices.Backward(file.Instructions) {
		if in.Keyword == "ADD" {
			added := text[in.Span.Start:in.Span.End]
			for _, scheme := range []string{"http://", "https://"} {
				added = strings.ReplaceAll(added, scheme, "http://"+server+"/")
			}
			text = text[:in.Span.Start] + added + text[in.Span.End:]
		}
	}
	*side = side.with(side.Build.Dockerfile, text)
}

// system is a file system with bash as its shell and busybox's programs, and tools under the names of package
// managers and of every program that busybox lacks or that would use the network.
func (n *needs) system(ctx context.Context, tools []byte, image string) ([]LayerFile, error) {
	busybox, err := readProgram("busybox")
	if err != nil {
		return nil, err
	}
	list, err := exec.CommandContext(ctx, "busybox", "--list").Output()
	if err != nil {
		return nil, err
	}
	applets := map[string]bool{}
	for _, a := range strings.Fields(string(list)) {
		applets[a] = true
	}
	for _, a := range []string{"busybox", "sh", "ash", "bash", "adduser", "addgroup", "wget", "dpkg", "dpkg-deb", "rpm", "rpm2cpio", "ip", "mount", "umount", "tar", "gunzip", "unzip", "xz", "su", "passwd", "sysctl", "crontab", "md5sum", "sha1sum", "sha256sum", "sha512sum"} {
		delete(applets, a)
	}
	for _, name := range []string{"apt-get", "apt", "apk", "pip", "pip3", "python", "python3", "poetry", "uv", "pipenv", "npm", "yarn", "pnpm", "go", "bundle", "composer", "useradd", "adduser", "groupadd", "addgroup", "git", "curl", "wget", "tar", "unzip", "pdm", "bun", "install", "printenv", "md5sum", "sha1sum", "sha256sum", "sha512sum"} {
		n.programs[name] = true
	}
	delete(n.programs, "sudo")
	files := slices.DeleteFunc(n.layer(tools, false, image), func(f LayerFile) bool {
		return f.Link != "" && (applets[gopath.Base(f.Name)] || slices.Contains([]string{"sh", "bash"}, gopath.Base(f.Name)))
	})
	files = append(files, LayerFile{Name: "bin/busybox", Mode: 0o755, Data: busybox})
	there := map[string]bool{}
	for _, f := range files {
		there[strings.TrimSuffix(f.Name, "/")] = true
	}
	for _, d := range []string{
		"usr", "usr/bin", "usr/include", "usr/lib", "usr/local", "usr/local/bin", "usr/local/lib", "usr/local/share", "usr/local/share/ca-certificates", "usr/share", "usr/share/ca-certificates", "usr/share/keyrings", "usr/share/zoneinfo", "usr/share/zoneinfo/Europe", "usr/src",
		"var", "var/cache", "var/cache/apt", "var/cache/apt/archives", "var/lib", "var/lib/apt", "var/lib/apt/lists", "var/log", "var/tmp",
		"etc/apt", "etc/apt/apt.conf.d", "etc/apt/keyrings", "etc/apt/sources.list.d", "etc/default", "etc/ld.so.conf.d", "etc/profile.d", "etc/ssl", "etc/ssl/certs",
	} {
		if !there[d] {
			files = append(files, LayerFile{Name: d + "/", Mode: 0o755})
		}
	}
	for _, a := range sortedKeys(applets) {
		files = append(files, LayerFile{Name: "bin/" + a, Link: "/bin/busybox"})
	}
	// Busybox' own shell prefers its wget and tar to what stands under these names.
	bash, err := readProgram("bash-static")
	if err != nil {
		return nil, err
	}
	files = append(files, LayerFile{Name: "bin/bash", Mode: 0o755, Data: bash}, LayerFile{Name: "bin/sh", Link: "/bin/bash"}, LayerFile{Name: "usr/bin/env", Link: "/bin/busybox"},
		LayerFile{Name: "bin/sudo", Mode: 0o4755, Data: tools},
		LayerFile{Name: "etc/apt/apt.conf.d/docker-clean", Mode: 0o644, Data: []byte("clean")},
		LayerFile{Name: "etc/apt/sources.list", Mode: 0o644, Data: []byte("deb http://deb.debian.org/debian stable main\n")},
		LayerFile{Name: "etc/os-release", Mode: 0o644, Data: []byte("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n")},
		LayerFile{Name: "usr/share/zoneinfo/Europe/London", Mode: 0o644, Data: []byte("zone")})
	return files, nil
}

func readProgram(name string) ([]byte, error) {
	at, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(at)
}

// ofCache is what a mount on the cache of pip, uv or poetry leaves out of the image: the cache, and the
// directories that only it needs; also where a variable of the random Dockerfiles puts it.
var ofCache = regexp.MustCompile(`(^|/)\.cache(/(pip|uv|pypoetry)(/.*)?)?$|^/var/(pip|uv)-cache(/.*)?$`)

// leftOut is what a new ignore file keeps out of the build context.
var leftOut = regexp.MustCompile(`(^|/)(\.git|\.venv|venv|node_modules|__pycache__|[^/]*Dockerfile[^/]*|HEAD|[^/]*\.dockerignore)(/|$)`)

// mayDiffer says which paths the effect of some rules' suggestions may leave another way.
func mayDiffer(settled []string) func(string) bool {
	return func(p string) bool {
		for _, r := range settled {
			switch r {
			case "pip-cache-kept":
				if ofCache.MatchString(p) {
					return true
				}
			case "dockerignore-misses-git":
				if slices.Contains(strings.Split(p, "/"), ".git") || gopath.Base(p) == "HEAD" { // of "COPY *"
					return true
				}
			case "missing-dockerignore":
				if leftOut.MatchString(p) {
					return true
				}
			case "apt-lists-kept":
				if p == "/var/lib/apt" || strings.HasPrefix(p, "/var/lib/apt/") || strings.HasPrefix(p, "/var/cache/apk/") || strings.HasPrefix(p, "/var/cache/apt/") {
					return true
				}
			}
		}
		return false
	}
}
