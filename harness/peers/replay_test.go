// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/peers"
)

var _ = Describe("A capture, performed before", func() {
	const (
		defence = "../../pcaps/recorded/lifecycle-bnode-defence.pcap"
		wins    = "../../pcaps/recorded/lifecycle-wins.pcap"
	)
	// replay plays the peers of 10.77.0.1, which the captures are of, before the device there.
	replay := func(from *peers.Host, capture string, more ...string) peers.Result {
		GinkgoHelper()
		return on(from, nbtlab, append([]string{"replay", capture, "--host", "10.77.0.1", "--dut", "10.77.0.1", "--unasked", "all"}, more...)...)
	}
	It("the Samba that it is of, finds it doing as it was recorded to do: as a node that defends its names, and as a name server", func() {
		lan := newLAN(2)
		_, err := samba(lan.Host(1), "REALWINS", "wins support = yes", "min wins ttl = 10").Nmbd()
		Expect(err).NotTo(HaveOccurred())
		defended(lan.Host(2), lan.Host(1))
		r := replay(lan.Host(2), defence, "--tolerate", "TTL")
		Expect(r.Code).To(BeZero(), r.Stdout+r.Stderr)
		Expect(r.Stdout).To(ContainSubstring("of the 19 that the host sent to them the device sent 16 alike, 3 with a tolerated difference, 0 otherwise"))
		Expect(on(lan.Host(2), "ip", "addr", "add", "10.77.0.3/24", "dev", "eth0").Code).To(BeZero())
		pcap := filepath.Join(lan.Dir(), "wins.pcap")
		r = replay(lan.Host(2), wins, "--tolerate", "TTL", "--pcap", pcap)
		Expect(r.Code).To(BeZero(), r.Stdout+r.Stderr)
		Expect(r.Stdout).To(ContainSubstring("of the 43 that the host sent"), "the query by which it challenges the owner of a name among them")
		tshark := on(lan.Host(2), "tshark", "-r", pcap, "-Y", "nbns.flags.opcode == 7 && ip.src == 10.77.0.1")
		Expect(strings.Count(tshark.Stdout, "\n")).To(Equal(2), "both claims of a name that is held are answered with a WACK: %s", tshark.Stdout+tshark.Stderr)
	})

	It("a node of ours, finds where the two differ", func() {
		lan := newLAN(2)
		serve(lan.Host(1), "--name", "REALWINS<00>", "--name", "REALWINS<03>", "--name", "REALWINS<20>", "--group", "NBTLAB<00>", "--group", "NBTLAB<1e>")
		r := replay(lan.Host(2), defence, "--json")
		Expect(r.Code).To(Equal(1), r.Stdout+r.Stderr)
		var found struct {
			Verdict     string
			Divergences []struct {
				Frame            int
				Recorded, Device string
				Fields           []string
			}
		}
		Expect(json.Unmarshal([]byte(r.Stdout), &found)).To(Succeed(), r.Stdout)
		Expect(found.Verdict).To(Equal("fail"))
		first := found.Divergences[0]
		Expect(first.Frame).To(Equal(2))
		Expect(first.Fields).To(Equal([]string{"NB_ADDRESS"}), "nmbd refuses a claim with the requester's address, a node of ours with its own")
		last := found.Divergences[len(found.Divergences)-2]
		Expect(last.Recorded).To(BeEmpty())
		Expect(last.Device).To(ContainSubstring("datagram error"), "which nmbd never sends")
	})

	It("a device with an agent, which does what the applications did: the fixed stack passes, the faulty one is told by its release", func() {
		// Of the simulated stack, whose timers are those of RFC 1002.
		lan := newLAN(2)
		for _, model := range []string{"fixed", "Q124565"} {
			agent := fmt.Sprintf("exec ip netns exec %s %s serve --addr %s --model %s --agent", lan.Host(1).Name(), nbtlab, lan.Host(1).Prefix(), model)
			r := on(lan.Host(2), nbtlab, "replay", "../../pcaps/q124565/fixed.pcap", "--host", "10.0.0.10", "--dut", "10.77.0.1", "--agent", agent)
			if model == "fixed" {
				Expect(r.Code).To(BeZero(), r.Stdout+r.Stderr)
				Expect(r.Stdout).To(ContainSubstring("of the 16 that the host sent to them the device sent 16 alike"))
				continue
			}
			Expect(r.Code).To(Equal(1), r.Stdout+r.Stderr)
			Expect(r.Stdout).To(And(ContainSubstring("frame 28: the host sent name release request CHAT<20> 10.0.0.10, broadcast"),
				ContainSubstring("add-name CHAT<20> returned NRC_DUPNAME")))
		}
	})
})
