package fix

import (
	"fmt"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Edited is a Dockerfile with suggestions made.
type Edited struct {
	File *dockerfile.File
	// Becomes leads from each instruction of a stage of the original to what it is in File: the same
	// instruction, perhaps elsewhere or rewritten as the effects declare. One that goes is missing, also
	// where another takes in what it did.
	Becomes map[*dockerfile.Instruction]*dockerfile.Instruction
}

// OfDockerfile is how many of the suggestions are of the Dockerfile itself; they stand first.
func (r *Result) OfDockerfile() int { return len(r.groups) }

// Edited makes some of the Dockerfile's suggestions, by their indexes, ascending.
func (r *Result) Edited(which ...int) (*Edited, error) {
	var (
		suggestions []Suggestion
		units       []*unit
	)
	for _, i := range which {
		suggestions = append(suggestions, r.Suggestions[i])
		units = append(units, r.groups[i].units...)
	}
	after, err := dockerfile.Parse(source.New(r.before.Source.Path, Apply(r.before.Source, suggestions)))
	if err != nil {
		return nil, fmt.Errorf("make suggestions for %s: %w", r.before.Source.Path, err)
	}
	c := newComparison(r.before, after, units)
	if reason := c.instructions(); reason != "" {
		return nil, fmt.Errorf("make suggestions for %s: %s", r.before.Source.Path, reason)
	}
	edited := &Edited{File: after, Becomes: map[*dockerfile.Instruction]*dockerfile.Instruction{}}
	for _, list := range c.stages {
		for _, x := range list {
			if x.was != nil {
				edited.Becomes[x.was] = x.now
			}
		}
	}
	return edited, nil
}

// Withhold takes one of the Dockerfile's suggestions back: those that are left are proven without it.
func (r *Result) Withhold(i int, reason Reason) {
	for _, f := range r.Suggestions[i].Findings {
		r.Withheld[f] = reason
	}
	r.Suggestions = append(r.Suggestions[:i:i], r.Suggestions[i+1:]...)
	r.groups = append(r.groups[:i:i], r.groups[i+1:]...)
}
