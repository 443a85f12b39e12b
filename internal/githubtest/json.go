package githubtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The shapes that the API and the webhooks share. Only what this GitHub knows has a value of its
// own; the rest is there because GitHub's schema asks for it.

type rawJSON = json.RawMessage

func mustJSON(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("githubtest: encode %T: %v", value, err)) // only values made here come here
	}
	return data
}

// orNull is null for the empty string.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// intOrNull is null for 0.
func intOrNull(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func timeOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

func (s *Server) repositoryURL(r *Repository) string { return s.apiURL + "/repos/" + r.fullName() }
func (s *Server) pageURL(r *Repository) string       { return s.webURL + "/" + r.fullName() }

func (p *PullRequest) pageURL() string {
	return fmt.Sprintf("%s/pull/%d", p.s.pageURL(p.base.repo), p.number)
}

func (p *PullRequest) apiURL() string {
	return fmt.Sprintf("%s/pulls/%d", p.s.repositoryURL(p.base.repo), p.number)
}

// userJSON is GitHub's simple-user.
func (s *Server) userJSON(u *user) object {
	api := s.apiURL + "/users/" + url.PathEscape(u.login)
	page := s.webURL + "/" + u.login
	if u.kind == "Bot" {
		page = s.webURL + "/apps/" + strings.TrimSuffix(u.login, "[bot]")
	}
	return object{
		"login": u.login, "id": u.id, "node_id": nodeID("U", u.id), "avatar_url": fmt.Sprintf("%s/avatars/%d", s.webURL, u.id), "gravatar_id": "",
		"url": api, "html_url": page, "followers_url": api + "/followers", "following_url": api + "/following{/other_user}",
		"gists_url": api + "/gists{/gist_id}", "starred_url": api + "/starred{/owner}{/repo}", "subscriptions_url": api + "/subscriptions",
		"organizations_url": api + "/orgs", "repos_url": api + "/repos", "events_url": api + "/events{/privacy}",
		"received_events_url": api + "/received_events", "type": u.kind, "site_admin": false, "user_view_type": "public",
	}
}

func (s *Server) publicUserJSON(u *user) object {
	o := s.userJSON(u)
	for _, key := range []string{"bio", "blog", "company", "email", "hireable", "location", "name"} {
		o[key] = nil
	}
	for _, key := range []string{"followers", "following", "public_gists", "public_repos"} {
		o[key] = 0
	}
	o["created_at"], o["updated_at"] = s.now().Format(time.RFC3339), s.now().Format(time.RFC3339)
	return o
}

func (s *Server) organizationJSON(u *user) object {
	api := s.apiURL + "/orgs/" + u.login
	return object{
		"login": u.login, "id": u.id, "node_id": nodeID("O", u.id), "url": api, "repos_url": api + "/repos", "events_url": api + "/events",
		"hooks_url": api + "/hooks", "issues_url": api + "/issues", "members_url": api + "/members{/member}",
		"public_members_url": api + "/public_members{/member}", "avatar_url": fmt.Sprintf("%s/avatars/%d", s.webURL, u.id), "description": "",
	}
}

// appJSON is GitHub's integration.
func (s *Server) appJSON() object {
	owner := s.account("hitrate-operator", "User")
	return object{
		"id": s.options.AppID, "slug": s.options.Slug, "client_id": fmt.Sprintf("Iv23%d", s.options.AppID), "node_id": nodeID("A", s.options.AppID),
		"owner": s.userJSON(owner), "name": s.options.Slug, "description": "", "external_url": s.webURL, "html_url": s.webURL + "/apps/" + s.options.Slug,
		"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z", "permissions": s.options.Permissions,
		"events": []string{"pull_request"}, "installations_count": len(s.installations),
	}
}

func (i *installation) selection() string {
	if i.all {
		return "all"
	}
	return "selected"
}

func (s *Server) installationJSON(i *installation) object {
	api := fmt.Sprintf("%s/app/installations/%d", s.apiURL, i.id)
	o := object{
		"id": i.id, "account": s.userJSON(i.account), "repository_selection": i.selection(), "access_tokens_url": api + "/access_tokens",
		"repositories_url": s.apiURL + "/installation/repositories", "html_url": fmt.Sprintf("%s/settings/installations/%d", s.webURL, i.id),
		"app_id": s.options.AppID, "app_slug": s.options.Slug, "client_id": fmt.Sprintf("Iv23%d", s.options.AppID), "target_id": i.account.id,
		"target_type": i.account.kind, "permissions": i.permissions, "events": []string{"pull_request"},
		"created_at": i.created.Format(time.RFC3339), "updated_at": i.created.Format(time.RFC3339), "single_file_name": nil,
		"has_multiple_single_files": false, "single_file_paths": []string{}, "suspended_by": nil, "suspended_at": timeOrNull(i.suspended),
	}
	if i.suspended != nil {
		o["suspended_by"] = s.userJSON(s.account("octocat", "User"))
	}
	return o
}

// installationEventJSON is an installation in a webhook: but for suspensions, times are seconds there.
func (s *Server) installationEventJSON(i *installation, action string) object {
	o := s.installationJSON(i)
	if action != "suspend" && action != "unsuspend" {
		o["created_at"], o["updated_at"] = i.created.Unix(), i.created.Unix()
	}
	return o
}

// shortRepositoryJSON is a repository in the installation events.
func (s *Server) shortRepositoryJSON(r *Repository) object {
	return object{"id": r.id, "node_id": nodeID("R", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private}
}

func (s *Server) repositoryJSON(r *Repository) object {
	api, page := s.repositoryURL(r), s.pageURL(r)
	o := s.shortRepositoryJSON(r)
	o["owner"], o["html_url"], o["description"], o["fork"], o["url"] = s.userJSON(r.owner), page, nil, r.parent != nil, api
	for name, path := range map[string]string{
		"archive": "/{archive_format}{/ref}", "assignees": "/assignees{/user}", "blobs": "/git/blobs{/sha}", "branches": "/branches{/branch}",
		"collaborators": "/collaborators{/collaborator}", "comments": "/comments{/number}", "commits": "/commits{/sha}",
		"compare": "/compare/{base}...{head}", "contents": "/contents/{+path}", "contributors": "/contributors", "deployments": "/deployments",
		"downloads": "/downloads", "events": "/events", "forks": "/forks", "git_commits": "/git/commits{/sha}", "git_refs": "/git/refs{/sha}",
		"git_tags": "/git/tags{/sha}", "hooks": "/hooks", "issue_comment": "/issues/comments{/number}", "issue_events": "/issues/events{/number}",
		"issues": "/issues{/number}", "keys": "/keys{/key_id}", "labels": "/labels{/name}", "languages": "/languages", "merges": "/merges",
		"milestones": "/milestones{/number}", "notifications": "/notifications{?since,all,participating}", "pulls": "/pulls{/number}",
		"releases": "/releases{/id}", "stargazers": "/stargazers", "statuses": "/statuses/{sha}", "subscribers": "/subscribers",
		"subscription": "/subscription", "tags": "/tags", "teams": "/teams", "trees": "/git/trees{/sha}",
	} {
		o[name+"_url"] = api + path
	}
	host := strings.TrimPrefix(strings.TrimPrefix(s.webURL, "http://"), "https://")
	o["git_url"], o["ssh_url"], o["clone_url"], o["svn_url"] = "git://"+host+"/"+r.fullName()+".git", "git@"+host+":"+r.fullName()+".git", page+".git", page
	o["mirror_url"], o["homepage"], o["language"], o["license"] = nil, nil, nil, nil
	for _, key := range []string{"forks_count", "stargazers_count", "watchers_count", "size", "open_issues_count", "forks", "open_issues", "watchers"} {
		o[key] = 0
	}
	for _, key := range []string{"has_issues", "has_projects", "has_wiki", "has_downloads"} {
		o[key] = true
	}
	for _, key := range []string{"has_pages", "has_discussions", "archived", "disabled", "is_template", "web_commit_signoff_required"} {
		o[key] = false
	}
	o["default_branch"], o["visibility"], o["topics"], o["allow_forking"] = r.defaultBranch, "public", []string{}, true
	o["custom_properties"] = object{}
	if r.private {
		o["visibility"] = "private"
	}
	at := r.created.Format(time.RFC3339)
	o["created_at"], o["updated_at"], o["pushed_at"] = at, at, at
	return o
}

func (s *Server) fullRepositoryJSON(r *Repository) object {
	o := s.repositoryJSON(r)
	o["network_count"], o["subscribers_count"] = 0, 0
	if r.owner.kind == "Organization" {
		o["organization"] = s.userJSON(r.owner)
	}
	if r.parent != nil {
		o["parent"], o["source"] = s.repositoryJSON(r.parent), s.repositoryJSON(r.parent)
	}
	return o
}

// sideJSON is one end of a pull request.
func (s *Server) sideJSON(end side) object {
	o := object{"label": end.repo.owner.login + ":" + end.ref, "ref": end.ref, "sha": end.sha, "user": s.userJSON(end.repo.owner), "repo": nil}
	if !end.repo.deleted {
		o["repo"] = s.repositoryJSON(end.repo)
	}
	return o
}

func (p *PullRequest) json() object {
	s := p.s
	api, page, repo := p.apiURL(), p.pageURL(), s.repositoryURL(p.base.repo)
	issue := fmt.Sprintf("%s/issues/%d", repo, p.number)
	state, mergedAt := "open", any(nil)
	if !p.open {
		state = "closed"
	}
	if p.merged {
		mergedAt = timeOrNull(p.closed)
	}
	additions, gone, files := 0, 0, 0
	if list, err := p.files(p.head.sha); err == nil {
		files = len(list)
		for _, f := range list {
			additions, gone = additions+f.additions, gone+f.gone
		}
	}
	statuses := repo + "/statuses/" + p.head.sha
	link := func(href string) object { return object{"href": href} }
	return object{
		"url": api, "id": p.id, "node_id": nodeID("PR", p.id), "html_url": page, "diff_url": page + ".diff", "patch_url": page + ".patch",
		"issue_url": issue, "number": p.number, "state": state, "locked": false, "title": p.title, "user": s.userJSON(p.author),
		"body": orNull(p.body), "created_at": p.created.Format(time.RFC3339), "updated_at": p.updated.Format(time.RFC3339),
		"closed_at": timeOrNull(p.closed), "merged_at": mergedAt, "merge_commit_sha": nil, "assignee": nil, "assignees": []any{},
		"requested_reviewers": []any{}, "requested_teams": []any{}, "labels": []any{}, "milestone": nil, "draft": p.draft,
		"commits_url": api + "/commits", "review_comments_url": api + "/comments", "review_comment_url": repo + "/pulls/comments{/number}",
		"comments_url": issue + "/comments", "statuses_url": statuses, "head": s.sideJSON(p.head), "base": s.sideJSON(p.base),
		"_links": object{
			"self": link(api), "html": link(page), "issue": link(issue), "comments": link(issue + "/comments"), "review_comments": link(api + "/comments"),
			"review_comment": link(repo + "/pulls/comments{/number}"), "commits": link(api + "/commits"), "statuses": link(statuses),
		},
		"author_association": p.association(p.author), "auto_merge": nil, "active_lock_reason": nil, "merged": p.merged, "mergeable": nil,
		"rebaseable": nil, "mergeable_state": "unknown", "merged_by": nil, "comments": 0, "review_comments": len(p.comments),
		"maintainer_can_modify": p.mayModify, "commits": p.commitCount(), "additions": additions, "deletions": gone, "changed_files": files,
	}
}

// association is what an account is to the repository.
func (p *PullRequest) association(u *user) string {
	switch {
	case u.kind == "Bot":
		return "NONE"
	case u == p.base.repo.owner:
		return "OWNER"
	case p.head.repo != p.base.repo && u == p.head.repo.owner:
		return "CONTRIBUTOR"
	}
	return "MEMBER"
}

// fileJSON is GitHub's diff-entry.
func (s *Server) fileJSON(r *Repository, commit string, f *changedFile) object {
	id := f.id
	if id == "" {
		id = f.oldID
	}
	path := escapePath(f.path)
	o := object{
		"sha": id, "filename": f.path, "status": f.status, "additions": f.additions, "deletions": f.gone, "changes": f.additions + f.gone,
		"blob_url": s.pageURL(r) + "/blob/" + commit + "/" + path, "raw_url": s.pageURL(r) + "/raw/" + commit + "/" + path,
		"contents_url": s.repositoryURL(r) + "/contents/" + path + "?ref=" + commit,
	}
	if f.previous != "" {
		o["previous_filename"] = f.previous
	}
	if f.hasPatch {
		o["patch"] = f.patch
	}
	return o
}

// contentJSON is one entry of the contents endpoint, without content.
func (s *Server) contentJSON(r *Repository, ref string, e treeEntry) object {
	name := e.path[strings.LastIndex(e.path, "/")+1:]
	path := escapePath(e.path)
	api := s.repositoryURL(r) + "/contents/" + path + "?ref=" + url.QueryEscape(ref)
	o := object{
		"name": name, "path": e.path, "sha": e.id, "size": e.size, "url": api,
		"html_url": s.pageURL(r) + "/blob/" + ref + "/" + path, "git_url": s.repositoryURL(r) + "/git/blobs/" + e.id,
		"download_url": s.pageURL(r) + "/raw/" + ref + "/" + path, "type": "file",
	}
	switch {
	case e.kind == "tree":
		o["type"], o["git_url"], o["download_url"], o["html_url"] = "dir", s.repositoryURL(r)+"/git/trees/"+e.id, nil, s.pageURL(r)+"/tree/"+ref+"/"+path
	case e.kind == "commit":
		o["type"], o["submodule_git_url"], o["git_url"], o["html_url"], o["download_url"] = "submodule", "", nil, nil, nil
	case e.mode == "120000":
		o["type"] = "symlink"
	}
	o["_links"] = object{"self": api, "git": o["git_url"], "html": o["html_url"]}
	return o
}

func verification() object {
	return object{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
}

func (s *Server) gitCommitJSON(r *Repository, info commitInfo) object {
	api := s.repositoryURL(r) + "/git/commits/"
	parents := []any{}
	for _, id := range info.parents {
		parents = append(parents, object{"sha": id, "url": api + id, "html_url": s.pageURL(r) + "/commit/" + id})
	}
	return object{
		"sha": info.id, "node_id": "C_" + info.id[:12], "url": api + info.id, "html_url": s.pageURL(r) + "/commit/" + info.id,
		"author":    object{"name": info.authorName, "email": info.authorEmail, "date": info.authored.Format(time.RFC3339)},
		"committer": object{"name": info.committerName, "email": info.committerEmail, "date": info.committed.Format(time.RFC3339)},
		"tree":      object{"sha": info.tree, "url": s.repositoryURL(r) + "/git/trees/" + info.tree}, "message": info.message,
		"parents": parents, "verification": verification(),
	}
}

func (s *Server) commitJSON(r *Repository, info commitInfo) object {
	api := s.repositoryURL(r) + "/commits/"
	inner := s.gitCommitJSON(r, info)
	parents := inner["parents"]
	for _, key := range []string{"sha", "node_id", "html_url", "parents"} {
		delete(inner, key)
	}
	inner["comment_count"] = 0
	account := func(name string) any {
		if u, ok := s.users[strings.ToLower(name)]; ok {
			return s.userJSON(u)
		}
		return nil
	}
	return object{
		"url": api + info.id, "sha": info.id, "node_id": "C_" + info.id[:12], "html_url": s.pageURL(r) + "/commit/" + info.id,
		"comments_url": api + info.id + "/comments", "commit": inner, "author": account(info.authorName), "committer": account(info.committerName), "parents": parents,
	}
}

func (p *PullRequest) reviewJSON(r *review) object {
	page := fmt.Sprintf("%s#pullrequestreview-%d", p.pageURL(), r.id)
	o := object{
		"id": r.id, "node_id": nodeID("PRR", r.id), "user": p.s.userJSON(r.author), "body": r.body, "state": r.state, "html_url": page,
		"pull_request_url": p.apiURL(), "author_association": p.association(r.author), "commit_id": r.commit,
		"_links": object{"html": object{"href": page}, "pull_request": object{"href": p.apiURL()}},
	}
	if r.state != statePending {
		o["submitted_at"] = r.submitted.Format(time.RFC3339)
	}
	return o
}

func (p *PullRequest) commentJSON(c *comment) object {
	api := fmt.Sprintf("%s/pulls/comments/%d", p.s.repositoryURL(p.base.repo), c.id)
	page := fmt.Sprintf("%s#discussion_r%d", p.pageURL(), c.id)
	startSide := any(nil)
	if c.originalStart != 0 {
		startSide = c.startSide
	}
	o := object{
		"url": api, "pull_request_review_id": c.review.id, "id": c.id, "node_id": nodeID("PRRC", c.id), "diff_hunk": c.hunk, "path": c.path,
		"commit_id": c.commit, "original_commit_id": c.originalCommit, "user": p.s.userJSON(c.author), "body": c.body,
		"created_at": c.created.Format(time.RFC3339), "updated_at": c.updated.Format(time.RFC3339), "html_url": page,
		"pull_request_url": p.apiURL(), "author_association": p.association(c.author),
		"_links":     object{"self": object{"href": api}, "html": object{"href": page}, "pull_request": object{"href": p.apiURL()}},
		"start_line": intOrNull(c.start), "original_start_line": intOrNull(c.originalStart), "start_side": startSide,
		"line": intOrNull(c.line), "original_line": c.originalLine, "side": c.side, "subject_type": c.subject,
		"position": intOrNull(c.position), "original_position": c.originalPosition,
	}
	if c.replyTo != 0 {
		o["in_reply_to_id"] = c.replyTo
	}
	return o
}

func (s *Server) checkRunJSON(r *Repository, run *checkRun) object {
	api := fmt.Sprintf("%s/check-runs/%d", s.repositoryURL(r), run.id)
	details := run.detailsURL
	if details == "" {
		details = s.webURL + "/apps/" + s.options.Slug
	}
	pulls := []any{}
	for _, p := range r.pulls {
		if p.open && p.head.sha == run.head && p.head.repo == r { // none for a fork's
			short := func(end side) object {
				return object{"ref": end.ref, "sha": end.sha, "repo": object{"id": end.repo.id, "url": s.repositoryURL(end.repo), "name": end.repo.name}}
			}
			pulls = append(pulls, object{"url": p.apiURL(), "id": p.id, "number": p.number, "head": short(p.head), "base": short(p.base)})
		}
	}
	return object{
		"id": run.id, "node_id": nodeID("CR", run.id), "head_sha": run.head, "name": run.name, "url": api,
		"html_url": fmt.Sprintf("%s/runs/%d", s.pageURL(r), run.id), "details_url": details, "external_id": run.externalID,
		"status": run.status, "conclusion": orNull(run.conclusion), "started_at": timeOrNull(run.started), "completed_at": timeOrNull(run.completed),
		"output": object{
			"title": orNull(run.title), "summary": orNull(run.summary), "text": orNull(run.text),
			"annotations_count": len(run.annotations), "annotations_url": api + "/annotations",
		},
		"check_suite": object{"id": 1}, "app": s.appJSON(), "pull_requests": pulls,
	}
}
