// SPDX-License-Identifier: MIT

// Package capture turns packet captures into frames of a trace and back. It is the only place where TCP segments exist:
// reading puts them together to stream events, writing makes them up again.
//
// It reads and writes; it does not judge. What is wrong below NBT is noted on the frame it happened to ([trace.Frame] Odd),
// what is none of our business is counted ([Skip]), and a file that ends early is read as far as it goes ([Cut]).
//
// Headers are read and written by hand, with every length checked here: gopacket's file readers allocate what a record
// claims, and some of its decoders panic on crafted headers. The specs use it, and tshark, to check this package.
package capture

import (
	"cmp"
	"errors"
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
	Skipped []Skip        // what made no frame, in the order of first appearance
	Cut     *Cut          // where and why reading ended early; nil for a whole file
	Base    time.Time     // when the first packet was captured; zero in a file without packets
}

// Skip counts packets that were left out for the same reason. Packets of TCP that make no frame by themselves, such as an
// acknowledgement, are not left out.
type Skip struct {
	Why   string // "not IPv4", "not port 137-139", ...
	Count int
	First int // number of the first such packet, as Wireshark counts
}

// Cut tells where reading ended before the file did as it should.
type Cut struct {
	Offset int64  // of the first byte that could not be used
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
// Each whole session-service message is a frame at the packet that completes it: the one that brings the last of its bytes,
// or of the bytes before it. Bytes that cannot be framed are a Message as well, with Odd saying why: up to the end of the
// segment with which their sender pushes them (TCP's PSH), where framing begins afresh. A connection whose SYN was not
// captured has a number but no Connect, and its first bytes are taken for the beginning of a message.
func Read(r io.Reader) (Capture, error) {
	return read(r, 16<<10)
}

// read is [Read] with a buffer of a size that fits the file.
func read(r io.Reader, bufferSize int) (Capture, error) {
	file, err := openPcap(&source{r: r, buf: make([]byte, bufferSize)})
	if err != nil {
		return Capture{}, err
	}
	rd := reader{}
	for len(rd.Frames) < maxFrames {
		rec, ok, cut := file.next()
		if cut != nil {
			rd.cutAt(*cut)
		}
		if !ok {
			break
		}
		rd.packet(rec)
	}
	if len(rd.Frames) >= maxFrames {
		rd.cutAt(Cut{Offset: file.src.offset, Reason: fmt.Sprintf("more than %d frames", maxFrames)})
	}
	rd.finish()
	return rd.Capture, nil
}

// reader makes frames of packets.
type reader struct {
	Capture
	now         mark
	base        int64 // time of the first packet, nanoseconds since 1970
	connections connections
}

// mark is a packet's place in the capture.
type mark struct {
	number int
	at     time.Duration
}

func (r *reader) cutAt(c Cut) {
	c.Packet = r.Packets + 1
	r.Cut = &c
}

func (r *reader) packet(rec record) {
	if r.Packets == 0 {
		r.base = rec.at
		r.Base = time.Unix(0, rec.at).UTC()
		r.Frames = make([]trace.Frame, 0, 64)
	}
	r.Packets++
	r.now = mark{number: r.Packets, at: time.Duration(rec.at - r.base)}
	var p packet
	if why := p.decode(rec); why != "" {
		r.skip(why)
		return
	}
	if p.tcp {
		r.segment(&p)
		return
	}
	f := trace.Frame{Kind: trace.UDP, Broadcast: p.broadcast, From: p.from.addrPort(), To: p.to.addrPort(), Odd: p.odd}
	f.Payload = slices.Clone(p.payload)
	r.add(f, r.now)
}

// add appends a frame that the packet at a mark completed.
func (r *reader) add(f trace.Frame, m mark) {
	f.Number, f.At = m.number, m.at
	r.Frames = append(r.Frames, f)
}

func (r *reader) skip(why string) {
	for i := range r.Skipped {
		if r.Skipped[i].Why == why {
			r.Skipped[i].Count++
			return
		}
	}
	r.Skipped = append(r.Skipped, Skip{Why: why, Count: 1, First: r.now.number})
}

// finish gives up waiting for the rest of what is unfinished.
func (r *reader) finish() {
	r.endConnections()
	byNumber := func(a, b trace.Frame) int { return cmp.Compare(a.Number, b.Number) }
	if !slices.IsSortedFunc(r.Frames, byNumber) { // a message can wait for bytes before it, or for the end
		slices.SortStableFunc(r.Frames, byNumber)
	}
}

var errEmpty = errors.New("capture: empty file")
