package webhook

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/review"
)

// note is what a delivery asks for: a look at a pull request, an installation forgotten, or nothing.
type note struct {
	ref    review.Ref // Number 0: no pull request
	pushed bool       // commits came, and more may follow at once
	gone   int64      // the installation that no longer exists
	answer string     // for the delivery log of the App's owner
}

// payload is what is read of all events. Fields are pointers to tell zero from missing.
type payload struct {
	Action       *string `json:"action"`
	Installation *struct {
		ID *int64 `json:"id"`
	} `json:"installation"`
	Repository *struct {
		ID    *int64  `json:"id"`
		Name  *string `json:"name"`
		Owner *struct {
			Login *string `json:"login"`
		} `json:"owner"`
	} `json:"repository"`
	Number      *int             `json:"number"`
	PullRequest *json.RawMessage `json:"pull_request"`
	Changes     *struct {
		Base *json.RawMessage `json:"base"`
	} `json:"changes"`
}

// translate turns an event into a note; it is pure. Errors say which field is wrong.
//
// Of the installation's events only "deleted" does something: its id does not come back. After
// "suspend" or "removed" a look finds out by itself that it may not, while dropping what is owed would
// lose reviews when these deliveries are late and the installation is whole again.
func translate(event string, data []byte) (note, error) {
	if event == "" {
		return note{}, errors.New("X-GitHub-Event is missing")
	}
	switch event {
	case "ping", "pull_request", "installation", "installation_repositories":
	default:
		return note{answer: "ignored: hitrate does not use this event"}, nil
	}
	var p payload
	if err := json.Unmarshal(data, &p); err != nil {
		return note{}, jsonError(err)
	}
	if event == "ping" {
		return note{answer: "pong"}, nil
	}
	if p.Action == nil {
		return note{}, errors.New("action is missing")
	}
	ignored := note{answer: "ignored: nothing to do for this action"}
	switch event {
	case "installation":
		id, err := p.installation()
		if err != nil {
			return note{}, err
		}
		if *p.Action == "deleted" {
			return note{gone: id, answer: "forgotten"}, nil
		}
		return ignored, nil
	case "installation_repositories":
		_, err := p.installation()
		return ignored, err
	}
	switch *p.Action {
	case "opened", "reopened", "ready_for_review", "synchronize", "closed":
	case "edited":
		if p.Changes == nil || p.Changes.Base == nil {
			return ignored, nil
		}
	default:
		return ignored, nil
	}
	ref, err := p.ref()
	if err != nil {
		return note{}, err
	}
	// A closed pull request is noted like the others: the look finds it closed and drops what is
	// owed, unless it was opened again in the meantime.
	return note{ref: ref, pushed: *p.Action == "synchronize", answer: "noted"}, nil
}

func jsonError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return fmt.Errorf("the payload is not a JSON object: %s", wrong.Value)
		}
		return fmt.Errorf("%s has the wrong type: %s", wrong.Field, wrong.Value)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the payload is not JSON: %w at byte %d", syntax, syntax.Offset)
	}
	return fmt.Errorf("the payload is not JSON: %w", err)
}

// owners are letters, digits and hyphens, with an underscore in managed users' names; repositories
// have dots and underscores too. Checked because they become parts of addresses.
var (
	ownerPattern = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	namePattern  = lazyregexp.New(`^[A-Za-z0-9._-]{1,100}$`)
)

func (p *payload) installation() (int64, error) {
	if p.Installation == nil {
		return 0, errors.New("installation is missing: is this the webhook of a GitHub App?")
	}
	return positive("installation.id", p.Installation.ID)
}

func (p *payload) ref() (review.Ref, error) {
	installation, err := p.installation()
	if err != nil {
		return review.Ref{}, err
	}
	if p.Repository == nil {
		return review.Ref{}, errors.New("repository is missing")
	}
	repository, err := positive("repository.id", p.Repository.ID)
	if err != nil {
		return review.Ref{}, err
	}
	if p.Repository.Owner == nil {
		return review.Ref{}, errors.New("repository.owner is missing")
	}
	owner, err := matching("repository.owner.login", p.Repository.Owner.Login, ownerPattern)
	if err != nil {
		return review.Ref{}, err
	}
	name, err := matching("repository.name", p.Repository.Name, namePattern)
	if err != nil {
		return review.Ref{}, err
	}
	if name == "." || name == ".." {
		return review.Ref{}, errors.New("repository.name is not a name")
	}
	if p.PullRequest == nil {
		return review.Ref{}, errors.New("pull_request is missing")
	}
	number, err := positive("number", p.Number)
	if err != nil {
		return review.Ref{}, err
	}
	return review.Ref{Installation: installation, Repository: repository, Owner: owner, Name: name, Number: number}, nil
}

func positive[N int | int64](field string, n *N) (N, error) {
	switch {
	case n == nil:
		return 0, fmt.Errorf("%s is missing", field)
	case *n <= 0:
		return 0, fmt.Errorf("%s is not positive", field)
	}
	return *n, nil
}

func matching(field string, s *string, pattern *lazyregexp.Regexp) (string, error) {
	switch {
	case s == nil:
		return "", fmt.Errorf("%s is missing", field)
	case !pattern.MatchString(*s):
		return "", fmt.Errorf("%s is not a name", field)
	}
	return *s, nil
}
