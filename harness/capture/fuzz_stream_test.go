// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// fuzzing makes the helpers of the specs usable while the seeds are added.
func fuzzing(f *testing.F) {
	f.Helper()
	RegisterFailHandler(func(message string, _ ...int) { f.Fatal(message) })
}

// hold checks what holds for every capture, whatever is in it, and returns what was read.
func hold(t testing.TB, b []byte, opts capture.Options) ([]capture.Frame, capture.Summary) {
	t.Helper()
	frames, s, err := streamed(b, opts)
	checkHolds(t, frames, s, err)
	return frames, s
}

// checkCost checks that reading costs no more than the bytes are worth and the tables may hold: of fragments eight
// megabytes, of connections and of the window over the file a few.
func checkCost(t testing.TB, b []byte, inflated int) {
	t.Helper()
	cost := allocated(func() {
		_, _ = capture.Stream(bytes.NewReader(b), capture.Options{Quoted: true, MaxBytes: int64(inflated)},
			func(*capture.Frame) error { return nil })
	})
	if most := 8*uint64(len(b)+inflated) + 16<<20; cost > most {
		t.Fatalf("%d bytes cost %d, at most %d", len(b), cost, most)
	}
}

func checkHolds(t testing.TB, frames []capture.Frame, s capture.Summary, err error) {
	t.Helper()
	if err != nil && s.Frames != 0 {
		t.Fatalf("error %v, and %d frames nevertheless", err, s.Frames)
	}
	if s.Frames != len(frames) {
		t.Fatalf("%d frames of %d", len(frames), s.Frames)
	}
	skipped := 0
	for _, k := range slices.Concat(s.Skipped, s.Dropped) {
		if k.Count < 1 || k.First < 1 || k.First > s.Packets {
			t.Fatalf("%+v of %d packets", k, s.Packets)
		}
	}
	for _, k := range s.Skipped {
		skipped += k.Count
	}
	if skipped > s.Packets {
		t.Fatalf("%d of %d packets skipped", skipped, s.Packets)
	}
	for _, f := range frames {
		if f.Number < 1 || f.Number > s.Packets || f.Message < 0 {
			t.Fatalf("message %d of packet %d of %d", f.Message, f.Number, s.Packets)
		}
		if (f.Kind == trace.UDP) != (f.Conn == 0) || f.Service().String() == "" {
			t.Fatalf("%v of connection %d", f.Kind, f.Conn)
		}
	}
}

func FuzzPcapng(f *testing.F) {
	fuzzing(f)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		b := newBlocks(order).nic(1, 60, option{9, []byte{0x8a}}, option{14, make([]byte, 8)}).
			enhanced(0, 1, nameQuery()).simple(nameQuery(), 100).obsolete(0, 2, nameQuery()).block(9, 1).block(5, 1, 2).
			section().nic(127, 0).nic(101, 0).enhanced(0, 1, nameQuery()).enhanced(1, 1, ip())
		f.Add(b.buf)
	}
	f.Add(newBlocks(binary.LittleEndian).section(option{1, make([]byte, 40)}).buf[28:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4 {
			copy(b, "\x0a\x0d\x0d\x0a")
		}
		checkCost(t, b, 0)
		_, s := hold(t, b, capture.Options{Quoted: true})
		if s.Cut != nil && (s.Cut.Offset < 28 && s.Packets > 0 || s.Cut.Offset > int64(len(b)) || s.Cut.Packet != s.Packets+1) {
			t.Fatalf("%v of %d bytes", s.Cut, len(b))
		}
		if s.Packets > len(b)/12 {
			t.Fatalf("%d packets in %d bytes", s.Packets, len(b))
		}
	})
}

func FuzzGzip(f *testing.F) {
	fuzzing(f)
	file := written(recording())[:500]
	f.Add(zipped(file))
	f.Add(append(zipped(file[:100]), zipped(file[100:])...))
	f.Add(append(zipped(file), "junk"...))
	f.Add(zipped(zipped(file)))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		checkCost(t, b, limit)
		_, s := hold(t, b, capture.Options{MaxBytes: limit})
		if s.Bytes > limit {
			t.Fatalf("%d bytes read", s.Bytes)
		}
		// Compressed by us it is the same as it is: frames, cut and all.
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(b)
		_ = w.Close()
		if len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b || len(b) > limit {
			return
		}
		plain, s := hold(t, b, capture.Options{})
		again, zs := hold(t, z.Bytes(), capture.Options{})
		if len(plain) != len(again) || (s.Cut == nil) != (zs.Cut == nil) {
			t.Fatalf("%d frames, %d when compressed; %v, %v", len(plain), len(again), s.Cut, zs.Cut)
		}
	})
}

func FuzzSnoop(f *testing.F) {
	fuzzing(f)
	for _, packet := range [][]byte{nil, nameQuery(), segment(line{1, at(peer, 1025), at(pc, 139)}, "PA", 1, message(9))} {
		f.Add(append(snoop(packet), snoop(nameQuery())[16:]...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 16 {
			copy(b, snoop(nil)[:16])
		}
		checkCost(t, b, 0)
		_, s := hold(t, b, capture.Options{Quoted: true})
		if s.Packets > len(b)/24 {
			t.Fatalf("%d packets in %d bytes", s.Packets, len(b))
		}
		if s.Cut != nil && (s.Cut.Offset < 16 || s.Cut.Offset > int64(len(b)) || s.Cut.Packet != s.Packets+1) {
			t.Fatalf("%v of %d bytes", s.Cut, len(b))
		}
		if s.Packets == 0 || s.Cut != nil {
			return
		}
		// What is cut off the end changes nothing of what comes before, and is said.
		if _, less := hold(t, b[:len(b)-1], capture.Options{Quoted: true}); less.Cut == nil || less.Packets != s.Packets-1 {
			t.Fatalf("%d packets, %d with a byte less: %v", s.Packets, less.Packets, less.Cut)
		}
	})
}

// FuzzPacket reads one packet of any link type. A datagram in it is a part of the packet and is told once, and how the
// packet is held by the file makes no difference.
func FuzzPacket(f *testing.F) {
	fuzzing(f)
	for link, packet := range map[uint16][]byte{
		1: nameQuery(), 0: append([]byte{2, 0, 0, 0}, ip()...), 9: append([]byte{0xff, 3, 0, 0x21}, ip()...), 101: ip(),
		113: slices.Concat(make([]byte, 14), []byte{8, 0}, ip()), 276: slices.Concat([]byte{8, 0}, make([]byte, 18), ip()),
		51: slices.Concat([]byte("\x11\x00\x00\x01\x00\x2a\x00\x21"), ip()), 104: append([]byte{0x0f, 0, 8, 0}, ip()...),
	} {
		f.Add(link, packet)
	}
	for _, packet := range [][]byte{
		ether("\x81\x00\x00\x05\x08\x00", ip()), ether("\x88\x47\x00\x00\x10\x40\x00\x00\x21\x40", ip()), carried(4, ip()),
		carried(47, text("\x10\x00\x88\xbe....\x10\x05\x00\x01...."), nameQuery()), carried(1, text("\x03\x03......"), ip()),
		inUDP(1701, text("\x4a\x02..........\x00\x03...\x21"), ip()), inUDP(4789, text("\x08......."), nameQuery()),
		segment(line{1, at(peer, 1025), at(pc, 139)}, "SPA", 1, message(9)), piece(nameQuery(), 7, 0, 8),
	} {
		f.Add(uint16(1), packet)
	}
	f.Fuzz(func(t *testing.T, link uint16, packet []byte) {
		if len(packet) > 256<<10 {
			return
		}
		file := newTape().header(0x40000, uint32(link)).packet(packet).buf
		checkCost(t, file, 0)
		opts := capture.Options{Quoted: true}
		frames, s, err := streamed(file, opts)
		if err != nil {
			return // of a link type that is not supported
		}
		checkHolds(t, frames, s, err)
		datagrams := 0
		for _, fr := range frames {
			if fr.Kind == trace.UDP {
				datagrams++
			}
			if !bytes.Contains(packet, fr.Payload) {
				t.Fatalf("%x is no part of %x", fr.Payload, packet)
			}
		}
		if datagrams > 1 || datagrams == 1 && len(s.Skipped) > 0 {
			t.Fatalf("%d datagrams of a packet, skipped %v", datagrams, s.Skipped)
		}
		ng := newBlocks(binary.BigEndian).nic(link, 0x40000).enhanced(0, microseconds, packet).buf
		again, _ := hold(t, ng, opts)
		if len(again) != len(frames) {
			t.Fatalf("%d frames of pcap, %d of pcapng", len(frames), len(again))
		}
		for i, fr := range frames {
			if !bytes.Equal(again[i].Payload, fr.Payload) || again[i].From != fr.From || again[i].Tunnel != fr.Tunnel {
				t.Fatalf("%v of pcap, %v of pcapng", fr, again[i])
			}
		}
	})
}

// FuzzFragments cuts a datagram where the input says, sends the pieces in its order, some twice, and expects it whole.
func FuzzFragments(f *testing.F) {
	fuzzing(f)
	f.Add([]byte{1, 2, 3}, []byte{0, 1, 2, 3}, []byte("payload that is longer than a fragment or two of them"))
	f.Add([]byte{200, 9}, []byte{3, 3, 0}, make([]byte, 900))
	f.Fuzz(func(t *testing.T, cuts, order, payload []byte) {
		RegisterFailHandler(func(message string, _ ...int) { t.Fatal(message) })
		if len(payload) > 3000 || len(cuts) > 60 || len(order) > 200 {
			return
		}
		whole := datagram(at(pc, 138), at(peer, 138), payload)
		var all [][]byte
		size := len(whole) - 34
		for offset := 0; offset < size; {
			n := size - offset
			if len(cuts) > 0 {
				n = min(n, 8+int(cuts[0])*8)
				cuts = cuts[1:]
			}
			all = append(all, piece(whole, 7, offset, n))
			offset += n
		}
		tape := newTape()
		sent := make(map[int]bool)
		send := func(i int) {
			if len(sent) < len(all) {
				sent[i] = true
				tape.packet(all[i])
			}
		}
		for _, o := range order {
			send(int(o) % len(all))
		}
		for i := range all {
			if !sent[i] {
				send(i)
			}
		}
		frames, s := hold(t, tape.buf, capture.Options{})
		if len(frames) != 1 || !bytes.Equal(frames[0].Payload, payload) || len(frames[0].Odd) != 0 {
			t.Fatalf("%d frames of %d fragments, %v", len(frames), len(all), s.Skipped)
		}
		if frames[0].Number != s.Packets {
			t.Fatalf("packet %d of %d", frames[0].Number, s.Packets)
		}
	})
}

// FuzzTCP cuts a stream of messages where the input says, sends the pieces in its order, overlapping and twice, and expects
// the messages.
func FuzzTCP(f *testing.F) {
	fuzzing(f)
	f.Add([]byte{0, 5, 1, 9, 3, 0}, []byte{3, 0, 200})
	f.Add([]byte{7, 1, 6, 2, 5, 3, 4, 4, 0, 255}, []byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, moves, lengths []byte) {
		RegisterFailHandler(func(message string, _ ...int) { t.Fatal(message) })
		if len(moves) > 200 || len(lengths) > 20 {
			return
		}
		var stream []byte
		for _, n := range lengths {
			stream = append(stream, message(int(n))...)
		}
		l := line{1, at(peer, 1025), at(pc, 139)}
		const isn = 0xffffff00 // so that the numbers wrap
		tape := newTape().packet(segment(l, "S", isn, nil))
		send := func(from, to int) { tape.packet(segment(l, "A", isn+1+uint32(from), stream[from:to])) }
		for i := 0; i+1 < len(moves) && len(stream) > 0; i += 2 {
			from := int(moves[i]) * len(stream) / 256
			send(from, min(len(stream), from+1+int(moves[i+1])))
		}
		for from := 0; from < len(stream); from += 100 {
			send(from, min(len(stream), from+100))
		}
		tape.packet(segment(l, "FA", isn+1+uint32(len(stream)), nil))
		frames, s := hold(t, tape.buf, capture.Options{})
		var got []byte
		for _, fr := range frames {
			if fr.Kind == trace.Message {
				got = append(got, fr.Payload...)
				if len(fr.Odd) != 0 {
					t.Fatalf("odd: %v", fr.Odd)
				}
			}
		}
		if !bytes.Equal(got, stream) || len(frames) != len(lengths)+2 || len(s.Skipped) != 0 {
			t.Fatalf("%d frames of %d messages, skipped %v", len(frames), len(lengths), s.Skipped)
		}
	})
}

// FuzzAnyFragments sends whatever fragments the input says, of a few datagrams. What comes out was sent, and nothing costs
// more than the table may hold.
func FuzzAnyFragments(f *testing.F) {
	fuzzing(f)
	f.Add([]byte{1, 0, 50, 1, 1, 50, 50, 0}, []byte("payload"))
	f.Add([]byte{1, 0, 3, 1, 1, 0, 3, 1, 1, 3, 4, 0, 1, 200, 200, 1, 2, 255, 255, 0}, make([]byte, 200))
	f.Add([]byte("0\x00\x0310\x03\x0400\x01d1"), make([]byte, 64)) // once whole with a hole in it
	f.Fuzz(func(t *testing.T, moves, data []byte) {
		RegisterFailHandler(func(message string, _ ...int) { t.Fatal(message) })
		if len(moves) > 2000 || len(data) > 3000 {
			return
		}
		tape := newTape()
		body := append(slices.Clone(datagram(at(pc, 138), at(peer, 138), data)[34:]), data...)
		for ; len(moves) >= 4; moves = moves[4:] {
			id, offset, n, more := moves[0]%4, int(moves[1])*32, int(moves[2])*8, moves[3]&1 != 0
			b := slices.Concat(nameQuery()[:34], body[min(offset, len(body)):min(offset+n, len(body))])
			binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
			binary.BigEndian.PutUint16(b[18:], uint16(id))
			field := uint16(offset / 8)
			if more {
				field |= 0x2000
			}
			binary.BigEndian.PutUint16(b[20:], field)
			checked(b)
			tape.packet(b)
		}
		checkCost(t, tape.buf, 0)
		frames, s := hold(t, tape.buf, capture.Options{})
		for _, fr := range frames {
			// Fragments hold each what the whole has in their place, so whatever whole they make is a beginning of it.
			if fr.Kind == trace.UDP && !bytes.HasPrefix(body[8:], fr.Payload) {
				t.Fatalf("%x of %d fragments of %x", fr.Payload, s.Packets, body)
			}
		}
	})
}

// FuzzTCPLoss cuts a stream of messages where the input says and loses some of the pieces. The messages that end before
// the first loss are all there, and no more comes out than was sent.
func FuzzTCPLoss(f *testing.F) {
	fuzzing(f)
	f.Add([]byte{5, 9, 200, 1}, []byte{3, 0, 200, 40}, []byte{0, 0, 1})
	f.Add([]byte{0}, []byte{255, 255, 255}, []byte{1, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, cuts, lengths, losses []byte) {
		RegisterFailHandler(func(message string, _ ...int) { t.Fatal(message) })
		if len(lengths) > 20 || len(cuts) > 200 {
			return
		}
		var stream []byte
		var ends []int
		for _, n := range lengths {
			stream = append(stream, message(int(n))...)
			ends = append(ends, len(stream))
		}
		l := line{1, at(peer, 1025), at(pc, 139)}
		tape := newTape().packet(segment(l, "S", 0, nil))
		sent, lost := 0, len(stream)
		for i, from := 0, 0; from < len(stream); i++ {
			to := min(len(stream), from+100)
			if i < len(cuts) {
				to = min(len(stream), from+1+int(cuts[i]))
			}
			if i < len(losses) && losses[i]&1 != 0 {
				lost = min(lost, from)
			} else {
				tape.packet(segment(l, "A", 1+uint32(from), stream[from:to]))
				sent += to - from
			}
			from = to
		}
		tape.packet(segment(l, "FA", 1+uint32(len(stream)), nil))
		checkCost(t, tape.buf, 0)
		frames, s := hold(t, tape.buf, capture.Options{})
		var got []byte
		messages := 0
		for _, fr := range frames {
			if fr.Kind != trace.Message {
				continue
			}
			got = append(got, fr.Payload...)
			if messages < len(ends) && ends[messages] <= lost {
				if !bytes.Equal(got, stream[:ends[messages]]) || len(fr.Odd) != 0 {
					t.Fatalf("message %d: %x, odd %v, sent %x", messages, fr.Payload, fr.Odd, stream)
				}
			}
			messages++
		}
		if len(got) > sent {
			t.Fatalf("%d bytes of %d, skipped %v", len(got), sent, s.Skipped)
		}
		if whole, _ := slices.BinarySearch(ends, lost+1); messages < whole {
			t.Fatalf("%d messages, %d were sent before anything was lost", messages, whole)
		}
	})
}
