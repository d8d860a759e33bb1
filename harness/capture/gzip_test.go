// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"runtime"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
)

// zipped is a gzip member with some bytes in it.
func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	Expect(err).NotTo(HaveOccurred())
	Expect(z.Close()).To(Succeed())
	return out.Bytes()
}

// zeros is a gzip member of so many zeros behind some bytes.
func zeros(b []byte, n int64) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	Expect(err).NotTo(HaveOccurred())
	_, err = io.CopyN(z, endless{}, n)
	Expect(err).NotTo(HaveOccurred())
	Expect(z.Close()).To(Succeed())
	return out.Bytes()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// held is how much memory is in use at most while a capture is streamed, and what its summary is. It is asked for each
// frame and at the end.
func held(r io.Reader, opts capture.Options) (peak uint64, s capture.Summary) {
	GinkgoHelper()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	look := func(*capture.Frame) error {
		if n++; n%5000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		}
		return nil
	}
	s, err := capture.Stream(r, opts, look)
	Expect(err).NotTo(HaveOccurred())
	n = 4999
	Expect(look(nil)).To(Succeed())
	return peak, s
}

var _ = Describe("Reading a compressed capture (bad-input 40)", func() {
	file := func() []byte { return written(everything()) }

	It("reads every kind of file as if it were not compressed", func() {
		ng := newBlocks(binary.BigEndian).nic(1, 0).enhanced(0, microseconds, nameQuery()).buf
		for _, file := range [][]byte{file(), ng, snoop(nameQuery())} {
			want, s := good(file)
			got, zs := good(zipped(file))
			Expect(got).To(Equal(want))
			Expect(got).NotTo(BeEmpty())
			Expect(zs).To(Equal(s))
		}
	})

	It("takes several members for one file, and 200,000 empty ones for nothing", func() {
		b := file()
		members := append(zipped(b[:1000]), zipped(b[1000:])...)
		want, _ := good(b)
		got, s := good(members)
		Expect(got).To(Equal(want))
		Expect(s.Cut).To(BeNil())
		empty := zipped(nil)
		var many []byte
		many = append(many, zipped(b[:1000])...)
		many = append(many, bytes.Repeat(empty, 200000)...)
		many = append(many, zipped(b[1000:])...)
		got, s = good(many)
		Expect(got).To(Equal(want))
		Expect(s.Cut).To(BeNil())
		_, _, err := streamed(bytes.Repeat(empty, 200000), capture.Options{})
		Expect(err).To(MatchError("capture: empty file"))
	})

	It("does not open gzip inside gzip", func() {
		_, _, err := streamed(zipped(zipped(file())), capture.Options{})
		Expect(err).To(MatchError("capture: gzip inside gzip is not opened (want a capture inside)"))
	})

	It("stops at 200 times the size once that is more than 16 MiB, without keeping it", func() {
		bomb := zeros(newTape().packet(nameQuery()).buf, 100<<20)
		peak, s := held(bytes.NewReader(bomb), capture.Options{})
		Expect(s.Cut.Reason).To(HaveSuffix("decompress to more than 200 times as many"))
		Expect(s.Cut.Offset).To(BeNumerically("~", 16<<20, 1<<20))
		Expect(s.Frames).To(Equal(1))
		Expect(peak).To(BeNumerically("<", 4<<20))
		_, s = held(bytes.NewReader(bomb), capture.Options{MaxBytes: 200 << 20})
		Expect(s.Cut).To(BeNil(), "packets of no bytes to the end")
	})

	It("stops at 1 GiB, or where it is told to", func() {
		file := newTape().packet(nameQuery()).packet(nameQuery()).buf
		_, s, err := streamed(zipped(file), capture.Options{MaxBytes: int64(len(file))})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Frames).To(Equal(2))
		_, s, err = streamed(zipped(file), capture.Options{MaxBytes: int64(len(file)) - 1})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Cut.Reason).To(Equal("53 of 54 bytes of a packet: it decompresses to more than 163 bytes"))
		_, _, err = streamed(zipped(file), capture.Options{MaxBytes: 3})
		Expect(err).To(MatchError("capture: it decompresses to more than 3 bytes"))
	})

	It("says what is wrong behind the last packet: another checksum, junk, an end too early", func() {
		for size, b := range map[string][]byte{"small": newTape().packet(nameQuery()).buf, "large": written(random(1))} {
			want, _ := good(b)
			z := zipped(b)
			z[len(z)-8] ^= 1
			got, s := good(z)
			Expect(got).To(Equal(want), size)
			Expect(s.Cut.Reason).To(HaveSuffix("the compressed data is damaged: gzip: invalid checksum"))
			got, s = good(append(zipped(b), "junk that is longer than a header"...))
			Expect(got).To(Equal(want))
			Expect(s.Cut.Reason).To(HaveSuffix("what follows the compressed data is not gzip"))
			got, s = good(zipped(b)[:len(z)-3])
			Expect(got).To(Equal(want))
			Expect(s.Cut.Reason).To(HaveSuffix("the compressed data ends early"))
		}
	})

	It("reads a file cut at any byte as far as it goes", func() {
		z := zipped(newTape().packet(nameQuery()).packet(nameQuery()).buf)
		for n := range z {
			_, s, err := streamed(z[:n], capture.Options{})
			if err == nil {
				Expect(s.Cut).NotTo(BeNil(), "%d bytes", n)
			}
		}
	})
})

// snoop is a snoop file with one packet.
func snoop(packet []byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(be.AppendUint32([]byte("snoop\x00\x00\x00"), 2), 4)
	n, padding := len(packet), -len(packet)&3
	for _, x := range []int{n, n, 24 + n + padding, 0, 1000000000, 123456} {
		b = be.AppendUint32(b, uint32(x))
	}
	return append(append(b, packet...), make([]byte, padding)...)
}

var _ = Describe("Reading snoop", func() {
	It("reads packets and their times", func() {
		frames, s := good(append(snoop(nameQuery()), snoop(nameQuery())[16:]...))
		Expect(s.Cut).To(BeNil())
		Expect(frames).To(HaveLen(2))
		Expect(frames[1].UnixNano).To(Equal(int64(1000000000123456000)))
		Expect(frames[1].Payload).To(Equal(query))
	})

	DescribeTable("tells where a record cannot be right",
		func(spoil func([]byte) []byte, reason string) {
			frames, s := good(spoil(snoop(nameQuery())))
			Expect(frames).To(BeEmpty())
			Expect(*s.Cut).To(Equal(capture.Cut{Offset: 16, Packet: 1, Reason: reason}))
		},
		Entry("header", func(b []byte) []byte { return b[:39] }, "23 of 24 bytes of a packet's header"),
		Entry("body", func(b []byte) []byte { return b[:50] }, "34 of 80 bytes of a packet"),
		Entry("1 GiB (bad-input 34)", func(b []byte) []byte { b[20] = 0x40; return b },
			"packet claims 1073741878 bytes, the limit is 262144"),
		Entry("a record of no length", func(b []byte) []byte { b[27] = 0; return b }, "record of 0 bytes for a packet of 54"),
		Entry("a record of 1 GiB", func(b []byte) []byte { b[24] = 0x40; return b },
			"record of 1073741904 bytes for a packet of 54"),
	)

	DescribeTable("refuses what it does not know",
		func(at int, message string) {
			b := snoop(nameQuery())
			b[at] = 9
			_, _, err := streamed(b, capture.Options{})
			Expect(err).To(MatchError(message))
		},
		Entry("version", 11, "capture: snoop version 9 is not supported (want 2)"),
		Entry("link", 15, "capture: snoop data link type 9 is not supported (want 4, Ethernet)"),
	)
})
