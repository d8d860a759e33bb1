// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
)

// blocks is a pcapng file being made.
type blocks struct {
	order binary.AppendByteOrder
	buf   []byte
}

func newBlocks(order binary.AppendByteOrder) *blocks { return (&blocks{order: order}).section() }

func (b *blocks) block(kind uint32, body ...byte) *blocks {
	body = append(body, make([]byte, -len(body)&3)...)
	length := uint32(12 + len(body))
	b.buf = b.order.AppendUint32(b.order.AppendUint32(b.buf, kind), length)
	b.buf = b.order.AppendUint32(append(b.buf, body...), length)
	return b
}

func (b *blocks) numbers(n ...uint32) (body []byte) {
	for _, x := range n {
		body = b.order.AppendUint32(body, x)
	}
	return body
}

func (b *blocks) section(options ...option) *blocks {
	body := b.order.AppendUint16(b.order.AppendUint16(b.numbers(0x1a2b3c4d), 1), 0)
	return b.block(0x0a0d0d0a, b.options(b.order.AppendUint64(body, math.MaxUint64), options)...)
}

// option is one of a section or an interface, without padding.
type option struct {
	code  uint16
	value []byte
}

// options appends options to the body of a block.
func (b *blocks) options(body []byte, options []option) []byte {
	for _, o := range options {
		body = b.order.AppendUint16(b.order.AppendUint16(body, o.code), uint16(len(o.value)))
		body = append(append(body, o.value...), make([]byte, -len(o.value)&3)...)
	}
	if len(options) > 0 {
		body = append(body, 0, 0, 0, 0)
	}
	return body
}

func (b *blocks) nic(link uint16, snapLen uint32, options ...option) *blocks {
	body := b.order.AppendUint32(b.order.AppendUint16(b.order.AppendUint16(nil, link), 0), snapLen)
	return b.block(1, b.options(body, options)...)
}

func (b *blocks) enhanced(nic uint32, at uint64, packet []byte) *blocks {
	n := uint32(len(packet))
	return b.block(6, append(b.numbers(nic, uint32(at>>32), uint32(at), n, n), packet...)...)
}

func (b *blocks) simple(packet []byte, length int) *blocks {
	return b.block(3, append(b.numbers(uint32(length)), packet...)...)
}

func (b *blocks) obsolete(nic uint16, at uint64, packet []byte) *blocks {
	n := uint32(len(packet))
	body := b.order.AppendUint16(b.order.AppendUint16(nil, nic), 0xffff)
	return b.block(2, append(append(body, b.numbers(uint32(at>>32), uint32(at), n, n)...), packet...)...)
}

// streamed is everything that Stream gives, copied.
func streamed(file []byte, opts capture.Options) (frames []capture.Frame, s capture.Summary, err error) {
	s, err = capture.Stream(bytes.NewReader(file), opts, func(f *capture.Frame) error {
		own := *f
		own.Payload, own.Odd = slices.Clone(f.Payload), slices.Clone(f.Odd)
		frames = append(frames, own)
		return nil
	})
	return frames, s, err
}

// good is what Stream gives where no error is expected.
func good(file []byte) ([]capture.Frame, capture.Summary) {
	GinkgoHelper()
	frames, s, err := streamed(file, capture.Options{})
	Expect(err).NotTo(HaveOccurred())
	return frames, s
}

const microseconds = 1_000_000_000_000_000 // since 1970, in 2001

var query = []byte("\x12\x34\x01\x10\x00\x00\x00\x00\x00\x00\x00\x00")

func nameQuery() []byte { return datagram(at(pc, 137), at(peer, 137), query) }

var _ = Describe("Reading pcapng", func() {
	for name, order := range map[string]binary.AppendByteOrder{
		"little-endian": binary.LittleEndian, "big-endian": binary.BigEndian,
	} {
		It("takes packets of every kind of block, "+name, func() {
			b := newBlocks(order).nic(1, 0).
				enhanced(0, microseconds, nameQuery()).
				obsolete(0, microseconds+5, nameQuery()).
				simple(nameQuery(), len(nameQuery()))
			frames, s := good(b.buf)
			Expect(s.Cut).To(BeNil())
			Expect(s.Packets).To(Equal(3))
			Expect(s.Base).To(Equal(time.Unix(1e9, 0).UTC()))
			Expect(frames).To(HaveLen(3))
			for i, f := range frames {
				Expect(f.Number).To(Equal(i + 1))
				Expect(f.Payload).To(Equal(query))
			}
			Expect(frames[1].At).To(Equal(5 * time.Microsecond))
			Expect(frames[1].UnixNano).To(Equal(int64(1e18 + 5000)))
			Expect(frames[2].At).To(Equal(frames[1].At), "it has no time of its own")
			Expect(frames[2].Odd).To(Equal([]string{"no time in the file"}))
		})
	}

	It("changes byte order and interfaces from section to section", func() {
		cooked := append(make([]byte, 14), append([]byte{8, 0}, nameQuery()[14:]...)...)
		b := newBlocks(binary.LittleEndian).nic(1, 0).nic(113, 0).
			enhanced(1, microseconds, cooked).enhanced(0, microseconds, nameQuery())
		b.order = binary.BigEndian
		b.section().nic(101, 0).enhanced(0, microseconds, nameQuery()[14:])
		frames, s := good(b.buf)
		Expect(s.Cut).To(BeNil())
		Expect(frames).To(HaveLen(3))
	})

	It("skips blocks that it does not know, however long, without keeping them", func() {
		b := newBlocks(binary.LittleEndian).nic(1, 0).block(0x0bad, make([]byte, 40<<20)...).block(4).
			enhanced(0, microseconds, nameQuery())
		Expect(allocated(func() {
			s, err := capture.Stream(bytes.NewReader(b.buf), capture.Options{}, func(*capture.Frame) error { return nil })
			Expect(err).NotTo(HaveOccurred())
			Expect(s.Frames).To(Equal(1))
		})).To(BeNumerically("<", 1<<20))
	})

	It("numbers what Wireshark numbers", func() {
		frames, s := good(newBlocks(binary.LittleEndian).nic(1, 0).
			block(9, []byte("__REALTIME_TIMESTAMP=1\n")...).enhanced(0, microseconds, nameQuery()).buf)
		Expect(frames).To(HaveExactElements(HaveField("Number", 2)))
		Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "a journal entry, not a packet", Count: 1, First: 1}}))
	})

	It("names the link types that it does not know, and reads the other packets", func() {
		b := newBlocks(binary.LittleEndian).nic(127, 0).nic(1, 0).
			enhanced(0, microseconds, nameQuery()).enhanced(1, microseconds, nameQuery())
		frames, s := good(b.buf)
		Expect(frames).To(HaveLen(1))
		Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "link type 127 (radiotap) is not supported", Count: 1, First: 1}}))
		_, _, err := streamed(newBlocks(binary.LittleEndian).nic(127, 0).enhanced(0, 0, nameQuery()).buf, capture.Options{})
		Expect(err).To(MatchError("capture: link type 127 (radiotap) is not supported, and all packets are of such"))
	})

	It("takes the snap length for the length of a simple packet", func() {
		frames, _ := good(newBlocks(binary.LittleEndian).nic(1, 50).simple(nameQuery()[:50], len(nameQuery())).buf)
		Expect(frames[0].Payload).To(Equal(query[:8]))
		Expect(frames[0].Odd).To(ContainElement("cut by snap length: 50 of 54 bytes"))
	})

	It("goes by what a packet says it has, not by the snap length (bad-input 35)", func() {
		for _, snapLen := range []uint32{0, 16, math.MaxUint32} {
			b := newBlocks(binary.LittleEndian).nic(1, snapLen).enhanced(0, 1, nameQuery()).obsolete(0, 1, nameQuery())
			frames, s := good(b.buf)
			Expect(frames).To(HaveExactElements(HaveField("Payload", query), HaveField("Payload", query)))
			Expect(s.Cut).To(BeNil())
		}
	})

	DescribeTable("tells times exactly (bad-input 38)",
		func(resolution byte, offset int64, t uint64, nanoseconds int64, odd ...string) {
			b := newBlocks(binary.LittleEndian)
			b.nic(1, 0, option{9, []byte{resolution}}, option{14, binary.LittleEndian.AppendUint64(nil, uint64(offset))}).
				enhanced(0, t, nameQuery())
			frames, _ := good(b.buf)
			Expect(frames).To(HaveLen(1))
			Expect(frames[0].UnixNano).To(Equal(nanoseconds))
			Expect(slices.Concat(frames[0].Odd)).To(Equal(slices.Concat(odd)))
		},
		Entry("seconds", byte(0), int64(0), uint64(7), int64(7e9)),
		Entry("milliseconds", byte(3), int64(0), uint64(7123), int64(7123e6)),
		Entry("nanoseconds", byte(9), int64(0), uint64(1700000000123456789), int64(1700000000123456789)),
		Entry("picoseconds", byte(12), int64(0), uint64(7123456789999), int64(7123456789)),
		Entry("10^-19 s", byte(19), int64(0), uint64(math.MaxUint64), int64(1844674407)),
		Entry("10^-20 s", byte(20), int64(0), uint64(math.MaxUint64), int64(184467440)),
		Entry("10^-127 s", byte(127), int64(0), uint64(math.MaxUint64), int64(0)),
		Entry("2^0 s", byte(0x80), int64(0), uint64(7), int64(7e9)),
		Entry("2^-10 s", byte(0x8a), int64(0), uint64(7*1024+512), int64(7500e6)),
		Entry("2^-32 s", byte(0xa0), int64(0), uint64(7<<32|1<<31), int64(7500e6)),
		Entry("2^-63 s", byte(0xbf), int64(0), uint64(1<<63|1<<62), int64(1500e6)),
		Entry("2^-64 s", byte(0xc0), int64(0), uint64(1<<63), int64(500e6)),
		Entry("2^-127 s", byte(0xff), int64(0), uint64(math.MaxUint64), int64(0)),
		Entry("an offset", byte(6), int64(-3), uint64(7e6), int64(4e9)),
		Entry("before 1970", byte(6), int64(-3), uint64(500000), int64(-2500e6)),
		Entry("zero", byte(6), int64(0), uint64(0), int64(0)),
		Entry("beyond 2116", byte(0), int64(0), uint64(math.MaxUint64), int64(1<<62-1), "time out of range"),
		Entry("an offset beyond all", byte(6), int64(math.MaxInt64), uint64(math.MaxUint64), int64(1<<62-1), "time out of range"),
		Entry("an offset before all", byte(6), int64(math.MinInt64), uint64(1), int64(-(1<<62-1)), "time out of range"),
	)

	whole := func() []byte {
		b := newBlocks(binary.LittleEndian).nic(1, 0, option{9, []byte{9}}).enhanced(0, 1, nameQuery())
		return b.enhanced(0, 2, nameQuery()).buf
	}

	DescribeTable("tells where a block cannot be right (bad-input 37)",
		func(spoil func(b []byte, epb int) []byte, reason string) {
			file := whole()
			epb := bytes.LastIndex(file, []byte{6, 0, 0, 0, 88})
			frames, s := good(spoil(file, epb))
			Expect(frames).To(HaveLen(1))
			Expect(s.Cut).NotTo(BeNil())
			Expect(s.Cut.Reason).To(Equal(reason))
			Expect(s.Cut.Offset).To(Equal(int64(epb)))
			Expect(s.Cut.Packet).To(Equal(2))
		},
		Entry("length 0", func(b []byte, i int) []byte { b[i+4] = 0; return b },
			"block of 0 bytes (want a multiple of 4, at least 32)"),
		Entry("length 8", func(b []byte, i int) []byte { b[i+4] = 8; return b },
			"block of 8 bytes (want a multiple of 4, at least 32)"),
		Entry("length 11", func(b []byte, i int) []byte { b[i+4] = 11; return b },
			"block of 11 bytes (want a multiple of 4, at least 32)"),
		Entry("no multiple of four", func(b []byte, i int) []byte { b[i+4] = 89; return b },
			"block of 89 bytes (want a multiple of 4, at least 32)"),
		Entry("another length at the end", func(b []byte, i int) []byte { b[len(b)-4]++; return b },
			"block of 88 bytes says 89 at its end"),
		Entry("1 GiB (bad-input 34)", func(b []byte, i int) []byte { b[i+7] = 0x40; return b },
			"block claims 1073741912 bytes, the limit is 1048576"),
		Entry("a packet of 1 GiB (bad-input 34)", func(b []byte, i int) []byte { b[i+23] = 0x40; return b },
			"packet claims 1073741878 bytes, the limit is 262144"),
		Entry("a packet longer than its block", func(b []byte, i int) []byte { b[i+20] = 200; return b },
			"packet of 200 bytes in a block with room for 56"),
		Entry("an unknown interface", func(b []byte, i int) []byte { b[i+8] = 1; return b }, "packet of interface 1 of 1"),
		Entry("an interface beyond all", func(b []byte, i int) []byte { copy(b[i+8:], "\xff\xff\xff\xff"); return b },
			"packet of interface 4294967295 of 1"),
		Entry("an unknown block cut short", func(b []byte, i int) []byte { b[i] = 0x77; return b[:len(b)-5] },
			"83 of 88 bytes of a block"),
	)

	It("does not believe an option longer than its block (bad-input 37)", func() {
		file := newBlocks(binary.LittleEndian).nic(1, 0, option{9, []byte{9}}).enhanced(0, 1, nameQuery()).buf
		file[28+18] = 200
		frames, s := good(file)
		Expect(frames).To(BeEmpty())
		Expect(*s.Cut).To(Equal(capture.Cut{
			Offset: 28, Packet: 1, Reason: "option 9 of an interface claims 200 bytes of 8",
		}))
	})

	It("reads 10,000 sections, and stops at 4096 interfaces in one (bad-input 37)", func() {
		b := newBlocks(binary.LittleEndian)
		for range 10000 {
			b.section().nic(1, 0).enhanced(0, 1, nameQuery())
		}
		Expect(allocated(func() {
			s, err := capture.Stream(bytes.NewReader(b.buf), capture.Options{}, func(*capture.Frame) error { return nil })
			Expect(err).NotTo(HaveOccurred())
			Expect(s.Frames).To(Equal(10000))
		})).To(BeNumerically("<", 1<<20))
		b = newBlocks(binary.LittleEndian)
		for range 10000 {
			b.nic(1, 0)
		}
		_, s := good(b.buf)
		Expect(s.Cut.String()).To(Equal(fmt.Sprintf(
			"cut at byte %d, packet 1: more than 4096 interfaces in a section", 28+4096*20)))
	})

	DescribeTable("refuses a section header that is none",
		func(at int, value byte, reason string) {
			file := whole()
			file[at] = value
			_, _, err := streamed(file, capture.Options{})
			Expect(err).To(MatchError("capture: pcapng: " + reason))
			// In the midst of a file it is where the file is cut.
			more := append(whole(), file...)
			frames, s := good(more)
			Expect(frames).To(HaveLen(2))
			Expect(*s.Cut).To(Equal(capture.Cut{Offset: int64(len(whole())), Packet: 3, Reason: reason}))
		},
		Entry("without its magic", 8, byte(0), "section header without the byte-order magic: 00 3c 2b 1a"),
		Entry("of another version", 12, byte(2), "pcapng version 2.0 is not supported (want 1.0)"),
		Entry("of no length", 4, byte(0), "block of 0 bytes (want a multiple of 4, at least 28)"),
		Entry("of two lengths", 24, byte(32), "block of 28 bytes says 32 at its end"),
	)

	It("is a capture without packets when it ends inside its first block (bad-input 36)", func() {
		comment := bytes.Repeat([]byte("a remark "), 8)
		b := newBlocks(binary.LittleEndian).section(option{1, comment}).buf
		b = b[28:] // newBlocks begins with a section of its own
		for n := 28; n < len(b); n++ {
			frames, s := good(b[:n])
			Expect(frames).To(BeEmpty())
			Expect(s.Cut).To(Equal(&capture.Cut{
				Offset: 0, Packet: 1, Reason: fmt.Sprintf("%d of %d bytes of a block", n, len(b)),
			}))
		}
		_, s := good(b)
		Expect(s.Cut).To(BeNil())
	})

	It("gives the same frames as pcap does", func() {
		var b *blocks
		for seed := range uint64(10) {
			frames := random(seed)
			b = newBlocks(binary.LittleEndian).nic(1, 0, option{9, []byte{9}})
			for _, p := range sniff(written(frames)) {
				b.enhanced(0, uint64(p.at), p.raw)
			}
			c, err := capture.Read(bytes.NewReader(b.buf))
			Expect(err).NotTo(HaveOccurred())
			Expect(c.Frames).To(Equal(reread(frames).Frames))
		}
	})
})
