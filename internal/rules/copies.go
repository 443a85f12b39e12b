package rules

import (
	"encoding/csv"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// copied is what one COPY, ADD or bind mount brings from the build context into the image.
type copied struct {
	in      *dockerfile.Instruction // the COPY or ADD, or the RUN that mounts
	mount   bool
	flag    dockerfile.Flag // of the mount
	sources []copySource
	dest    string // absolute path in the image
	// destKnown is false where the destination hangs on an unknown variable.
	destKnown bool
	relative  bool // dest is relative to the working directory
	destDir   bool // dest names a directory, whatever is in the image
	// odd says that an option, an archive or a here-document makes it more than a plain copy.
	odd bool
	*landed
}

// copySource is one source of a COPY.
type copySource struct {
	text  string // as BuildKit reads it
	root  bool   // the whole context
	whole bool   // a directory, as far as is known
	wild  bool
	found bool // the context has files for it
	known bool // false while it hangs on an unknown variable
}

// pair is one file that is copied. like says that package managers read files of its name.
type pair struct {
	context, image string
	like           bool
}

// root says whether the copy takes the whole context.
func (c *copied) root() bool {
	for _, s := range c.sources {
		if s.root {
			return true
		}
	}
	return false
}

// directory says whether the copy takes a directory, or what a wildcard finds.
func (c *copied) directory() bool {
	for _, s := range c.sources {
		if s.whole || s.wild {
			return true
		}
	}
	return false
}

// pattern says whether the copy takes the files that patterns find, and nothing else.
func (c *copied) pattern() bool {
	for _, s := range c.sources {
		if !s.wild || s.root {
			return false
		}
	}
	return true
}

// unseen says whether a source has files that the context does not show.
func (c *copied) unseen() bool {
	for _, s := range c.sources {
		if !s.found {
			return true
		}
	}
	return false
}

// copiesOf are what an instruction brings from the context: none for COPY --from, remote sources and
// mounts from elsewhere.
func (v *view) copiesOf(in *dockerfile.Instruction) []*copied {
	out, ok := v.copies[in]
	if !ok && v.states != nil {
		out = v.readCopies(in)
		v.copies[in] = out
	}
	return out
}

func (v *view) readCopies(in *dockerfile.Instruction) []*copied {
	state := v.states[in]
	c := &copied{in: in, landed: &landed{}}
	switch cmd := in.Command.(type) {
	case *instructions.CopyCommand:
		if cmd.From != "" {
			return nil
		}
		c.odd = cmd.Parents || len(cmd.ExcludePatterns) > 0 || len(cmd.SourceContents) > 0
	case *instructions.AddCommand:
		c.odd = len(cmd.ExcludePatterns) > 0 || len(cmd.SourceContents) > 0 || cmd.Checksum != "" || cmd.KeepGitDir != nil || cmd.Unpack != nil
	case *instructions.RunCommand:
		return v.bindMounts(in, state)
	default:
		return nil
	}
	if len(in.Args) < 2 {
		return nil
	}
	for _, a := range in.Args[:len(in.Args)-1] {
		if strings.HasPrefix(a.Value, "<<") {
			continue
		}
		text, known := shelleffects.Expand(a.Value, state.Env)
		if in.Keyword == "ADD" && isRemote(text) {
			continue
		}
		if in.Keyword == "ADD" && isArchive(text) {
			c.odd = true
		}
		c.sources = append(c.sources, copySource{text: text, known: known})
	}
	if len(c.sources) == 0 {
		return nil
	}
	last := in.Args[len(in.Args)-1].Value
	dest, known := shelleffects.Expand(last, state.Env)
	c.setDest(dest, known, state)
	if len(c.sources) > 1 {
		c.destDir = true
	}
	v.match(c)
	return []*copied{c}
}

func (c *copied) setDest(dest string, known bool, state dockerfile.State) {
	c.destKnown = known
	c.destDir = dest == "." || dest == ".." || strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, "/.") || strings.HasSuffix(dest, "/..")
	c.dest = path.Clean(dest)
	if c.relative = !path.IsAbs(dest); c.relative {
		c.dest = path.Join("/", state.Workdir, dest)
	}
}

// bindMounts are the mounts of a RUN from the context.
func (v *view) bindMounts(in *dockerfile.Instruction, state dockerfile.State) []*copied {
	var out []*copied
	for _, m := range v.mountsOf(in) {
		if m.kind != "bind" || m.from != "" {
			continue
		}
		c := &copied{in: in, mount: true, flag: m.flag, landed: &landed{}}
		if m.source == "" {
			m.source, m.sourceKnown = ".", true
		}
		c.sources = []copySource{{text: m.source, known: m.sourceKnown}}
		c.setDest(m.target, m.targetKnown, state)
		v.match(c)
		out = append(out, c)
	}
	return out
}

// mount is one --mount of a RUN. BuildKit reads them when it builds; with a variable in one of them
// (uid=$uid) it reads none before, so they are read here.
type mount struct {
	kind, from               string // kind is "bind" when none is named
	source, target           string // expanded as far as values are known
	sourceKnown, targetKnown bool
	flag                     dockerfile.Flag
}

func (v *view) mountsOf(in *dockerfile.Instruction) []mount {
	var out []mount
	for _, f := range in.Flags {
		if f.Name != "mount" {
			continue
		}
		fields, err := csv.NewReader(strings.NewReader(f.Unquoted)).Read()
		if err != nil {
			continue
		}
		m := mount{kind: "bind", sourceKnown: true, targetKnown: true, flag: f}
		for _, field := range fields {
			key, value, _ := strings.Cut(field, "=")
			value, known := shelleffects.Expand(value, v.states[in].Env)
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "type":
				m.kind = strings.ToLower(value)
			case "from":
				m.from = value
			case "source", "src":
				m.source, m.sourceKnown = value, known
			case "target", "dst", "destination":
				m.target, m.targetKnown = value, known
			}
		}
		out = append(out, m)
	}
	return out
}

func isRemote(src string) bool {
	return strings.Contains(src, "://") || strings.HasPrefix(src, "git@")
}

// isArchive says whether ADD unpacks a local file of this name. (It looks at the contents; names are
// what is known here.)
func isArchive(src string) bool {
	for _, ext := range []string{".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".gz", ".bz2", ".xz", ".zst"} {
		if strings.HasSuffix(src, ext) {
			return true
		}
	}
	return false
}

// maxPairs bounds how many copied files of one Dockerfile are followed.
const maxPairs = 1 << 19

// match looks the sources up in the context and says where their files come to lie.
func (v *view) match(c *copied) {
	bring, within := 0, true
	for i := range c.sources {
		s := &c.sources[i]
		clean := cleanSource(s.text)
		s.root = clean == "" && s.known || clean == "*" || clean == "**"
		s.wild = strings.ContainsAny(clean, "*?[")
		if !s.known {
			continue
		}
		if v.Context == nil {
			s.whole = s.root || strings.HasSuffix(s.text, "/") || strings.HasSuffix(s.text, "/.")
			continue
		}
		files, whole := v.brought.match(s.text)
		s.found, s.whole = len(files) > 0, whole
		if !s.found {
			// What git does not show (generated, downloaded before the build) is judged by its name.
			s.whole = s.root || strings.HasSuffix(s.text, "/") || strings.HasSuffix(s.text, "/.") || c.in.Keyword == "ADD" && isArchive(s.text)
		}
		if v.pairs += len(files); v.pairs > maxPairs {
			s.found, within = false, false // a Dockerfile that copies a large tree over and over is not followed
			continue
		}
		bring += len(files)
	}
	if bring > 0 {
		c.landed = v.brought.land(c, within)
	}
}

// isSettings says whether pip reads its settings from a path of the image.
// Source: https://pip.pypa.io/en/stable/topics/configuration/#location
func isSettings(image string) bool {
	return image == "/etc/pip.conf" || strings.HasSuffix(image, "/.pip/pip.conf") || strings.HasSuffix(image, "/.config/pip/pip.conf")
}

// cleanSource is a source relative to the context, "" for the context itself.
func cleanSource(s string) string {
	return strings.TrimPrefix(path.Clean("/"+s), "/")
}

// landing is where a file of a source comes to lie. A single file whose destination has no slash
// lies there, or in it where the image has a directory of that name: both are given.
func (c *copied) landing(source, file string) []string {
	depth := 0
	if source != "" {
		depth = strings.Count(source, "/") + 1
	}
	rest, below := file, true
	for ; depth > 0 && below; depth-- {
		_, rest, below = strings.Cut(rest, "/")
	}
	if below {
		return []string{path.Join(c.dest, rest)}
	}
	inside := path.Join(c.dest, path.Base(file))
	if c.destDir {
		return []string{inside}
	}
	return []string{c.dest, inside}
}

// at is the file of the context that the copy puts at a path of the image; unseen says that it may
// put one there that is not shown.
func (c *copied) at(image string) (file string, unseen bool) {
	if file, ok := c.byImage()[image]; ok {
		return file, false
	}
	return "", c.destKnown && c.unseen() && c.directory() && shelleffects.Covers(c.dest, image)
}

// located is where a file of the image comes from.
type located struct {
	file string // of the context; "" if not shown
	by   *copied
}

// locate finds the COPY or mount that brings the file at a path of the image which a step of a lane
// sees: in its own mounts, above it in the lane, in the stages that it is FROM, in those that it
// copies from.
func (v *view) locate(lane []step, i int, image string) (located, bool) {
	for _, c := range v.copiesOf(lane[i].in) {
		if !c.mount {
			continue
		}
		if file, unseen := c.at(image); file != "" || unseen {
			return located{file, c}, true
		}
	}
	return v.locateAbove(lane, i, image, 0)
}

// maxStages bounds how many stages a file is followed through, maxLooks how many steps are looked at
// for all files of a Dockerfile together.
const (
	maxStages = 20
	maxLooks  = 1 << 20
)

func (v *view) locateAbove(lane []step, i int, image string, depth int) (located, bool) {
	if depth > maxStages {
		return located{}, false
	}
	for i--; i >= 0; i-- {
		if v.looked++; v.looked > maxLooks {
			return located{}, false
		}
		in := lane[i].in
		for _, c := range v.copiesOf(in) {
			if c.mount {
				continue
			}
			if file, unseen := c.at(image); file != "" || unseen {
				return located{file, c}, true
			}
		}
		if found, ok := v.locateFrom(in, image, depth); ok {
			return found, true
		}
	}
	if len(lane) > 0 && lane[0].in == lane[0].outer && lane[0].in.Stage != nil {
		if parent := lane[0].in.Stage.Parent; parent != nil {
			own := v.lanes(parent)[0]
			return v.locateAbove(own, len(own), image, depth+1)
		}
	}
	return located{}, false
}

// locateFrom follows a COPY --from of another stage of the file.
func (v *view) locateFrom(in *dockerfile.Instruction, image string, depth int) (located, bool) {
	cmd, ok := in.Command.(*instructions.CopyCommand)
	if !ok || cmd.From == "" || len(in.Args) < 2 {
		return located{}, false
	}
	stages := v.File.From(in)
	if len(stages) == 0 {
		return located{}, false
	}
	state := v.states[in]
	var c copied
	dest, known := shelleffects.Expand(in.Args[len(in.Args)-1].Value, state.Env)
	c.setDest(dest, known, state)
	if !known {
		return located{}, false
	}
	own := v.lanes(stages[0])[0]
	for _, a := range in.Args[:len(in.Args)-1] {
		src, known := shelleffects.Expand(a.Value, state.Env)
		if !known {
			continue
		}
		src = path.Clean("/" + src)
		var there []string
		if image == c.dest {
			there = append(there, src)
		}
		if rest, ok := strings.CutPrefix(image, strings.TrimSuffix(c.dest, "/")+"/"); ok {
			there = append(there, path.Join(src, rest))
			if rest == path.Base(src) {
				there = append(there, src)
			}
		}
		for _, p := range there {
			if found, ok := v.locateAbove(own, len(own), p, depth+1); ok {
				return found, true
			}
		}
	}
	return located{}, false
}

// wholeCopy is the first COPY or ADD of the whole build context in a stage that a build needs; nil where there is
// none.
func (p *Pass) wholeCopy() *copied {
	for _, stage := range p.File.Stages {
		if !p.needed[stage] {
			continue
		}
		for _, st := range p.lanes(stage)[0] {
			for _, c := range p.copiesOf(st.in) {
				if !c.mount && c.root() && !c.odd {
					return c
				}
			}
		}
	}
	return nil
}
