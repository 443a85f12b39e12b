package reviewtest_test

import (
	"testing"

	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/review/reviewtest"
)

func TestHost(t *testing.T) {
	reviewtest.Exam(t, func(t *testing.T, base, head reviewtest.Files) reviewtest.Scene {
		h := reviewtest.New(base, head)
		return reviewtest.Scene{
			Host: h, Push: h.Push, Reply: h.Reply,
			Pending: func() { h.Post(review.Posted{Author: h.Bot, State: "PENDING"}) },
		}
	})
}
