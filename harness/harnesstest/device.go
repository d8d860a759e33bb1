// SPDX-License-Identifier: MIT

package harnesstest

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/onsi/ginkgo/v2"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/agent"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// Device is a stack that runs by itself, somewhere on a real network, and that an agent makes do things (see package agent).
// It is put to the cases in real time, one after the other; the other nodes of a case are the harness's own, on addresses of
// this host. What the agent says that it cannot do counts like what is declared in Lacks.
//
// The agent is started anew for each case, and ended after it: then the names that it has added must be gone, as those of an
// application that ends.
type Device struct {
	Addr  netip.Addr // where it is
	Agent string     // the command that starts its agent, as a shell takes it

	// Places are addresses for the other nodes, by their names in the scenarios. A node that has none gets one that this host
	// has on the device's network.
	Places map[string]netip.Prefix

	// Ports are those in the place of the well-known ones, for tests without root.
	Ports live.Ports
}

// spec is the body of the spec of a case.
func (d *Device) spec(ctx ginkgo.SpecContext, t Trial) {
	hand := d.start(ctx, t.Stack)
	defer hand.Close()
	if why := t.needs(cannot(hand)); why != "" {
		t.skip(why)
	}
	r, err := d.run(ctx, t, hand)
	if err != nil {
		ginkgo.Fail(err.Error())
	}
	t.judge(r)
}

// judges is the body of the spec that a case can be judged.
func (d *Device) judges(ctx ginkgo.SpecContext, s Stack, trials []Trial) {
	hand := d.start(ctx, s)
	defer hand.Close()
	failOver(nothingJudged(s, trials, func(v scenario.Verb) bool { return s.lacks(v) || cannot(hand)(v) }))
}

func (d *Device) start(ctx context.Context, s Stack) *agent.Process {
	hand, err := agent.Start(ctx, d.Agent, agent.Options{Stderr: func(line string) { ginkgo.GinkgoWriter.Println(line) }})
	if err != nil {
		ginkgo.Fail(fmt.Sprintf("the agent of %s: %v", s.Name, err))
	}
	return hand
}

// cannot are the verbs that an agent does not speak of.
func cannot(hand live.Hand) func(v scenario.Verb) bool {
	return func(v scenario.Verb) bool { return !hand.Can(v.String()) }
}

func (d *Device) run(ctx context.Context, t Trial, hand live.Hand) (harness.Result, error) {
	here, err := live.Addresses()
	if err != nil {
		return harness.Result{}, err
	}
	name := t.Scenario.Nodes[accused(t.Scenario)].Name
	given := map[string]netip.Prefix{name: netip.PrefixFrom(d.Addr, d.Addr.BitLen())}
	for _, n := range t.Scenario.Nodes {
		if p, placed := d.Places[n.Name]; placed {
			given[n.Name] = p
		}
	}
	places, err := harness.Places(t.Scenario, given, map[string]*live.Device{name: {Hand: hand}}, here)
	if err != nil {
		return harness.Result{}, err
	}
	r, err := harness.RunReal(ctx, t.Scenario, t.Index, fault.Set{}, places, harness.RealOptions{Ports: d.Ports})
	r.Model = t.Stack.Name
	return r, err
}
