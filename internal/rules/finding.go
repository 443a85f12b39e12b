package rules

import (
	"errors"
	"slices"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

// ErrNeeded is what Input.Read gives for a text that has not been fetched yet.
var ErrNeeded = errors.New("not fetched yet")

// Input is one Dockerfile under one of its builds, with everything that rules may read. It is a
// value: nothing in it changes while rules run.
type Input struct {
	File    *dockerfile.File
	Context *buildcontext.Context // of the primary build
	Builds  []buildcontext.Build  // all known, the primary one first
	Config  config.Repository
	Facts   workflow.Facts
	// Repository is the address of the repository that the file is in, as git or a forge writes it; "" where it
	// is not known.
	Repository string
	// Read gives the text of a repository file (manifests); an error for which
	// errors.Is(err, fs.ErrNotExist) holds where the tree has none, ErrNeeded where its text has
	// not been fetched yet: the rule goes on without, and is run again when it has.
	Read func(path string) (*source.File, error)
	// Brought, where not nil, is for several runs with this context.
	Brought *Brought
}

// Finding is one thing to say.
type Finding struct {
	Rule     string
	Severity string // effective: config.SeverityError, …
	Path     string // the Dockerfile, or the requirements file
	Span     source.Span
	Related  []Place
	Stage    string // name or number of the stage; "" outside a Dockerfile
	Subject  string // what the finding is about, stable when text moves: tool and manifest, variable, image
	// Weight says how much of what was copied stands in the way (files that the COPY brings), so that
	// a finding that was made worse can be told; 0 where that means nothing.
	Weight int

	// The words. Text holds code of the pull request apart, so that each surface can escape it.
	Title  Text // for the body: "Every commit re-runs the pip install."
	Here   Text // for a comment on the lines: "Every commit re-runs this install."
	Why    Text // cause and cost, one or two sentences
	Advice Text // what to do: "Copy the requirements first and the rest after it."
	Done   Text // when it is gone: "The install is now re-run only when `requirements.txt` changes."

	// Doubted are other words for Why, Advice and Done, where the edit is withheld since more may be read than
	// they say; nil where they hold anyway.
	Doubted *Doubt

	Unit     *Unit  // the edit; nil where there is none
	Withheld string // why there is no edit though the rule has one: one of the Reason constants, or ""
	NewFile  *NewFile
}

// Words are what stands behind a finding's title.
type Words struct{ Why, Advice, Done Text }

// Doubt is what is said where the edit is withheld for one of some reasons.
type Doubt struct {
	Words
	By []Reason
}

// WordsFor are the finding's words where its edit is withheld for a reason, or is not: "".
func (f Finding) WordsFor(reason Reason) Words {
	if f.Doubted != nil && slices.Contains(f.Doubted.By, reason) {
		return f.Doubted.Words
	}
	return Words{Why: f.Why, Advice: f.Advice, Done: f.Done}
}

// Place is a span of a file.
type Place struct {
	Path string
	Span source.Span
}

// NewFile is a file that would settle the finding.
type NewFile struct{ Path, Text string }

// Unit is the edits of one finding, against the file as it is, with the effects that they declare.
type Unit struct {
	Path    string // of the file that they change: the ignore file, a workflow, requirements; "" for the Dockerfile
	Edits   []source.Edit
	Effects []Effect
	Note    Text // what the reader of the suggestion should know: "The cache mount keeps pip's downloads …"
}

// Effect is one declared change of the build's steps. Instructions are those of the original file.
type Effect interface{ effect() }

// AddCopy is a new COPY of files that Of (a COPY of the original) brings too, in Of's old place.
type AddCopy struct {
	Of      *dockerfile.Instruction
	Sources []string // as written in the new COPY
	Dest    string   // as written
}

// MoveStep moves an instruction below another one of its stage, unchanged.
type MoveStep struct{ Step, Below *dockerfile.Instruction }

// MoveEnv moves an ARG, or an ENV or LABEL that is made of one, below another instruction of its stage,
// unchanged: the RUNs that it passes lose its variables.
type MoveEnv struct{ Step, Below *dockerfile.Instruction }

// OwnCopies gives copies an owner or a mode, in place of a chown -R or chmod -R of the directory into which
// they copy. The command goes, and with it Step where it is all that it does; with Keeps only its -R does, and
// it names Made too.
type OwnCopies struct {
	Copies  []*dockerfile.Instruction
	Flag    string // "chown" or "chmod": the command, and the flag that the copies get
	Owner   string // of --chown: "user:group"; of --chmod: the mode, octal
	Written string // the same as the file has it, with variables
	Dir     string
	Made    []string                // directories below it that mkdir makes
	Step    *dockerfile.Instruction // the RUN
	Command *dockerfile.Command
	Keeps   bool
}

// IgnorePath leaves a path out of the build context, by a line at the end of the ignore file.
type IgnorePath struct{ Pattern string }

// PinRequirement gives a line of a requirements file the one version that a lock file names; else the line
// stays as it is.
type PinRequirement struct{ Name, Version, Lock string }

// AddCacheMount gives a RUN of root a cache mount for Tool's cache; for apt, for what it keeps of its archives
// and indexes.
type AddCacheMount struct {
	Step    *dockerfile.Instruction
	Tool    string
	Target  string
	Sharing string // "" for the default, shared
}

// AddFlag adds a flag that keeps a command from writing its cache.
type AddFlag struct {
	Step    *dockerfile.Instruction
	Command *dockerfile.Command
	Flag    string
}

// MergeUpdate moves an index update from Update (which goes, when it did nothing else) into the
// RUNs that use it: "apt-get update && " before their first install. Where it Stays, they get it too.
type MergeUpdate struct {
	Update *dockerfile.Instruction
	Into   []*dockerfile.Instruction
	Stays  bool // Update installs from it as well
}

// RemoveLists takes apt's package index away at the end of a RUN: the command AptListsRemoval, once
// everything before it succeeded.
type RemoveLists struct{ Step *dockerfile.Instruction }

// MergeRuns puts the script of Second, the RUN right below First, behind that of First with "&&".
type MergeRuns struct{ First, Second *dockerfile.Instruction }

// RemoveFlag takes a flag off a command that kept it from using its cache.
type RemoveFlag struct {
	Step    *dockerfile.Instruction
	Command *dockerfile.Command
	Flag    string // as written
}

func (AddCopy) effect()        {}
func (MoveStep) effect()       {}
func (MoveEnv) effect()        {}
func (IgnorePath) effect()     {}
func (OwnCopies) effect()      {}
func (PinRequirement) effect() {}
func (AddCacheMount) effect()  {}
func (AddFlag) effect()        {}
func (MergeUpdate) effect()    {}
func (RemoveLists) effect()    {}
func (MergeRuns) effect()      {}
func (RemoveFlag) effect()     {}
