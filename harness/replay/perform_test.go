// SPDX-License-Identifier: MIT

package replay_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
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

var peer = netip.MustParseAddr("10.0.0.20")

func everything(string) bool { return true }

// perform plays the peers of a view before one of our nodes, on a simulated network.
func perform(v *replay.View, model string, o replay.PerformOptions, names ...replay.Binding) performed {
	GinkgoHelper()
	return performBefore(v, model, o, func(s stack.Stack) stack.Stack { return s }, names...)
}

// performBefore is perform with another stack around the node.
func performBefore(v *replay.View, model string, o replay.PerformOptions, around func(stack.Stack) stack.Stack, names ...replay.Binding) performed {
	GinkgoHelper()
	set, err := fault.Parse(model)
	Expect(err).NotTo(HaveOccurred())
	network := netip.MustParsePrefix("10.77.0.1/24")
	cast := replay.Cast{Device: network, Names: names}
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
		return around(node.New(cfg))
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

// texts are divergences in words.
func texts(list []replay.Divergence) []string {
	var words []string
	for _, d := range list {
		words = append(words, d.What)
	}
	return words
}

var _ = Describe("A capture performed before a device", func() {
	DescribeTable("passes before a stack like the one that it was recorded of",
		func(path string, host netip.Addr, model string, sent, judged int) {
			p := perform(seen(host, frames(path)), model, replay.PerformOptions{Can: everything})
			Expect(p.Verdict).To(Equal(check.Pass), "%s %v", p.Why, texts(p.Divergences))
			Expect([]int{p.Sent, p.Judged, p.Same}).To(Equal([]int{sent, judged, judged}))
			Expect(p.Unsent).To(BeEmpty())
		},
		Entry("datagrams, a session, names that come and go", "q124565/fixed.pcap", pc, "fixed", 11, 16),
		Entry("the same, of the faulty one", "q124565/Q124565.pcap", pc, "Q124565", 11, 9),
		Entry("seen from the other side: it calls, and knows where the name is", "q124565/fixed.pcap", peer, "fixed", 16, 11),
		Entry("many names and sessions", "q124565-exhaustion/fixed.pcap", pc, "fixed", 12, 36),
		Entry("a P node", "q124565-p/fixed.pcap", pc, "fixed", 10, 9),
		Entry("an M node, that asks its name server and everybody", "nbns-types/m-claims/fixed.pcap", pc, "fixed", 8, 8),
		Entry("refusals", "q124565-refusal/fixed.pcap", pc, "fixed", 8, 9),
		Entry("a conflict demand, before the stack that falls for it", "ms00-047-release/MS00-047.pcap", pc, "MS00-047", 3, 2),
	)

	It("tells the fixed stack from the faulty one, by the release that does not come and the claim that is not made", func() {
		v := seen(pc, frames("q124565/fixed.pcap"))
		p := perform(v, "Q124565", replay.PerformOptions{Can: everything})
		Expect(p.Verdict).To(Equal(check.Fail))
		Expect(p.Divergences[0].Recorded.Number).To(Equal(28))
		Expect(texts(p.Divergences)).To(HaveLen(7))
		Expect(texts(p.Divergences)[0]).To(HavePrefix("the host sent name release request CHAT<20>"))
		Expect(texts(p.Divergences)[3]).To(HavePrefix("the host sent name registration request CHAT<20>"))
		Expect(p.Calls[len(p.Calls)-1].Code).To(Equal(netbios.DUPNAME), "what the call returned is told as well")
	})

	It("tells the faulty stack from the fixed one, by what the fixed one answers for", func() {
		p := perform(seen(pc, frames("ms00-047-release/MS00-047.pcap")), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Verdict).To(Equal(check.Fail))
		Expect(texts(p.Divergences)).To(ConsistOf(And(
			HavePrefix("the host sent negative name query response CHAT<20> NAM_ERR"), ContainSubstring("the device positive name query response CHAT<20>"))))
		Expect(p.Divergences[0].Fields).To(ContainElement("NB_ADDRESS"))
	})

	It("rewrites the addresses of everybody, and gives answers the identifiers of the device", func() {
		p := perform(seen(pc, frames("q124565-p/fixed.pcap")), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Verdict).To(Equal(check.Pass))
		ids := map[uint16]bool{} // of the device's claims
		granted := false
		for _, f := range trace.Wire(p.trace) {
			Expect(f.From.Addr().String()).To(HavePrefix("10.77.0."))
			Expect(f.To.Addr().String()).To(HavePrefix("10.77.0."))
			m, err := nbt.ParseNameMessage(f.Payload)
			if f.Kind != trace.UDP || err != nil {
				continue
			}
			_, owner := m.Owner()
			Expect(owner.String()).To(Or(HavePrefix("10.77.0."), Equal("invalid IP")))
			switch {
			case m.Kind() == nbt.KindClaim && f.From.Addr().String() == "10.77.0.1":
				ids[m.ID] = true
			case m.Kind() == nbt.KindPositiveRegistration && f.To.Addr().String() == "10.77.0.1":
				granted = true
				Expect(ids).To(HaveKey(m.ID))
			}
		}
		Expect(granted).To(BeTrue())
	})

	It("waits for what the peers waited for, however long the device takes", func() {
		list := frames("q124565/fixed.pcap")
		for i := range list {
			list[i].At /= 1000 // as if everybody had been a thousand times as quick
		}
		p := perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Verdict).To(Equal(check.Pass), "%s %v", p.Why, texts(p.Divergences))
	})

	It("keeps the distances of the frames, but for pauses that are longer than wanted", func() {
		list := frames("q124565-table/fixed.pcap")
		last := len(list) - 1
		for list[last].From.Addr() == pc {
			last--
		}
		for i := last; i < len(list); i++ {
			list[i].At += time.Hour
		}
		long := perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything})
		Expect(long.Verdict).To(Equal(check.Pass), "%s %v", long.Why, texts(long.Divergences))
		Expect(end(long)).To(BeNumerically("~", list[len(list)-1].At, 10*time.Second))
		Expect(long.Short).To(BeZero())
		short := perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything, MaxPause: 5 * time.Second})
		Expect(short.Verdict).To(Equal(check.Pass))
		Expect(end(short)).To(BeNumerically("<", time.Minute))
		Expect(short.Short).To(Equal(1))
	})

	Describe("cannot be judged", func() {
		It("when the device cannot be made to do what the applications did: it names the call and the frame", func() {
			p := perform(seen(pc, frames("q124565/fixed.pcap")), "fixed", replay.PerformOptions{})
			Expect(p.Verdict).To(Equal(check.CannotJudge))
			Expect(p.Why).To(HavePrefix("add-name of the captured host for CHAT<20> (frame 11 shows it): this needs add-name of the device, which has no agent"))
			Expect(p.Sent).To(BeZero(), "nothing is sent for nothing")
			p = perform(seen(pc, frames("q124565/fixed.pcap")), "fixed", replay.PerformOptions{
				Can: func(op string) bool { return op != "listen" },
			})
			Expect(p.Why).To(And(HavePrefix("listen of the captured host for CHAT<20>"), ContainSubstring("of which its agent is not capable")))
		})

		It("when the device has not the names that the host had, and cannot be given them", func() {
			list := frames("q124565-table/fixed.pcap")
			claims := 0
			list = slices.DeleteFunc(list, func(f trace.Frame) bool {
				m, err := nbt.ParseNameMessage(f.Payload)
				claim := err == nil && f.From.Addr() == pc && (m.Kind() == nbt.KindClaim || m.Kind() == nbt.KindOverwrite)
				if claim {
					claims++
				}
				return claim
			})
			Expect(claims).NotTo(BeZero())
			v := seen(pc, list)
			p := perform(v, "fixed", replay.PerformOptions{Unasked: replay.Verbs()})
			Expect(p.Verdict).To(Equal(check.CannotJudge))
			Expect(p.Why).To(And(ContainSubstring("shows that the captured host had CHAT<20>, and the device does not"), ContainSubstring("--bind 'CHAT<20>=NAME'")))
			p = perform(v, "fixed", replay.PerformOptions{Can: everything})
			Expect(p.Verdict).To(Equal(check.Pass), "%s %v", p.Why, texts(p.Divergences))
		})

		It("when the capture is cut, and what there is of it passes", func() {
			list := frames("q124565/fixed.pcap")
			o := replay.PerformOptions{Can: everything, Cut: "cut at byte 2000"}
			p := perform(seen(pc, list[:len(list)-4]), "fixed", o)
			Expect(p.Verdict).To(Equal(check.CannotJudge))
			Expect(p.Why).To(ContainSubstring("cut at byte 2000; up to there the device does as the host did"))
			Expect(perform(seen(pc, list), "Q124565", o).Verdict).To(Equal(check.Fail), "a difference before the cut is one")
		})

		It("when nobody sent the host anything, or it is not there", func() {
			only := slices.DeleteFunc(frames("q124565/fixed.pcap"), func(f trace.Frame) bool { return f.From.Addr() != pc })
			Expect(perform(seen(pc, only), "fixed", replay.PerformOptions{Can: everything}).Verdict).To(Equal(check.CannotJudge))
			p := perform(seen(samba1, frames("q124565/fixed.pcap")), "fixed", replay.PerformOptions{Can: everything})
			Expect(p.Why).To(HavePrefix("10.77.0.1 is not in the capture"))
		})
	})

	It("tolerates what it is told to, by field and by message, and counts it", func() {
		v := seen(pc, frames("q124565/fixed.pcap"))
		p := perform(v, "Q124565", replay.PerformOptions{Can: everything, Tolerate: []string{
			"missing name release request", "missing name registration request", "missing name overwrite request", "TTL",
		}})
		Expect(p.Verdict).To(Equal(check.Pass), "%v", texts(p.Divergences))
		Expect(p.Tolerated).To(Equal(7))
		Expect(p.Tolerances).To(ConsistOf(
			replay.TextCount{Text: "missing name release request", Count: 3}, replay.TextCount{Text: "missing name registration request", Count: 3},
			replay.TextCount{Text: "missing name overwrite request", Count: 1},
		))
	})

	It("lets other names stand for the capture's, and the device's answers read as the host's", func() {
		other, err := netbios.ParseName("NBTLAB<1d>")
		Expect(err).NotTo(HaveOccurred())
		chat, err := netbios.ParseName("CHAT")
		Expect(err).NotTo(HaveOccurred())
		p := perform(seen(pc, frames("q124565-table/fixed.pcap")), "fixed", replay.PerformOptions{Can: everything},
			replay.Binding{Captured: chat, Real: other})
		Expect(p.Verdict).To(Equal(check.Pass), "%s %v", p.Why, texts(p.Divergences))
		for _, f := range trace.Wire(p.trace) {
			Expect(check.Describe(&f)).NotTo(ContainSubstring("CHAT"))
		}
	})

	It("does not send the device to a host that nobody plays, whatever a frame says of it", func() {
		list := frames("q124565-table/fixed.pcap")
		told := false
		for i := range list {
			m, err := nbt.ParseNameMessage(list[i].Payload)
			if err == nil && list[i].From.Addr() == peer && m.Kind() == nbt.KindClaim {
				m.Additional[0].Addrs[0].Addr = netip.MustParseAddr("8.8.8.8")
				list[i].Payload, err = m.AppendBinary(nil)
				Expect(err).NotTo(HaveOccurred())
				told = true
			}
		}
		Expect(told).To(BeTrue())
		p := perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Strangers).To(Equal([]netip.Addr{netip.MustParseAddr("8.8.8.8")}))
		nowhere := 0
		for _, f := range trace.Wire(p.trace) {
			text := check.Describe(&f)
			Expect(text).NotTo(ContainSubstring("8.8.8.8"))
			nowhere += strings.Count(text, "192.0.2.1")
		}
		Expect(nowhere).NotTo(BeZero())
	})

	It("does not do so behind a name that goes on in a pointer either, and changes nothing else in the frame", func() {
		list := frames("q124565-table/fixed.pcap")
		spoilt := map[string]bool{}
		for i := range list {
			m, err := nbt.ParseNameMessage(list[i].Payload)
			if err != nil || list[i].From.Addr() != peer || m.Kind() != nbt.KindClaim {
				continue
			}
			m.Additional[0].Addrs[0].Addr = netip.MustParseAddr("8.8.8.8")
			m.Additional[0].Pointer = 0
			b, err := m.AppendBinary(nil)
			Expect(err).NotTo(HaveOccurred())
			// The record's name goes on, behind its first label, in a pointer to the end of the question's.
			const end = 12 + 33
			at := 12 + 34 + 4 + 33
			list[i].Payload = slices.Concat(b[:at], []byte{0xc0, end}, b[at+1:])
			const address = 4
			rest, last := list[i].Payload[:len(list[i].Payload)-address], list[i].Payload[len(list[i].Payload)-address:]
			Expect(last).To(Equal([]byte{8, 8, 8, 8}))
			spoilt[string(rest)+"\xc0\x00\x02\x01"] = true
		}
		Expect(spoilt).NotTo(BeEmpty())
		p := perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Unsent).To(BeEmpty())
		for _, f := range trace.Wire(p.trace) {
			Expect(check.Describe(&f)).NotTo(ContainSubstring("8.8.8.8"))
			delete(spoilt, string(f.Payload))
		}
		Expect(spoilt).To(BeEmpty(), "frames that were not sent like this")
	})

	It("passes on what is no message of NBT as it is, and stays in one piece (bad-input 8)", func() {
		sent := 0
		for cut := range 50 {
			list := frames("q124565-table/fixed.pcap")
			for i := range list {
				if list[i].From.Addr() == peer && list[i].Kind == trace.UDP {
					list[i].Payload = list[i].Payload[:min(cut, len(list[i].Payload))]
				}
			}
			p := perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything})
			sent += p.Sent
			for _, f := range trace.Wire(p.trace) {
				if f.From.Addr().String() == "10.77.0.20" && f.Kind == trace.UDP {
					Expect(len(f.Payload)).To(BeNumerically("<=", cut))
				}
			}
		}
		Expect(sent).To(BeNumerically(">", 100))
	})

	It("answers the device where a name is that the host had itself, or sent to at its own address", func() {
		list := frames("q124565/fixed.pcap")
		own := 0
		for i := range list {
			if list[i].From.Addr() == peer && list[i].Kind == trace.UDP && list[i].From.Port() == stack.DatagramPort {
				list[i].To, list[i].Broadcast = netip.AddrPortFrom(peer, stack.DatagramPort), false
				own++
			}
		}
		Expect(own).NotTo(BeZero())
		p := perform(seen(peer, list), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Asked).NotTo(BeZero())
	})

	It("fails a device that resets a connection on which the peer has more to say, though it answers all else", func() {
		p := performBefore(seen(pc, frames("q124565/fixed.pcap")), "fixed", replay.PerformOptions{
			Can: everything, Tolerate: []string{"missing name release request"},
		}, func(s stack.Stack) stack.Stack { return nervous{s} })
		Expect(p.Verdict).To(Equal(check.Fail))
		Expect(texts(p.Divergences)).To(Equal([]string{"the host sent nothing, the device reset", "the host sent fin, the device nothing"}))
	})

	It("fails a device that sends every datagram of its applications twice", func() {
		v := seen(peer, frames("q124565/fixed.pcap"))
		p := performBefore(v, "fixed", replay.PerformOptions{Can: everything}, func(s stack.Stack) stack.Stack { return doubling{s} })
		Expect(p.Verdict).To(Equal(check.Fail))
		Expect(texts(p.Divergences)).To(ContainElement(HavePrefix("the host sent nothing, the device direct unique datagram CHAT<20> from FRIEND<20>")))
	})

	It("passes before a device that broadcasts to 255.255.255.255, whatever of the two the captured hosts did", func() {
		list := frames("q124565/fixed.pcap")
		for range 2 {
			p := performBefore(seen(pc, list), "fixed", replay.PerformOptions{Can: everything}, func(s stack.Stack) stack.Stack { return unlimited{s} })
			Expect(p.Verdict).To(Equal(check.Pass), "%s %v", p.Why, texts(p.Divergences))
			Expect(p.Same).To(Equal(16))
			everywhere(list)
		}
		p := perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything})
		Expect(p.Verdict).To(Equal(check.Pass), "%s %v", p.Why, texts(p.Divergences))
	})

	It("cannot judge a device that never stops talking, keeps only so much of it, and does not play to the end", func() {
		p := performBefore(seen(pc, frames("q124565/fixed.pcap")), "fixed", replay.PerformOptions{Can: everything},
			func(s stack.Stack) stack.Stack { return babbling{s} })
		Expect(p.Verdict).To(Equal(check.CannotJudge))
		Expect(p.Why).To(Equal("the device sent more than 4096 frames that the host did not"))
		Expect(p.Sent).To(BeNumerically("<", 11))
	})

	It("comes to an end with any capture, however it is damaged (bad-input 29)", func() {
		dice := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 1))
		sent := 0
		for _, path := range []string{
			"q124565/fixed.pcap", "q124565-table/fixed.pcap", "nbns-challenge/silent-owner/fixed.pcap", "nbns-types/m-claims/fixed.pcap",
			"recorded/lifecycle-wins.pcap", "recorded/nmbd-master-lifecycle.pcap",
		} {
			for range 40 {
				list := frames(path)
				for range 1 + dice.IntN(8) {
					f := &list[dice.IntN(len(list))]
					switch dice.IntN(6) {
					case 0:
						if len(f.Payload) > 0 {
							f.Payload[dice.IntN(len(f.Payload))] ^= 1 << dice.IntN(8)
						}
					case 1:
						f.Payload = f.Payload[:dice.IntN(len(f.Payload)+1)]
					case 2:
						f.From, f.To = f.To, f.From
					case 3:
						f.Kind = trace.FrameKind(dice.IntN(6))
					case 4:
						f.Conn = dice.IntN(4)
					case 5:
						f.At = time.Duration(dice.Int64N(int64(time.Hour)))
					}
				}
				host := list[dice.IntN(len(list))].From.Addr()
				v := seen(host, list)
				if len(v.Peers()) > 20 {
					continue
				}
				p := perform(v, "fixed", replay.PerformOptions{Can: everything, MaxPause: time.Minute})
				Expect(p.Why).NotTo(ContainSubstring("crashed"))
				sent += p.Sent
			}
		}
		Expect(sent).To(BeNumerically(">", 500))
	})

	DescribeTable("is told of differences that do not count in the words of its reports",
		func(word string, known bool) {
			err := replay.Tolerable(word)
			if known {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(And(ContainSubstring(strconv.Quote(strings.TrimPrefix(word, "missing "))), ContainSubstring("one of"))))
			}
		},
		Entry("a field", "NB_FLAGS", true),
		Entry("whom a frame goes to", "destination", true),
		Entry("a field of a later record", "RR[2].TTL", true),
		Entry("a later address", "NB_ADDRESS[12]", true),
		Entry("a later address of a later record", "RR[1].NB_ADDRESS[1]", true),
		Entry("a name's flags by their number", "NAME_FLAGS[0]", true),
		Entry("others", "NAME_FLAGS[3]", true),
		Entry("a name that is not listed", "NODE_NAME CHAT<20> missing", true),
		Entry("one more", `NODE_NAME \x01\x02__MSBROWSE__\x02<01> more`, true),
		Entry("a listed name's flags", "NAME_FLAGS of CHAT<20>", true),
		Entry("bytes that have no name", "payload at offset 12", true),
		Entry("a message", "missing negative name registration response", true),
		Entry("one of the session service", "extra retarget session response", true),
		Entry("one of the session service that has no name", "extra session type 0x99", true),
		Entry("one of the datagram service that has no name", "extra udp", true),
		Entry("the end of a connection", "missing fin", true),
		Entry("nothing", "", false),
		Entry("a field in other letters", "ttl", false),
		Entry("a list without a number", "NODE_NAME", false),
		Entry("a number of what is no list", "TTL[1]", false),
		Entry("a first entry as if it were a later one", "RR[0].TTL", false),
		Entry("a name that is none", "NODE_NAME ABCDEFGHIJKLMNOPQ<20> more", false),
		Entry("an identifier, which is not compared", "DGM_ID", false),
		Entry("a message that does nothing", "negative name registration response", false),
		Entry("a message of another name", "missing answer", false),
	)

	It("has no other words for a difference, and is not made with any", func() {
		fields := 0
		for _, path := range []string{"q124565/fixed.pcap", "q124565-table/fixed.pcap", "ms00-047-release/fixed.pcap", "q124565-p/fixed.pcap"} {
			list := frames(path)
			for i := range list {
				if b := list[i].Payload; list[i].From.Addr() == pc && len(b) > 0 {
					b[len(b)-1]++
					b[len(b)/2]++
				}
			}
			for _, d := range perform(seen(pc, list), "fixed", replay.PerformOptions{Can: everything}).Divergences {
				for _, field := range d.Fields {
					Expect(replay.Tolerable(field)).To(Succeed())
					fields++
				}
			}
		}
		Expect(fields).To(BeNumerically(">", 10))
		_, err := replay.Perform(seen(pc, frames("q124565/fixed.pcap")), replay.Cast{Device: netip.MustParsePrefix("10.77.0.1/24")},
			replay.PerformOptions{Tolerate: []string{"TTL", "ttl"}}, &trace.Trace{})
		Expect(err).To(MatchError(ContainSubstring(`"ttl"`)))
	})

	DescribeTable("refuses a cast in which names would become one, or that is about nobody",
		func(from, to, want string) {
			f, err := netbios.ParseName(from)
			Expect(err).NotTo(HaveOccurred())
			t, err := netbios.ParseName(to)
			Expect(err).NotTo(HaveOccurred())
			_, err = replay.Perform(seen(pc, frames("q124565/fixed.pcap")), replay.Cast{
				Names: []replay.Binding{{Captured: f, Real: t}},
			}, replay.PerformOptions{}, &trace.Trace{})
			Expect(err).To(MatchError(ContainSubstring(want)))
		},
		Entry("a name that the capture has not", "NOSUCH", "OTHER", "name NOSUCH<20> is not in the capture (it has FRIEND<20>, CHAT<20>)"),
		Entry("a name that it has already", "CHAT", "FRIEND", "the two names would become one"),
		Entry("the wildcard", "*", "OTHER", "* stands for any name"),
	)
})

// end is when the last frame of a performance was sent.
func end(p performed) time.Duration {
	wire := trace.Wire(p.trace)
	return wire[len(wire)-1].At
}

// nervous resets a connection when data comes on it after the session request.
type nervous struct{ stack.Stack }

func (n nervous) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	if d, ok := in.(stack.Data); ok && d.Bytes[0] == byte(nbt.SsnMessage) {
		out.Add(stack.Close{Conn: d.Conn, Abort: true})
		in = stack.Closed{Conn: d.Conn, Reason: stack.Reset}
	}
	n.Stack.Step(at, in, out)
}

// doubling sends every datagram of the datagram service twice.
type doubling struct{ stack.Stack }

func (d doubling) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	d.Stack.Step(at, in, out)
	for _, o := range slices.Clone(out.All()) {
		if x, ok := o.(stack.SendDatagram); ok && x.From.Port() == stack.DatagramPort {
			out.Add(x)
		}
	}
}

// unlimited broadcasts to 255.255.255.255.
type unlimited struct{ stack.Stack }

func (u unlimited) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	u.Stack.Step(at, in, out)
	all := slices.Clone(out.All())
	out.Reset()
	for _, o := range all {
		if x, ok := o.(stack.SendDatagram); ok && x.Broadcast {
			x.To = netip.AddrPortFrom(stack.LimitedBroadcast, x.To.Port())
			o = x
		}
		out.Add(o)
	}
}

// babbling asks for a name a thousand times whenever it hears something.
type babbling struct{ stack.Stack }

func (b babbling) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	b.Stack.Step(at, in, out)
	if d, ok := in.(stack.Datagram); ok {
		name, err := netbios.ParseName("BABBLE")
		Expect(err).NotTo(HaveOccurred())
		payload, err := nbt.Query(1, name).AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		for range 1000 {
			out.Add(stack.SendDatagram{From: netip.MustParseAddrPort("10.77.0.1:137"), To: d.From, Payload: payload})
		}
	}
}
