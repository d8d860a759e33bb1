// SPDX-License-Identifier: MIT

package harness

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Place is where a node of a scenario is on a real network.
type Place struct {
	Addr   netip.Prefix
	Device *live.Device // nil for a node of ours, which needs an address of this host to itself
}

// RealOptions change how a run on a real network is made.
type RealOptions struct {
	Ports    live.Ports
	FailFast bool // end the run at the first frame that must not be sent

	// NeedNot are the kinds of frames that the devices need not send, see [check.Run].
	NeedNot []scenario.Kind

	// Began is told of every step as it begins, Forbidden of every frame that the step in force says must not be sent, as it
	// is seen. Both may be nil.
	Began     func(at time.Duration, step *scenario.Step)
	Forbidden func(at time.Duration, step *scenario.Step, clause string)
}

// RunReal performs one case of a scenario, by its index, in real time on a real network, and judges it. Places has one for
// each node; addresses take the place of the scenario's. Model is what our nodes run, and what a device is predicted to do
// like: that decides no verdict.
//
// A device is judged by the scenario's expectations alone, since nobody sees inside it; one that does not meet them, only if the
// network between delivers every frame once. The error is about our own addresses
// and ports; whatever goes wrong later ends the run, which cannot be judged then.
func RunReal(ctx context.Context, s *scenario.Scenario, index int, model fault.Set, places []Place, o RealOptions) (Result, error) {
	placed := s.At(addresses(places))
	c := &placed.Cases[index]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &trace.Trace{Scenario: Path(placed, c), Model: model.String()}
	eye := &watcher{Trace: t, scenario: placed, steps: c.Steps, opts: &o, stop: cancel}
	lan := live.New(live.Options{Ports: o.Ports, Recorder: eye})
	defer lan.Close()
	settle := make([]time.Duration, len(placed.Nodes))
	var devices []int
	for i, n := range placed.Nodes {
		t.Nodes = append(t.Nodes, trace.Node{Name: n.Name, Prefix: n.Prefix})
		cfg := config(placed, c, i, model)
		settle[i] = cfg.Profile.Settle
		if d := places[i].Device; d != nil {
			lan.AttachDevice(n.Name, n.Prefix, d)
			devices = append(devices, i)
			continue
		}
		if _, err := lan.Attach(n.Name, n.Prefix, func(firstID uint16) stack.Stack {
			cfg.FirstID = firstID
			return node.New(cfg)
		}); err != nil {
			return Result{}, fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	lan.Play(ctx, placed, index, runner.New(placed.Nodes, settle, c))
	run := check.Run{Scenario: placed, Case: c, Trace: t, Frames: trace.Wire(t), Faults: model.IDs(), Devices: devices, NeedNot: o.NeedNot}
	capture.Number(run.Frames)
	if s.Against {
		run.Tolerate = breaks(model)
	}
	r := Result{Run: run, Model: realName(placed, places, model), Report: check.Judge(run)}
	if eye.stopped {
		r.Report.CannotJudge = "" // what was seen is enough
	}
	if r.Report.Verdict() == check.Fail && len(devices) > 0 && !eye.stopped {
		// What failed may be the network's doing, or that of somebody else in it.
		r.Report.CannotJudge = cmp.Or(lan.Disturbed(ctx), lan.Bystander(ctx, claimed(c)))
	}
	return r, nil
}

// claimed are the unique names that a case has its nodes claim.
func claimed(c *scenario.Case) (names []netbios.Name) {
	for i := range c.Steps {
		if s := &c.Steps[i]; s.Verb == scenario.AddName && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

func addresses(places []Place) []netip.Prefix {
	list := make([]netip.Prefix, len(places))
	for i, p := range places {
		list[i] = p.Addr
	}
	return list
}

// realName tells what a run was made on: its devices, or else our own model on a real network.
func realName(s *scenario.Scenario, places []Place, model fault.Set) string {
	var names []string
	for i, p := range places {
		if p.Device != nil {
			names = append(names, s.Nodes[i].Name+" at "+p.Addr.Addr().String())
		}
	}
	if names == nil {
		return model.String() + " on a real network"
	}
	return strings.Join(names, ", ")
}

// watcher is a trace that looks at each frame as it is recorded.
type watcher struct {
	*trace.Trace
	tap      trace.Tap
	scenario *scenario.Scenario
	steps    []scenario.Step
	opts     *RealOptions
	stop     context.CancelFunc
	stopped  bool
}

// Add implements live.Recorder.
func (w *watcher) Add(e trace.Event) uint32 {
	seq := w.Trace.Add(e)
	step := int(e.Step)
	if step < 0 || step >= len(w.steps) {
		return seq
	}
	if _, began := e.What.(trace.StepBegan); began && w.opts.Began != nil {
		w.opts.Began(e.At, &w.steps[step])
	}
	e.Seq = seq
	for _, f := range w.tap.See(&e, w.Event(e.Cause)) {
		w.see(f, &w.steps[step])
	}
	return seq
}

func (w *watcher) see(f trace.Frame, step *scenario.Step) {
	for _, x := range step.Expect {
		for _, c := range x.Clauses {
			p, wire := c.(scenario.Wire)
			if !wire || !p.Not || p.Pattern.Counted || !p.Pattern.Matches(w.scenario.Nodes, f) {
				continue
			}
			if w.opts.Forbidden != nil {
				w.opts.Forbidden(f.At, step, c.String())
			}
			if w.opts.FailFast && !w.stopped {
				w.stopped = true
				w.stop()
			}
		}
	}
}

// Places finds addresses for the nodes of a scenario: for each what is given for it, for a node of ours without one an address
// of this host on the same network, each used once. Given maps the names of nodes; of a device the length of its network's
// prefix may be missing (a single address), and is that of the network here.
func Places(s *scenario.Scenario, given map[string]netip.Prefix, devices map[string]*live.Device, here []netip.Prefix) ([]Place, error) {
	places := make([]Place, len(s.Nodes))
	for name := range given {
		if !slices.ContainsFunc(s.Nodes, func(n scenario.Node) bool { return n.Name == name }) {
			return nil, fmt.Errorf("harness: %s has no node %s (it has %s)", s.Name, name, nodeNames(s))
		}
	}
	network, err := networkOf(s, given, devices, here)
	if err != nil {
		return nil, err
	}
	taken := map[netip.Addr]string{}
	for i, n := range s.Nodes {
		if p, ok := given[n.Name]; ok {
			places[i] = Place{Addr: netip.PrefixFrom(p.Addr(), network.Bits()), Device: devices[n.Name]}
			if other, twice := taken[p.Addr()]; twice {
				return nil, fmt.Errorf("harness: %s is given to %s and to %s: every node needs an address of its own", p.Addr(), other, n.Name)
			}
			taken[p.Addr()] = n.Name
			if !network.Contains(p.Addr()) {
				return nil, fmt.Errorf("harness: %s of %s is not on the network of the others, %s", p.Addr(), n.Name, network.Masked())
			}
		}
	}
	for i, n := range s.Nodes {
		if places[i].Addr.IsValid() {
			continue
		}
		free := slices.IndexFunc(here, func(p netip.Prefix) bool {
			return network.Contains(p.Addr()) && taken[p.Addr()] == ""
		})
		if free < 0 {
			return nil, fmt.Errorf("harness: %s needs an address of this host on %s to itself, and there is none left: say --at %s=ADDRESS, "+
				"or add one: ip addr add ADDRESS/%d dev INTERFACE", n.Name, network.Masked(), n.Name, network.Bits())
		}
		places[i].Addr = netip.PrefixFrom(here[free].Addr(), network.Bits())
		taken[here[free].Addr()] = n.Name
	}
	return places, nil
}

// networkOf is the network that the nodes share: that which is stated, else that of this host's address beside one given.
func networkOf(s *scenario.Scenario, given map[string]netip.Prefix, devices map[string]*live.Device, here []netip.Prefix) (netip.Prefix, error) {
	var some netip.Addr
	for _, n := range s.Nodes {
		p, ok := given[n.Name]
		switch {
		case ok && !p.IsSingleIP():
			return p, nil
		case ok && (!some.IsValid() || devices[n.Name] != nil):
			some = p.Addr()
		}
	}
	for _, p := range here {
		if p.Contains(some) {
			return p, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("harness: %s is on no network of this host: our nodes have to be on the same one as the device, "+
		"for broadcasts to reach it", some)
}

func nodeNames(s *scenario.Scenario) string {
	var names []string
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}
