package rules

import (
	"strings"

	"github.com/distribution/reference"

	"github.com/hitrate-bot/hitrate/config"
)

var _ = register(&Rule{
	ID:       "unpinned-base",
	Title:    "A base image has no tag, or latest",
	Severity: config.SeverityWarning,
	What:     "`FROM` names an image without a tag, or with the tag `latest`, and without a digest. Arguments in `FROM` are resolved; stages of the file and `scratch` are no images.",
	Why: "`latest` names whatever was pushed last, also the next major version. The build changes on the day the tag moves, unasked and all at once: " +
		"every step below runs again on another base.",
	Not: "`latest` does not rebuild each time, and a version tag does not stop rebuilds: both rebuild when the image behind them changes, since the cache key is the image's digest. " +
		"Only a digest stops that, and it also stops security updates; hitrate asks for a version, not for a digest. " +
		"Images whose name hangs on an argument without a value are not judged.",
	Sources: []Source{
		{"Docker: best practices, pin base image versions", "https://docs.docker.com/build/building/best-practices/#pin-base-image-versions"},
		{"Dockerfile reference: FROM", "https://docs.docker.com/reference/dockerfile/#from"},
	},
	Hadolint: []string{"DL3006", "DL3007"},
	Check:    checkUnpinnedBase,
})

func checkUnpinnedBase(p *Pass) {
	for _, stage := range p.File.Stages {
		if stage.From == nil {
			continue
		}
		image, missing := p.File.BaseImage(stage, p.args)
		if missing != "" || image == "scratch" || stage.Parent != nil {
			continue
		}
		isStage := false
		for _, other := range p.File.Stages[:stage.Index] {
			isStage = isStage || other.Name != "" && other.Name == image
		}
		if isStage || strings.Contains(image, "$") {
			continue
		}
		ref, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			continue
		}
		if _, pinned := ref.(reference.Digested); pinned {
			continue
		}
		how := "has no tag, which means latest"
		if tagged, ok := ref.(reference.Tagged); ok {
			if tagged.Tag() != "latest" {
				continue
			}
			how = "follows whatever was pushed last"
		}
		p.report(stage.From, Finding{
			Subject: reference.FamiliarName(ref),
			Title:   say("The base image ", code(image), " is not pinned."),
			Here:    say(code(image), " is not pinned."),
			Why:     say("It ", how, ": when that moves, also to a new major version, every step below runs again on another base, unasked."),
			Advice:  say("Name the version that the image is built for."),
			Done:    say("The base image now names a version."),
		})
	}
}
