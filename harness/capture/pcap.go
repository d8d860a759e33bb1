// SPDX-License-Identifier: MIT

package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// The classic pcap format: a 24-byte file header, then records of a 16-byte header and the packet, all in the byte order
// of the machine that wrote it (draft-ietf-opsawg-pcap).
const (
	magicMicroseconds = 0xa1b2c3d4
	magicNanoseconds  = 0xa1b23c4d
	fileHeaderLen     = 24
	recordHeaderLen   = 16
	linkEthernet      = 1

	// maxPacketLen is the largest packet that a record may hold: tcpdump's own limit, four times the largest IPv4 packet. A
	// record that claims more is a damaged file, and no reason to allocate.
	maxPacketLen = 256 << 10
)

// record is one packet as the file holds it.
type record struct {
	at     int64  // nanoseconds since 1970
	data   []byte // valid until the next record is asked for
	length int    // of the packet on the wire, of which data may be the beginning
}

// pcapFile is a classic pcap file being read.
type pcapFile struct {
	src         *source
	bigEndian   bool
	nanoseconds bool
}

// openPcap reads the file header.
func openPcap(src *source) (*pcapFile, error) {
	h := src.peek(fileHeaderLen)
	if src.err != nil && !errors.Is(src.err, io.EOF) {
		return nil, fmt.Errorf("capture: %w", src.err)
	}
	if len(h) == 0 {
		return nil, errEmpty
	}
	if len(h) < 4 {
		return nil, fmt.Errorf("capture: %d bytes are too few for a capture", len(h))
	}
	f := &pcapFile{src: src}
	switch magic := binary.LittleEndian.Uint32(h); magic {
	case magicMicroseconds:
	case magicNanoseconds:
		f.nanoseconds = true
	case bits.ReverseBytes32(magicMicroseconds):
		f.bigEndian = true
	case bits.ReverseBytes32(magicNanoseconds):
		f.bigEndian, f.nanoseconds = true, true
	default:
		return nil, notPcap(h)
	}
	if len(h) < fileHeaderLen {
		return nil, fmt.Errorf("capture: pcap file of %d bytes is cut inside its header of %d", len(h), fileHeaderLen)
	}
	if major, minor := f.uint16(h[4:]), f.uint16(h[6:]); major != 2 {
		return nil, fmt.Errorf("capture: pcap version %d.%d is not supported (want 2.4)", major, minor)
	}
	// The snap length, h[16:20], is no limit to rely on: some writers leave it 0, or smaller than their packets. Above the
	// link type's 26 bits lie the length of Ethernet's trailing checksum and a flag, which we need not know, since the IPv4
	// header says where the packet ends.
	if link := f.uint32(h[20:]) & (1<<26 - 1); link != linkEthernet {
		return nil, fmt.Errorf("capture: link type %s is not supported yet (want Ethernet)", linkName(link))
	}
	src.skip(fileHeaderLen)
	return f, nil
}

// next returns the next packet. At the end of the file there is none, nor where the file is cut.
func (f *pcapFile) next() (rec record, ok bool, cut *Cut) {
	h := f.src.peek(recordHeaderLen)
	if len(h) < recordHeaderLen {
		if len(h) == 0 && errors.Is(f.src.err, io.EOF) {
			return record{}, false, nil
		}
		return record{}, false, f.cut("%d of %d bytes of a packet's header", len(h), recordHeaderLen)
	}
	seconds, fraction := int64(f.uint32(h)), int64(f.uint32(h[4:]))
	captured, length := f.uint32(h[8:]), f.uint32(h[12:])
	if captured > maxPacketLen {
		return record{}, false, &Cut{
			Offset: f.src.offset,
			Reason: fmt.Sprintf("packet claims %d bytes, the limit is %d", captured, maxPacketLen),
		}
	}
	b := f.src.peek(recordHeaderLen + int(captured))
	if have := len(b) - recordHeaderLen; have < int(captured) {
		return record{}, false, f.cut("%d of %d bytes of a packet", have, captured)
	}
	if !f.nanoseconds {
		fraction *= 1000
	}
	f.src.skip(len(b))
	return record{at: seconds*1e9 + fraction, data: b[recordHeaderLen:], length: int(length)}, true, nil
}

// cut reports that there are fewer bytes than wanted, and the reader's own reason if it is not just the end of the file.
func (f *pcapFile) cut(format string, have int, want any) *Cut {
	c := &Cut{Offset: f.src.offset, Reason: fmt.Sprintf(format, have, want)}
	if !errors.Is(f.src.err, io.EOF) {
		c.Reason += ": " + f.src.err.Error()
	}
	return c
}

func (f *pcapFile) uint16(b []byte) uint16 {
	if f.bigEndian {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (f *pcapFile) uint32(b []byte) uint32 {
	if f.bigEndian {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// notPcap says what a file is instead, as far as its first bytes tell.
func notPcap(h []byte) error {
	for _, known := range []struct{ magic, name string }{
		{"\x0a\x0d\x0d\x0a", "pcapng"},
		{"\x1f\x8b", "gzip"},
		{"snoop\x00\x00\x00", "snoop"},
		{"\x34\xcd\xb2\xa1", "modified (Kuznetzov) pcap"},
		{"\xa1\xb2\xcd\x34", "modified (Kuznetzov) pcap"},
	} {
		if bytes.HasPrefix(h, []byte(known.magic)) {
			return fmt.Errorf("capture: %s files are not supported yet (want classic pcap)", known.name)
		}
	}
	return fmt.Errorf("capture: not a capture: begins with % x (want a classic pcap file)", h[:4])
}

// linkName names the link types that NBT is likely to be captured on (tcpdump.org/linktypes.html).
func linkName(link uint32) string {
	names := map[uint32]string{
		0: "BSD loopback", 6: "token ring", 9: "PPP", 12: "raw IP", 101: "raw IP", 105: "IEEE 802.11", 108: "OpenBSD loopback",
		113: "Linux cooked", 127: "radiotap", 228: "raw IPv4", 276: "Linux cooked v2",
	}
	if name, ok := names[link]; ok {
		return fmt.Sprintf("%d (%s)", link, name)
	}
	return fmt.Sprint(link)
}

// source is a reader with a window over what comes next. The window grows only as bytes arrive, never by what they claim.
type source struct {
	r          io.Reader
	buf        []byte
	start, end int   // of the window in buf
	offset     int64 // of the window in the file
	err        error // why nothing more comes
}

// peek returns the next n bytes, or fewer when nothing more comes. They are valid until the next peek.
func (s *source) peek(n int) []byte {
	for s.end-s.start < n && s.err == nil {
		s.fill()
	}
	return s.buf[s.start:min(s.start+n, s.end)]
}

func (s *source) skip(n int) {
	s.start += n
	s.offset += int64(n)
}

func (s *source) fill() {
	if s.end == len(s.buf) {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, max(len(s.buf), fileHeaderLen))...)
	}
	for range 100 { // as bufio does: a reader that returns nothing and no error for ever is broken
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.err = err
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}
