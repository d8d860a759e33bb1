// SPDX-License-Identifier: MIT

package replay_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// A capture that is as it should be but for one frame is told from one that is, at that frame (bad-input 42).
var _ = Describe("A capture of hosts that broadcast to 255.255.255.255", func() {
	It("is explained like one of hosts that use their network's address, without MAC addresses too", func() {
		for _, path := range []string{"q124565-table/fixed.pcap", "q124565/Q124565.pcap", "ms00-047/MS00-047.pcap"} {
			want := cells(replay.Explain(seen(pc, frames(path)), replay.Options{}))
			list := frames(path)
			everywhere(list)
			Expect(cells(replay.Explain(seen(pc, list), replay.Options{}))).To(Equal(want), path)
		}
	})
})

// everywhere has all broadcasts go to 255.255.255.255, as a tap sees them that sees no MAC addresses.
func everywhere(list []trace.Frame) {
	for i := range list {
		if f := &list[i]; f.Broadcast {
			f.To, f.Broadcast = netip.AddrPortFrom(stack.LimitedBroadcast, f.To.Port()), false
		}
	}
}

var _ = Describe("A capture with one frame changed (bad-input 42)", func() {
	const path = "q124565-table/fixed.pcap"

	// Those that a call is inferred from: without them there is another history, which a correct stack may have had.
	calls := map[int]string{5: "the first claim", 14: "the first release"}

	host := func() (numbers []int) {
		for _, f := range frames(path) {
			if f.From.Addr() == pc {
				numbers = append(numbers, f.Number)
			}
		}
		Expect(len(numbers)).To(BeNumerically(">", 8))
		return numbers
	}
	It("is not explained by a correct stack when a frame of the host is missing", func() {
		hosts := host()
		for _, n := range hosts {
			if calls[n] != "" {
				continue
			}
			r := replay.Explain(seen(pc, without(frames(path), n)), replay.Options{})
			x := outcome(r, "fixed")
			if len(x.Assumed) > 0 { // behind its last answer it may have been stopped, which has to be said
				Expect(n).To(Equal(hosts[len(hosts)-1]), "without frame %d: %s", n, x.Why)
				Expect(x.Why).To(ContainSubstring("if it was stopped in order between frames"))
				continue
			}
			Expect(x.Finding).To(Equal(replay.Differs), "without frame %d", n)
			Expect(x.First.Frame).To(BeNumerically("<=", n), "without frame %d", n)
		}
	})

	It("is not explained by a correct stack when a frame of the host is there twice", func() {
		for _, n := range host() {
			list := frames(path)
			i := slices.IndexFunc(list, func(f trace.Frame) bool { return f.Number == n })
			twice := list[i]
			twice.At += time.Millisecond
			r := replay.Explain(seen(pc, slices.Insert(list, i+1, twice)), replay.Options{})
			Expect(outcome(r, "fixed").Finding).To(Equal(replay.Differs), "frame %d twice", n)
			Expect(outcome(r, "fixed").First.Seen).NotTo(BeNil(), "frame %d twice", n)
		}
	})

	It("is not explained by a correct stack when an answer of the host says something else", func() {
		for _, n := range []int{10, 18, 20} {
			list := frames(path)
			i := slices.IndexFunc(list, func(f trace.Frame) bool { return f.Number == n && f.From.Addr() == pc })
			if i < 0 {
				continue
			}
			list[i].Payload = bytes.Clone(list[i].Payload)
			list[i].Payload[len(list[i].Payload)-1] ^= 1
			r := replay.Explain(seen(pc, list), replay.Options{})
			Expect(outcome(r, "fixed").Finding).To(Equal(replay.Differs), "frame %d", n)
			Expect(outcome(r, "fixed").First.Frame).To(Equal(n))
			Expect(outcome(r, "fixed").First.Fields).NotTo(BeEmpty())
		}
	})

	It("takes a reply that comes before its request for one that nobody asked for", func() {
		list := frames(path)
		i := slices.IndexFunc(list, func(f trace.Frame) bool { return f.Number == 10 })
		list[i-1], list[i] = list[i], list[i-1]
		list[i-1].At, list[i].At = list[i].At, list[i-1].At
		list[i-1].Number, list[i].Number = list[i].Number, list[i-1].Number
		list[i].At += 10 * time.Millisecond
		r := replay.Explain(seen(pc, list), replay.Options{})
		Expect(outcome(r, "fixed").Finding).To(Equal(replay.Differs))
	})

	It("never makes replaying take long or fail, whatever is changed", func() {
		for i := range frames(path) {
			for _, change := range []func(f *trace.Frame){
				func(f *trace.Frame) { f.Payload = nil },
				func(f *trace.Frame) { f.Payload = f.Payload[:len(f.Payload)/2] },
				func(f *trace.Frame) { f.At = 0 },
				func(f *trace.Frame) { f.At = 1000 * time.Hour },
				func(f *trace.Frame) { f.From, f.To = f.To, f.From },
				func(f *trace.Frame) { f.Kind = trace.Message; f.Conn = 7 },
			} {
				list := frames(path)
				change(&list[i])
				r := replay.Explain(seen(pc, list), replay.Options{})
				Expect(r.Verdict).NotTo(BeEmpty(), fmt.Sprint(i))
			}
		}
	})
})
