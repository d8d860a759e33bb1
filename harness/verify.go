// SPDX-License-Identifier: MIT

package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Verification is the verdict on one case of a scenario, with the runs that it rests on.
type Verification struct {
	check.Evidence
	Verdict check.ScenarioVerdict
	Why     string
	Fixed   Result
	Buggy   *Result // nil for a scenario without a bug
}

// Names of the generated controls.
const (
	WithoutTrigger = "without-trigger"
	AfterRestart   = "restart"
)

// Verify runs one case on the fixed and on the faulty model, compares both with their recordings, runs the controls, and
// decides. Faulty is the model in the place of the scenario's own bug; the zero set switches the fault off. Recordings
// holds the recorded captures by [CapturePath].
func Verify(s *scenario.Scenario, index int, faulty fault.Set, recordings fs.FS, o Options) (Verification, error) {
	c := &s.Cases[index]
	v := Verification{Fixed: Run(s, c, fault.Set{}, o)}
	v.Evidence = check.Evidence{Scenario: s, Case: c}
	var err error
	if v.Evidence.Fixed, err = side(v.Fixed, recordings, fault.Fixed, o); err != nil {
		return v, err
	}
	if s.Bug.Model != "" {
		buggy := Run(s, c, faulty, o)
		v.Buggy = &buggy
		// The run is held against the recording of the bug that the scenario is about, whatever model stands in its place.
		b, err := side(buggy, recordings, s.Bug.ID(), o)
		if err != nil {
			return v, err
		}
		v.Evidence.Buggy = &b
		own, err := fault.Parse(s.Bug.Model)
		if err != nil {
			return v, err
		}
		v.Breaks, v.Stranger = breaks(own), faulty != (fault.Set{}) && !slices.Contains(faulty.IDs(), own.IDs()[0])
		if s.Against {
			v.Strays = firstUnequal(buggy.Frames, v.Fixed.Frames) + 1
		} else {
			v.Controls = controls(s, index, faulty, o)
		}
	}
	v.Verdict, v.Why = v.Evidence.Verdict()
	return v, nil
}

// CapturePath is where the recorded capture of a case on a model lies, below pcaps.
func CapturePath(s *scenario.Scenario, c *scenario.Case, model string) string {
	return path.Join(s.Name, c.Slug, model+".pcap")
}

// side compares a run with its recording.
func side(r Result, recordings fs.FS, model string, o Options) (check.Side, error) {
	result := check.Side{Report: r.Report}
	if !o.recorded() {
		return result, nil
	}
	name := CapturePath(r.Scenario, r.Case, model)
	recorded, err := ReadRecording(recordings, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) { // no recording has a name that is no path
		result.Capture = check.CaptureMissing
		return result, nil
	}
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, err)
	}
	var differences []check.Difference
	switch result.Capture, differences = CompareCapture(r.Frames, recorded); result.Capture {
	case check.CaptureUnusable:
		result.Why = recorded.Cut.String()
	case check.CaptureDiffers:
		result.Why = differences[0].String()
	case check.CaptureMatches, check.CaptureMissing, check.CaptureUnasked:
	}
	return result, nil
}

// ReadRecording reads a capture out of a file system.
func ReadRecording(recordings fs.FS, name string) (capture.Capture, error) {
	b, err := fs.ReadFile(recordings, name)
	if err != nil {
		return capture.Capture{}, err
	}
	return capture.Read(bytes.NewReader(b))
}

// CompareCapture compares a run's frames with a capture and returns the differences; of a capture that is cut, those that the
// cut does not explain.
func CompareCapture(frames []trace.Frame, recorded capture.Capture) (check.CaptureState, []check.Difference) {
	differences := check.Compare(frames, recorded.Frames)
	if recorded.Cut != nil {
		if differences = check.BeforeCut(differences, recorded.Frames); len(differences) == 0 {
			return check.CaptureUnusable, nil
		}
	}
	if len(differences) > 0 {
		return check.CaptureDiffers, differences
	}
	return check.CaptureMatches, nil
}

// controls are runs on the faulty model that must not show the bug: without its trigger, and healed by a restart.
func controls(s *scenario.Scenario, index int, faulty fault.Set, o Options) []check.Control {
	var list []check.Control
	for _, name := range []string{WithoutTrigger, AfterRestart} {
		r, err := RunControl(s, index, name, faulty, o)
		if err != nil {
			continue // this scenario has no such control
		}
		control := check.Control{Name: name, Verdict: r.Report.Verdict()}
		if control.Verdict != check.Pass {
			control.Why = check.Evidence{Scenario: s, Case: r.Case}.Why(r.Report)
		} else if name == WithoutTrigger {
			sameBytes(&control, r, o)
		}
		list = append(list, control)
	}
	return list
}

// RunControl performs a generated control of a case, and judges it as the run of a correct stack: without the trigger, in
// every step; after a restart, from the headline on. The error tells that the scenario has no such control.
func RunControl(s *scenario.Scenario, index int, name string, model fault.Set, o Options) (Result, error) {
	step, _, headline := s.Headline(index)
	switch {
	case name == WithoutTrigger && headline && s.NoControl == "":
		c := s.WithoutTriggers(index)
		run := Perform(s, &c, model, o)
		run.Faults, run.Tolerate = nil, breaks(model) // judged by what it does
		return Result{Run: run, Model: model.String(), Report: check.Judge(run)}, nil
	case name == AfterRestart && headline && s.Cure:
		c := s.WithRestartBefore(index, step)
		run := Perform(s, &c, model, o)
		run.Faults = nil
		return Result{Run: run, Model: model.String(), Report: check.Judge(run).From(step + 1)}, nil
	}
	return Result{}, fmt.Errorf("harness: %s has no control %q", s.Name, name)
}

// sameBytes holds the faulty model's run without the trigger against the fixed one's: they have to send the very same.
func sameBytes(control *check.Control, r Result, o Options) {
	fixed := Perform(r.Scenario, r.Case, fault.Set{}, o)
	i := firstUnequal(r.Frames, fixed.Frames)
	if i < 0 {
		return
	}
	control.Verdict, control.Why = check.Fail, fmt.Sprintf("frame %d is not what the fixed model sends", i+1)
	if len(r.Report.Perturbed) > 0 {
		control.Verdict = check.CannotJudge // the whims of the network need not have hit both runs in the same place
	}
}

// firstUnequal returns the index of the first frame in which two runs differ in any respect, or -1.
func firstUnequal(a, b []trace.Frame) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) {
			return i
		}
		x, y := &a[i], &b[i]
		if x.At != y.At || x.Kind != y.Kind || x.From != y.From || x.To != y.To || !bytes.Equal(x.Payload, y.Payload) {
			return i
		}
	}
	return -1
}
