package github

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLimitOf(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	tests := []struct {
		name    string
		status  int
		header  http.Header
		message string
		codes   []string
		limited bool
		wait    time.Duration // 0: GitHub does not say
	}{
		{name: "no permission", status: 403, header: header("X-RateLimit-Remaining", "4999", "X-RateLimit-Reset", "1"), message: "Resource not accessible by integration"},
		{name: "not found", status: 404, header: header("Retry-After", "5")},
		{name: "a bad anchor", status: 422, message: "Validation Failed", codes: []string{"custom"}},
		{name: "seconds", status: 403, header: header("Retry-After", "30"), limited: true, wait: 30 * time.Second},
		{name: "a date", status: 429, header: header("Retry-After", "Wed, 04 Mar 2026 05:07:07 GMT"), limited: true, wait: time.Minute},
		{name: "a date that is over", status: 429, header: header("Retry-After", "Wed, 04 Mar 2020 05:07:07 GMT"), limited: true, wait: time.Second},
		{name: "nonsense", status: 429, header: header("Retry-After", "soon"), limited: true},
		{name: "negative", status: 429, header: header("Retry-After", "-9"), limited: true, wait: time.Second},
		{name: "for ever", status: 429, header: header("Retry-After", "2000000000"), limited: true, wait: 24 * time.Hour},
		{name: "reset", status: 403, header: header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1772600827"), limited: true, wait: time.Minute},
		{name: "reset with a limit elsewhere", status: 429, header: header("X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "1772600827"), limited: true},
		{name: "Retry-After before reset", status: 403, header: header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1772600827", "Retry-After", "7"), limited: true, wait: 7 * time.Second},
		{name: "by the message", status: 403, message: "You have triggered an abuse detection mechanism.", limited: true},
		{name: "abuse", status: 422, codes: []string{"custom", "abuse"}, limited: true},
		{name: "too quickly", status: 422, message: "Validation Failed; was submitted too quickly after another comment", limited: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			until, limited := limitOf(test.status, test.header, test.message, test.codes, now)
			want := time.Time{}
			if test.wait > 0 {
				want = now.Add(test.wait)
			}
			if limited != test.limited || !until.Equal(want) {
				t.Errorf("%v until %v, want %v until %v", limited, until, test.limited, want)
			}
		})
	}
}

func TestGate(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var g gate
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		until := g.shut(time.Time{}, now)
		if until.Sub(now) != want*time.Minute {
			t.Errorf("limit %d: %s, want %s", i, until.Sub(now), want*time.Minute)
		}
		if _, ok := g.open(until.Add(-time.Second)); ok {
			t.Error("open before its time")
		}
		if _, ok := g.open(until); !ok {
			t.Error("shut after its time")
		}
		now = until
	}
	g.passed()
	if until := g.shut(time.Time{}, now); until.Sub(now) != time.Minute {
		t.Errorf("after a write that was taken: %s", until.Sub(now))
	}
	// A shorter one does not open it.
	if until := g.shut(now.Add(time.Second), now); until.Sub(now) != time.Minute {
		t.Errorf("a shorter limit opens the gate: %s", until.Sub(now))
	}
	now = now.Add(3 * time.Hour)
	g.shut(time.Time{}, now)
	now = now.Add(3 * time.Hour)
	if until := g.shut(time.Time{}, now); until.Sub(now) != time.Minute {
		t.Errorf("long after: %s", until.Sub(now))
	}
}

func TestLRU(t *testing.T) {
	l := newLRU[string, int](2)
	l.put("a", 1)
	l.put("b", 2)
	l.get("a")
	l.put("c", 3) // b was used longest ago
	l.put("a", 4)
	for key, want := range map[string]int{"a": 4, "b": 0, "c": 3} {
		if got, ok := l.get(key); got != want || ok != (want != 0) {
			t.Errorf("%s: %d, %v", key, got, ok)
		}
	}
	l.remove("a")
	l.remove("a")
	if _, ok := l.get("a"); ok || l.order.Len() != 1 {
		t.Error("a was removed")
	}
}

func TestClip(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc": "abc", "abcd": "abcd", "abcde": "abc…", "ääää": "ääää", "äääää": "äää…",
	} {
		if got := clip(in, 4); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	if got := clean("a\nb\x1b[31m\xff\u202e" + strings.Repeat("x", 1000)); strings.ContainsAny(got, "\n\x1b\u202e") || !utf8.ValidString(got) || len([]rune(got)) != 501 {
		t.Errorf("%q", got)
	}
}
