// SPDX-License-Identifier: MIT

package capture

import (
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
)

// pcapFile is a classic pcap file being read.
type pcapFile struct {
	src   *source
	order byteOrder
	unit  int64 // of the fraction of a second, nanoseconds
	link  linkType
}

// byteOrder is the order in which a file has its numbers. It is a switch rather than an interface because it is asked five
// times a packet.
type byteOrder bool

const (
	littleEndian byteOrder = false
	bigEndian    byteOrder = true
)

func (o byteOrder) uint16(b []byte) uint16 {
	if o == bigEndian {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o byteOrder) uint32(b []byte) uint32 {
	if o == bigEndian {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (o byteOrder) uint64(b []byte) uint64 {
	if o == bigEndian {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

func isPcap(h []byte) bool {
	switch binary.LittleEndian.Uint32(h) {
	case magicMicroseconds, magicNanoseconds, bits.ReverseBytes32(magicMicroseconds), bits.ReverseBytes32(magicNanoseconds):
		return true
	}
	return false
}

// openPcap reads the file header, which begins with one of the magic numbers.
func openPcap(src *source) (*pcapFile, error) {
	h := src.peek(fileHeaderLen)
	if len(h) < fileHeaderLen {
		if !errors.Is(src.err, io.EOF) {
			return nil, fmt.Errorf("capture: %w", src.err)
		}
		return nil, fmt.Errorf("capture: pcap file of %d bytes is cut inside its header of %d", len(h), fileHeaderLen)
	}
	f := &pcapFile{src: src, unit: 1000}
	switch binary.LittleEndian.Uint32(h) {
	case magicNanoseconds:
		f.unit = 1
	case bits.ReverseBytes32(magicMicroseconds):
		f.order = bigEndian
	case bits.ReverseBytes32(magicNanoseconds):
		f.order, f.unit = bigEndian, 1
	}
	if major, minor := f.order.uint16(h[4:]), f.order.uint16(h[6:]); major != 2 {
		return nil, fmt.Errorf("capture: pcap version %d.%d is not supported (want 2.4)", major, minor)
	}
	// The snap length, h[16:20], is no limit to rely on: some writers leave it 0, or smaller than their packets. Above the
	// link type's 26 bits lie the length of Ethernet's trailing checksum and a flag, which we need not know, since the IPv4
	// header says where the packet ends.
	f.link = linkType(f.order.uint32(h[20:]) & (1<<26 - 1))
	if !f.link.supported() {
		return nil, fmt.Errorf("capture: %s", f.link.unsupported())
	}
	src.skip(fileHeaderLen)
	return f, nil
}

func (f *pcapFile) next(rec *record) (ok bool, cut *Cut) {
	h := f.src.peek(recordHeaderLen)
	if len(h) < recordHeaderLen {
		if f.src.ended() {
			return false, nil
		}
		return false, f.src.cutShort("%d of %d bytes of a packet's header", len(h), recordHeaderLen)
	}
	seconds, fraction := int64(f.order.uint32(h)), int64(f.order.uint32(h[4:]))
	captured, length := f.order.uint32(h[8:]), f.order.uint32(h[12:])
	if captured > maxPacketLen {
		return false, f.src.cutAt("packet claims %d bytes, the limit is %d", captured, maxPacketLen)
	}
	b := f.src.peek(recordHeaderLen + int(captured))
	if have := len(b) - recordHeaderLen; have < int(captured) {
		return false, f.src.cutShort("%d of %d bytes of a packet", have, captured)
	}
	f.src.skip(len(b))
	rec.at, rec.data, rec.length, rec.link = seconds*1e9+fraction*f.unit, b[recordHeaderLen:], int(length), f.link
	return true, nil
}
