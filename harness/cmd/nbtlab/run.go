// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// selection is which run of which scenario a command is about.
type selection struct {
	title    string
	model    string
	bindings []string
	conditions
	reality
	node string // whose place a device takes in a comparison
}

func (s *selection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.title, "case", "", "the case to run, by its title or its folder's name")
	cmd.Flags().StringArrayVar(&s.bindings, "bind", nil, "replace a name of the scenario, such as CHAT='NBTLAB<1d>'")
	s.conditions.flags(cmd)
}

// real performs a run on a real network, which takes no orders.
func (s *selection) real(ctx context.Context, a *app, sc *scenario.Scenario, c *scenario.Case, control string) (harness.Result, error) {
	if words := s.conditions.words(); len(words) > 0 {
		return harness.Result{}, fmt.Errorf("%s: a real network has whims of its own: this is for simulated runs", words[0])
	}
	if control != "" {
		return harness.Result{}, fmt.Errorf("--control %s: this is for simulated runs", control)
	}
	index := slices.IndexFunc(sc.Cases, func(x scenario.Case) bool { return x.Slug == c.Slug })
	return s.reality.perform(ctx, a, sc, index, s.model)
}

// onWire is how a device stands where a model is asked for.
const onWire = "live:"

func isDevice(side string) bool { return strings.HasPrefix(side, onWire) }

// side performs one of the runs that are compared: on a model, or on a device.
func (s *selection) side(ctx context.Context, a *app, sc *scenario.Scenario, c *scenario.Case, name string) (harness.Result, error) {
	address, device := strings.CutPrefix(name, onWire)
	if !device {
		return s.perform(sc, c, name)
	}
	node := s.node
	switch {
	case node == "" && sc.Bug.Model != "":
		node = sc.Nodes[sc.Bug.Node].Name
	case node == "":
		return harness.Result{}, fmt.Errorf("%s: %s has no bug in any node: say whose place the device takes with --node NODE", name, sc.Name)
	}
	one := *s
	one.reality.duts = []string{node + "=" + address}
	one.reality.agents = nil
	for _, text := range s.reality.agents {
		if command, own := strings.CutPrefix(text, name+"="); own {
			one.reality.agents = append(one.reality.agents, node+"="+command)
		} else if !strings.HasPrefix(text, onWire) {
			one.reality.agents = append(one.reality.agents, text)
		}
	}
	one.model = fault.Fixed
	return one.real(ctx, a, sc, c, "")
}

func (s *selection) modelFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.model, "model", "fixed", "fixed, buggy (the scenario's own bug), or faults such as Q124565:count=once,MS00-047")
}

// scenarioCase loads the scenario that is meant, and finds the case.
func (s *selection) scenarioCase(a *app, nameOrPath string) (*scenario.Scenario, *scenario.Case, error) {
	sc, err := a.load(nameOrPath)
	if err != nil {
		return nil, nil, err
	}
	if sc, err = bind(sc, s.bindings); err != nil {
		return nil, nil, err
	}
	i, err := caseIndex(sc, s.title)
	if err != nil {
		return nil, nil, err
	}
	return sc, &sc.Cases[i], nil
}

func (s *selection) perform(sc *scenario.Scenario, c *scenario.Case, name string) (harness.Result, error) {
	set, err := model(sc, name)
	if err != nil {
		return harness.Result{}, err
	}
	o, err := s.options()
	if err != nil {
		return harness.Result{}, err
	}
	return harness.Run(sc, c, set, o), nil
}

// performControl performs a control of a case, or without the name of one the case itself.
func (s *selection) performControl(sc *scenario.Scenario, c *scenario.Case, control string) (harness.Result, error) {
	if control == "" {
		return s.perform(sc, c, s.model)
	}
	index := slices.IndexFunc(sc.Cases, func(x scenario.Case) bool { return x.Slug == c.Slug })
	set, err := model(sc, s.model)
	if err != nil {
		return harness.Result{}, err
	}
	o, err := s.options()
	if err != nil {
		return harness.Result{}, err
	}
	return harness.RunControl(sc, index, control, set, o)
}

// repeat is the command that repeats a run.
func (s *selection) repeat(nameOrPath, model string) string {
	args := []string{"nbtlab run", quote(nameOrPath), "--model", quote(model)}
	if s.title != "" {
		args = append(args, "--case", quote(s.title))
	}
	for _, b := range s.bindings {
		args = append(args, "--bind", quote(b))
	}
	args = append(args, s.reality.words()...)
	return strings.Join(append(args, s.conditions.words()...), " ")
}

// quote writes a word as a shell reads it back.
func quote(s string) string {
	plainWord := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:,=", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plainWord(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (a *app) runCommand() *cobra.Command {
	var sel selection
	var files recording
	var control string
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario on one model and judge it as a correct stack",
		Long: `Run performs a scenario (a shipped name, or the path of a file) on one model, and judges it by what a correct stack does:
0 when every expectation is met, 1 when one is not, 125 when the run says nothing. On a failure it prints each expectation with
what there was instead, who holds which reference, and the command that repeats the run.

With --dut it runs on a real network, in real time: the device at an address takes the place of a node, our own nodes are on
addresses of this host on the same network (each one to itself: --at says which), and what the device has to do itself its --agent
makes it do. What cannot be done to the device, and a device that is silent, end the run with 125. With --at alone all nodes are
ours. Ports 137 to 139 need root, or: sudo setcap cap_net_bind_service=+ep nbtlab. A stack that never sends a frame which a scenario
expects and the RFC leaves to it (Samba sends no DATAGRAM ERROR) is judged without it with --need-not; the report says so. --model
is then the bug that the device is thought to have: what fails as that bug has it is called by its name, and fails all the same. Who
interrupts it gets 130, and what was seen by then.`,
		Example: `  nbtlab run q124565 --model buggy
  nbtlab run q124565 --model Q124565:count=once --pcap out.pcap --trace out.jsonl
  nbtlab run q124565-controls --case broadcast --model Q124565
  nbtlab run ./mine.scenario --lose 5 --seed 7
  nbtlab run ms00-047 --dut pc=10.77.0.1 --agent pc=./my-agent --pcap out.pcap
  nbtlab run q124565 --dut pc=10.77.0.1 --agent pc=manual --at peer=10.77.0.2/24`,
		Args: wants("a scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := sel.reality.check(cmd); err != nil {
				return err
			}
			sc, c, err := sel.scenarioCase(a, args[0])
			if err != nil {
				return err
			}
			var r harness.Result
			if err := files.canRecord(); err != nil {
				return err
			}
			ctx := cmd.Context()
			if sel.wanted() {
				var unhook context.CancelFunc
				ctx, unhook = untilStopped(ctx)
				defer unhook()
				r, err = sel.real(ctx, a, sc, c, control)
			} else {
				r, err = sel.performControl(sc, c, control)
			}
			if err != nil {
				return err
			}
			err = files.record(r.Frames, r.Trace)
			a.status = realStatus(ctx, r.Report.Verdict())
			repeat := sel.repeat(args[0], sel.model)
			if control != "" {
				repeat += " --control " + quote(control)
			}
			return errors.Join(err, a.printRun(r, repeat))
		},
	}
	sel.flags(cmd)
	sel.modelFlag(cmd)
	sel.reality.flags(cmd)
	sel.dutFlags(cmd)
	cmd.Flags().StringVar(&files.pcap, "pcap", "", "write the traffic to this file")
	cmd.Flags().StringVar(&control, "control", "", "run a control of the scenario instead: without-trigger, or restart")
	cmd.Flags().StringVar(&files.trace, "trace", "", "write the record of the run to this file, as JSON Lines")
	return cmd
}

func runStatus(v check.Verdict) int {
	switch v {
	case check.Pass:
		return exitAsExpected
	case check.CannotJudge:
		return exitCannotJudge
	case check.Fail:
	}
	return exitNot
}

func (a *app) printRun(r harness.Result, repeat string) error {
	if r.Report.Verdict() != check.Pass {
		var text bytes.Buffer
		report.RunText(report.NewPrinter(&text, false), r, repeat)
		if err := artifacts(r, text.String()); err != nil {
			return err
		}
	}
	if a.json {
		return report.RunJSON(a.stdout, r)
	}
	p := a.printer()
	report.RunText(p, r, repeat)
	return p.Err()
}

func (a *app) compareCommand() *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "compare MODEL MODEL SCENARIO",
		Short: "Run a scenario on two models, or devices, and print the runs side by side",
		Long: `Compare performs a scenario on two models and prints, step by step, what the calls returned, what references the nodes
hold, and what was sent. 0 when the two are the same, 1 when they differ.

In place of a model live:ADDRESS stands for the device at an address, as of "nbtlab run --dut", in place of the node that the
scenario's bug is in, or of --node. Nobody sees who holds which reference there, so these are left out then. 125 when a run says
nothing of its device, 130 when it was interrupted.`,
		Example: `  nbtlab compare fixed buggy q124565
  nbtlab compare Q124565 Q124565:window=always q124565-running
  nbtlab compare live:10.77.0.1 fixed ms00-047 --agent live:10.77.0.1=./my-agent`,
		Args: wants("a model", "another model", "a scenario"),
		RunE: func(cmd *cobra.Command, args []string) error {
			onDevice := slices.ContainsFunc(args[:2], isDevice)
			for _, name := range []string{"at", "agent", "agent-timeout", "ports", "node"} {
				if !onDevice && cmd.Flags().Changed(name) {
					return fmt.Errorf("--%s is for a device: say which with live:ADDRESS in place of a model", name)
				}
			}
			sc, c, err := sel.scenarioCase(a, args[2])
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if onDevice {
				var unhook context.CancelFunc
				ctx, unhook = untilStopped(ctx)
				defer unhook()
			}
			left, err := sel.side(ctx, a, sc, c, args[0])
			if err != nil {
				return err
			}
			right, err := sel.side(ctx, a, sc, c, args[1])
			if err != nil {
				return err
			}
			switch {
			case left.Report.CannotJudge != "" || right.Report.CannotJudge != "":
				a.status = realStatus(ctx, check.CannotJudge)
			case !report.Same(left, right):
				a.status = exitNot
			}
			if a.json {
				return report.ComparisonJSON(a.stdout, left, right)
			}
			p := a.printer()
			report.ComparisonText(p, left, right)
			return p.Err()
		},
	}
	sel.flags(cmd)
	sel.reality.flags(cmd)
	cmd.Flags().StringVar(&sel.node, "node", "", "the node whose place a device takes")
	return cmd
}

func (a *app) checkCommand() *cobra.Command {
	var sel selection
	var against string
	cmd := &cobra.Command{
		Use:   "check SCENARIO --against FILE",
		Short: "Compare a run of a scenario with a recorded capture",
		Long: `Check performs a scenario on a model and compares its traffic with a capture of such a run, by meaning. 0 when they
match, 1 when they differ, 125 when the capture is cut and the same up to there, 2 when it is not a capture.

Not compared: ` + check.Ignored + `.`,
		Example: `  nbtlab check q124565 --against pcaps/q124565/fixed.pcap
  nbtlab check q124565 --model buggy --against pcaps/q124565/Q124565.pcap`,
		Args: wants("a scenario"),
		RunE: func(_ *cobra.Command, args []string) error {
			if against == "" {
				return errors.New("check wants a capture: --against FILE (see: nbtlab check --help)")
			}
			sc, c, err := sel.scenarioCase(a, args[0])
			if err != nil {
				return err
			}
			recorded, err := capture.ReadFile(against)
			if err != nil {
				return err
			}
			r, err := sel.perform(sc, c, sel.model)
			if err != nil {
				return err
			}
			return a.printCheck(r, recorded, against)
		},
	}
	sel.flags(cmd)
	sel.modelFlag(cmd)
	cmd.Flags().StringVar(&against, "against", "", "the capture to compare with")
	return cmd
}

func (a *app) printCheck(r harness.Result, recorded capture.Capture, against string) error {
	state, differences := harness.CompareCapture(r.Frames, recorded)
	switch state {
	case check.CaptureUnusable:
		a.status = exitCannotJudge
	case check.CaptureDiffers:
		a.status = exitNot
	case check.CaptureMatches, check.CaptureMissing, check.CaptureUnasked:
	}
	if a.json {
		return report.CheckJSON(a.stdout, r, recorded, differences, state)
	}
	p := a.printer()
	report.CheckText(p, r, recorded, differences, state, against)
	return p.Err()
}
