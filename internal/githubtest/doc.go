// Package githubtest is a stateful GitHub for tests and for the demo command: the part of the REST
// API that a review needs, over real git repositories, git's smart HTTP for clones of them, with
// webhooks, permissions, refusals and faults. It needs the git binary and no network but the loopback.
//
// A Server is filled through Go calls (CreateRepository, Commit, OpenPullRequest, …), which stand
// for what people do on GitHub, and is used by the App under test through HTTP. What the App did is
// read back through Go calls again (Reviews, Comments, CheckRuns, View), and a reader's answer to it
// too (ApplySuggestions, Reply, Resolve).
//
//	gh, err := githubtest.New(githubtest.Options{Dir: t.TempDir()})
//	defer gh.Close()
//	err = gh.Start() // on 127.0.0.1; or mount gh, an http.Handler, elsewhere
//	repo, err := gh.CreateRepository("octo-org", "app", map[string]string{"Dockerfile": "FROM scratch\n"})
//	installation, err := gh.Install("octo-org", "app")
//	gh.SetWebhook(githubtest.Webhook{URL: bot.URL + "/webhook", Secret: "…"})
//	_, err = repo.Commit("feature", "Change it", githubtest.Edit{Files: map[string]string{"Dockerfile": "…"}})
//	pr, err := repo.OpenPullRequest(githubtest.NewPullRequest{Head: "feature"})
//	err = gh.Flush(ctx) // every webhook was answered
//
// Where it knows GitHub's answer it gives it with GitHub's words. Where it does not, it is the
// stricter of the two: a request that it takes is one that GitHub takes. The known differences:
// a token sees public repositories outside its scope on GitHub, and anybody can clone them, which
// nobody can here; a body is demanded of
// every COMMENT review, as documented, though GitHub is said to take an empty one with comments.
//
// With a Contract every request and every answer is also held against GitHub's OpenAPI description.
package githubtest
