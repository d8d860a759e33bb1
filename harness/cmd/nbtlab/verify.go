// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/pcaps"
)

// job is one case to verify.
type job struct {
	scenario *scenario.Scenario
	index    int
	faulty   fault.Set
}

func (a *app) verifyCommand() *cobra.Command {
	var cond conditions
	var stand, dir string
	cmd := &cobra.Command{
		Use:   "verify [BUG|SCENARIO...]",
		Short: "Verify that bugs reproduce as pinned, and only so",
		Long: `Verify runs scenarios on the fixed model and on the one with their bug, compares both runs with their recorded
captures, runs the controls (without the trigger; after a restart), and gives each a verdict:

  reproduced      the bug shows exactly as pinned, on the faulty model alone
  not-reproduced  the faulty model does what a correct stack does
  holds           a scenario that must behave the same on every model does
  broken          anything else: another failure is never a reproduction
  cannot-judge    no verdict is possible

Without arguments it verifies everything that ships. 0 when all are reproduced or hold, 125 when some cannot be judged, else 1.`,
		Example: `  nbtlab verify
  nbtlab verify Q124565 --json
  nbtlab verify ./mine.scenario --pcaps ./my-captures
  git bisect run sh -c 'go build -o bin/nbtlab ./harness/cmd/nbtlab || exit 125; bin/nbtlab verify --bisect'`,
		RunE: func(_ *cobra.Command, args []string) error {
			jobs, err := a.jobs(args, stand)
			if err != nil {
				return err
			}
			o, err := cond.options()
			if err != nil {
				return err
			}
			recordings, err := recordingsIn(dir)
			if err != nil {
				return err
			}
			list, err := verifyAll(jobs, recordings, o)
			if err != nil {
				return err
			}
			a.status = verifyStatus(list)
			return a.printVerifications(list, func(v harness.Verification) string { return lookAt(v, args, cond) })
		},
	}
	cond.flags(cmd)
	cmd.Flags().StringVar(&stand, "model", harness.Buggy, "the model in the place of each scenario's own bug: to see that the verdict notices")
	cmd.Flags().StringVar(&dir, "pcaps", "", "folder of the recorded captures, instead of those that ship")
	cmd.Flags().BoolVar(&a.bisect, "bisect", false, "exit 125 instead of 2, so that git bisect run skips what cannot be tested")
	return cmd
}

func recordingsIn(dir string) (fs.FS, error) {
	if dir == "" {
		return pcaps.FS(), nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("--pcaps %s: %w", dir, files.Plain(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("--pcaps %s: not a folder", dir)
	}
	return files.Dir(dir), nil
}

// jobs lists the cases that the arguments mean: bugs by identifier, scenarios by name or path, or everything.
func (a *app) jobs(args []string, stand string) ([]job, error) {
	if _, err := fault.Parse(stand); stand != harness.Buggy && err != nil {
		return nil, err // a scenario without a bug would never ask for it
	}
	list, err := a.scenariosOf(args)
	if err != nil {
		return nil, err
	}
	var jobs []job
	for _, s := range list {
		var faulty fault.Set
		if s.Bug.Model != "" {
			if faulty, err = harness.Model(s, stand); err != nil {
				return nil, err
			}
		}
		for i := range s.Cases {
			jobs = append(jobs, job{s, i, faulty})
		}
	}
	return jobs, nil
}

func (a *app) scenariosOf(args []string) ([]*scenario.Scenario, error) {
	if len(args) == 0 {
		return harness.Shipped()
	}
	var list []*scenario.Scenario
	for _, arg := range args {
		if f, ok := fault.Find(arg); ok {
			shipped, err := harness.Shipped()
			if err != nil {
				return nil, err
			}
			for _, s := range shipped {
				if s.Bug.ID() == f.ID {
					list = append(list, s)
				}
			}
			continue
		}
		s, err := a.load(arg)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// verifyAll verifies the jobs on all processors, and returns the verifications in the jobs' order.
func verifyAll(jobs []job, recordings fs.FS, o harness.Options) ([]harness.Verification, error) {
	list := make([]harness.Verification, len(jobs))
	errs := make([]error, len(jobs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		workers.Go(func() {
			for i := range next {
				list[i], errs[i] = harness.Verify(jobs[i].scenario, jobs[i].index, jobs[i].faulty, recordings, o)
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// verifyStatus is the worst of the verdicts: a bug that does not reproduce is worse than one that cannot be judged.
func verifyStatus(list []harness.Verification) int {
	status := exitAsExpected
	for _, v := range list {
		switch v.Verdict {
		case check.Reproduced, check.Holds:
		case check.CannotJudgeAll:
			if status == exitAsExpected {
				status = exitCannotJudge
			}
		case check.NotReproduced, check.Broken:
			status = exitNot
		}
	}
	return status
}

func (a *app) printVerifications(list []harness.Verification, lookAt func(harness.Verification) string) error {
	for _, v := range list {
		if err := verificationArtifacts(v, lookAt(v)); err != nil {
			return err
		}
	}
	if a.json {
		for _, v := range list {
			if err := report.VerificationJSON(a.stdout, v); err != nil {
				return err
			}
		}
		return nil
	}
	p := a.printer()
	report.VerificationTable(p, list, lookAt)
	return p.Err()
}

// lookAt is the command that shows what is behind a verdict that is not as it should be. Shipped scenarios go by their
// names, the user's own by the paths that verify was given.
func lookAt(v harness.Verification, given []string, cond conditions) string {
	which := v.Scenario.Name
	if slices.Contains(given, v.Scenario.Path) {
		which = v.Scenario.Path
	}
	args := []string{"nbtlab compare fixed", quote(modelOf(v)), quote(which)}
	if control, failed := failedControl(v); failed {
		args = []string{"nbtlab run", quote(which), "--model", quote(modelOf(v)), "--control", control}
	}
	if v.Case.Slug != "" {
		args = append(args, "--case", quote(v.Case.Slug))
	}
	return strings.Join(append(args, cond.words()...), " ")
}

// failedControl returns the control that a verdict is about, when it is about one.
func failedControl(v harness.Verification) (string, bool) {
	for _, c := range v.Controls {
		if c.Verdict != check.Pass && strings.HasPrefix(v.Why, "control "+c.Name) {
			return c.Name, true
		}
	}
	return "", false
}

func modelOf(v harness.Verification) string {
	if v.Buggy != nil {
		return v.Buggy.Model
	}
	return fault.Fixed
}

// verificationArtifacts leaves the runs behind a verdict that is not as it should be.
func verificationArtifacts(v harness.Verification, lookAt string) error {
	if verifyStatus([]harness.Verification{v}) == exitAsExpected {
		return nil
	}
	runs := []harness.Result{v.Fixed}
	if v.Buggy != nil {
		runs = append(runs, *v.Buggy)
	}
	for _, r := range runs {
		var text bytes.Buffer
		report.RunText(report.NewPrinter(&text, false), r, lookAt)
		if err := artifacts(r, text.String()); err != nil {
			return err
		}
	}
	return nil
}
