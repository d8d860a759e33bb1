// SPDX-License-Identifier: MIT

package pcaps_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// The nodes of the scenarios.
var (
	nbns     = netip.MustParseAddr("10.0.0.2")
	pc       = netip.MustParseAddr("10.0.0.10")
	peer     = netip.MustParseAddr("10.0.0.20")
	stranger = netip.MustParseAddr("10.0.0.66")
)

// fact is something that can be read from a recording, with what it is on either model.
type fact struct {
	what          string
	read          func(recording) any
	fixed, faulty any
}

// claims counts the claims of a name by a node, however often each was repeated.
func claims(name string, node netip.Addr) func(recording) any {
	return func(r recording) any { return countOf(r.requests(claimWord), name, node) }
}

// demands counts the overwrite demands: the claims that succeeded.
func demands(name string, node netip.Addr) func(recording) any {
	return func(r recording) any { return countOf(r.requests(overwriteWord), name, node) }
}

func countOf(list []asked, name string, node netip.Addr) int {
	n := 0
	for _, a := range list {
		if a.name == name && a.from.Addr() == node {
			n++
		}
	}
	return n
}

// sent counts the frames of a node with a flag word about a name.
func sent(word uint16, about string, node netip.Addr) func(recording) any {
	return func(r recording) any {
		n := 0
		for _, f := range r.nameMessages(word) {
			if f.From.Addr() == node && name(f.Payload, nameAt) == about {
				n++
			}
		}
		return n
	}
}

func releases(name string) func(recording) any { return sent(releaseWord, name, pc) }

// status returns the rows of the first node status response.
func status(r recording) any {
	responses := r.nameMessages(statusWord)
	if len(responses) == 0 {
		return nil
	}
	return rows(responses[0])
}

// errors returns the ERROR_CODEs of the datagram errors for a DGM_ID.
func errors(id uint16) func(recording) any {
	return func(r recording) any {
		codes := []byte{}
		for _, f := range r.datagrams(0x13) {
			if be.Uint16(f.Payload[2:]) == id {
				codes = append(codes, f.Payload[10])
			}
		}
		return codes
	}
}

// replies returns what the called side of each connection says to the request.
func replies(r recording) any {
	list := []string{}
	for _, x := range r.exchanges() {
		list = append(list, fmt.Sprintf("% x", x.messages[1].Payload))
	}
	return list
}

// bug is a scenario whose recordings differ, with what they differ in. What they differ in first is a frame of the fixed
// model's: the first thing that the faulty one leaves out.
type bug struct {
	faulty string // the recording of the faulty model
	word   uint16 // of that first frame
	about  string // its name
	facts  []fact
}

var leaving = fact{"releases of CHAT", releases("CHAT<20>"), 3, 0}

// bugs are what the knowledge base articles say of each bug, as a tap on the wire sees it.
var bugs = map[string]bug{
	"q124565": {"Q124565", releaseWord, "CHAT<20>", []fact{
		leaving,
		{"claims of CHAT", claims("CHAT<20>", pc), 2, 1},
		{"claims of CHAT that succeed", demands("CHAT<20>", pc), 2, 1},
		{"replies to a call", replies, []string{"82 00 00 00"}, []string{"82 00 00 00"}},
		// The name is not there yet, whichever the model.
		{"errors for the datagrams", func(r recording) any { return len(r.datagrams(0x13)) }, 3, 3},
	}},
	"q124565-running": {"Q124565", releaseWord, "CHAT<20>", []fact{
		leaving,
		{"claims of CHAT", claims("CHAT<20>", pc), 2, 1},
		{"claims of CHAT that succeed", demands("CHAT<20>", pc), 2, 1},
		{"errors for the datagrams", func(r recording) any { return len(r.datagrams(0x13)) }, 0, 0},
	}},
	"q124565-table": {"Q124565", releaseWord, "CHAT<20>", []fact{
		leaving,
		{"answers to queries, the first one before it was deleted", sent(answerWord, "CHAT<20>", pc), 1, 2},
		{"rows of the node status", status, []string{}, []string{"CHAT<20> 0x0400"}},
		{"errors for the datagram to the deleted name", errors(0x7002), []byte{0x82}, []byte{}},
		{"refusals of the peer's claim", sent(refusalWord, "CHAT<20>", pc), 0, 1},
		{"claims of CHAT by the peer that succeed", demands("CHAT<20>", peer), 1, 0},
	}},
	"q124565-refusal": {"Q124565", releaseWord, "CHAT<20>", []fact{
		leaving,
		{"replies to a call of the deleted name", replies, []string{"83 00 00 01 82"}, []string{"83 00 00 01 80"}},
	}},
	"q124565-exhaustion": {"Q124565", releaseWord, "APP1<20>", []fact{
		{"releases of APP1", releases("APP1<20>"), 3, 0},
		{"releases of APP2", releases("APP2<20>"), 3, 0},
		{"releases of APP3", releases("APP3<20>"), 3, 0},
		{"releases of APP4", releases("APP4<20>"), 3, 0},
		{"claims of APP4", claims("APP4<20>", pc), 1, 1},
		{"claims of APP5", claims("APP5<20>", pc), 1, 0},
	}},
	"q140419": {"Q140419", releaseWord, "CHAT<20>", []fact{
		leaving,
		{"releases of TEAM", releases("TEAM<20>"), 3, 0},
		{"answers once it has stopped", sent(answerWord, "CHAT<20>", pc), 0, 0},
	}},
	"q124565-p": {"Q124565", letGoWord, "CHAT<20>", []fact{
		{"releases of CHAT", sent(letGoWord, "CHAT<20>", pc), 1, 0},
		{"registrations of CHAT", sent(registerWord, "CHAT<20>", pc), 2, 1},
		{"what pc says of CHAT when it is asked", sent(answerWord, "CHAT<20>", pc), 0, 1},
		{"what the name server says of CHAT when it is asked", sent(toldWord, "CHAT<20>", nbns), 0, 1},
		{"its denials", sent(unknownWord, "CHAT<20>", nbns), 1, 0},
	}},
	"q124565-h": {"Q124565", letGoWord, "CHAT<20>", []fact{
		{"releases of CHAT", sent(letGoWord, "CHAT<20>", pc), 1, 0},
		{"registrations of CHAT that succeed", sent(grantWord, "CHAT<20>", nbns), 2, 1},
		{"refusals of the peer's", sent(refusalWord, "CHAT<20>", nbns), 0, 1},
		{"answers to the challenge", sent(answerWord, "CHAT<20>", pc), 0, 1},
		{"demands, since nothing is broadcast", demands("CHAT<20>", pc), 0, 0},
	}},
	"ms00-047-release": {"MS00-047", answerWord, "CHAT<20>", []fact{
		{"releases by the stranger", sent(letGoWord, "CHAT<20>", stranger), 1, 1},
		{"answers to the challenge", sent(answerWord, "CHAT<20>", pc), 1, 0},
		{"denials to the challenge", sent(deniedWord, "CHAT<20>", pc), 0, 1},
		{"registrations that succeed", sent(grantWord, "CHAT<20>", nbns), 1, 2},
	}},
	"ms00-047": {"MS00-047", answerWord, "CHAT<20>", []fact{
		{"conflict demands", sent(conflictWord, "CHAT<20>", stranger), 1, 1},
		{"answers after that", sent(answerWord, "CHAT<20>", pc), 1, 0},
		{"refusals of the stranger's claim", sent(refusalWord, "CHAT<20>", pc), 1, 0},
		{"claims of the stranger that succeed", demands("CHAT<20>", stranger), 0, 1},
	}},
}

// same reports whether two frames are one: everything that is NBT, and when.
func same(a, b trace.Frame) bool {
	return a.At == b.At && a.Kind == b.Kind && a.From == b.From && a.To == b.To && a.Conn == b.Conn &&
		bytes.Equal(a.Payload, b.Payload)
}

var _ = Describe("The fixed and the faulty recording", func() {
	var scenarios []string
	for name := range bugs {
		scenarios = append(scenarios, name)
	}
	slices.Sort(scenarios)

	for _, scenario := range scenarios {
		It("of "+scenario+" show the bug, and on the fixed model its absence", Label(bugs[scenario].faulty), func() {
			b := bugs[scenario]
			fixed, faulty := open(scenario+"/fixed.pcap"), open(scenario+"/"+b.faulty+".pcap")
			for _, f := range b.facts {
				Expect(f.read(fixed)).To(Equal(f.fixed), "fixed: %s", f.what)
				Expect(f.read(faulty)).To(Equal(f.faulty), "%s: %s", b.faulty, f.what)
			}
		})

		It("of "+scenario+" are one until the faulty model leaves something out", Label(bugs[scenario].faulty), func() {
			b := bugs[scenario]
			fixed, faulty := open(scenario+"/fixed.pcap").Frames, open(scenario+"/"+b.faulty+".pcap").Frames
			i := 0
			for i < min(len(fixed), len(faulty)) && same(fixed[i], faulty[i]) {
				i++
			}
			Expect(i).To(BeNumerically("<", len(fixed)))
			f := fixed[i]
			Expect(f.Kind).To(Equal(trace.UDP), "frame %d", f.Number)
			Expect(f.From).To(Equal(netip.AddrPortFrom(pc, namePort)), "frame %d", f.Number)
			Expect(be.Uint16(f.Payload[2:])).To(Equal(b.word), "frame %d", f.Number)
			Expect(name(f.Payload, nameAt)).To(Equal(b.about), "frame %d", f.Number)
		})
	}

	It("are the same bytes in everything that the fault must not change, and no others are", func() {
		byFolder := map[string][]recording{}
		for _, p := range paths() {
			byFolder[path.Dir(p)] = append(byFolder[path.Dir(p)], open(p))
		}
		for folder, pair := range byFolder {
			if strings.HasPrefix(folder, "nbns-") { // of no bug
				Expect(pair).To(HaveLen(1), folder)
				Expect(path.Base(pair[0].path)).To(Equal("fixed.pcap"), folder)
				continue
			}
			Expect(pair).To(HaveLen(2), folder)
			Expect(path.Base(pair[1].path)).To(Equal("fixed.pcap"), folder)
			_, known := bugs[folder]
			Expect(bytes.Equal(pair[0].file, pair[1].file)).To(Equal(!known), folder)
			if !known {
				Expect(path.Dir(folder)).To(Equal("q124565-controls"))
			}
		}
	})
})

var _ = Describe("The recording of a control", func() {
	const controls = "q124565-controls/"

	DescribeTable("shows the name released, and claimed again",
		func(control, name string) {
			r := open(controls + control + "/Q124565.pcap")
			Expect(releases(name)(r)).To(Equal(3))
			Expect(claims(name, pc)(r)).To(Equal(2))
			Expect(demands(name, pc)(r)).To(Equal(2))
			list := r.requests(claimWord)
			again := list[len(list)-1].frames[0]
			Expect(r.nameMessages(releaseWord)[0].At).To(BeNumerically("<", again.At))
		},
		Entry("datagrams to another name", "another-name", "CHAT<20>"),
		Entry("datagrams to another suffix", "another-suffix", "CHAT<20>"),
		Entry("broadcast datagrams", "broadcast", "CHAT<20>"),
		Entry("datagrams to a group", "group", "TEAM<20>"),
		Entry("a session without datagrams", "session-without-datagrams", "CHAT<20>"),
		Entry("deleted during a session", "one-live-session", "CHAT<20>"),
		Entry("deleted during two sessions", "two-live-sessions", "CHAT<20>"),
	)

	DescribeTable("has the datagrams that must not count",
		func(control string, msgType int, destination string, errors int) {
			r := open(controls + control + "/Q124565.pcap")
			datagrams := r.datagrams(byte(msgType))
			Expect(datagrams).To(HaveLen(3))
			for _, f := range datagrams {
				Expect(name(f.Payload, 14+34)).To(Equal(destination))
			}
			Expect(r.datagrams(0x13)).To(HaveLen(errors))
		},
		Entry("to another name", "another-name", 0x10, "OTHER<20>", 0),
		Entry("to another suffix", "another-suffix", 0x10, "CHAT<00>", 3),
		Entry("to everybody", "broadcast", 0x12, "*", 0),
		Entry("to a group", "group", 0x11, "TEAM<20>", 0),
	)

	DescribeTable("lists the name as deregistered while sessions last, and releases it when the last one ends",
		func(control string, sessions int) {
			r := open(controls + control + "/Q124565.pcap")
			Expect(status(r)).To(Equal([]string{"CHAT<20> 0x1400"}))
			var ends []trace.Frame
			for _, f := range r.Frames {
				if f.Kind == trace.Fin && f.From.Addr() != pc {
					ends = append(ends, f)
				}
			}
			Expect(ends).To(HaveLen(sessions))
			Expect(r.nameMessages(statusWord)[0].Number).To(BeNumerically("<", ends[0].Number))
			Expect(r.nameMessages(releaseWord)).NotTo(BeEmpty())
			first, last := r.nameMessages(releaseWord)[0], ends[sessions-1]
			Expect(first.Number).To(BeNumerically(">", last.Number))
			Expect(first.At-last.At).To(BeNumerically("<", time.Millisecond), "at once")
		},
		Entry("one", "one-live-session", 1),
		Entry("two", "two-live-sessions", 2),
	)
})
