package buildcache

import (
	"maps"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// Limits of what is compiled. BuildKit's frontend knows none: 24 lines of ENV that double each
// other take it 2 GB, its marshalling of a chain of steps is not linear, and it walks all variables
// for each word it expands. Real Dockerfiles stay below a tenth of each.
const (
	// MaxSteps counts what BuildKit executes: RUN with its mounts, the sources of COPY and ADD, WORKDIR.
	MaxSteps = 1000
	// MaxVariables counts the settings of ENV and ARG.
	MaxVariables = 1000
	// MaxExpansion is the length of all text after expansion, and of the environments of all RUNs.
	MaxExpansion = 8 << 20
	// maxNameLength is that of a variable: BuildKit compares unknown names to all it knows.
	maxNameLength = 255
	// maxWork is a second or two, in units of some five nanoseconds.
	maxWork = 400_000_000
	// What one variable that is set costs: for a word that names one, for a step, and for a RUN,
	// whose operation has them all.
	wordWork, stepWork, runWork = 20, 50, 800
	// portWork is that of one port of a range in EXPOSE.
	portWork = 1500
)

// checkCost refuses a Dockerfile that would cost too much to compile, before it does.
func checkCost(in Inputs) error {
	c := &coster{file: in.File, args: in.Args, stages: map[*dockerfile.Stage]*stageCost{}}
	global := newStageCost()
	for _, name := range []string{"BUILDPLATFORM", "TARGETPLATFORM", "BUILDOS", "TARGETOS", "BUILDARCH", "TARGETARCH",
		"BUILDVARIANT", "TARGETVARIANT", "BUILDOSVERSION", "TARGETOSVERSION", "TARGETSTAGE"} {
		global.set(name, max(len("linux/amd64"), len(in.Args[name]), len(in.Target)))
	}
	for _, stage := range in.File.Stages {
		global.vars["TARGETSTAGE"] = max(global.vars["TARGETSTAGE"], len(stage.Name))
	}
	c.global = global
	for _, i := range in.File.MetaArgs {
		if err := c.instruction(global, i); err != nil {
			return err
		}
	}
	meta := newMetaArgs(in)
	for _, stage := range in.File.Stages {
		for _, word := range []string{stage.Image, stage.Platform} {
			if err := c.word(global, word); err != nil {
				return err
			}
		}
		if err := c.stage(stage, c.parent(stage, meta)); err != nil {
			return err
		}
	}
	return nil
}

// coster adds up what a Dockerfile costs.
type coster struct {
	file   *dockerfile.File
	args   map[string]string
	global *stageCost
	stages map[*dockerfile.Stage]*stageCost

	steps, variables, expansion, work int
}

// stageCost is what the instructions of a stage stand under, in sizes.
type stageCost struct {
	vars sizes
	// chain is how many settings BuildKit walks to know the environment: a stage from a stage sets
	// all of its variables again.
	chain int
	// bytes is the length of the environment, keys that of its names.
	bytes, keys int
}

func newStageCost() *stageCost {
	s := &stageCost{vars: sizes{}}
	s.set("PATH", 128)
	return s
}

func (s *stageCost) set(name string, size int) {
	old, known := s.vars[name]
	if !known {
		s.keys += len(name)
		s.bytes = add(s.bytes, len(name)+1)
	}
	s.bytes = add(s.bytes-old, size)
	s.vars[name] = size
	s.chain++
}

// parent is the stage that a FROM names, also through a variable.
func (c *coster) parent(stage *dockerfile.Stage, meta *metaArgs) *dockerfile.Stage {
	name, _ := meta.expand(stage.Image)
	for i := stage.Index - 1; i >= 0; i-- {
		if before := c.file.Stages[i]; before.Name != "" && strings.EqualFold(before.Name, name) {
			return before
		}
	}
	return stage.Parent
}

func (c *coster) stage(stage, parent *dockerfile.Stage) error {
	s := newStageCost()
	if p := c.stages[parent]; p != nil {
		*s = *p
		s.vars = maps.Clone(p.vars)
		s.chain = p.chain + len(p.vars)
	}
	c.stages[stage] = s
	if parent != nil {
		for _, i := range parent.Instructions {
			if i.Trigger != nil {
				if err := c.instruction(s, i.Trigger); err != nil {
					return err
				}
			}
		}
	}
	for _, i := range stage.Instructions {
		if err := c.instruction(s, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *coster) instruction(s *stageCost, i *dockerfile.Instruction) error {
	var words []string
	switch cmd := i.Command.(type) {
	case *instructions.EnvCommand:
		set := map[string]int{}
		for _, pair := range cmd.Env {
			p, err := c.predict(s, pair.Value, c.file.Escape, true)
			if err != nil {
				return err
			}
			set[pair.Key] = max(p.size, set[pair.Key])
			words = append(words, pair.Key)
		}
		c.variables += len(cmd.Env)
		for name, size := range set {
			s.set(name, size)
		}
	case *instructions.ArgCommand:
		c.variables += len(cmd.Args)
		for _, arg := range cmd.Args {
			if err := c.arg(s, arg); err != nil {
				return err
			}
		}
	case *instructions.LabelCommand:
		for _, pair := range cmd.Labels {
			words = append(words, pair.Key, pair.Value)
		}
	case *instructions.ExposeCommand:
		words = cmd.Ports
		for _, port := range cmd.Ports {
			c.work = add(c.work, portsOf(port)*portWork)
		}
	case *instructions.VolumeCommand:
		words = cmd.Volumes
	case *instructions.UserCommand:
		words = []string{cmd.User}
	case *instructions.StopSignalCommand:
		words = []string{cmd.Signal}
	case *instructions.WorkdirCommand:
		c.steps++
		c.work = add(c.work, s.chain*stepWork)
		words = []string{cmd.Path, cmd.Path}
	case *instructions.CopyCommand:
		words = append(words, cmd.String(), cmd.Chown, cmd.Chmod)
		words = append(words, c.sources(s, cmd.SourcesAndDest)...)
	case *instructions.AddCommand:
		words = append(words, cmd.String(), cmd.Chown, cmd.Chmod, cmd.Checksum)
		words = append(words, c.sources(s, cmd.SourcesAndDest)...)
	case *instructions.RunCommand:
		if err := c.run(s, i, cmd); err != nil {
			return err
		}
	}
	for _, word := range words {
		if err := c.word(s, word); err != nil {
			return err
		}
	}
	return c.check()
}

// portsOf is how many ports a word of EXPOSE may stand for.
func portsOf(word string) int {
	ports, _, _ := strings.Cut(word, "/")
	ports = ports[strings.LastIndexByte(ports, ':')+1:]
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange && !strings.Contains(word, "$") {
		return 1
	}
	first, err1 := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil {
		return 1 << 13 // a variable: mostly one port, at worst eight times as many
	}
	return int(max(first, last)-first) + 1
}

// sources counts the sources of a COPY or ADD, and returns its words; documents that are expanded
// are among them.
func (c *coster) sources(s *stageCost, from instructions.SourcesAndDest) []string {
	c.steps += max(1, len(from.SourcePaths)+len(from.SourceContents))
	c.work = add(c.work, s.chain*stepWork)
	words := append([]string{from.DestPath}, from.SourcePaths...)
	for _, doc := range from.SourceContents {
		if doc.Expand {
			words = append(words, doc.Data)
		}
	}
	return words
}

func (c *coster) run(s *stageCost, i *dockerfile.Instruction, cmd *instructions.RunCommand) error {
	mounts := instructions.GetMounts(cmd)
	c.steps += 1 + len(mounts)
	c.work = add(c.work, s.chain*(runWork+len(mounts)*wordWork))
	for _, f := range i.Flags {
		if err := c.word(s, f.Value); err != nil {
			return err
		}
	}
	// The command itself is not expanded, but the name that BuildKit gives the step is made from it.
	p := predict(cmd.String(), s.vars, c.file.Escape, true)
	c.expansion = add(c.expansion, add(p.size, 2*s.bytes)) // the environment: for the step, and its ARGs in the history
	c.work = add(c.work, p.work)
	return c.check()
}

func (c *coster) arg(s *stageCost, arg instructions.KeyValuePairOptional) error {
	if len(arg.Key) > maxNameLength {
		return c.over("bytes in the name of a variable", len(arg.Key), maxNameLength)
	}
	if value, given := c.args[arg.Key]; given {
		s.set(arg.Key, len(value))
		return c.check()
	}
	if arg.Value == nil {
		if size, global := c.global.vars[arg.Key]; global && s != c.global {
			s.set(arg.Key, size)
		}
		return c.check()
	}
	p, err := c.predict(s, *arg.Value, c.file.Escape, true)
	if err == nil {
		s.set(arg.Key, p.size)
	}
	return err
}

// word counts one word that BuildKit expands, in both of its ways.
func (c *coster) word(s *stageCost, text string) error {
	if !strings.Contains(text, "$") {
		c.work = add(c.work, len(text))
		c.expansion = add(c.expansion, len(text))
		return c.check()
	}
	if _, err := c.predict(s, text, c.file.Escape, true); err != nil {
		return err
	}
	_, err := c.predict(s, text, '\\', false)
	return err
}

func (c *coster) predict(s *stageCost, text string, escape rune, quotes bool) (prediction, error) {
	p := predict(text, s.vars, escape, quotes)
	if p.longest > maxNameLength {
		return p, c.over("bytes in the name of a variable", p.longest, maxNameLength)
	}
	c.expansion = add(c.expansion, p.size)
	c.work = add(c.work, add(p.work, add(s.chain*wordWork, mul(p.unset, s.keys))))
	return p, c.check()
}

func (c *coster) check() error {
	switch {
	case c.expansion > MaxExpansion:
		return c.over("bytes of text after expansion", c.expansion, MaxExpansion)
	case c.steps > MaxSteps:
		return c.over("steps", c.steps, MaxSteps)
	case c.variables > MaxVariables:
		return c.over("variables", c.variables, MaxVariables)
	case c.work > maxWork:
		return c.over("units of work to compile", c.work, maxWork)
	}
	return nil
}

func (c *coster) over(what string, value, most int) error {
	return &dockerfile.LimitError{Path: c.file.Source.Path, What: what, Value: value, Most: most}
}
