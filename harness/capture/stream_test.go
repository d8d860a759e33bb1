// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// again is a reader of a file's header and then, so many times, of the rest of it.
type again struct {
	file, rest []byte
	times      int
}

func (a *again) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if a.times == 0 {
			return 0, io.EOF
		}
		a.times--
		a.rest = a.file[24:]
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func repeated(file []byte, times int) io.Reader {
	return &again{file: file, rest: file, times: times - 1}
}

// manySessions is a capture of so many sessions one after the other, of six frames each, one of them in two segments.
func manySessions(n int) []byte {
	var s script
	for i := range n {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1025+uint16(i>>12))
		l, t := line{i + 1, from, at(pc, 139)}, time.Duration(i)*ms
		s.event(t, trace.Connect, l)
		s.event(t+50*us, trace.Message, l, message(68)...)
		s.event(t+100*us, trace.Message, l.back(), 0x82, 0, 0, 0)
		s.event(t+150*us, trace.Message, l, message(2000)...)
		s.event(t+200*us, trace.Fin, l)
		s.event(t+250*us, trace.Fin, l.back())
	}
	return written(s)
}

var _ = Describe("Streaming a capture", func() {
	It("gives what Read gives, with the time, the index in the packet and the service", func() {
		for seed := range uint64(40) {
			file := written(random(seed))
			c, err := capture.Read(bytes.NewReader(file))
			Expect(err).NotTo(HaveOccurred())
			frames, s := good(file)
			slices.SortStableFunc(frames, func(a, b capture.Frame) int { return a.Number - b.Number })
			Expect(frames).To(HaveLen(len(c.Frames)))
			for i, f := range frames {
				Expect(f.Frame).To(Equal(c.Frames[i]))
				Expect(f.UnixNano).To(Equal(c.Base.Add(f.At).UnixNano()))
			}
			Expect(s.Frames).To(Equal(len(frames)))
			Expect(s.Packets).To(Equal(c.Packets))
			Expect(s.Base).To(Equal(c.Base))
			Expect(s.Bytes).To(Equal(int64(len(file) - 24 - 16*c.Packets)))
		}
	})

	It("counts the messages of a packet, from 0", func() {
		l := line{1, at(peer, 1025), at(pc, 139)}
		stream := slices.Concat(message(3), message(4), message(5)[:4])
		t := newTape().packet(segment(l, "S", 0, nil)).packet(segment(l, "PA", 1, stream))
		t.packet(segment(l, "FPA", 1+uint32(len(stream)), append(message(5)[4:], message(6)...)))
		frames, _ := good(t.buf)
		indices := func() (all [][2]int) {
			for _, f := range frames {
				if f.Kind == trace.Message {
					all = append(all, [2]int{f.Number, f.Message})
				}
			}
			return all
		}
		Expect(indices()).To(Equal([][2]int{{2, 0}, {2, 1}, {3, 0}, {3, 1}}))
	})

	It("knows the services by their ports", func() {
		t := newTape().packet(nameQuery()).packet(datagram(at(pc, 138), at(peer, 138), nil))
		t.packet(datagram(at(pc, 138), at(peer, 137), nil)).packet(datagram(at(pc, 2000), at(peer, 138), nil))
		t.packet(segment(line{1, at(pc, 1025), at(peer, 139)}, "S", 1, nil))
		frames, _ := good(t.buf)
		var services []string
		for _, f := range frames {
			services = append(services, f.Service().String())
		}
		Expect(services).To(Equal([]string{"ns", "dgm", "ns", "dgm", "ssn"}))
	})

	It("ends with the error of whoever takes the frames", func() {
		enough := errors.New("enough")
		n := 0
		s, err := capture.Stream(bytes.NewReader(written(everything())), capture.Options{}, func(*capture.Frame) error {
			if n++; n == 5 {
				return enough
			}
			return nil
		})
		Expect(err).To(MatchError(enough))
		Expect(n).To(Equal(5))
		Expect(s.Frames).To(Equal(5))
		Expect(s.Cut).To(BeNil())
	})

	It("hands over frames before the capture ends", func() {
		r, w := io.Pipe()
		seen := make(chan int, 10)
		go func() {
			defer GinkgoRecover()
			_, err := capture.Stream(r, capture.Options{}, func(f *capture.Frame) error {
				seen <- f.Number
				return nil
			})
			Expect(err).NotTo(HaveOccurred())
			close(seen)
		}()
		t := newTape().packet(nameQuery())
		_, err := w.Write(t.buf)
		Expect(err).NotTo(HaveOccurred())
		Eventually(seen).Should(Receive(Equal(1)))
		Expect(w.Close()).To(Succeed())
		Eventually(seen).Should(BeClosed())
	})

	It("reads regular files, and refuses others (bad-input 41)", func() {
		dir := GinkgoT().TempDir()
		path := filepath.Join(dir, "run.pcap")
		Expect(capture.WriteFile(path, everything())).To(Succeed())
		ignore := func(*capture.Frame) error { return nil }
		s, err := capture.StreamFile(path, capture.Options{}, ignore)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Packets).To(Equal(reread(everything()).Packets))
		_, err = capture.StreamFile(dir, capture.Options{}, ignore)
		Expect(err).To(MatchError(ContainSubstring("is a directory")))
		_, err = capture.StreamFile(os.DevNull, capture.Options{}, ignore)
		Expect(err).To(MatchError(ContainSubstring("is a device")))
		enough := errors.New("enough")
		_, err = capture.StreamFile(path, capture.Options{}, func(*capture.Frame) error { return enough })
		Expect(err).To(BeIdenticalTo(enough))
		Expect(os.WriteFile(path, []byte("hello"), 0o600)).To(Succeed())
		_, err = capture.StreamFile(path, capture.Options{}, ignore)
		Expect(err).To(MatchError(HaveSuffix(": " + path)))
	})

	It("reads a file that shrinks while it is read as far as it goes (bad-input 41)", func() {
		file := written(everything())
		frames, s := good(file[:len(file)-1])
		Expect(frames).NotTo(BeEmpty())
		Expect(s.Cut.Reason).To(HaveSuffix("of a packet"))
	})

	It("stops at once on /dev/zero's bytes (bad-input 41)", func() {
		_, err := capture.Stream(endless{}, capture.Options{}, func(*capture.Frame) error { return nil })
		Expect(err).To(MatchError(ContainSubstring("not a capture")))
	})

	It("gives the same frames in another order for packets in another order (bad-input 42)", func() {
		a := newTape().packet(nameQuery()).packet(datagram(at(pc, 138), at(peer, 138), query))
		b := newTape().packet(datagram(at(pc, 138), at(peer, 138), query)).packet(nameQuery())
		fa, _ := good(a.buf)
		fb, _ := good(b.buf)
		Expect(fa[0].Payload).To(Equal(fb[1].Payload))
		Expect([]int{fa[0].Number, fb[1].Number}).To(Equal([]int{1, 2}))
	})

	It("survives every kind of file cut at every byte (bad-input 36)", func() {
		ng := newBlocks(binary.BigEndian).nic(1, 0, option{9, []byte{9}}).enhanced(0, 1, nameQuery()).
			simple(nameQuery(), 54).obsolete(0, 1, nameQuery()).block(9, 1, 2, 3).section().nic(0, 0).
			enhanced(0, 1, append([]byte{2, 0, 0, 0}, ip()...)).buf
		tunnels := newTape()
		for _, p := range [][]byte{
			carried(4, ip()), carried(47, text("\x10\x00\x88\xbe....\x10\x05\x00\x01...."), nameQuery()),
			inUDP(1701, text("\x4a\x02..........\x00\x03...\x21"), ip()), carried(1, text("\x03\x03......"), ip()),
			ether("\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", ip()), ether("\x88\x64\x11\x00\x00\x01\x00\x2a\x00\x21", ip()),
		} {
			for n := range p { // and cut by a snap length at every byte
				tunnels.record(p[:n], len(p))
			}
		}
		for _, file := range [][]byte{ng, snoop(nameQuery()), written(random(3))[:2000], tunnels.buf} {
			whole, _ := good(file)
			step := 1 + len(file)/4096
			for n := 0; n < len(file); n += step {
				frames, s, err := streamed(file[:n], capture.Options{})
				if err != nil {
					Expect(n).To(BeNumerically("<", 28))
					continue
				}
				Expect(len(frames)).To(BeNumerically("<=", len(whole)+1))
				if s.Cut != nil {
					Expect(s.Cut.Offset).To(BeNumerically("<=", n))
				}
			}
		}
	})

	It("tells what was wrong with a packet without a snap length's help", func() {
		_, s := good(newTape().record(nameQuery()[:30], 54).buf)
		Expect(s.Skipped).To(Equal([]capture.Skip{{Why: "too short for its headers", Count: 1, First: 1}}))
	})

	It("goes on where a FIN was if its sender does", func() {
		l := line{1, at(peer, 1025), at(pc, 139)}
		t := newTape().packet(segment(l, "S", 0, nil)).packet(segment(l, "FA", 1, nil))
		t.packet(segment(l.back(), "FA", 1, nil)).packet(segment(l, "PA", 1, message(5)))
		t.packet(segment(l.back(), "PA", 1, message(6))).packet(segment(l, "FA", 10, nil))
		frames, s := good(t.buf)
		Expect(frames).To(HaveExactElements(
			HaveField("Kind", trace.Connect), HaveField("Kind", trace.Fin), HaveField("Kind", trace.Fin),
			And(HaveField("Payload", message(5)), HaveField("Odd", []string{"goes on where its sender's FIN was"})),
			HaveField("Payload", message(6)), HaveField("Kind", trace.Fin)))
		Expect(s.Skipped).To(BeEmpty())
	})

	It("takes urgent data and a session on other ports for what they are: nothing of ours", func() {
		_, s := good(newTape().packet(segment(line{1, at(pc, 1025), at(peer, 445)}, "PA", 1, message(4))).buf)
		Expect(s.Skipped).To(HaveExactElements(HaveField("Why", "not port 137-139")))
	})

	Describe("in bounded memory", func() {
		const limit = 64 << 20 // what the package promises, whatever the file says

		ports := func(i int) line {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 16), byte(i >> 8)}), uint16(1024+i&0xff))
			return line{1, from, at(pc, 139)}
		}

		It("does not grow with the length of the capture", func() {
			var peaks []uint64
			for _, n := range []int{5000, 20000} {
				peak, s := held(bytes.NewReader(manySessions(n)), capture.Options{})
				Expect(s.Frames).To(Equal(6 * n))
				Expect(s.Dropped).To(BeEmpty())
				peaks = append(peaks, peak)
			}
			Expect(peaks[1]).To(BeNumerically("<", 8<<20))
			Expect(peaks[1]).To(BeNumerically("<", peaks[0]+1<<20))
		})

		It("forgets connections that are over before those that are not, and does not count them as dropped", func() {
			t := newTape()
			live := line{1, at(peer, 1025), at(pc, 139)}
			t.packet(segment(live, "S", 0, nil)).packet(segment(live, "PA", 1, message(10)[:5]))
			for i := range 10000 {
				l := ports(i)
				t.packet(segment(l, "S", 0, nil)).packet(segment(l, "FA", 1, nil)).packet(segment(l.back(), "FA", 1, nil))
			}
			t.packet(segment(live, "PA", 6, message(10)[5:]))
			frames, s := good(t.buf)
			Expect(s.Dropped).To(BeEmpty())
			Expect(frames[len(frames)-1].Payload).To(Equal(message(10)))
		})

		It("keeps 16 MiB of all connections together, and counts those that it forgets for it", func() {
			t, begun := newTape(), message(0x1ffff)[:1460]
			behind := func(l line) []byte { return segment(l, "A", 100, bytes.Repeat([]byte{0xff}, 8000)) } // behind a gap
			for i := range 3000 {
				l := ports(i)
				t.packet(segment(l, "S", 0, nil))
				t.packet(behind(l))
				t.packet(segment(l.back(), "A", 0, begun)) // the beginning of a long message
				t.packet(nameQuery())
			}
			peak, s := held(bytes.NewReader(t.buf), capture.Options{})
			Expect(peak).To(BeNumerically("<", limit))
			Expect(s.Dropped).To(HaveExactElements(HaveField("Why",
				"the connection silent for longest forgotten: more than 16 MiB waiting")))
			Expect(s.Dropped[0].Count).To(BeNumerically("~", 1500, 500))
		})

		It("keeps little of connections that hold one byte segments", func() {
			t := newTape()
			for i := range 400 {
				for n := range 400 {
					t.packet(segment(ports(i), "A", uint32(2*n), []byte{0xff}))
				}
				t.packet(nameQuery())
			}
			peak, s := held(bytes.NewReader(t.buf), capture.Options{})
			Expect(s.Frames).To(BeNumerically(">", 400))
			Expect(peak).To(BeNumerically("<", limit))
		})

		It("keeps little of odd packets", func() {
			l := line{1, at(peer, 1025), at(pc, 139)}
			t := newTape().packet(segment(l, "S", 0, nil))
			long := message(0x1ffff)
			for n := range 20000 {
				b := segment(l, "A", uint32(1+n), long[n:][:1])
				t.record(b, len(b)+n) // each cut in another way
			}
			peak, s := held(bytes.NewReader(t.buf), capture.Options{})
			Expect(s.Packets).To(Equal(20001))
			Expect(peak).To(BeNumerically("<", 4<<20))
		})

		It("counts gaps that it gave up", func() {
			l := line{1, at(peer, 1025), at(pc, 139)}
			t := newTape().packet(segment(l, "S", 0, nil))
			for n := range 70 {
				t.packet(segment(l, "PA", uint32(1001+n*4000), message(3996)))
			}
			_, s := good(t.buf)
			Expect(s.Dropped).To(HaveExactElements(And(
				HaveField("Why", "a gap in TCP given up: more than 256 KiB behind it"), HaveField("Count", 1))))
		})
	})

	It("allocates nothing for a packet in the long run", func() {
		if raceEnabled {
			return // the race detector allocates by itself
		}
		long := datagram(at(pc, 138), at(peer, 138), message(1000))
		var sum int
		count := func(f *capture.Frame) error {
			sum += len(f.Payload) + f.From.Addr().BitLen() + len(f.Odd) + int(f.Service()) + len(f.Tunnel)
			return nil
		}
		l := line{1, at(peer, 1025), at(pc, 139)}
		reordered := newTape().packet(segment(l, "S", 0, nil)).packet(segment(l, "PA", 1001, message(500)))
		reordered.packet(segment(l, "PA", 1, message(996)[:600])).packet(segment(l, "PA", 601, message(996)[600:]))
		reordered.packet(segment(l, "FA", 1505, nil)).packet(segment(l.back(), "FA", 1, nil))
		fragments := newTape()
		for _, p := range pieces(long, 7, 400) {
			fragments.packet(p)
		}
		bad := newTape().record(nameQuery()[:50], 54).packet(carried(4, ip())).packet(ether("\x08\x06", make([]byte, 28)))
		unframed := newTape().packet(segment(line{1, at(third, 1025), at(pc, 139)}, "PA", 7, []byte("no message")))
		stream := func(r io.Reader) {
			if _, err := capture.Stream(r, capture.Options{}, count); err != nil {
				Fail(err.Error())
			}
		}
		// What else the process does allocates a little at times; one allocation a packet would be thousands.
		const noise = 100
		few, many := manySessions(5000), manySessions(20000)
		Expect(testing.AllocsPerRun(2, func() { stream(bytes.NewReader(many)) })).To(
			BeNumerically("~", testing.AllocsPerRun(2, func() { stream(bytes.NewReader(few)) }), noise))
		for name, file := range map[string][]byte{
			"a recording": written(recording()), "reordered": reordered.buf, "fragments": fragments.buf, "odd": bad.buf,
			"unframed": unframed.buf,
		} {
			allocations := func(times int) float64 {
				return testing.AllocsPerRun(2, func() { stream(repeated(file, times)) })
			}
			times := 1 + 200000/len(file) // so that the longer one has thousands of packets more
			few, many := allocations(times), allocations(10*times)
			Expect(many-few).To(BeNumerically("<=", noise), "%s: %v and %v", name, few, many)
		}
		Expect(sum).To(BeNumerically(">", 0))
	})

	It("keeps the time of the last packet for At", func() {
		frames, _ := good(newTape().packet(nameQuery()).packet(nameQuery()).buf)
		Expect(frames[1].At).To(Equal(time.Millisecond))
	})
})
