package githubtest

// Contract is GitHub's OpenAPI description, trimmed to what this package has.
type Contract struct{}
