package githubtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of check runs.
const (
	maxAnnotations  = 50     // a request
	maxCheckSummary = 65_535 // characters of summary and of text
	maxRunActions   = 3
	maxMessage      = 64 << 10
	maxTitle        = 255
)

// checkRun is a check run of the App.
type checkRun struct {
	id          int64
	name        string
	head        string
	status      string
	conclusion  string
	externalID  string
	detailsURL  string
	started     *time.Time
	completed   *time.Time
	title       string
	summary     string
	text        string
	annotations []Annotation
}

// Annotation is one place that a check run shows.
type Annotation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn *int   `json:"start_column"`
	EndColumn   *int   `json:"end_column"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
	Title       string `json:"title"`
	RawDetails  string `json:"raw_details"`
}

// checkRequest is the body of POST and PATCH.
type checkRequest struct {
	Name        string     `json:"name"`
	HeadSHA     string     `json:"head_sha"`
	Status      string     `json:"status"`
	Conclusion  string     `json:"conclusion"`
	ExternalID  *string    `json:"external_id"`
	DetailsURL  *string    `json:"details_url"`
	StartedAt   *time.Time `json:"started_at"`
	CompletedAt *time.Time `json:"completed_at"`
	Output      *struct {
		Title       string       `json:"title"`
		Summary     *string      `json:"summary"`
		Text        string       `json:"text"`
		Annotations []Annotation `json:"annotations"`
	} `json:"output"`
	Actions []json.RawMessage `json:"actions"`
}

// check refuses what GitHub refuses; creating asks for the title too.
func (r *checkRequest) check(creating bool) *apiError {
	bad := func(field, message string) *apiError { return invalid("CheckRun", field, "invalid", message) }
	conclusions := []string{"", "action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"}
	switch {
	case creating && r.Name == "":
		return &apiError{status: http.StatusUnprocessableEntity, message: "Invalid request.\n\n\"name\" wasn't supplied."}
	case !slices.Contains(conclusions, r.Conclusion):
		return bad("conclusion", "conclusion is not included in the list")
	case !slices.Contains([]string{"", "queued", "in_progress", "completed"}, r.Status):
		return bad("status", "status is not included in the list")
	case r.Conclusion == "" && (r.Status == "completed" || r.CompletedAt != nil):
		return &apiError{status: http.StatusUnprocessableEntity, message: "Invalid request.\n\n\"conclusion\" wasn't supplied."}
	case len(r.Actions) > maxRunActions:
		return bad("actions", "Only 3 actions are allowed")
	case r.Output == nil:
		return nil
	case r.Output.Summary == nil:
		return &apiError{status: http.StatusUnprocessableEntity, message: "Invalid request.\n\n\"summary\" wasn't supplied."}
	case creating && r.Output.Title == "":
		return &apiError{status: http.StatusUnprocessableEntity, message: "Invalid request.\n\n\"title\" wasn't supplied."}
	case utf8.RuneCountInString(*r.Output.Summary) > maxCheckSummary:
		return bad("summary", "Only 65535 characters are allowed")
	case utf8.RuneCountInString(r.Output.Text) > maxCheckSummary:
		return bad("text", "Only 65535 characters are allowed")
	case len(r.Output.Annotations) > maxAnnotations:
		return bad("annotations", "Only 50 annotations are allowed per request")
	}
	for _, a := range r.Output.Annotations {
		switch {
		case a.Path == "" || a.StartLine < 1 || a.EndLine < a.StartLine || a.Message == "":
			return bad("annotations", "annotation is invalid")
		case !slices.Contains([]string{"notice", "warning", "failure"}, a.Level):
			return bad("annotations", "annotation_level is not included in the list")
		case len(a.Message) > maxMessage || len(a.RawDetails) > maxMessage || utf8.RuneCountInString(a.Title) > maxTitle:
			return bad("annotations", "annotation is too long")
		case a.StartLine != a.EndLine && (a.StartColumn != nil || a.EndColumn != nil):
			return bad("annotations", "columns need start_line and end_line to be the same")
		}
	}
	return nil
}

// apply takes the request over.
func (run *checkRun) apply(r *checkRequest, now time.Time) {
	if r.Name != "" {
		run.name = r.Name
	}
	if r.Status != "" {
		run.status = r.Status
	}
	if r.ExternalID != nil {
		run.externalID = *r.ExternalID
	}
	if r.DetailsURL != nil {
		run.detailsURL = *r.DetailsURL
	}
	if r.StartedAt != nil {
		run.started = r.StartedAt
	}
	switch {
	case r.Conclusion != "":
		run.status, run.conclusion, run.completed = "completed", r.Conclusion, &now
		if r.CompletedAt != nil {
			run.completed = r.CompletedAt
		}
	case r.Status != "":
		run.conclusion, run.completed = "", nil // begun again
	}
	if r.Output != nil {
		run.summary, run.text = *r.Output.Summary, r.Output.Text
		if r.Output.Title != "" {
			run.title = r.Output.Title
		}
		run.annotations = append(run.annotations, r.Output.Annotations...)
	}
}

// createCheckRun is POST …/check-runs.
func (s *Server) createCheckRun(c *call) (any, *apiError) {
	var request checkRequest
	if failure := c.decode(&request); failure != nil {
		return nil, failure
	}
	if failure := request.check(true); failure != nil {
		return nil, failure
	}
	id, err := c.repo.git.resolve(request.HeadSHA, "commit")
	if !isObjectID(request.HeadSHA) || err != nil || id != request.HeadSHA {
		return nil, &apiError{status: http.StatusUnprocessableEntity, message: "No commit found for SHA: " + request.HeadSHA}
	}
	now := s.now()
	run := &checkRun{id: s.nextID(), head: request.HeadSHA, status: "queued", started: &now}
	run.apply(&request, now)
	c.repo.checks = append(c.repo.checks, run)
	return created{s.checkRunJSON(c.repo, run)}, nil
}

func (c *call) checkRun() (*checkRun, *apiError) {
	id := c.number("check_run_id")
	for _, run := range c.repo.checks {
		if run.id == id {
			return run, nil
		}
	}
	return nil, notFound()
}

// getCheckRun is GET …/check-runs/{check_run_id}.
func (s *Server) getCheckRun(c *call) (any, *apiError) {
	run, failure := c.checkRun()
	if failure != nil {
		return nil, failure
	}
	return s.checkRunJSON(c.repo, run), nil
}

// updateCheckRun is PATCH …/check-runs/{check_run_id}. Annotations are added to those before.
func (s *Server) updateCheckRun(c *call) (any, *apiError) {
	run, failure := c.checkRun()
	if failure != nil {
		return nil, failure
	}
	var request checkRequest
	if failure := c.decode(&request); failure != nil {
		return nil, failure
	}
	if failure := request.check(false); failure != nil {
		return nil, failure
	}
	run.apply(&request, s.now())
	return s.checkRunJSON(c.repo, run), nil
}

// listAnnotations is GET …/check-runs/{check_run_id}/annotations.
func (s *Server) listAnnotations(c *call) (any, *apiError) {
	run, failure := c.checkRun()
	if failure != nil {
		return nil, failure
	}
	list := []any{}
	for _, a := range paginate(c, run.annotations) {
		list = append(list, object{
			"path": a.Path, "start_line": a.StartLine, "end_line": a.EndLine, "start_column": a.StartColumn, "end_column": a.EndColumn,
			"annotation_level": a.Level, "message": a.Message, "title": orNull(a.Title), "raw_details": orNull(a.RawDetails),
			"blob_href": s.repositoryURL(c.repo) + "/git/blobs/" + run.head,
		})
	}
	return list, nil
}

// listCheckRuns is GET …/commits/{ref}/check-runs, the newest first.
func (s *Server) listCheckRuns(c *call) (any, *apiError) {
	commit, err := c.repo.git.commitish(c.r.PathValue("ref"))
	if err != nil {
		return nil, &apiError{status: http.StatusUnprocessableEntity, message: "No commit found for SHA: " + c.r.PathValue("ref")}
	}
	query := c.r.URL.Query()
	list := []any{}
	seen := map[string]bool{}
	for _, run := range slices.Backward(c.repo.checks) {
		switch {
		case run.head != commit,
			query.Has("check_name") && query.Get("check_name") != run.name,
			query.Has("status") && query.Get("status") != run.status,
			query.Has("app_id") && query.Get("app_id") != strconv.FormatInt(s.options.AppID, 10):
			continue
		case query.Get("filter") != "all" && seen[run.name]:
			continue // the latest of each name is shown
		}
		seen[run.name] = true
		list = append(list, s.checkRunJSON(c.repo, run))
	}
	return object{"total_count": len(list), "check_runs": paginate(c, list)}, nil
}

// CheckRun is a check run as it stands.
type CheckRun struct {
	ID                     int64
	Name, Head             string
	Status, Conclusion     string
	ExternalID, DetailsURL string
	Title, Summary, Text   string
	Annotations            []Annotation
}

// CheckRuns are all check runs of a commit, or of all commits for "", oldest first.
func (r *Repository) CheckRuns(commit string) []CheckRun {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	var list []CheckRun
	for _, run := range r.checks {
		if commit == "" || strings.EqualFold(run.head, commit) {
			list = append(list, CheckRun{
				ID: run.id, Name: run.name, Head: run.head, Status: run.status, Conclusion: run.conclusion,
				ExternalID: run.externalID, DetailsURL: run.detailsURL, Title: run.title, Summary: run.summary, Text: run.text,
				Annotations: slices.Clone(run.annotations),
			})
		}
	}
	return list
}
