// Package webhook takes GitHub's deliveries: it checks the signature, turns an event into a small
// value, has it written down and answers. No decision about a review is made here: whatever happened
// to a pull request, it is owed a look at its present head, so the order of deliveries and their
// repetition do not matter.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hitrate-bot/hitrate/internal/queue"
)

const (
	// MaxBody is the largest delivery that GitHub sends, in bytes.
	// Source: https://docs.github.com/webhooks/webhook-events-and-payloads
	MaxBody = 25 << 20
	// noteTimeout bounds the note in the database: GitHub waits ten seconds for an answer.
	noteTimeout = 8 * time.Second
)

// Queue is where the handler notes what a delivery asks for. Both methods return when it is safe
// against a kill.
type Queue interface {
	Add(ctx context.Context, wants ...queue.Want) error
	Forget(ctx context.Context, installation int64) error
}

// Options of a handler.
type Options struct {
	Secret []byte // of the App's webhook; not empty
	Queue  Queue
	// Quiet is how long a pull request is left alone after a push, so that a burst is one review.
	Quiet time.Duration
	Log   *slog.Logger
}

type handler struct{ Options }

// New makes the handler of POST /webhook. Its answers: 202 noted, 200 nothing to do, 400 malformed,
// 401 signature missing or wrong, 405, 413, 415, and 503 where the note could not be written, so that
// GitHub's log shows a failure that can be delivered again.
func New(o Options) (http.Handler, error) {
	if len(o.Secret) == 0 {
		return nil, errors.New("the webhook secret is empty")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &handler{o}, nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, answer := h.deliver(w, r)
	log := h.Log.With("event", header(r, "X-GitHub-Event"), "delivery", header(r, "X-GitHub-Delivery"), "status", status, "answer", answer)
	switch {
	case status >= 500:
		log.Error("delivery not written down")
	case status >= 400:
		log.Warn("delivery refused")
	default:
		log.Info("delivery")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer+"\n") // the other side may be gone
}

// header is a header's value, bounded, for the log.
func header(r *http.Request, name string) string {
	v := r.Header.Get(name)
	return v[:min(len(v), 100)]
}

func (h *handler) deliver(w http.ResponseWriter, r *http.Request) (status int, answer string) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, "only POST"
	}
	signature, ok := signatureOf(r)
	if !ok {
		return http.StatusUnauthorized, "X-Hub-Signature-256 is missing or malformed"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", MaxBody)
		}
		return http.StatusBadRequest, "the body ended early"
	}
	mac := hmac.New(sha256.New, h.Secret)
	mac.Write(body)
	if !hmac.Equal(signature, mac.Sum(nil)) {
		return http.StatusUnauthorized, "X-Hub-Signature-256 is wrong: is it the same secret on both sides?"
	}
	payload, status, problem := payloadOf(r, body)
	if problem != "" {
		return status, problem
	}
	note, err := translate(r.Header.Get("X-GitHub-Event"), payload)
	if err != nil {
		return http.StatusBadRequest, err.Error()
	}
	// What was sent whole is written down, also when the sender hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), noteTimeout)
	defer cancel()
	switch {
	case note.gone != 0:
		err = h.Queue.Forget(ctx, note.gone)
	case note.ref.Number != 0:
		want := queue.Want{Ref: note.ref}
		if note.pushed {
			want.Quiet = h.Quiet
		}
		err = h.Queue.Add(ctx, want)
	default:
		return http.StatusOK, note.answer
	}
	if err != nil {
		h.Log.Error("write down a delivery", "error", err)
		return http.StatusServiceUnavailable, "could not be written down"
	}
	return http.StatusAccepted, note.answer
}

// signatureOf is the HMAC that the sender claims. SHA-1 signatures are not looked at.
func signatureOf(r *http.Request) (signature []byte, ok bool) {
	values := r.Header.Values("X-Hub-Signature-256")
	if len(values) != 1 {
		return nil, false
	}
	digits, ok := strings.CutPrefix(values[0], "sha256=")
	if !ok {
		return nil, false
	}
	signature, err := hex.DecodeString(digits)
	return signature, err == nil && len(signature) == sha256.Size
}

// payloadOf is the JSON of a delivery, which GitHub sends as it is or in a form.
func payloadOf(r *http.Request, body []byte) (payload []byte, status int, problem string) {
	contentType := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "" || err == nil && media == "application/json":
		return body, 0, ""
	case err == nil && media == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, http.StatusBadRequest, "the body is not a form"
		}
		if !form.Has("payload") {
			return nil, http.StatusBadRequest, "the form has no payload"
		}
		return []byte(form.Get("payload")), 0, ""
	}
	return nil, http.StatusUnsupportedMediaType, "only application/json and application/x-www-form-urlencoded"
}
