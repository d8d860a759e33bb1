// SPDX-License-Identifier: MIT

package scenario_test

import (
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var _ = Describe("A frame that is expected to go to all", func() {
	DescribeTable("is one whose destination is everybody's", func(to string, group, want bool) {
		s := parse(twoHosts + "pc add-name CHAT\n -> query CHAT from pc to all\n" + bothUsed)
		expected := s.Cases[0].Steps[0].Expect[0].Clauses[0].(scenario.Wire).Pattern
		query, err := nbt.Query(7, name("CHAT")).AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		f := trace.Frame{
			Kind: trace.UDP, Broadcast: group, Payload: query, From: netip.AddrPortFrom(s.Nodes[0].Prefix.Addr(), stack.NamePort),
			To: netip.AddrPortFrom(netip.MustParseAddr(to), stack.NamePort),
		}
		Expect(expected.Matches(s.Nodes, f)).To(Equal(want))
	},
		Entry("by its MAC address", "10.0.0.255", true, true),
		Entry("by the network's address alone, where a tap saw no MAC address", "10.0.0.255", false, true),
		Entry("by 255.255.255.255", "255.255.255.255", true, true),
		Entry("by 255.255.255.255 alone, where a tap saw no MAC address", "255.255.255.255", false, true),
		Entry("not one host's", "10.0.0.20", false, false),
		Entry("not another network's", "10.0.1.255", false, false),
	)
})
