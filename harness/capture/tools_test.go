// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
)

// Where Wireshark's tools are installed they make files too: what they write, in whatever format, must read the same.
var _ = Describe("A capture that Wireshark's tools wrote", Label("tshark"), func() {
	for _, tool := range []string{"editcap", "mergecap", "text2pcap", "tshark"} {
		if _, err := exec.LookPath(tool); err != nil {
			return
		}
	}

	var dir, original string

	run := func(name string, args ...string) string {
		GinkgoHelper()
		out, err := exec.Command(name, args...).Output()
		Expect(err).NotTo(HaveOccurred(), "%s %s", name, args)
		return string(out)
	}
	// messages are the frames' numbers that carry NBT, once each.
	messages := func(file string) (numbers []string) {
		GinkgoHelper()
		for row := range strings.Lines(run("tshark", "-n", "-r", file, "-Y", "nbns or nbdgm or nbss", "-T", "fields", "-e",
			"frame.number")) {
			numbers = append(numbers, strings.TrimSpace(row))
		}
		return numbers
	}

	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		original = filepath.Join(dir, "original.pcap")
		Expect(os.WriteFile(original, written(everything()), 0o600)).To(Succeed())
	})

	for _, format := range []string{"pcapng", "nsecpcap", "snoop"} {
		It("as "+format+" reads as the original does", func() {
			other := filepath.Join(dir, "other")
			run("editcap", "-F", format, original, other)
			want, err := capture.ReadFile(original)
			Expect(err).NotTo(HaveOccurred())
			got, err := capture.ReadFile(other)
			Expect(err).NotTo(HaveOccurred())
			for i := range got.Frames { // snoop has microseconds
				want.Frames[i].At, got.Frames[i].At = want.Frames[i].At/1000, got.Frames[i].At/1000
			}
			Expect(got).To(Equal(want))
		})
	}

	It("merged with interfaces and a gzip around it has its messages where tshark has them", func() {
		cooked, merged := filepath.Join(dir, "cooked.pcap"), filepath.Join(dir, "merged.pcapng")
		packet := append(make([]byte, 14), append([]byte{8, 0}, ip()...)...)
		Expect(os.WriteFile(cooked, newTape().header(65535, 113).packet(packet).packet(packet).buf, 0o600)).To(Succeed())
		run("mergecap", "-a", "-w", merged, cooked, original)
		file, err := os.ReadFile(merged)
		Expect(err).NotTo(HaveOccurred())
		frames, s := good(zipped(file))
		Expect(s.Cut).To(BeNil())
		Expect(frames[:2]).To(HaveExactElements(HaveField("Payload", query), HaveField("Payload", query)))
		Expect(frames[2:]).To(HaveLen(len(reread(everything()).Frames)))
	})

	It("with a snap length loses what was cut, and nothing else", func() {
		cut := filepath.Join(dir, "cut.pcap")
		run("editcap", "-s", "200", original, cut)
		c, err := capture.ReadFile(cut)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Frames).To(HaveLen(len(everything())))
	})

	DescribeTable("has tunnelled messages at the packets where tshark has them",
		func(packets func() [][]byte) {
			file := filepath.Join(dir, "tunnel.pcap")
			t := newTape()
			for _, p := range packets() {
				t.packet(ether("\x08\x06", make([]byte, 28))).packet(p)
			}
			Expect(os.WriteFile(file, t.buf, 0o600)).To(Succeed())
			frames, _ := good(t.buf)
			Expect(frames).To(HaveLen(1))
			Expect(messages(file)).To(Equal([]string{fmt.Sprint(frames[0].Number)}))
		},
		Entry("IP in IP", func() [][]byte { return [][]byte{carried(4, nbns()[14:])} }),
		Entry("GRE", func() [][]byte { return [][]byte{carried(47, text("\x00\x00\x08\x00"), nbns()[14:])} }),
		Entry("GRE with Ethernet", func() [][]byte { return [][]byte{carried(47, text("\x00\x00\x65\x58"), nbns())} }),
		Entry("PPTP", func() [][]byte {
			n := len(nbns()) - 14 + 4
			header := append(text("\x30\x81\x88\x0b"), byte(n>>8), byte(n), 0, 1, 0, 0, 0, 1, 0, 0, 0, 1)
			return [][]byte{carried(47, header, text("\xff\x03\x00\x21"), nbns()[14:])}
		}),
		Entry("ERSPAN I", func() [][]byte { return [][]byte{carried(47, text("\x00\x00\x88\xbe"), nbns())} }),
		Entry("ERSPAN II", func() [][]byte {
			return [][]byte{carried(47, text("\x10\x00\x88\xbe\x00\x00\x00\x01\x10\x05\x00\x01\x00\x00\x00\x01"), nbns())}
		}),
		Entry("ERSPAN III", func() [][]byte {
			return [][]byte{carried(47, text("\x10\x00\x22\xeb\x00\x00\x00\x01\x20\x05\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00"),
				nbns())}
		}),
		Entry("L2TP", func() [][]byte {
			return [][]byte{inUDP(1701, text("\x00\x02\x00\x01\x00\x02\xff\x03\x00\x21"), nbns()[14:])}
		}),
		Entry("VXLAN", func() [][]byte { return [][]byte{inUDP(4789, text("\x08\x00\x00\x00\x00\x00\x01\x00"), nbns())} }),
		Entry("PPPoE", func() [][]byte {
			n := len(nbns()) - 14 + 2
			return [][]byte{ether("\x88\x64", append([]byte{0x11, 0, 0, 1, byte(n >> 8), byte(n), 0, 0x21}, nbns()[14:]...))}
		}),
		Entry("MPLS", func() [][]byte { return [][]byte{ether("\x88\x47\x00\x01\x01\x40", nbns()[14:])} }),
		Entry("QinQ", func() [][]byte { return [][]byte{ether("\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", nbns()[14:])} }),
		Entry("SNAP", func() [][]byte {
			n := len(nbns()) - 14 + 8
			return [][]byte{ether(string([]byte{byte(n >> 8), byte(n)})+"\xaa\xaa\x03\x00\x00\x00\x08\x00", nbns()[14:])}
		}),
		Entry("fragments", func() [][]byte {
			all := pieces(nbns(), 7, 24)
			all[0], all[1] = all[1], all[0]
			return all
		}),
	)

	DescribeTable("has a link type's messages at the packets where tshark has them",
		func(link int, before string) {
			packet := append([]byte(before), nbns()[14:]...)
			in, out := filepath.Join(dir, "link.txt"), filepath.Join(dir, "link.pcapng")
			Expect(os.WriteFile(in, fmt.Appendf(nil, "000000 % x\n", packet), 0o600)).To(Succeed())
			run("text2pcap", "-q", "-l", fmt.Sprint(link), in, out)
			file, err := os.ReadFile(out)
			Expect(err).NotTo(HaveOccurred())
			frames, _ := good(file)
			Expect(frames).To(HaveLen(1))
			Expect(messages(out)).To(Equal([]string{"1"}))
		},
		Entry("null", 0, "\x02\x00\x00\x00"),
		Entry("null, the other order", 0, "\x00\x00\x00\x02"),
		Entry("PPP", 9, "\xff\x03\x00\x21"),
		Entry("PPP in HDLC", 50, "\xff\x03\x00\x21"),
		Entry("raw 12", 12, ""),
		Entry("raw 14", 14, ""),
		Entry("raw 101", 101, ""),
		Entry("IPv4", 228, ""),
		Entry("Cisco HDLC", 104, "\x0f\x00\x08\x00"),
		Entry("loop", 108, "\x00\x00\x00\x02"),
		Entry("Linux cooked", 113, "\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00"),
		Entry("Linux cooked 2", 276, "\x08\x00\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00"),
		Entry("PPP with a direction, which text2pcap adds", 204, "\xff\x03\x00\x21"),
	)

	It("has packets behind journal entries at tshark's numbers", func() {
		file := filepath.Join(dir, "journal.pcapng")
		b := newBlocks(binary.LittleEndian).nic(1, 0).block(9, []byte("__REALTIME_TIMESTAMP=1000000\nMESSAGE=x\n\n\n")...).
			block(4, 0, 0, 0, 0).enhanced(0, microseconds, nbns())
		Expect(os.WriteFile(file, b.buf, 0o600)).To(Succeed())
		frames, _ := good(b.buf)
		Expect(frames).To(HaveLen(1))
		Expect(messages(file)).To(Equal([]string{fmt.Sprint(frames[0].Number)}))
	})
})

// nbns is a name query for *, which tshark finds nothing wrong with.
func nbns() []byte {
	name := append([]byte("\x20CK"), bytes.Repeat([]byte("A"), 30)...)
	question := "\x12\x34\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00" + string(name) + "\x00\x00\x20\x00\x01"
	return datagram(at(pc, 137), at(peer, 137), []byte(question))
}
