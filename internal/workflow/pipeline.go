package workflow

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"mvdan.cc/sh/v3/syntax"
)

const maxPipelineDepth = 30

// The keys of other systems' pipelines under which shell commands, settings of the environment and
// images stand.
var (
	commandKeys = map[string]bool{
		"script": true, "before_script": true, "after_script": true, "run": true, "command": true, "commands": true,
		"install": true, "before_install": true, "before_deploy": true, "deploy": true, "args": true, "entrypoint": true,
		"bash": true, "sh": true, "step": true,
	}
	environmentKeys = map[string]bool{"env": true, "environment": true, "variables": true, "global": true, "jobs": true, "matrix": true}
	imageKeys       = map[string]bool{"image": true, "name": true, "uses": true}
)

// pipeline reads the pipeline of another system (GitLab, Travis, Cloud Build, …) for how it builds
// images, not for which ones.
func (r *reader) pipeline() {
	for _, d := range r.documents() {
		p := &pipelineReader{reader: r, document: d}
		p.node("", d.root, 0)
		r.finish(d)
	}
}

type pipelineReader struct {
	*reader
	document
}

// node looks at the value of a key, and at what is in it.
func (p *pipelineReader) node(key string, n ast.Node, depth int) {
	if depth == maxPipelineDepth {
		return
	}
	if s, ok := p.scalar(n); ok {
		p.value(key, s)
		return
	}
	if items := p.items(n); items != nil {
		for _, item := range items {
			p.node(key, item, depth+1)
		}
		return
	}
	name, line := "", 0
	for _, m := range p.members(n) {
		s, isScalar := p.scalar(m.value)
		if m.key == "DOCKER_BUILDKIT" && isScalar && isFalse(s.text) {
			p.evidence(m.line, withoutDockerBuildKit)
		}
		switch {
		case m.key == "DOCKER_BUILDKIT":
			// GitLab's long form: {value: "0", description: …}.
			if v, ok := p.scalar(p.get(m.value, "value")); ok && isFalse(v.text) {
				p.evidence(m.line, withoutDockerBuildKit)
			}
		case m.key == "name" && isScalar:
			name, line = s.text, m.line
		case m.key == "value" && name == "DOCKER_BUILDKIT" && isScalar && isFalse(s.text):
			p.evidence(line, withoutDockerBuildKit) // a list of {name: …, value: …}
		}
		p.node(m.key, m.value, depth+1)
	}
}

func (p *pipelineReader) value(key string, s scalar) {
	switch {
	case imageKeys[key] && isKanikoImage(s.text):
		p.evidence(s.line, withKaniko)
	case imageKeys[key] || key == "services":
		p.oldBuilder(s)
	case environmentKeys[key]:
		p.settings(s)
	case commandKeys[key] && strings.TrimSpace(s.text) == kanikoProgram:
		p.evidence(s.line, withKaniko) // the first word of a list
	case commandKeys[key]:
		var shell shellReader
		shell.read(script{text: s.text, line: s.line, flat: !s.block})
		for _, e := range shell.evidence {
			p.evidence(e.Line, e.What)
		}
	}
}

// settings reads words of the form NAME=value, as a shell reads them.
func (p *pipelineReader) settings(s scalar) {
	file, err := parseShell(s.text)
	if err != nil || len(s.text) > maxScript {
		return
	}
	var shell shellReader
	for _, statement := range file.Stmts {
		if c, ok := statement.Cmd.(*syntax.CallExpr); ok && len(c.Args) == 0 {
			run := &shellRun{shellReader: &shell, script: script{line: s.line, flat: true}, changed: map[string]bool{}, volatile: map[string]bool{}}
			run.call(c, nil, &shellState{})
		}
	}
	for _, e := range shell.evidence {
		p.evidence(e.Line, e.What)
	}
}
