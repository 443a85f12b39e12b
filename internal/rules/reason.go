package rules

// Reason is why a finding has no edit though its rule knows one, in a few words for people: they
// stand after "No edit: ". It holds nothing of the repository, so that reasons can be counted.
type Reason string

// The reasons that can lie in the Dockerfile, the files and the commands. Rules give the first ones
// themselves where they see them; package fix gives all of them.
const (
	NeedsSource       Reason = "the install needs the source"
	StepBetween       Reason = "a step between may read or change the source"
	StepUsesSource    Reason = "other commands of the step use the source"
	ManifestMissing   Reason = "a file that the install reads is not in the build context"
	ManifestUnknown   Reason = "which files the install reads is not known"
	ManifestLink      Reason = "a file that the install reads is a symbolic link"
	DestinationOpen   Reason = "where the COPY puts the files is not known"
	CopyOptions       Reason = "the COPY has options that do not go with the edit"
	ArchiveOrRemote   Reason = "an ADD may unpack or fetch what it names"
	ValuesBetween     Reason = "the COPY uses a variable that changes on the way"
	DirectoryOwner    Reason = "a directory would belong to another user"
	OtherVariables    Reason = "the instruction sets other variables too"
	UserLater         Reason = "the user is made below the COPY"
	OwnedOthers       Reason = "other steps make files in the directory too"
	CopiesCross       Reason = "another COPY between writes to the same place"
	Overwrites        Reason = "the moved COPY would overwrite what a step makes"
	IgnoreFirst       Reason = "what the install makes has to be in the ignore file first"
	ConfigurationFile Reason = "the source may hold settings that the install reads"

	BaseUnknown      Reason = "the user and the files of the base image are not known"
	OtherUser        Reason = "the command does not run as root"
	FrontendUnknown  Reason = "the syntax line names a frontend that may not know cache mounts"
	WithoutBuildKit  Reason = "the repository builds with a builder that has no cache mounts"
	CacheElsewhere   Reason = "the cache lies somewhere else"
	CacheOff         Reason = "the cache is turned off"
	CacheUsed        Reason = "another command uses the cache"
	EnvironmentThere Reason = "poetry's virtual environment lies in its cache"
	MountThere       Reason = "the step has a mount there already"
	MountOwner       Reason = "the cache mount may belong to another user"
	MountReadOnly    Reason = "the cache mount is read-only"
	SeveralInstalls  Reason = "the step has several commands to change"
	ScriptUnread     Reason = "the command could not be read as a shell script"
	ScriptForm       Reason = "the command is not written in a form that hitrate edits"
	FailureUnseen    Reason = "the command may fail without failing the build"
	UpdateDoesMore   Reason = "the update's step does more than update"
	IndexUsed        Reason = "a step between may use the index or change its sources"
	InstallWithout   Reason = "another step installs from the same index"
	OtherSettings    Reason = "the two steps run under different settings"
	InOtherStage     Reason = "the steps are in another stage"
	StepsBetween     Reason = "other steps stand between the two"
	CleanupDoesMore  Reason = "the step does more than clean up"
	InOnBuild        Reason = "it runs in other builds, by ONBUILD"
	Unconfigured     Reason = "the build's files or arguments are not known"
	OtherArguments   Reason = "it would not hold for other values of a build argument"
	SharedWithOthers Reason = "the edit holds for one of several builds only"
)

// The reasons that lie in the edit: what package fix found when it tried it.
const (
	NotProven      Reason = "nothing proves this kind of edit"
	Conflict       Reason = "it conflicts with another suggestion"
	ChangesNothing Reason = "the edit changes nothing"
	NotText        Reason = "the file is not valid UTF-8"
	MixedNewlines  Reason = "the file mixes line ends"
	HiddenText     Reason = "the text has invisible characters"
	TooManyEdits   Reason = "the file has many other edits to make first"
	OutOfTime      Reason = "proving the edit took too long"
	DoesNotParse   Reason = "the edited file does not parse"
	DoesNotCompile Reason = "the edited file does not compile"
	ChangesImage   Reason = "the image's configuration would change"
	ChangesSteps   Reason = "the build's steps would change in another way than meant"
	NewWarning     Reason = "BuildKit would warn of the edited file"
	NotSettled     Reason = "the edit does not settle the finding"
	MakesFinding   Reason = "the edit makes another finding"
	SettlesAnother Reason = "the edit takes another suggestion away"
	RunsMore       Reason = "over the branch's history it would re-run a step more often"
	Internal       Reason = "hitrate's own mistake: please report it"
)
