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
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4 {
			copy(b, "\x0a\x0d\x0d\x0a")
		}
		_, s := hold(t, b, capture.Options{Quoted: true})
		if s.Cut != nil && (s.Cut.Offset < 28 || s.Cut.Offset > int64(len(b)) || s.Cut.Packet != s.Packets+1) {
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
