// SPDX-License-Identifier: MIT

package harness

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Performance is what came of playing a capture's peers before a device.
type Performance struct {
	replay.Performed // frames of the device have the numbers that they have in Frames
	Trace            *trace.Trace
	Frames           []trace.Frame // of the performance, numbered as in the capture that is written of them
}

// Troupe is the hosts of a view as nodes, for [Places]: the view's host, and those who have something to say to it. Only are the
// ones that are wanted, nil for all.
func Troupe(v *replay.View, title string, only []netip.Addr) (*scenario.Scenario, error) {
	s := &scenario.Scenario{Name: title, Nodes: []scenario.Node{{Name: v.Host.String(), Prefix: netip.PrefixFrom(v.Host, 32)}}}
	peers := v.Peers()
	if only != nil {
		for _, a := range only {
			if !slices.Contains(peers, a) {
				return nil, fmt.Errorf("harness: %s sent %s nothing (those who did: %v)", a, v.Host, peers)
			}
		}
		peers = only
	}
	for _, a := range peers {
		s.Nodes = append(s.Nodes, scenario.Node{Name: a.String(), Prefix: netip.PrefixFrom(a, 32)})
	}
	return s, nil
}

// PerformOptions change how a capture is performed.
type PerformOptions struct {
	replay.PerformOptions
	Names []replay.Binding
	Ports live.Ports
	// Progress is told now and then how many of the frames and calls have been played. It may be nil.
	Progress func(played, total int)
}

// PerformReal plays the peers of a view before the device that stands first among the places, which are those of a [Troupe], and
// compares what it does with what the view's host did. The error is about the cast, our own addresses and ports; whatever goes
// wrong later ends the performance, which cannot be judged then.
func PerformReal(ctx context.Context, v *replay.View, troupe *scenario.Scenario, places []Place, o PerformOptions) (*Performance, error) {
	cast := replay.Cast{Device: places[0].Addr, Names: o.Names}
	for i, n := range troupe.Nodes[1:] {
		cast.Peers = append(cast.Peers, replay.Part{Captured: n.Prefix.Addr(), Place: places[i+1].Addr})
	}
	if hand := places[0].Device.Hand; hand != nil {
		o.Can = hand.Can
	}
	t := &trace.Trace{Scenario: troupe.Name, Model: "the device at " + places[0].Addr.Addr().String()}
	m, err := replay.Perform(v, cast, o.PerformOptions, t)
	if err != nil {
		return nil, err
	}
	if m.Unplayable() != "" {
		return &Performance{Performed: m.Result(""), Trace: t}, nil
	}
	lan := live.New(live.Options{Ports: o.Ports, Recorder: t})
	defer lan.Close()
	for i, n := range troupe.Nodes {
		t.Nodes = append(t.Nodes, trace.Node{Name: n.Name, Prefix: places[i].Addr})
		if d := places[i].Device; d != nil {
			lan.AttachDevice(n.Name, places[i].Addr, d)
		} else if _, err := lan.Attach(n.Name, places[i].Addr, func(uint16) stack.Stack { return mute{} }); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	lan.Perform(ctx, watched{m, o.Progress})
	interrupted := ""
	for i := range t.Events {
		if x, early := t.Events[i].What.(trace.Exhausted); early {
			interrupted = x.Limit
		}
	}
	p := &Performance{Performed: m.Result(interrupted), Trace: t, Frames: trace.Wire(t)}
	if p.Verdict == check.Fail {
		if why := lan.Disturbed(ctx); why != "" { // what failed may be the network's doing
			p.Verdict, p.Why = check.CannotJudge, why
		}
	}
	capture.Number(p.Frames)
	numbers := map[uint32]int{}
	for i := range p.Frames {
		numbers[p.Frames[i].Seq] = p.Frames[i].Number
	}
	for i := range p.Divergences {
		if got := p.Divergences[i].Got; got != nil {
			got.Number = numbers[got.Seq]
		}
	}
	return p, nil
}

// mute is the stack of a host that a script speaks for.
type mute struct{}

// Step implements stack.Stack.
func (mute) Step(time.Duration, stack.Input, *stack.Outputs) {}

// watched is a performance of which somebody wants to know how far it has come.
type watched struct {
	*replay.Performance
	progress func(played, total int)
}

// Next implements runner.Script.
func (w watched) Next(now time.Duration) runner.Action {
	if w.progress != nil {
		w.progress(w.Played(), w.Total())
	}
	return w.Performance.Next(now)
}
