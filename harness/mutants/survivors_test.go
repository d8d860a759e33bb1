// SPDX-License-Identifier: MIT

package main

import (
	"strings"
	"testing"
	"time"
)

func TestSurvivorsAreReadAsTheyAreWritten(t *testing.T) {
	keys := []key{
		{File: "a/b.go", Func: "(*Node).Step", Kind: drop, Text: "«n.stop()»", Nth: 1},
		{File: "a/b.go", Func: "limit", Kind: increment, Text: "limit = «3»", Nth: 2},
		{File: "a/b.go", Func: "f", Kind: negate, Text: "if «a || b»", Nth: 1},
		{File: "a/b.go", Func: "f", Kind: drop, Text: "«x = `raw` + \"#2 quoted\"»", Nth: 12},
	}
	var text strings.Builder
	text.WriteString("# what may live\n\n")
	for _, k := range keys {
		text.WriteString(k.String() + "\n    it behaves\n\tthe same\n")
	}
	list, err := parseSurvivors("list", text.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(keys) {
		t.Fatalf("got %d entries, want %d", len(list), len(keys))
	}
	for i, a := range list {
		if a.key != keys[i] || a.reason != "it behaves the same" {
			t.Errorf("got %+v because %q, want %+v", a.key, a.reason, keys[i])
		}
	}
}

func TestABadSurvivorListIsRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"    because\n", "list:1: a reason without a mutant"},
		{"a.go f drop `x`\n", "list:1: no reason"},
		{"# one\na.go f drop `x`\na.go f drop `y`\n  because\n", "list:2: no reason"},
		{"a.go f drop\n  because\n", "list:1: got"},
		{"a.go f drop x\n  because\n", "list:1: got"},
		{"a.go f drop `x` twice\n  because\n", "list:1: got"},
		{"a.go f drop `x` #1\n  because\n", "list:1: got"},
	} {
		if _, err := parseSurvivors("list", c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.text, err, c.want)
		}
	}
}

func TestTheCommittedListIsInOrder(t *testing.T) {
	if _, err := parseSurvivors(survivorFile, survivorList); err != nil {
		t.Error(err)
	}
}

// Three mutants, one of each fate, against a list that knows some of them.
func TestReport(t *testing.T) {
	mutantAt := func(line int, text string) mutant {
		return mutant{key: key{File: "p/p.go", Func: "f", Kind: drop, Text: text, Nth: 1}, line: line}
	}
	a, b, c := mutantAt(1, "«a()»"), mutantAt(2, "«b()»"), mutantAt(3, "«c()»")
	verdicts := func() []verdict {
		return []verdict{{mutant: c, result: timedOut}, {mutant: b, result: survived}, {mutant: a, result: caught}}
	}
	allow := func(m mutant, line int) allowance { return allowance{key: m.key, line: line, reason: "it must"} }
	for _, x := range []struct {
		name    string
		allowed []allowance
		status  int
		want    string
	}{
		{
			"a survivor without a reason fails", nil, exitUnexplained,
			"p/p.go:2: drop: «b()»: left out\n    no test notices; to let it live: p/p.go f drop `«b()»`\n" +
				"3 mutants: 2 caught, 1 of them by never ending; 1 survived, 0 of them explained; score 66.7 %; 1s\n",
		},
		{
			"a survivor with a reason does not, and what is not needed is named",
			[]allowance{allow(b, 1), allow(a, 3), allow(mutantAt(9, "«gone()»"), 5)},
			exitExplained,
			"p/p.go:2: drop: «b()»: left out\n    may live: it must\n" +
				survivorFile + ":3: stale: no such mutant, or a test notices it now: p/p.go f drop `«a()»`\n" +
				survivorFile + ":5: stale: no such mutant, or a test notices it now: p/p.go f drop `«gone()»`\n" +
				"3 mutants: 2 caught, 1 of them by never ending; 1 survived, 1 of them explained; score 100.0 %; 1s\n",
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newReport([]mutant{a, b, c}, verdicts(), x.allowed, time.Second)
			var out strings.Builder
			if err := r.print(&out, false); err != nil {
				t.Fatal(err)
			}
			if out.String() != x.want {
				t.Errorf("got\n%swant\n%s", out.String(), x.want)
			}
			if r.status() != x.status {
				t.Errorf("got status %d, want %d", r.status(), x.status)
			}
		})
	}
	r := newReport([]mutant{a}, []verdict{{mutant: a, result: unbuilt, detail: "why"}}, nil, time.Second)
	if r.status() != exitUntested {
		t.Errorf("a mutant that does not build: got status %d, want %d", r.status(), exitUntested)
	}
}

func TestOnlyWhatIsAskedForIsChosen(t *testing.T) {
	all := []mutant{
		{key: key{File: "harness/node/node.go"}, line: 93},
		{key: key{File: "harness/node/node.go"}, line: 94},
		{key: key{File: "harness/nametable/nametable.go"}, line: 93},
	}
	for _, c := range []struct {
		o    options
		want int
	}{
		{options{}, 3},
		{options{only: "node.go:93"}, 1},
		{options{only: "harness/node/node.go:94"}, 1},
		{options{pkg: "node"}, 2},
		{options{pkg: "harness/nametable"}, 1},
		{options{sample: 2, seed: 7}, 2},
		{options{sample: 9}, 3},
	} {
		chosen, err := choose(all, c.o)
		if err != nil || len(chosen) != c.want {
			t.Errorf("%+v: got %d mutants and %v, want %d", c.o, len(chosen), err, c.want)
		}
	}
	for _, o := range []options{{only: "node.go"}, {only: "node.go:1"}, {pkg: "ode"}, {only: "e.go:93"}} {
		if _, err := choose(all, o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}
