package buildcache

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// vertex is one operation of a definition.
type vertex struct {
	op     *pb.Op
	inputs []*vertex
	// places are the instructions that this vertex does the work of. Equal work of two stages is one
	// vertex with two of them; what BuildKit does beside the instructions has none.
	places []place
	// steps are the indexes of its steps in the plan, one for each place.
	steps []int
}

// place is one instruction that BuildKit executes.
type place struct {
	instruction *dockerfile.Instruction
	lines       source.Lines
	onBuild     bool // instruction is then the FROM of the stage that the trigger runs in
}

// steps gives the plan the steps of a definition, in file order, and what their keys are made of.
func (c *compiler) steps(plan *Plan, definition *llb.Definition) error {
	vertexes, err := c.decode(definition)
	if err != nil {
		return err
	}
	type work struct {
		*vertex
		place
	}
	var all []work
	for _, v := range vertexes {
		for _, p := range v.places {
			all = append(all, work{v, p})
		}
	}
	// Stable: the triggers of one stage stay in the order in which they run.
	slices.SortStableFunc(all, func(a, b work) int { return cmp.Compare(a.lines.First, b.lines.First) })
	for i, w := range all {
		w.steps = append(w.steps, i)
	}
	steps := make([]Step, len(all))
	counts := map[*dockerfile.Stage]int{}
	for i, w := range all {
		stage := w.instruction.Stage
		text := describe(w.vertex)
		steps[i] = Step{
			Stage:       stageName(stage),
			Index:       -1,
			Lines:       w.lines,
			Instruction: instructionText(w.instruction),
			Op:          text.String(),
			OnBuild:     w.onBuild,
			Context:     text.context,
		}
		if !w.onBuild {
			steps[i].Index = counts[stage]
			counts[stage]++
		}
		for _, parent := range text.parents {
			// Of equal steps of several stages the one of this stage is meant, where there is one.
			at := parent.steps[0]
			for _, other := range parent.steps {
				if all[other].instruction.Stage == stage {
					at = other
				}
			}
			steps[i].Parents = append(steps[i].Parents, at)
		}
	}
	plan.Steps = steps
	byVertex := map[*vertex]*keyNode{}
	if plan.nodes, err = keyNodes(vertexes, byVertex); err != nil {
		return err
	}
	for _, w := range all {
		plan.stepNodes = append(plan.stepNodes, byVertex[w.vertex])
	}
	plan.twins = twinsOf(plan.stepNodes)
	return nil
}

// decode returns the operations of a definition, inputs before those that use them.
func (c *compiler) decode(definition *llb.Definition) ([]*vertex, error) {
	owners := c.lineOwners()
	byDigest := map[string]*vertex{}
	var vertexes []*vertex
	for _, encoded := range definition.Def {
		v := &vertex{op: &pb.Op{}}
		if err := v.op.UnmarshalVT(encoded); err != nil {
			return nil, fmt.Errorf("decode definition: %w", err)
		}
		for _, in := range v.op.Inputs {
			input := byDigest[in.Digest]
			if input == nil {
				return nil, fmt.Errorf("decode definition: %s stands below an operation that uses it", in.Digest)
			}
			v.inputs = append(v.inputs, input)
		}
		id := digest.FromBytes(encoded).String()
		if definition.Source != nil {
			v.places = placesOf(v, definition.Source.Locations[id], owners)
		}
		byDigest[id] = v
		vertexes = append(vertexes, v)
	}
	return vertexes, nil
}

// lineOwners are the instructions by each of their lines.
func (c *compiler) lineOwners() map[int]place {
	owners := map[int]place{}
	for _, i := range c.in.File.Instructions {
		p := place{instruction: i, lines: c.in.File.Source.LinesFromSpan(i.Span), onBuild: i.Keyword == "FROM"}
		for line := p.lines.First; line <= p.lines.Last; line++ {
			owners[line] = p
		}
	}
	return owners
}

// placesOf finds the instructions of a vertex by the lines that BuildKit's source map gives it. The
// last line tells: BuildKit's first may be one before the keyword, that holds nothing but an escape.
func placesOf(v *vertex, locations *pb.Locations, owners map[int]place) []place {
	if v.op.GetSource() != nil || v.op.GetMerge() != nil {
		return nil // FROM itself, and the second vertex of COPY --link
	}
	var places []place
	for _, location := range locations.GetLocations() {
		last := 0
		for _, r := range location.GetRanges() {
			last = max(last, int(r.GetEnd().GetLine()))
		}
		p, ok := owners[last]
		if ok && !slices.ContainsFunc(places, func(o place) bool { return o.instruction == p.instruction }) {
			places = append(places, p)
		}
	}
	return places
}

func stageName(s *dockerfile.Stage) string {
	switch {
	case s == nil:
		return ""
	case s.Name != "":
		return s.Name
	}
	return strconv.Itoa(s.Index)
}

func instructionText(i *dockerfile.Instruction) string {
	if s, ok := i.Command.(fmt.Stringer); ok {
		return s.String()
	}
	return i.Keyword
}
