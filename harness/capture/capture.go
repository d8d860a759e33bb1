// SPDX-License-Identifier: MIT

// Package capture turns packet captures into frames of a trace and back. It is the only place where TCP segments exist:
// reading puts them together to stream events, writing makes them up again.
//
// [Stream] reads captures of any length in memory that does not grow with it; [Read] gives all frames of one at once.
//
// # What is read
//
// Files: pcap in either byte order, in micro- or nanoseconds; pcapng with any number of sections and interfaces; snoop; each
// of them compressed with gzip. Link types: Ethernet with tags of 802.1Q and 802.1ad, MPLS, PPPoE or LLC/SNAP; Linux cooked, both
// versions; raw IP; null and loopback; PPP and HDLC. Internet protocol: version 4, in fragments too. Transport: UDP of ports
// 137 and 138, TCP of port 139; where a session is told to go elsewhere (RETARGET), to another port, it is not followed.
// Tunnels, one level deep: GRE, ERSPAN, PPTP, L2TP, VXLAN, IP in IP; others are named where they are skipped.
//
// It reads and writes; it does not judge. What is wrong below NBT is noted on the frame it happened to ([trace.Frame] Odd),
// what is none of our business is counted ([Skip]), and a file that ends early is read as far as it goes ([Cut]).
//
// # What it costs
//
// Every table has a limit, and what was dropped for it is counted: 128 datagrams in fragments, for 30 s of the capture's time;
// 4096 connections; 256 KiB of a connection's side behind bytes that are missing, 16 MiB of all connections together. A packet is
// at most 256 KiB long, compressed files may grow to 1 GiB and to 200 times their size ([Options] MaxBytes). All together
// it is less than 64 MiB, whatever the file says.
//
// Headers are read and written by hand, with every length checked here: gopacket's file readers allocate what a record
// claims, and some of its decoders panic on crafted headers. The specs use it, and tshark, to check this package.
package capture

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// Capture is what was read from a capture file.
type Capture struct {
	Frames  []trace.Frame // in the order of their Number; At is since Base
	Packets int           // whole packets in the file, ours and others
	Skipped []Skip        // what made no frame, in the order of first appearance; then what full tables dropped
	Cut     *Cut          // where and why reading ended early; nil for a whole file
	Base    time.Time     // when the first packet was captured; zero in a file without packets
}

// Cut tells where reading ended before the file did as it should.
type Cut struct {
	Offset int64  // of the first byte that could not be used; in a compressed file, as if it were not
	Packet int    // the number that the packet there would have had
	Reason string // "4 of 16 bytes of a packet's header", ...
}

func (c Cut) String() string {
	return fmt.Sprintf("cut at byte %d, packet %d: %s", c.Offset, c.Packet, c.Reason)
}

// maxFrames bounds what a crafted file can make us hold: four bytes of capture can be a message, whose Frame takes forty
// times as much. A name service under load takes hours to exchange a million datagrams.
const maxFrames = 1 << 20

// Read reads a capture to its end. It returns an error only for what is not a capture at all, is of a kind that is not
// supported, or cannot be read; a capture that is cut gives the frames so far, and [Capture.Cut].
//
// The frames are those of [Stream], in the order of their numbers. What came through a tunnel is among them.
func Read(r io.Reader) (Capture, error) {
	return read(r, 16<<10)
}

// read is [Read] with a buffer of a size that fits the file.
func read(r io.Reader, bufferSize int) (Capture, error) {
	var c Capture
	rd := reader{limit: maxFrames}
	rd.each = func(f *Frame) error {
		if c.Frames == nil {
			c.Frames = make([]trace.Frame, 0, 64)
		}
		own := f.Frame
		own.Payload, own.Odd = slices.Clone(f.Payload), slices.Clone(f.Odd)
		c.Frames = append(c.Frames, own)
		return nil
	}
	s, err := rd.read(r, bufferSize)
	if err != nil {
		return Capture{}, err
	}
	c.Packets, c.Skipped, c.Cut, c.Base = s.Packets, s.Skipped, s.Cut, s.Base
	for _, d := range s.Dropped {
		if d.Why != dropGap { // the frame behind it says so
			c.Skipped = append(c.Skipped, d)
		}
	}
	byNumber := func(a, b trace.Frame) int { return cmp.Compare(a.Number, b.Number) }
	if !slices.IsSortedFunc(c.Frames, byNumber) { // a message can wait for bytes before it, or for the end
		slices.SortStableFunc(c.Frames, byNumber)
	}
	return c, nil
}
