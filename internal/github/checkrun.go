package github

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/hitrate-bot/hitrate/internal/review"
)

const (
	checkName = "hitrate"
	// Limits of the API. Source: https://docs.github.com/rest/checks/runs#create-a-check-run
	maxAnnotations = 50     // in a request
	maxSummary     = 65_535 // characters
	maxMessage     = 64_000 // bytes; documented as 64 KB
	maxTitle       = 255    // characters
)

func (h *host) CheckRun(ctx context.Context, head string) (run review.CheckRun, ok bool, err error) {
	if !isObject(head) {
		return run, false, fmt.Errorf("read check run: %q is not a commit", head)
	}
	err = h.read(ctx, "read check run", func(ctx context.Context, client *github.Client) error {
		list, _, err := client.Checks.ListCheckRunsForRef(ctx, h.ref.Owner, h.ref.Name, head, &github.ListCheckRunsOptions{
			CheckName: github.String(checkName), AppID: github.Int64(h.app.options.AppID), ListOptions: github.ListOptions{PerPage: perPage},
		})
		if err != nil {
			return err
		}
		for _, r := range list.CheckRuns {
			if r.GetName() == checkName && r.GetApp().GetID() == h.app.options.AppID && r.GetID() > run.ID {
				ok = true
				run = review.CheckRun{
					ID: r.GetID(), Head: r.GetHeadSHA(), Conclusion: r.GetConclusion(), ExternalID: r.GetExternalID(),
					Title: r.GetOutput().GetTitle(), Summary: r.GetOutput().GetSummary(),
				}
			}
		}
		return nil
	})
	return run, ok, err
}

// PutCheckRun sends annotations fifty at a time, which GitHub adds to those that the run has. The
// external id comes with the last of them, so that a run that was cut short is not taken for the whole.
func (h *host) PutCheckRun(ctx context.Context, run review.CheckRun) (id int64, err error) {
	chunks := slices.Collect(slices.Chunk(run.Annotations, maxAnnotations))
	if len(chunks) == 0 {
		chunks = append(chunks, nil)
	}
	id = run.ID
	for i, annotations := range chunks {
		part := run
		part.Annotations = annotations
		if i < len(chunks)-1 {
			part.ExternalID = ""
		}
		if id == 0 {
			id, err = h.createCheckRun(ctx, part)
		} else {
			err = h.updateCheckRun(ctx, id, part)
		}
		if err != nil {
			return id, err
		}
	}
	return id, nil
}

func (h *host) createCheckRun(ctx context.Context, run review.CheckRun) (id int64, err error) {
	options := github.CreateCheckRunOptions{
		Name: checkName, HeadSHA: run.Head, ExternalID: nonEmpty(run.ExternalID),
		Status: github.String("completed"), Conclusion: github.String(run.Conclusion), CompletedAt: h.completed(),
		Output: output(run),
	}
	err = h.write(ctx, "create check run", func(ctx context.Context, client *github.Client) error {
		created, _, err := client.Checks.CreateCheckRun(ctx, h.ref.Owner, h.ref.Name, options)
		id = created.GetID()
		return err
	})
	return id, err
}

func (h *host) updateCheckRun(ctx context.Context, id int64, run review.CheckRun) error {
	options := github.UpdateCheckRunOptions{
		Name: checkName, ExternalID: nonEmpty(run.ExternalID),
		Status: github.String("completed"), Conclusion: github.String(run.Conclusion), CompletedAt: h.completed(),
		Output: output(run),
	}
	return h.write(ctx, "update check run", func(ctx context.Context, client *github.Client) error {
		_, _, err := client.Checks.UpdateCheckRun(ctx, h.ref.Owner, h.ref.Name, id, options)
		return err
	})
}

// completed is now as GitHub writes times: go-github would send nanoseconds.
func (h *host) completed() *github.Timestamp {
	return &github.Timestamp{Time: h.app.options.Now().UTC().Truncate(time.Second)}
}

func output(run review.CheckRun) *github.CheckRunOutput {
	o := &github.CheckRunOutput{Title: github.String(clip(run.Title, maxTitle)), Summary: github.String(clip(run.Summary, maxSummary))}
	for _, a := range run.Annotations {
		o.Annotations = append(o.Annotations, &github.CheckRunAnnotation{
			Path: github.String(a.Path), StartLine: github.Int(a.First), EndLine: github.Int(a.Last),
			AnnotationLevel: github.String(a.Level),
			// A character has up to four bytes.
			Message: github.String(clip(a.Message, maxMessage/4)), Title: nonEmpty(clip(a.Title, maxTitle)),
		})
	}
	return o
}

// clip cuts a text to so many characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
