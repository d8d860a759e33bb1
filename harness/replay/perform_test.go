// SPDX-License-Identifier: MIT

package replay_test

import (
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

type performed struct {
	replay.Performed
	trace *trace.Trace
}

type mute struct{}

func (mute) Step(time.Duration, stack.Input, *stack.Outputs) {}

func everything(string) bool { return true }

func perform(v *replay.View, model string, o replay.PerformOptions) performed {
	GinkgoHelper()
	set, err := fault.Parse(model)
	Expect(err).NotTo(HaveOccurred())
	network := netip.MustParsePrefix("10.77.0.1/24")
	cast := replay.Cast{Device: network}
	for i, a := range v.Peers() {
		place := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(20 + i)}), 24)
		cast.Peers = append(cast.Peers, replay.Part{Captured: a, Place: place})
	}
	if o.Patience == 0 {
		o.Patience = 3 * time.Second
	}
	t := &trace.Trace{}
	m, err := replay.Perform(v, cast, o, t)
	Expect(err).NotTo(HaveOccurred())
	lan := sim.New(sim.Options{Trace: t})
	attach := func(name string, p netip.Prefix, boot func(uint16) stack.Stack) {
		t.Nodes = append(t.Nodes, trace.Node{Name: name, Prefix: p})
		lan.Attach(name, p.Addr(), boot)
	}
	cfg := node.Config{Prefix: network, Profile: node.RFC1002, Faults: set}
	if kind, server := v.Node(); server.IsValid() {
		cfg.Type = kind
		for _, p := range cast.Peers {
			if p.Captured == server {
				cfg.NameServer = p.Place.Addr()
			}
		}
	}
	attach("device", network, func(id uint16) stack.Stack {
		cfg.FirstID = id
		return node.New(cfg)
	})
	for _, p := range cast.Peers {
		attach(p.Captured.String(), p.Place, func(uint16) stack.Stack { return mute{} })
	}
	lan.Play(nil, m)
	why := ""
	for _, e := range t.Events {
		if x, ok := e.What.(trace.Exhausted); ok {
			why = x.Limit
		}
	}
	return performed{m.Result(why), t}
}

var _ = Describe("A capture performed before a device", func() {
	It("passes before the stack that it was recorded of", func() {
		p := perform(seen(pc, frames("q124565/fixed.pcap")), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Verdict).To(Equal(check.Pass), "%+v", p.Performed)
	})
})
