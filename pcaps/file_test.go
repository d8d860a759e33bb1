// SPDX-License-Identifier: MIT

package pcaps_test

import (
	"encoding/binary"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// packets returns the packets of a pcap file as they are in it, read without the harness, with their times in nanoseconds
// since 1970.
func packets(file []byte) (list [][]byte, times []int64) {
	GinkgoHelper()
	le := binary.LittleEndian
	for at := 24; at < len(file); {
		seconds, nanoseconds, length := le.Uint32(file[at:]), le.Uint32(file[at+4:]), int(le.Uint32(file[at+8:]))
		Expect(nanoseconds).To(BeNumerically("<", time.Second), "packet %d", len(list)+1)
		Expect(le.Uint32(file[at+12:])).To(BeEquivalentTo(length), "packet %d is whole", len(list)+1)
		times = append(times, int64(seconds)*1e9+int64(nanoseconds))
		list = append(list, file[at+16:at+16+length])
		at += 16 + length
	}
	return list, times
}

// segment is a TCP segment, read at the offsets of RFC 9293.
type segment struct {
	number   int
	from, to string
	seq, ack uint32
	flags    byte
	length   uint32
}

func segments(list [][]byte) []segment {
	const tcp = 6
	var found []segment
	for i, p := range list {
		if p[14+9] != tcp {
			continue
		}
		ip := p[14:]
		t := ip[20:]
		end := func(ip, port []byte) string { return fmt.Sprintf("%v:%d", addr(ip), be.Uint16(port)) }
		found = append(found, segment{
			number: i + 1, from: end(ip[12:], t), to: end(ip[16:], t[2:]), seq: be.Uint32(t[4:]), ack: be.Uint32(t[8:]),
			flags: t[13], length: uint32(be.Uint16(ip[2:])) - 20 - uint32(t[12]>>4)*4,
		})
	}
	return found
}

var _ = Describe("As a file, a recording", func() {
	eachRecording("is a classic nanosecond pcap of Ethernet", func(r recording) {
		le := binary.LittleEndian
		Expect(le.Uint32(r.file)).To(BeEquivalentTo(0xa1b23c4d), "the magic number of nanosecond times")
		Expect([]uint16{le.Uint16(r.file[4:]), le.Uint16(r.file[6:])}).To(Equal([]uint16{2, 4}), "version")
		Expect(le.Uint32(r.file[20:])).To(BeEquivalentTo(1), "link type Ethernet")
		list, times := packets(r.file)
		Expect(list).To(HaveLen(r.Packets))
		for i, p := range list {
			Expect(be.Uint16(p[12:])).To(BeEquivalentTo(0x0800), "packet %d is IPv4", i+1)
			Expect(int(be.Uint16(p[14+2:]))).To(Equal(len(p)-14), "packet %d has the length that IPv4 says", i+1)
			Expect(p[14]).To(BeEquivalentTo(0x45), "packet %d has a header without options", i+1)
			if i > 0 {
				Expect(times[i]).To(BeNumerically(">=", times[i-1]), "packet %d is in order", i+1)
			}
		}
	})

	eachRecording("begins on the day that all of them begin on", func(r recording) {
		Expect(r.Base).To(BeTemporally("==", time.Date(1994, 11, 1, 0, 0, 0, 0, time.UTC)))
	})

	eachRecording("has nothing in it but NBT, whole and in order", func(r recording) {
		Expect(r.Frames).NotTo(BeEmpty())
		Expect(r.Cut).To(BeNil())
		Expect(r.Skipped).To(BeEmpty())
		for _, f := range r.Frames {
			Expect(f.Odd).To(BeEmpty(), "frame %d", f.Number)
		}
	})

	eachRecording("has MAC addresses that fit the IPv4 addresses", func(r recording) {
		list, _ := packets(r.file)
		for i, p := range list {
			Expect(p[6:12]).To(Equal(append([]byte{2, 0}, p[26:30]...)), "source of packet %d", i+1)
			want := append([]byte{2, 0}, p[30:34]...)
			if p[33] == 255 {
				want = []byte{255, 255, 255, 255, 255, 255}
			}
			Expect(p[:6]).To(Equal(want), "destination of packet %d", i+1)
		}
	})

	const fin, syn, rst, ack = 0x01, 0x02, 0x04, 0x10

	eachRecording("has complete TCP: set up, every byte acknowledged, closed by both ends", func(r recording) {
		list, _ := packets(r.file)
		type stream struct{ from, to string }
		next, acked, closed, opened := map[stream]uint32{}, map[stream]uint32{}, map[stream]bool{}, map[stream]bool{}
		for _, s := range segments(list) {
			here := fmt.Sprintf("packet %d", s.number)
			this, back := stream{s.from, s.to}, stream{s.to, s.from}
			Expect(s.flags&rst).To(BeZero(), here)
			Expect(closed[this] && s.length > 0).To(BeFalse(), here+" has no data after FIN")
			if s.flags&syn != 0 {
				Expect(opened[this]).To(BeFalse(), here)
				answers := s.flags&ack != 0
				Expect(answers).To(Equal(opened[back]), here+" is SYN, or the answer to one")
				opened[this] = true
				next[this] = s.seq
			}
			Expect(opened[this]).To(BeTrue(), here+" belongs to a connection whose beginning was seen")
			Expect(s.seq).To(Equal(next[this]), here+" follows on")
			next[this] += s.length
			if s.flags&(syn|fin) != 0 {
				next[this]++
			}
			closed[this] = closed[this] || s.flags&fin != 0
			if s.flags&ack != 0 {
				Expect(s.ack).To(BeNumerically("<=", next[back]), here+" acknowledges what was sent")
				acked[back] = s.ack
			}
		}
		for this := range opened {
			Expect(opened).To(HaveKey(stream{this.to, this.from}))
			Expect(closed).To(HaveKeyWithValue(this, true))
			Expect(acked[this]).To(Equal(next[this]), "all that %s sent was acknowledged", this.from)
		}
	})

	eachRecording("has for each connection its opening and the end of both sides as frames", func(r recording) {
		kinds := map[int][]trace.FrameKind{}
		for _, f := range r.Frames {
			if f.Kind != trace.UDP && f.Kind != trace.Message {
				kinds[f.Conn] = append(kinds[f.Conn], f.Kind)
			}
		}
		for conn, list := range kinds {
			Expect(list).To(Equal([]trace.FrameKind{trace.Connect, trace.Fin, trace.Fin}), "connection %d", conn)
		}
	})
})
