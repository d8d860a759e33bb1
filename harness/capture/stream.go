// SPDX-License-Identifier: MIT

package capture

import (
	"fmt"
	"io"
	"time"

	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Options are what a reader of captures can choose. The zero value is the usual choice.
type Options struct {
	// MaxBytes is what a compressed file may grow to; 0 means 1 GiB, and at most 200 times its size once it is over 16 MiB.
	MaxBytes int64

	// Quoted asks for datagrams quoted in ICMP errors as well, whose Tunnel is [QuotedTunnel]. They did not arrive anywhere,
	// and mostly only their beginning is there.
	Quoted bool

	// Unchecked leaves the checksums of UDP and TCP alone, for who has no use for [trace.Frame] Odd: they take every byte of a
	// capture into the processor once more.
	Unchecked bool
}

// QuotedTunnel is what the datagrams quoted in ICMP errors came through.
const QuotedTunnel = "ICMP error"

// Frame is a frame as [Stream] hands it over. Its Payload and its Odd are valid until the call returns.
type Frame struct {
	trace.Frame

	UnixNano int64  // when it was captured, nanoseconds since 1970; trace.Frame has it since the first packet
	Message  int    // index among the messages that the same packet completes, from 0
	Tunnel   string // what it came through, such as "GRE" or "ERSPAN II"; empty for what was captured as it is
}

// Service is one of the three services of NBT, as its port tells (RFC 1001 section 15 to 17).
type Service uint8

// The services.
const (
	NameService     Service = iota // UDP port 137
	DatagramService                // UDP port 138
	SessionService                 // TCP port 139
)

func (s Service) String() string { return [...]string{"ns", "dgm", "ssn"}[s] }

// Service returns the service that a frame belongs to. Between ports 137 and 138 it is that of the lower one, which is how
// Wireshark chooses too.
func (f *Frame) Service() Service {
	switch {
	case f.Kind != trace.UDP:
		return SessionService
	case f.From.Port() == stack.NamePort || f.To.Port() == stack.NamePort:
		return NameService
	}
	return DatagramService
}

// Summary is what [Stream] has to say about a capture as a whole.
type Summary struct {
	Packets int       // whole packets in the file, ours and others
	Bytes   int64     // captured in them
	Frames  int       // handed over
	Skipped []Skip    // packets that made no frame, in the order of first appearance
	Dropped []Skip    // datagrams, connections and gaps that full tables gave up, in that order too
	Cut     *Cut      // where and why reading ended early; nil for a whole file
	Base    time.Time // when the first packet was captured; zero in a file without packets
}

// streamBuffer is how much of the file is read at a time.
const streamBuffer = 256 << 10

// Stream reads a capture and hands its frames to each, in memory that does not grow with the length of the capture and
// without allocating anything for a frame in the long run. An error of each ends it and is returned; so is an error for
// what is not a capture at all, is of a kind that is not supported, or cannot be read. A capture that is cut gives the
// frames so far, and [Summary] Cut.
//
// Each datagram is a frame. Each whole session-service message is a frame at the packet that completes it: the one that
// brings the last of its bytes, or of the bytes before it. Bytes that cannot be framed are a Message as well, with Odd saying
// why: up to the end of the segment with which their sender pushes them (TCP's PSH), where framing begins afresh. A
// connection whose SYN was not captured has a number but no Connect, and its first bytes are taken for the beginning of a
// message.
//
// Frames come in the order of their numbers but for those that could only be told late: what a connection had left when
// it, or the capture, ended. They have the number of the packet that brought it.
func Stream(r io.Reader, opts Options, each func(*Frame) error) (Summary, error) {
	rd := reader{opts: opts, each: each}
	return rd.read(r, streamBuffer)
}

// reader makes frames of packets.
type reader struct {
	opts    Options
	each    func(*Frame) error
	limit   int   // of frames; 0 for none
	err     error // of each
	summary Summary
	skipped tally
	dropped tally

	now         mark
	base        int64 // time of the first packet, nanoseconds since 1970
	based       bool
	packetNow   packet
	frame       Frame
	texts       texts
	fragments   fragments
	connections connections
}

// mark is a packet's place in the capture.
type mark struct {
	number int
	at     time.Duration
}

// read reads a file to its end, or as far as it goes.
func (r *reader) read(from io.Reader, bufferSize int) (Summary, error) {
	file, src, err := open(from, bufferSize, r.opts.MaxBytes)
	if err != nil {
		return Summary{}, err
	}
	r.fragments.skipped, r.fragments.dropped = &r.skipped, &r.dropped
	r.packetNow.texts, r.packetNow.fragments, r.packetNow.unchecked = &r.texts, &r.fragments, r.opts.Unchecked
	var rec record
	var link linkType // the first one that is not supported
	readable, unreadable := false, false
	for !r.full() {
		ok, cut := file.next(&rec)
		if cut != nil {
			r.cutAt(*cut)
		}
		if !ok {
			break
		}
		switch {
		case rec.alien != "":
		case readable || rec.link.supported():
			readable = true
		case !unreadable:
			unreadable, link = true, rec.link
		}
		r.packet(&rec)
	}
	if r.err == nil && r.full() {
		r.cutAt(Cut{Offset: src.offset, Reason: fmt.Sprintf("more than %d frames", r.limit)})
	}
	r.finish()
	s := r.summary
	s.Skipped, s.Dropped = r.skipped.inOrder(), r.dropped.inOrder()
	if r.err == nil && unreadable && !readable {
		return s, fmt.Errorf("capture: %s, and all packets are of such", link.unsupported())
	}
	return s, r.err
}

// full reports whether no more frames are wanted.
func (r *reader) full() bool { return r.err != nil || r.limit > 0 && r.summary.Frames >= r.limit }

func (r *reader) cutAt(c Cut) {
	c.Packet = r.summary.Packets + 1
	r.summary.Cut = &c
}

func (r *reader) packet(rec *record) {
	s := &r.summary
	s.Packets++
	s.Bytes += int64(len(rec.data))
	r.now.number = s.Packets
	r.timed(rec)
	r.fragments.free()
	p := &r.packetNow
	p.begin(r.now)
	switch why := p.decode(rec); {
	case why == kept:
	case why != "":
		r.skip(why)
	case p.tcp:
		r.segment(p)
	case p.quoted && !r.opts.Quoted:
		r.skip(skipQuoted)
	default:
		f := &r.frame
		f.Kind, f.Conn, f.Broadcast = trace.UDP, 0, p.broadcast
		f.From, f.To, f.Payload = p.from.addrPort(), p.to.addrPort(), p.payload
		r.add(p.odd, p.tunnel, 0, r.now)
	}
}

// timed tells the packet's time. One without a time of its own has that of the one before.
func (r *reader) timed(rec *record) {
	switch {
	case rec.noTime || rec.alien != "":
		return
	case !r.based:
		r.based, r.base = true, rec.at
		r.summary.Base = time.Unix(0, rec.at).UTC()
	}
	r.now.at = time.Duration(rec.at - r.base)
}

// add hands over a frame, set in r.frame but for what the arguments say, that the packet at a mark completed.
func (r *reader) add(odd []string, tunnel string, message int, m mark) {
	if r.err != nil {
		return
	}
	f := &r.frame
	f.Odd = nil
	if len(odd) > 0 {
		f.Odd = odd
	}
	f.Tunnel, f.Message, f.Number, f.At, f.UnixNano = tunnel, message, m.number, m.at, r.base+int64(m.at)
	r.summary.Frames++
	r.err = r.each(f)
}

func (r *reader) skip(why string) { r.skipped.add(why, r.now.number, 1) }

// finish gives up waiting for the rest of what is unfinished.
func (r *reader) finish() {
	r.endConnections()
	r.fragments.end()
}
