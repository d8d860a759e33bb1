// SPDX-License-Identifier: MIT

package harnesstest

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega/types"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/report"
)

// Pass matches a [harness.Result] whose stack did all that the scenario expects of a correct one, and broke no promise. It
// fails with what `nbtlab run` prints.
func Pass() types.GomegaMatcher {
	return matcher[harness.Result]{
		match: func(r harness.Result) bool { return r.Report.Verdict() == check.Pass },
		fails: func(r harness.Result) string { return "Expected the run to pass.\n\n" + runText(r) },
		stays: func(r harness.Result) string { return "Expected the run not to pass.\n\n" + runText(r) },
	}
}

// FailWith matches a [harness.Result] that did not pass, and whose first failure has these words in it. The first failure is
// told with its line, its step, what was expected and what there was.
func FailWith(words string) types.GomegaMatcher {
	return matcher[harness.Result]{
		match: func(r harness.Result) bool {
			return r.Report.Verdict() != check.Pass && strings.Contains(why(r), words)
		},
		fails: func(r harness.Result) string {
			if r.Report.Verdict() == check.Pass {
				return fmt.Sprintf("Expected the run to fail with\n    %s\nbut it passes.\n\n%s", words, runText(r))
			}
			return fmt.Sprintf("Expected the run to fail with\n    %s\nbut it fails with\n    %s\n\n%s", words, why(r), runText(r))
		},
		stays: func(r harness.Result) string {
			return fmt.Sprintf("Expected the run not to fail with\n    %s\n\n%s", words, runText(r))
		},
	}
}

// Reproduce matches a [harness.Verification] whose bug shows as pinned, and only so, and only there. It fails with the
// verdict and what stands behind it.
func Reproduce() types.GomegaMatcher { return verdict(check.Reproduced) }

// Hold matches a [harness.Verification] of a scenario that must behave the same on every model, and does.
func Hold() types.GomegaMatcher { return verdict(check.Holds) }

// HaveVerdict matches a [harness.Verification] with any verdict.
func HaveVerdict(v check.ScenarioVerdict) types.GomegaMatcher { return verdict(v) }

func verdict(want check.ScenarioVerdict) types.GomegaMatcher {
	return matcher[harness.Verification]{
		match: func(v harness.Verification) bool { return v.Verdict == want },
		fails: func(v harness.Verification) string {
			return fmt.Sprintf("Expected the verdict %s.\n\n%s", want, verificationText(v))
		},
		stays: func(v harness.Verification) string {
			return fmt.Sprintf("Expected another verdict than %s.\n\n%s", want, verificationText(v))
		},
	}
}

// MatchCapture matches a [harness.Result] whose traffic is that of a capture, by meaning. It fails with what `nbtlab check`
// prints: the differences, and the first of them in full. A capture that is cut matches nothing.
func MatchCapture(recorded capture.Capture) types.GomegaMatcher {
	return matcher[harness.Result]{
		match: func(r harness.Result) bool {
			state, _ := harness.CompareCapture(r.Frames, recorded)
			return state == check.CaptureMatches
		},
		fails: func(r harness.Result) string {
			return printed(func(p *report.Printer) {
				state, differences := harness.CompareCapture(r.Frames, recorded)
				p.Printf("Expected the traffic of the run to match the recording.\n\n")
				if state == check.CaptureUnusable {
					p.Printf("the recording is cut: %s\n", recorded.Cut)
				}
				report.Differences(p, differences)
			})
		},
		stays: func(harness.Result) string { return "Expected the traffic of the run not to match the recording." },
	}
}

// matcher is a condition on a value of one type. Both texts end without a newline.
type matcher[T any] struct {
	match        func(T) bool
	fails, stays func(T) string
}

func (m matcher[T]) Match(actual any) (bool, error) {
	v, err := m.value(actual)
	if err != nil {
		return false, err
	}
	return m.match(v), nil
}

func (m matcher[T]) value(actual any) (T, error) {
	switch v := actual.(type) {
	case T:
		return v, nil
	case *T:
		if v != nil {
			return *v, nil
		}
	}
	var zero T
	return zero, fmt.Errorf("harnesstest: the matcher wants a %T, got %T", zero, actual)
}

func (m matcher[T]) FailureMessage(actual any) string        { return m.message(actual, m.fails) }
func (m matcher[T]) NegatedFailureMessage(actual any) string { return m.message(actual, m.stays) }

func (m matcher[T]) message(actual any, text func(T) string) string {
	v, err := m.value(actual)
	if err != nil {
		return err.Error()
	}
	return strings.TrimRight(text(v), "\n")
}

func printed(print func(p *report.Printer)) string {
	var text bytes.Buffer
	print(report.NewPrinter(&text, false))
	return text.String()
}

// runText is what `nbtlab run` prints.
func runText(r harness.Result) string {
	return printed(func(p *report.Printer) { report.RunText(p, r, repeat(r)) })
}

// verificationText is what `nbtlab verify` prints and, below it, what `nbtlab run` does of the run that is to blame.
func verificationText(v harness.Verification) string {
	r := v.Fixed
	if v.Buggy != nil && r.Report.Verdict() == check.Pass {
		r = *v.Buggy
	}
	return printed(func(p *report.Printer) {
		report.VerificationTable(p, []harness.Verification{v}, func(v harness.Verification) string {
			return "nbtlab verify " + v.Scenario.Name
		})
		p.Printf("\n")
		report.RunText(p, r, repeat(r))
	})
}

// repeat is the command that repeats a run: of a model nbtlab, of another stack the spec that it was made in.
func repeat(r harness.Result) string {
	if _, err := fault.Parse(r.Model); err == nil {
		command := "nbtlab run " + r.Scenario.Name + " --model " + r.Model
		if r.Case.Slug != "" {
			command += " --case " + r.Case.Slug
		}
		if r.Trace.Seed != harness.DefaultSeed {
			command += fmt.Sprintf(" --seed %d", r.Trace.Seed)
		}
		return command
	}
	return "go test -ginkgo.focus='" + strings.ReplaceAll(regexp.QuoteMeta(ginkgo.CurrentSpecReport().FullText()), "'", ".") + "$'"
}
