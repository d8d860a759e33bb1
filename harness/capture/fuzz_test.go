// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"

	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// FuzzRead holds what is read from any bytes against what holds for every capture.
func FuzzRead(f *testing.F) {
	RegisterFailHandler(func(message string, _ ...int) { f.Fatal(message) })
	whole := written(everything())
	for _, file := range [][]byte{nil, whole[:24], whole[:1000], whole[:999], written(random(3)[:3])} {
		f.Add(file)
	}
	l := line{1, at(peer, 1025), at(pc, 139)}
	odd := newTape().packet(segment(l, "S", 9, nil)).packet(segment(l, "A", 20, message(9))).packet(segment(l, "FA", 40, nil))
	f.Add(odd.packet(segment(l, "PA", 10, []byte("not a message"))).packet(segment(l.back(), "RA", 0, nil)).buf)
	f.Add(odd.header(1, 1).record(segment(l, "PA", 10, message(9))[:60], 70).buf)

	f.Fuzz(func(t *testing.T, b []byte) {
		checkCost(t, b, 0)
		c, err := capture.Read(bytes.NewReader(b))
		if pieces, again := capture.Read(iotest.HalfReader(bytes.NewReader(b))); !reflect.DeepEqual(pieces, c) ||
			fmt.Sprint(again) != fmt.Sprint(err) {
			t.Fatalf("in pieces %v (%v), else %v (%v)", pieces, again, c, err)
		}
		if err != nil {
			if c.Packets != 0 || c.Frames != nil {
				t.Fatal("an error, and packets nevertheless")
			}
			return
		}
		if n := payloadBytes(c); n > len(b) {
			t.Fatalf("%d bytes of payload in a file of %d", n, len(b))
		}
		if !slices.IsSortedFunc(c.Frames, func(a, b trace.Frame) int { return cmp.Compare(a.Number, b.Number) }) {
			t.Fatal("frames out of order")
		}
		for _, fr := range c.Frames {
			if fr.Number < 1 || fr.Number > c.Packets {
				t.Fatalf("frame at packet %d of %d", fr.Number, c.Packets)
			}
			if (fr.Kind == trace.UDP) != (fr.Conn == 0) {
				t.Fatalf("%v of connection %d", fr.Kind, fr.Conn)
			}
		}
		if c.Cut != nil && (c.Cut.Packet != c.Packets+1 || c.Cut.Offset > int64(len(b))) {
			t.Fatalf("%v of a file of %d bytes with %d packets", c.Cut, len(b), c.Packets)
		}
		if c.Cut == nil { // then another packet can follow
			more := append(slices.Clone(b), make([]byte, 16)...)
			if again, err := capture.Read(bytes.NewReader(more)); err != nil || again.Packets != c.Packets+1 {
				t.Fatalf("a packet of no bytes makes it %d packets, error %v", again.Packets, err)
			}
		}
	})
}
