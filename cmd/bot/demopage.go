package main

import (
	"github.com/hitrate-bot/hitrate/internal/githubtest"
	"github.com/hitrate-bot/hitrate/internal/web"
)

// pageOf turns what the embedded GitHub knows of a pull request into the page's values.
func pageOf(v githubtest.View) web.PullRequest {
	page := web.PullRequest{
		Repository: v.Repository, Number: v.Number, Title: v.Title, Author: v.Author,
		From: v.HeadRef, Into: v.BaseRef,
	}
	for _, c := range v.CheckRuns {
		page.Checks = append(page.Checks, web.Check{Name: c.Name, Conclusion: c.Conclusion, Title: c.Title, Summary: c.Summary})
	}
	for _, r := range v.Reviews {
		page.Reviews = append(page.Reviews, web.Review{Author: r.Author, Body: r.Body})
	}
	for _, f := range v.Files {
		file := web.File{Path: f.Path, Added: f.Additions, Removed: f.Deletions}
		for _, h := range f.Hunks {
			file.Rows = append(file.Rows, web.Row{Kind: "hunk", Text: h.Header})
			for _, r := range h.Rows {
				file.Rows = append(file.Rows, rowOf(r))
			}
		}
		page.Files = append(page.Files, file)
	}
	return page
}

func rowOf(r githubtest.RowView) web.Row {
	row := web.Row{Kind: "context", Old: r.Old, New: r.New, Text: r.Text}
	switch {
	case r.Old == 0:
		row.Kind = "added"
	case r.New == 0:
		row.Kind = "removed"
	}
	for _, t := range r.Threads {
		thread := web.Thread{First: t.Start, Last: t.Line}
		if len(t.Suggestions) > 0 {
			thread.Original = t.Suggestions[0].Old
		}
		for _, c := range t.Comments {
			thread.Comments = append(thread.Comments, web.Comment{Author: c.Author, Body: c.Body})
		}
		row.Threads = append(row.Threads, thread)
	}
	return row
}
