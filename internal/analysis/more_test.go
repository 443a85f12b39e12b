package analysis

import "testing"

// TestMore: with a suggestion no RUN may run more often; a COPY may, which costs little, and what goes does
// not run at all.
func TestMore(t *testing.T) {
	runs := []bool{false, true}
	before := []Count{{Rerun: 5}, {Rerun: 5, Maybe: 2}}
	for _, tt := range []struct {
		name  string
		after []Count
		want  bool
	}{
		{"the same", []Count{{Rerun: 5}, {Rerun: 5, Maybe: 2}}, false},
		{"less", []Count{{Rerun: 5}, {Rerun: 1}}, false},
		{"a COPY more often", []Count{{Rerun: 9}, {Rerun: 1}}, false},
		{"a RUN more often", []Count{{Rerun: 5}, {Rerun: 6}}, true},
		{"a RUN perhaps more often", []Count{{Rerun: 5}, {Rerun: 5, Maybe: 3}}, true},
		{"a RUN certainly that was perhaps", []Count{{Rerun: 5}, {Rerun: 7}}, true},
		{"a RUN that goes", []Count{{Rerun: 5}, {Rerun: 9, Gone: true}}, false},
		{"not counted", nil, false},
	} {
		if got := more(before, tt.after, runs); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
