package workflow

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// oldDocker is an image of Docker's command line or daemon before 23.0, whose docker build has no BuildKit unless
// DOCKER_BUILDKIT says so.
// Source: https://github.com/moby/moby/releases/tag/v23.0.0
var oldDocker = lazyregexp.New(`^(docker\.io/)?(library/)?docker:(1[0-9]|20)([.-]|$)`)

// choosesBuildKit is a text that asks for BuildKit, or for a builder that is nothing else.
var choosesBuildKit = lazyregexp.New(`DOCKER_BUILDKIT["']?\s*[:=]\s*["']?(1|true)|\bbuildx\b|"?buildkit"?\s*[:=]\s*true`)

// dockerBuilds is a command that builds an image.
var dockerBuilds = lazyregexp.New(`\bdocker(-compose| compose)?\s+(-\S+\s+)*(image\s+)?build\b`)

// oldBuilder notes that a pipeline builds with a Docker that has no BuildKit by default, where nothing in the file asks
// for it.
func (p *pipelineReader) oldBuilder(s scalar) {
	name := strings.TrimSpace(s.text)
	if oldDocker.MatchString(name) && dockerBuilds.Match(p.file.Data) && !choosesBuildKit.Match(p.file.Data) {
		p.evidence(s.line, "docker before 23.0")
	}
}

// heroku reads heroku.yml: Heroku builds Dockerfiles with Docker's old builder.
// Source: https://devcenter.heroku.com/articles/build-docker-images-heroku-yml, and the builder's own words in
// https://github.com/rootstrap/rails_api_base/issues/1271.
func (r *reader) heroku() {
	for _, d := range r.documents() {
		for _, m := range d.members(d.get(d.root, "build")) {
			if m.key == "docker" {
				r.hostEvidence(m.line, "Heroku's builder")
			}
		}
		r.finish(d)
	}
}

// captain reads captain-definition: CapRover builds Dockerfiles with Docker's old builder.
// Source: https://github.com/caprover/caprover/issues/2012.
func (r *reader) captain() {
	var definition struct {
		Path string `json:"dockerfilePath"`
	}
	if len(r.file.Data) <= maxSize && json.Unmarshal(r.file.Data, &definition) == nil && definition.Path != "" {
		before, _, _ := bytes.Cut(r.file.Data, []byte("dockerfilePath"))
		r.hostEvidence(1+bytes.Count(before, []byte("\n")), "CapRover's builder")
	}
}

// skaffold reads skaffold.yaml: images that kaniko builds, and a local builder without BuildKit.
// Source: https://skaffold.dev/docs/references/yaml/
func (r *reader) skaffold() {
	for _, d := range r.documents() {
		build := d.get(d.root, "build")
		for _, image := range d.items(d.get(build, "artifacts")) { //nolint:misspell // as skaffold spells it
			for _, m := range d.members(image) {
				if m.key == "kaniko" {
					r.evidence(m.line, withKaniko)
				}
			}
		}
		for _, m := range d.members(d.get(build, "local")) {
			if s, ok := d.scalar(m.value); ok && m.key == "useBuildkit" && isFalse(s.text) {
				r.evidence(m.line, "useBuildkit: false")
			}
		}
		r.finish(d)
	}
}
