// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
)

// piece is a fragment of a packet: so many bytes of its IPv4 payload.
func piece(packet []byte, id uint16, offset, n int) []byte {
	header, body := packet[:34], packet[34:]
	b := slices.Concat(header, body[offset:offset+n])
	be := binary.BigEndian
	be.PutUint16(b[16:], uint16(20+n))
	be.PutUint16(b[18:], id)
	field := uint16(offset / 8)
	if offset+n < len(body) {
		field |= 0x2000
	}
	be.PutUint16(b[20:], field)
	checked(b)
	return b
}

// checked gives the IPv4 header of a frame a right checksum.
func checked(b []byte) {
	total := uint32(0)
	copy(b[24:], "\x00\x00")
	for i := 14; i < 34; i += 2 {
		total += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	binary.BigEndian.PutUint16(b[24:], ^uint16(total))
}

// pieces are all fragments of a packet, of a size that is a multiple of eight.
func pieces(packet []byte, id uint16, size int) (all [][]byte) {
	for offset := 0; offset < len(packet)-34; offset += size {
		all = append(all, piece(packet, id, offset, min(size, len(packet)-34-offset)))
	}
	return all
}

var _ = Describe("Reading IPv4 fragments", func() {
	long := func() []byte { return datagram(at(pc, 138), at(peer, 138), message(1000)) }

	tapeOf := func(packets ...[]byte) *tape {
		t := newTape()
		for _, p := range packets {
			t.packet(p)
		}
		return t
	}

	It("puts them together in any order, with the number of the packet that completes them", func() {
		for seed := range uint64(50) {
			r := rand.New(rand.NewPCG(seed, 5))
			all := pieces(long(), 7, 8*(1+r.IntN(60)))
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			frames, s := good(tapeOf(all...).buf)
			Expect(frames).To(HaveExactElements(And(
				HaveField("Payload", message(1000)), HaveField("Number", len(all)), HaveField("Odd", BeEmpty()),
				HaveField("From", at(pc, 138)), HaveField("To", at(peer, 138)))))
			Expect(s.Skipped).To(BeEmpty())
		}
	})

	It("keeps the fragments of several datagrams apart", func() {
		a, b := pieces(long(), 7, 400), pieces(long(), 8, 400)
		frames, _ := good(tapeOf(a[0], b[0], b[1], a[1], b[2], a[2]).buf)
		Expect(frames).To(HaveExactElements(HaveField("Number", 5), HaveField("Number", 6)))
	})

	It("takes a fragment that is sent again for what it is, and notes those that overlap (bad-input 16)", func() {
		all := pieces(long(), 7, 400)
		frames, _ := good(tapeOf(all[0], all[0], all[1], all[2]).buf)
		Expect(frames).To(HaveExactElements(And(HaveField("Payload", message(1000)), HaveField("Odd", BeEmpty()))))

		other := piece(long(), 7, 392, 408)
		copy(other[34:], "other!!!") // where the first fragment has been
		frames, _ = good(tapeOf(all[0], other, all[2]).buf)
		Expect(frames).To(HaveExactElements(And(
			HaveField("Payload", message(1000)), HaveField("Odd", []string{"IPv4 fragments overlap"}))))
	})

	It("notes a bad checksum of the whole", func() {
		all := pieces(long(), 7, 400)
		all[1][100] ^= 1
		frames, _ := good(tapeOf(all...).buf)
		Expect(frames).To(HaveExactElements(HaveField("Odd", []string{"bad UDP checksum"})))
	})

	It("puts segments and tunnels together too", func() {
		tcp := pieces(segment(line{1, at(pc, 1025), at(peer, 139)}, "PA", 1, message(500)), 1, 256)
		frames, _ := good(tapeOf(tcp...).buf)
		Expect(frames).To(HaveExactElements(HaveField("Payload", message(500))))

		// Fragments through a tunnel whose packets come in fragments themselves: each is put together in its turn.
		var all [][]byte
		for i, p := range pieces(long(), 7, 400) {
			all = append(all, pieces(carried(4, p[14:]), uint16(100+i), 200)...)
		}
		frames, s := good(tapeOf(all...).buf)
		Expect(frames).To(HaveExactElements(And(
			HaveField("Payload", message(1000)), HaveField("Tunnel", "IP in IP"), HaveField("Number", len(all)))))
		Expect(s.Skipped).To(BeEmpty())
	})

	It("keeps nothing of datagrams of other ports", func() {
		all := pieces(datagram(at(pc, 53), at(peer, 5353), message(1000)), 7, 400)
		_, s := good(tapeOf(all...).buf)
		Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "not port 137-139", Count: 3, First: 1}}))
		slices.Reverse(all)
		_, s = good(tapeOf(all...).buf)
		Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "not port 137-139", Count: 3, First: 1}}))
		// The same number again, for one of ours.
		frames, _ := good(tapeOf(append(all, pieces(long(), 7, 400)...)...).buf)
		Expect(frames).To(HaveLen(1))
	})

	It("counts what never became whole, and what cannot be a fragment", func() {
		all := pieces(long(), 7, 400)
		cut := slices.Clone(all[1])[:300]
		uneven := piece(long(), 9, 0, 399)
		far := piece(long(), 10, 0, 400)
		binary.BigEndian.PutUint16(far[20:], 0x1fff) // the ping of death
		icmp := piece(carried(1, make([]byte, 400)), 11, 0, 200)
		_, s := good(tapeOf(all[0], all[2], cut, uneven, far, icmp).buf)
		Expect(s.Skipped).To(Equal([]capture.Skip{
			{Why: "IPv4 fragment", Count: 5, First: 1}, {Why: "neither UDP nor TCP", Count: 1, First: 6},
		}))
		Expect(s.Dropped).To(BeEmpty())
	})

	It("does not believe a second end", func() {
		all := pieces(long(), 7, 400)
		frames, s := good(tapeOf(all[2], piece(long()[:34+400], 7, 8, 392), all[1]).buf)
		Expect(frames).To(BeEmpty())
		Expect(s.Skipped).To(HaveExactElements(HaveField("Count", 3)))
	})

	It("does not take bytes behind the end for those that are missing (bad-input 16)", func() {
		first := piece(long(), 7, 0, 400) // the next eight bytes never come
		last := piece(long()[:34+808], 7, 408, 400)
		beyond := piece(long(), 7, 408, 408) // eight bytes behind the end
		for _, packets := range [][][]byte{{first, last, beyond}, {first, beyond, last}, {beyond, last, first}} {
			frames, s := good(tapeOf(packets...).buf)
			Expect(frames).To(BeEmpty())
			Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "IPv4 fragment", Count: 3, First: 1}}))
		}
	})

	It("gives up after 30 seconds of the capture's time, and counts that", func() {
		all := pieces(long(), 7, 400)
		t := tapeOf(all...)
		second := t.buf[24+16+len(all[0]):]
		binary.LittleEndian.PutUint32(second, 1000000031)
		binary.LittleEndian.PutUint32(second[16+len(all[1]):], 1000000031)
		frames, s := good(t.buf)
		Expect(frames).To(BeEmpty())
		Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "IPv4 fragment", Count: 3, First: 1}}))
		Expect(s.Dropped).To(Equal([]capture.Skip{
			{Why: "datagrams in fragments: incomplete after 30 s", Count: 1, First: 1},
		}))
	})

	It("keeps 128 datagrams at once, drops the oldest, and counts them (bad-input 16)", func() {
		t := newTape()
		for id := range uint16(129) {
			t.packet(piece(long(), id, 0, 400))
		}
		for id := range uint16(128) {
			t.packet(piece(long(), 1+id, 400, 612))
		}
		frames, s := good(t.buf)
		Expect(frames).To(HaveLen(128))
		Expect(s.Dropped).To(Equal([]capture.Skip{
			{Why: "datagrams in fragments: more than 128 incomplete at once", Count: 1, First: 1},
		}))
	})

	It("keeps one datagram of whatever many fragments that have one number (bad-input 16)", func() {
		t := newTape()
		big := datagram(at(pc, 138), at(peer, 138), bytes.Repeat([]byte("x"), 60000))
		for range 9 { // its first fragment, and then more for ever, but for one
			for offset := 0; offset < 59000; offset += 8 {
				if offset != 800 {
					t.packet(piece(big, 7, offset, 8))
				}
			}
		}
		peak, s := held(bytes.NewReader(t.buf), capture.Options{})
		Expect(s.Packets).To(BeNumerically(">", 0xffff))
		Expect(s.Frames).To(BeZero())
		Expect(s.Skipped).To(HaveExactElements(And(
			HaveField("Why", "IPv4 fragment"), HaveField("Count", s.Packets))))
		Expect(peak).To(BeNumerically("<", 4<<20))
	})

	It("costs no more than eight megabytes for whatever fragments", func() {
		t := newTape()
		big := datagram(at(pc, 138), at(peer, 138), bytes.Repeat([]byte("x"), 60000))
		for id := range uint16(2000) {
			t.packet(piece(big, id, 56000, 800)).packet(piece(big, id, 0, 800))
			t.packet(nameQuery())
		}
		peak, s := held(bytes.NewReader(t.buf), capture.Options{})
		Expect(s.Dropped[0].Count).To(Equal(2000 - 128))
		Expect(peak).To(BeNumerically("<", 12<<20))
	})
})
