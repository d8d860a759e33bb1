// SPDX-License-Identifier: MIT

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// baseSeconds is the date of time 0 in the files that we write, 1994-11-01T00:00:00Z in seconds since 1970: the year in
// which TCP/IP-32 came out. It is fixed so that a run gives the same bytes whenever it is recorded.
const baseSeconds = 783648000

// flushSize is how much is written at a time. The recording of a scenario is one write.
const flushSize = 64 << 10

// Write writes the frames as a classic pcap file with nanosecond times: Ethernet, IPv4, valid checksums, complete TCP. The
// same frames give the same bytes.
//
// A frame stands for what it says and, on a connection, for what a tap would have seen beside it: SYN/ACK and ACK follow a
// Connect at 10 and 20 microseconds, sooner if the connection is used sooner; an ACK follows data and FIN at 10, unless
// another segment has brought it by then. A connection that has a Refuse is a SYN and the RST/ACK. A message goes out at
// once, in segments of at most 1460 bytes of which the last has PSH, with ACKs in between where the window of 65535 would
// fill. Packets are in the order of time, then of frames.
//
// It is an error if a frame cannot be put into packets: another address family than IPv4, a time before 0 or beyond 2106, a
// payload too long for a datagram or, of a Message, empty; an end that is not one of its connection.
func Write(w io.Writer, frames []trace.Frame) error {
	e := encoder{ids: make(map[netip.Addr]uint16)}
	e.fileHeader()
	err := schedule(frames, func(p *outgoing) error {
		e.packet(p)
		if len(e.buf) < flushSize {
			return nil
		}
		return e.flush(w)
	})
	if err != nil {
		return err
	}
	return e.flush(w)
}

// Writer is [Write] while the frames come in, for a recording without an end in sight. What it holds back does not grow with
// the recording.
type Writer struct {
	w         io.Writer
	encoder   encoder
	scheduler scheduler
}

// NewWriter begins a file whose time 0 has a date.
func NewWriter(w io.Writer, date time.Time) *Writer {
	x := &Writer{w: w, encoder: encoder{ids: make(map[netip.Addr]uint16), offset: date.Sub(time.Unix(baseSeconds, 0))}}
	x.scheduler = scheduler{conns: make(map[int]*dialogue), emit: func(p *outgoing) error {
		x.encoder.packet(p)
		if len(x.encoder.buf) < flushSize {
			return nil
		}
		return x.encoder.flush(x.w)
	}}
	x.encoder.fileHeader()
	return x
}

// Write adds a frame. Frames come in the order of time, a Refuse right behind its Connect.
func (x *Writer) Write(f *trace.Frame) error {
	x.scheduler.replyUntil(f.At)
	if err := x.scheduler.frame(f, -1); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	x.scheduler.forget(f.Conn)
	return x.scheduler.err
}

// Flush writes what is held back in memory, but for acknowledgements that are not due yet.
func (x *Writer) Flush() error { return x.encoder.flush(x.w) }

// Close ends the recording. It does not close what it was written to.
func (x *Writer) Close() error {
	x.scheduler.replyUntil(1<<63 - 1)
	return errors.Join(x.scheduler.err, x.Flush())
}

// encoder turns packets into the bytes of a file.
type encoder struct {
	buf    []byte
	ids    map[netip.Addr]uint16 // the last IPv4 identification of each source
	offset time.Duration         // from the fixed date to the one that the file's time 0 has
}

func (e *encoder) flush(w io.Writer) error {
	if _, err := w.Write(e.buf); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	e.buf = e.buf[:0]
	return nil
}

// grow returns n more bytes of the buffer, all of which must be set: they are not zero.
func (e *encoder) grow(n int) []byte {
	e.buf = slices.Grow(e.buf, n)
	e.buf = e.buf[:len(e.buf)+n]
	return e.buf[len(e.buf)-n:]
}

func (e *encoder) fileHeader() {
	b, le := e.grow(fileHeaderLen), binary.LittleEndian
	le.PutUint32(b, magicNanoseconds)
	le.PutUint32(b[4:], 2|4<<16) // version 2.4
	le.PutUint64(b[8:], 0)       // time zone and accuracy: unused
	le.PutUint32(b[16:], maxPacketLen)
	le.PutUint32(b[20:], uint32(linkEthernet))
}

// mssOption announces the maximum segment size (RFC 9293 section 3.7.1).
var mssOption = []byte{2, 4, maxSegment >> 8, maxSegment & 0xff}

func (e *encoder) packet(p *outgoing) {
	headerLen, options := udpLen, []byte(nil)
	if p.tcp {
		headerLen = tcpLen
		if p.flags&flagSYN != 0 {
			options = mssOption
			headerLen += len(options)
		}
	}
	length := ethernetLen + ipv4Len + headerLen + len(p.payload)
	b := e.grow(recordHeaderLen + length)

	le := binary.LittleEndian
	at := p.at + e.offset
	le.PutUint32(b, uint32(baseSeconds+at/time.Second))
	le.PutUint32(b[4:], uint32(at%time.Second))
	le.PutUint32(b[8:], uint32(length))
	le.PutUint32(b[12:], uint32(length))
	b = b[recordHeaderLen:]

	from, to := p.from.Addr().As4(), p.to.Addr().As4()
	putMAC(b, to, p.broadcast)
	putMAC(b[6:], from, false)
	binary.BigEndian.PutUint16(b[12:], etherTypeIPv4)
	b = b[ethernetLen:]

	protocol := byte(protocolUDP)
	if p.tcp {
		protocol = protocolTCP
	}
	e.ids[p.from.Addr()]++
	putIPv4(b, from, to, e.ids[p.from.Addr()], protocol)
	addresses := b[12:20]
	b = b[ipv4Len:]

	copy(b[headerLen-len(options):], options)
	copy(b[headerLen:], p.payload)
	if p.tcp {
		putTCP(b, p, headerLen, addresses)
	} else {
		putUDP(b, p, addresses)
	}
}

// putMAC makes up the address of a network card: locally administered, with the IPv4 address in it.
func putMAC(b []byte, addr [4]byte, broadcast bool) {
	if broadcast {
		copy(b, "\xff\xff\xff\xff\xff\xff")
		return
	}
	b[0], b[1] = 0x02, 0
	copy(b[2:], addr[:])
}

// putIPv4 writes the header of a packet that reaches to the end of b.
func putIPv4(b []byte, from, to [4]byte, id uint16, protocol byte) {
	be := binary.BigEndian
	b[0], b[1] = 4<<4|ipv4Len/4, 0
	be.PutUint16(b[2:], uint16(len(b)))
	be.PutUint16(b[4:], id)
	be.PutUint16(b[6:], 0) // may be fragmented, is not
	b[8], b[9] = 64, protocol
	be.PutUint16(b[10:], 0)
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	be.PutUint16(b[10:], ^fold(sum(b[:ipv4Len], 0)))
}

// putUDP writes the header of a datagram that reaches to the end of b.
func putUDP(b []byte, p *outgoing, addresses []byte) {
	be := binary.BigEndian
	be.PutUint16(b, p.from.Port())
	be.PutUint16(b[2:], p.to.Port())
	be.PutUint16(b[4:], uint16(len(b)))
	be.PutUint16(b[6:], 0)
	checksum := ^fold(sum(b, pseudoHeader(addresses, protocolUDP, len(b))))
	if checksum == 0 {
		checksum = 0xffff // the same number; 0 would say that there is no checksum (RFC 768)
	}
	be.PutUint16(b[6:], checksum)
}

// putTCP writes the header, but for its options, of a segment that reaches to the end of b.
func putTCP(b []byte, p *outgoing, headerLen int, addresses []byte) {
	be := binary.BigEndian
	be.PutUint16(b, p.from.Port())
	be.PutUint16(b[2:], p.to.Port())
	be.PutUint32(b[4:], p.seq)
	be.PutUint32(b[8:], p.ack)
	b[12], b[13] = byte(headerLen/4)<<4, p.flags
	be.PutUint16(b[14:], window)
	be.PutUint32(b[16:], 0) // checksum; urgent pointer
	be.PutUint16(b[16:], ^fold(sum(b, pseudoHeader(addresses, protocolTCP, len(b)))))
}
