package githubtest

import (
	"net/http"
	"slices"
	"strings"
)

// Contract tells what is wrong with requests to the API and with answers: package octokit has GitHub's own.
type Contract interface {
	Request(r *http.Request, body []byte) (violations []string)
	Answer(r *http.Request, status int, header http.Header, body []byte) (violations []string)
}

// Operations are what this package has of the API, as "METHOD /path" with GitHub's names of the values,
// sorted.
func Operations() []string {
	var list []string
	for _, to := range (&Server{}).newRoutes() {
		path := strings.Join(to.segments, "/")
		list = append(list, to.method+" "+strings.ReplaceAll(path, "...}", "}"))
	}
	slices.Sort(list)
	return list
}
