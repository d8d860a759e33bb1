// SPDX-License-Identifier: MIT

package harness_test

import (
	"bytes"
	"net/netip"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// broken returns the promises that a run of a shipped scenario's case breaks, by name, in the order of their discovery.
func broken(name string, index int, faulty string, wrap func(int, stack.Stack) stack.Stack) []string {
	GinkgoHelper()
	s := shipped(name)
	r := harness.Run(s, &s.Cases[index], model(s, faulty), harness.Options{Make: through(wrap)})
	var names []string
	for _, v := range append(r.Report.Violations, r.Report.Tolerated...) {
		names = append(names, v.Invariant)
	}
	return names
}

// on applies a change to the outputs of one node.
func on(node int, change func(in stack.Input, out []stack.Output) []stack.Output) func(int, stack.Stack) stack.Stack {
	return func(n int, s stack.Stack) stack.Stack {
		if n != node {
			return s
		}
		return &saboteur{s, change}
	}
}

// swallow drops the datagrams that a node sends from a port and that fit.
func swallow(node int, port uint16, fits func(payload []byte, nth int) bool) func(int, stack.Stack) stack.Stack {
	nth := 0
	return on(node, func(_ stack.Input, out []stack.Output) []stack.Output {
		var kept []stack.Output
		for _, o := range out {
			if d, ok := o.(stack.SendDatagram); ok && d.From.Port() == port {
				if nth++; fits(d.Payload, nth) {
					continue
				}
			}
			kept = append(kept, o)
		}
		return kept
	})
}

// rewrite changes the name service messages that a node sends.
func rewrite(node int, change func(payload []byte, nth int)) func(int, stack.Stack) stack.Stack {
	nth := 0
	return on(node, func(_ stack.Input, out []stack.Output) []stack.Output {
		list := append([]stack.Output(nil), out...)
		for i, o := range list {
			if d, ok := o.(stack.SendDatagram); ok && d.From.Port() == stack.NamePort {
				nth++
				d.Payload = bytes.Clone(d.Payload)
				change(d.Payload, nth)
				list[i] = d
			}
		}
		return list
	})
}

const pc = 0 // the node that has the bug in every shipped scenario among B nodes

// Where there is a name server, it comes first, or after the node that the scenario is about.
const (
	server       = 0
	served       = 1
	afterSubject = 1
)

// refreshes has the name server grant a minute, and a node refresh its name only if it should.
func refreshes(node int, never bool) func(int, stack.Stack) stack.Stack {
	brief := rewrite(server, func(p []byte, _ int) {
		if p[2] == 0xad && p[3] == 0x80 {
			copy(p[50:], []byte{0, 0, 0, 60})
		}
	})
	quiet := swallow(node, stack.NamePort, func(p []byte, nth int) bool { return never && p[2] == 0x40 && nth > 8 })
	return func(n int, s stack.Stack) stack.Stack { return quiet(n, brief(n, s)) }
}

var _ = Describe("The promises of a correct stack", func() {
	It("are kept by the fixed model in every case that ships", func() {
		all, err := harness.Shipped()
		Expect(err).NotTo(HaveOccurred())
		for _, s := range all {
			for i := range s.Cases {
				Expect(broken(s.Name, i, "fixed", nil)).To(BeEmpty(), harness.Path(s, &s.Cases[i]))
			}
		}
	})

	DescribeTable("are broken by each fault just as its entry in the ledger says",
		func(name, fault string, promises ...string) {
			Expect(broken(name, 0, fault, nil)).To(ConsistOf(promises))
		},
		Entry(nil, "q124565", "Q124565",
			check.References, check.DeleteFrees, check.DeleteFrees, check.ReleaseOnFree),
		Entry(nil, "ms00-047", "MS00-047", check.ConflictOwnClaim),
		Entry(nil, "q140419", "Q140419", check.ReleaseOnStop, check.ReleaseOnStop),
	)

	It("are not broken by what a device sends, which may be recorded when another node has heard it", func() {
		const peer = 2
		s := shipped("nbns-life-cycle")
		r := harness.Run(s, &s.Cases[0], model(s, "fixed"), harness.Options{})
		late := &trace.Trace{Nodes: r.Run.Trace.Nodes}
		moved := uint32(0)
		for seq := uint32(1); r.Run.Trace.Event(seq) != nil; seq++ {
			e := *r.Run.Trace.Event(seq)
			if moved > 0 && e.Cause > moved {
				e.Cause++
			}
			late.Add(e)
			if d, ok := e.What.(stack.Datagram); ok && d.Broadcast && e.Node == peer && moved == 0 {
				moved = seq
				late.Add(trace.Event{At: e.At, What: stack.SendDatagram(d), Step: e.Step, Node: trace.LAN})
			}
		}
		Expect(moved).NotTo(BeZero())
		r.Run.Trace = late
		Expect(check.Judge(r.Run).Violations).To(BeEmpty())
	})

	It("are seen to be broken by a name that is not refreshed within its term", func() {
		const h, without = 2, 5 // the H node without name server, which gets it back
		Expect(broken("nbns-types", without, "fixed", refreshes(h, false))).To(BeEmpty())
		Expect(broken("nbns-types", without, "fixed", refreshes(h, true))).To(ContainElement(check.Refreshed))
	})

	DescribeTable("are seen to be broken",
		func(promise, name string, wrap func() func(int, stack.Stack) stack.Stack) {
			Expect(broken(name, 0, "fixed", wrap())).To(ContainElement(promise))
		},
		Entry("by a reference that nothing explains", check.References, "q124565", func() func(int, stack.Stack) stack.Stack {
			return on(pc, func(in stack.Input, out []stack.Output) []stack.Output {
				if c, ok := in.(stack.Call); ok && c.NCB.Command == netbios.Listen {
					name, _ := netbios.ParseName("CHAT")
					out = append(out, stack.RefTaken{Name: name, Ref: 99, Count: 2, Holder: stack.BySession})
				}
				return out
			})
		}),
		Entry("by a reference given back twice", check.Ledger, "q124565", func() func(int, stack.Stack) stack.Stack {
			return on(pc, func(_ stack.Input, out []stack.Output) []stack.Output {
				for _, o := range out {
					if r, ok := o.(stack.RefDropped); ok {
						return append([]stack.Output{r}, out...)
					}
				}
				return out
			})
		}),
		Entry("by a ledger that miscounts", check.Ledger, "q124565", func() func(int, stack.Stack) stack.Stack {
			return on(pc, func(_ stack.Input, out []stack.Output) []stack.Output {
				list := append([]stack.Output(nil), out...)
				for i, o := range list {
					if r, ok := o.(stack.RefTaken); ok {
						r.Count++
						list[i] = r
					}
				}
				return list
			})
		}),
		Entry("by a release that is not sent", check.ReleaseOnFree, "q124565", func() func(int, stack.Stack) stack.Stack {
			return swallow(pc, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x30 })
		}),
		Entry("by a release sent too seldom", check.ReleaseOnFree, "q124565", func() func(int, stack.Stack) stack.Stack {
			return forgetOneRelease
		}),
		Entry("by a release of a name that is in use", check.ReleaseOnFree, "q124565-running", func() func(int, stack.Stack) stack.Stack {
			var claim stack.SendDatagram
			return on(pc, func(in stack.Input, out []stack.Output) []stack.Output {
				for _, o := range out {
					if d, ok := o.(stack.SendDatagram); ok && d.Payload[2] == 0x29 {
						claim = d
					}
				}
				if c, ok := in.(stack.Call); ok && c.NCB.Command == netbios.Listen {
					claim.Payload = bytes.Clone(claim.Payload)
					claim.Payload[2], claim.Payload[3] = 0x30, 0x10
					out = append(out, claim)
				}
				return out
			})
		}),
		Entry("by a release at the stop that is not sent", check.ReleaseOnStop, "q140419", func() func(int, stack.Stack) stack.Stack {
			return swallow(pc, stack.NamePort, func(p []byte, nth int) bool { return p[2] == 0x30 && nth%2 == 1 })
		}),
		Entry("by a claim left out", check.ClaimSequence, "q124565", func() func(int, stack.Stack) stack.Stack {
			return swallow(pc, stack.NamePort, func(_ []byte, nth int) bool { return nth == 2 })
		}),
		Entry("by claims under two identifiers", check.ClaimSequence, "q124565", func() func(int, stack.Stack) stack.Stack {
			return rewrite(pc, func(p []byte, nth int) {
				if nth == 2 {
					p[0] ^= 1
				}
			})
		}),
		Entry("by an overwrite demand under the claims' identifier", check.ClaimSequence, "q124565", func() func(int, stack.Stack) stack.Stack {
			return rewrite(pc, func(p []byte, nth int) {
				if nth == 4 {
					p[1]--
				}
			})
		}),
		Entry("by a query for a registered name that is not answered", check.Answers, "q124565-running", func() func(int, stack.Stack) stack.Stack {
			return swallow(pc, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x85 })
		}),
		Entry("by a claim to a registered name that is not refused", check.Answers, "ms00-047", func() func(int, stack.Stack) stack.Stack {
			return swallow(pc, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0xad })
		}),
		Entry("by an answer under another identifier", check.Answers, "q124565-running", func() func(int, stack.Stack) stack.Stack {
			return rewrite(pc, func(p []byte, _ int) {
				if p[2] == 0x85 {
					p[0] ^= 1
				}
			})
		}),
		Entry("by a datagram error that is not sent", check.DatagramErrors, "q124565", func() func(int, stack.Stack) stack.Stack {
			return swallow(pc, stack.DatagramPort, func(p []byte, _ int) bool { return p[0] == 0x13 })
		}),
		Entry("by a datagram error for a name that is here", check.DatagramErrors, "q124565-running", func() func(int, stack.Stack) stack.Stack {
			return on(pc, func(in stack.Input, out []stack.Output) []stack.Output {
				d, ok := in.(stack.Datagram)
				if !ok || d.To.Port() != stack.DatagramPort {
					return out
				}
				own := d.To.Addr().As4()
				payload := append([]byte{0x13, 0, d.Payload[2], d.Payload[3]}, own[:]...)
				return append(out, stack.SendDatagram{From: d.To, To: d.From, Payload: append(payload, 0, 138, 0x82)})
			})
		}),
		Entry("by a P node's name that no name server agreed to", check.ClaimSequence, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return on(served, func(in stack.Input, out []stack.Output) []stack.Output {
				if c, ok := in.(stack.Call); ok && c.NCB.Command == netbios.AddName {
					return append(out, stack.Complete{ID: c.ID, Num: 2})
				}
				return slices.DeleteFunc(slices.Clone(out), func(o stack.Output) bool { c, ok := o.(stack.Complete); return ok && c.Num == 2 })
			})
		}),
		Entry("by a P node's claim by broadcast", check.ClaimSequence, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return on(served, func(_ stack.Input, out []stack.Output) []stack.Output {
				for _, o := range out {
					if d, ok := o.(stack.SendDatagram); ok && d.Payload[2] == 0x29 {
						d.To, d.Broadcast = netip.MustParseAddrPort("10.0.0.255:137"), true
						return append([]stack.Output{d}, out...)
					}
				}
				return out
			})
		}),
		Entry("by a claim at another host than the name server", check.ClaimSequence, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return on(served, func(_ stack.Input, out []stack.Output) []stack.Output {
				for _, o := range out {
					if d, ok := o.(stack.SendDatagram); ok && d.Payload[2] == 0x29 {
						d.To = netip.MustParseAddrPort("10.0.0.20:137")
						return append([]stack.Output{d}, out...)
					}
				}
				return out
			})
		}),
		Entry("by a claim with another node type", check.ClaimSequence, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return rewrite(served, func(p []byte, _ int) {
				if p[2] == 0x29 {
					p[62] ^= 0x60
				}
			})
		}),
		Entry("by an overwrite request that nobody was challenged for", check.ClaimSequence, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return rewrite(served, func(p []byte, _ int) {
				if p[2] == 0x29 {
					p[2] = 0x28
				}
			})
		}),
		Entry("by a claim at the name server repeated too soon", check.ClaimSequence, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return on(served, func(_ stack.Input, out []stack.Output) []stack.Output {
				for _, o := range out {
					if d, ok := o.(stack.SendDatagram); ok && d.Payload[2] == 0x29 {
						return append([]stack.Output{d}, out...)
					}
				}
				return out
			})
		}),
		Entry("by an M node that does not ask the segment", check.ClaimSequence, "nbns-types", func() func(int, stack.Stack) stack.Stack {
			return swallow(served, stack.NamePort, func(p []byte, nth int) bool { return p[2] == 0x29 && p[3] == 0x10 && nth == 2 })
		}),
		Entry("by an M node that tells the segment too early", check.ClaimSequence, "nbns-types", func() func(int, stack.Stack) stack.Stack {
			return on(served, func(_ stack.Input, out []stack.Output) []stack.Output {
				for _, o := range out {
					if d, ok := o.(stack.SendDatagram); ok && d.Payload[2] == 0x29 && d.Payload[3] == 0 {
						d.To, d.Broadcast, d.Payload = netip.MustParseAddrPort("10.0.0.255:137"), true, bytes.Clone(d.Payload)
						d.Payload[2], d.Payload[3] = 0x28, 0x10
						return append([]stack.Output{d}, out...)
					}
				}
				return out
			})
		}),
		Entry("by a release that the name server is not sent", check.ReleaseOnFree, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return swallow(served, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x30 })
		}),
		Entry("by a P node's release by broadcast", check.ReleaseOnFree, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return on(served, func(_ stack.Input, out []stack.Output) []stack.Output {
				list := slices.Clone(out)
				for i, o := range list {
					if d, ok := o.(stack.SendDatagram); ok && d.Payload[2] == 0x30 {
						d.To, d.Broadcast = netip.MustParseAddrPort("10.0.0.255:137"), true
						list[i] = d
					}
				}
				return list
			})
		}),
		Entry("by a P node that answers what was broadcast", check.Answers, "nbns-life-cycle", func() func(int, stack.Stack) stack.Stack {
			return on(pc, func(in stack.Input, out []stack.Output) []stack.Output {
				d, ok := in.(stack.Datagram)
				if !ok || !d.Broadcast {
					return out
				}
				answer := append(bytes.Clone(d.Payload[:2]), 0x85, 0x03, 0, 0, 0, 1, 0, 0, 0, 0)
				answer = append(append(answer, d.Payload[12:46]...), 0, 10, 0, 1, 0, 0, 0, 0, 0, 0)
				return append(out, stack.SendDatagram{From: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.10"), 137), To: d.From, Payload: answer})
			})
		}),
		Entry("by a P node that does not deny a name that it has not", check.Answers, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return swallow(served, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x85 && p[3] == 0x03 })
		}),
		Entry("by a B node that denies one", check.Answers, "q124565-running", func() func(int, stack.Stack) stack.Stack {
			return rewrite(pc, func(p []byte, _ int) {
				if p[2] == 0x85 {
					p[3] = 0x03
				}
			})
		}),
		Entry("by a name server that does not answer", check.NameServer, "q124565-p", func() func(int, stack.Stack) stack.Stack {
			return swallow(server, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0xb4 })
		}),
		Entry("by a name server that gives a name away whose owner lives", check.NameServer, "nbns-life-cycle", func() func(int, stack.Stack) stack.Stack {
			return rewrite(afterSubject, func(p []byte, _ int) {
				if p[2] == 0xad && p[3] == 0x86 {
					p[3], p[len(p)-1] = 0x80, 20
				}
			})
		}),
		Entry("by a name server that does not ask the owner", check.NameServer, "nbns-challenge", func() func(int, stack.Stack) stack.Stack {
			return swallow(server, stack.NamePort, func(p []byte, _ int) bool { return p[2] == 0x01 })
		}),
		Entry("by a name server that tells a wrong address", check.NameServer, "nbns-life-cycle", func() func(int, stack.Stack) stack.Stack {
			return rewrite(afterSubject, func(p []byte, _ int) {
				if p[2] == 0x85 && p[3] == 0x80 {
					p[len(p)-1]++
				}
			})
		}),
		Entry("by a name server that denies a name that it has", check.NameServer, "nbns-life-cycle", func() func(int, stack.Stack) stack.Stack {
			return rewrite(afterSubject, func(p []byte, _ int) {
				if p[2] == 0x85 && p[3] == 0x80 {
					p[3] |= 0x03
				}
			})
		}),
		Entry("by a name that is said to be in conflict and is not", check.ConflictOwnClaim, "q124565", func() func(int, stack.Stack) stack.Stack {
			return on(pc, func(_ stack.Input, out []stack.Output) []stack.Output {
				list := append([]stack.Output(nil), out...)
				for i, o := range list {
					if c, ok := o.(stack.Complete); ok && c.LSN > 0 {
						c.Code = netbios.NAMCONF // of the LISTEN
						list[i] = c
					}
				}
				return list
			})
		}),
	)
})
