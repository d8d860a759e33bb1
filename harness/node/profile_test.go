// SPDX-License-Identifier: MIT

package node_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nameserver"
	"github.com/nbtlab/nbtlab/harness/node"
)

var _ = Describe("Profiles", func() {
	It("of RFC 1002 have the constants of its section 6", func() {
		Expect(node.RFC1002).To(Equal(node.Profile{
			Name:             "rfc1002",
			BroadcastTimeout: 250 * time.Millisecond, BroadcastCount: 3,
			UnicastTimeout: 5000 * time.Millisecond, UnicastCount: 3,
			TTL: 300000, MinRefresh: 1000 * time.Millisecond, Probe: 120000 * time.Millisecond,
			ConflictTimer: 1000 * time.Millisecond, CacheLife: 1000 * time.Millisecond, FragmentTimeout: 2000 * time.Millisecond,
			SessionSetup: 30000 * time.Millisecond, SessionRetries: 4, KeepAlive: 60000 * time.Millisecond,
			Settle: 1000 * time.Millisecond,
		}))
	})

	It("of NetBT have Microsoft's", func() {
		Expect(node.NetBT).To(Equal(node.Profile{
			Name:             "netbt",
			BroadcastTimeout: 750 * time.Millisecond, BroadcastCount: 3,
			UnicastTimeout: 1500 * time.Millisecond, UnicastCount: 3,
			TTL: 300000, MinRefresh: 300000 * time.Millisecond, Probe: 120000 * time.Millisecond,
			ConflictTimer: 1000 * time.Millisecond, CacheLife: 600000 * time.Millisecond, FragmentTimeout: 2000 * time.Millisecond,
			SessionSetup: 30000 * time.Millisecond, SessionRetries: 4, KeepAlive: 3600000 * time.Millisecond,
			Settle: 3000 * time.Millisecond,
		}))
	})

	It("of the RFC's letter differ from the RFC's in accepting any conflict, and leaving challenges to the requester", func() {
		want := node.RFC1002
		want.Name, want.AcceptsAnyConflict, want.NameServer.LeavesChallenge = "rfc1002-literal", true, true
		Expect(node.RFC1002Literal).To(Equal(want))
	})

	It("of nmbd differ from the RFC's in the name server alone", func() {
		want := node.RFC1002
		want.Name, want.NameServer = "samba-nmbd", nameserver.NMBD
		Expect(node.SambaNMBD).To(Equal(want))
	})

	It("are found by name, the default first", func() {
		Expect(node.Profiles).To(Equal([]node.Profile{node.RFC1002, node.NetBT, node.RFC1002Literal, node.SambaNMBD}))
		for _, p := range node.Profiles {
			found, ok := node.FindProfile(p.Name)
			Expect(ok).To(BeTrue())
			Expect(found).To(Equal(p))
		}
		none, ok := node.FindProfile("netbeui")
		Expect(ok).To(BeFalse())
		Expect(none).To(Equal(node.Profile{}))
	})
})
