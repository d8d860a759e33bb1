// SPDX-License-Identifier: MIT

// Package harness is the front door: run a scenario on a model, verify that a bug reproduces as pinned, compare two runs,
// record their captures. The packages below it decide; this one puts them together.
package harness

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// DefaultSeed is the seed of the recorded captures.
const DefaultSeed = 1

// Buggy is how the scenario's own bug is written where a model is asked for.
const Buggy = "buggy"

// Load parses a scenario and checks that the bugs it speaks of are in the ledger. The error is a [*scenario.Error] that
// names the place.
func Load(path string, src []byte) (*scenario.Scenario, error) {
	s, err := scenario.Parse(path, src)
	if err != nil {
		return nil, err
	}
	if s.Bug.Model != "" {
		if err := knownFault(s.Bug.Model); err != nil {
			return nil, scenario.NewError(s, s.Bug.Pos, reason(err))
		}
	}
	for _, c := range s.Cases {
		for _, step := range c.Steps {
			for _, e := range step.Expect {
				for _, a := range e.Alternatives {
					if err := knownFault(a.Bug); err != nil {
						return nil, scenario.NewError(s, a.Pos, reason(err))
					}
				}
			}
		}
	}
	for _, n := range s.Nodes {
		if _, ok := node.FindProfile(n.Profile); !ok {
			return nil, scenario.NewError(s, n.Pos, "unknown profile "+n.Profile)
		}
	}
	return s, nil
}

// knownFault checks that a model is one of the ledger's faults, written as it is printed everywhere: else what is predicted
// for it would never be looked at.
func knownFault(model string) error {
	set, err := fault.Parse(model)
	switch {
	case err != nil:
		return err
	case set == (fault.Set{}):
		return fmt.Errorf("%s has no fault: what a correct stack does stands before the first bar", model)
	case set.String() != model:
		return fmt.Errorf("write %s as %s", model, set)
	}
	return nil
}

// reason strips the package name off an error that is about to be reported at a place of its own.
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), "fault: ")
}

// Model reads the name of a model for a scenario: "fixed", "buggy" for the scenario's own bug, or faults by name.
func Model(s *scenario.Scenario, name string) (fault.Set, error) {
	if name == Buggy {
		if s.Bug.Model == "" {
			return fault.Set{}, fmt.Errorf("harness: %s has no bug of its own: name a fault, such as Q124565", s.Name)
		}
		name = s.Bug.Model
	}
	set, err := fault.Parse(name)
	if err == nil && len(set.IDs()) > 0 && s.Bug.Model == "" {
		err = fmt.Errorf("harness: %s does not say which node a fault would be in: it needs a bug or against line", s.Name)
	}
	return set, err
}

// Options change how a run is made. The zero value makes the run that the recordings show.
type Options struct {
	Seed    uint64 // 0 for DefaultSeed
	Odds    sim.Odds
	Perturb []sim.Perturbation

	// Make, when set, makes the stack of each node, at its start and at every restart; without it that is [node.New]. So
	// another stack takes a node's place, or a fault is put in front of one that no knob has.
	Make func(index int, cfg node.Config) stack.Stack
}

// recorded reports whether a run of these options is the one that was recorded.
func (o Options) recorded() bool {
	return (o.Seed == 0 || o.Seed == DefaultSeed) && o.Odds == (sim.Odds{}) && len(o.Perturb) == 0
}

// Result is one run, judged.
type Result struct {
	check.Run
	Model  string
	Report check.Report
}

// Run performs one case of a scenario on a model and judges it.
func Run(s *scenario.Scenario, c *scenario.Case, model fault.Set, o Options) Result {
	r := Result{Run: Perform(s, c, model, o), Model: model.String()}
	r.Report = check.Judge(r.Run)
	return r
}

// Perform performs one case of a scenario on a model, and has a tap on the wire.
func Perform(s *scenario.Scenario, c *scenario.Case, model fault.Set, o Options) check.Run {
	t := Play(s, c, model, o)
	frames := trace.Wire(t)
	capture.Number(frames)
	run := check.Run{Scenario: s, Case: c, Trace: t, Frames: frames, Faults: model.IDs()}
	if s.Against {
		run.Tolerate = breaks(model)
	}
	return run
}

// Play performs one case of a scenario on a model and returns the record: only the node that the scenario names runs the
// fault.
func Play(s *scenario.Scenario, c *scenario.Case, model fault.Set, o Options) *trace.Trace {
	t := &trace.Trace{Scenario: Path(s, c), Model: model.String(), Seed: o.seed(), Events: make([]trace.Event, 0, 512)}
	lan := sim.New(sim.Options{Seed: o.seed(), Trace: t, Odds: o.Odds, Perturb: o.Perturb})
	settle := make([]time.Duration, len(s.Nodes))
	for i, n := range s.Nodes {
		t.Nodes = append(t.Nodes, trace.Node{Name: n.Name, Prefix: n.Prefix})
		cfg := config(s, c, i, model)
		settle[i] = cfg.Profile.Settle
		lan.Attach(n.Name, cfg.Prefix.Addr(), func(firstID uint16) stack.Stack {
			cfg.FirstID = firstID
			if o.Make != nil {
				return o.Make(i, cfg)
			}
			return node.New(cfg)
		})
	}
	lan.Play(s.Nodes, runner.New(s.Nodes, settle, c))
	return t
}

func (o Options) seed() uint64 {
	if o.Seed == 0 {
		return DefaultSeed
	}
	return o.Seed
}

// breaks lists the promises of a correct stack that faults are known to break.
func breaks(model fault.Set) []string {
	var names []string
	for _, f := range fault.All() {
		if model.Has(f) {
			names = append(names, f.Breaks...)
		}
	}
	return names
}

// Path names a case of a scenario: "q124565", "q124565-controls/broadcast".
func Path(s *scenario.Scenario, c *scenario.Case) string {
	if c.Slug == "" {
		return s.Name
	}
	return s.Name + "/" + c.Slug
}

// config is what a node of a case is made of.
func config(s *scenario.Scenario, c *scenario.Case, i int, model fault.Set) node.Config {
	n := &s.Nodes[i]
	cfg := node.Config{Prefix: n.Prefix, UnitID: UnitID(n.Prefix.Addr()), Limits: n.Limits}
	cfg.Profile, _ = node.FindProfile(n.Profile)
	cfg.Serves = n.NameServer
	if n.Type != "" {
		cfg.Type, _ = node.FindType(n.Type)
		cfg.NameServer = s.Nodes[n.Wins].Prefix.Addr()
	}
	if s.Bug.Model != "" && s.Bug.Node == i {
		cfg.Faults = model
	}
	for _, k := range c.Knows {
		if k.Node == i {
			cfg.Hosts = append(cfg.Hosts, node.Host{Name: k.Name, Addr: s.Nodes[k.At].Prefix.Addr()})
		}
	}
	return cfg
}

// UnitID returns the unit address of a host of the virtual LAN, which is its MAC address in captures: a locally
// administered address that carries the IPv4 address.
func UnitID(a netip.Addr) [6]byte {
	ip := a.As4()
	return [6]byte{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]}
}

// Redrive steps a fresh stack through what a run's record says went into one node, from its last start on, and returns the
// first event that differs from what it does now, or 0: the same inputs at the same times give the same outputs.
func Redrive(t *trace.Trace, at int, fresh stack.Stack) uint32 {
	var out stack.Outputs
	var pending []stack.Output
	started := lastStart(t, at)
	for i := range t.Events {
		e := &t.Events[i]
		if int(e.Node) != at || e.Seq < started {
			continue
		}
		switch what := e.What.(type) {
		case stack.Input:
			if len(pending) > 0 {
				return e.Seq // it wants more done than the record shows
			}
			out.Reset()
			fresh.Step(e.At, what, &out)
			pending = append(pending[:0], out.All()...)
		case stack.Output:
			if len(pending) == 0 || !sameOutput(pending[0], what) {
				return e.Seq
			}
			pending = pending[1:]
		}
	}
	return 0
}

// Fresh makes the stack that a node of a recorded run had at its last start, for [Redrive].
func Fresh(s *scenario.Scenario, c *scenario.Case, at int, model fault.Set, t *trace.Trace) stack.Stack {
	cfg := config(s, c, at, model)
	if e := t.Event(lastStart(t, at)); e != nil {
		cfg.FirstID = e.What.(trace.Started).FirstID
	}
	return node.New(cfg)
}

func lastStart(t *trace.Trace, at int) uint32 {
	for i := len(t.Events) - 1; i >= 0; i-- {
		if _, ok := t.Events[i].What.(trace.Started); ok && int(t.Events[i].Node) == at {
			return t.Events[i].Seq
		}
	}
	return 0
}

func sameOutput(a, b stack.Output) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }
