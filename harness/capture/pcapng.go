// SPDX-License-Identifier: MIT

package capture

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// The pcapng format: blocks of a type, a length, a body and the length once more (draft-ietf-opsawg-pcapng). A section
// header says in which byte order the blocks up to the next one are; interfaces are numbered within the section.
const (
	pcapngMagic    = "\x0a\x0d\x0d\x0a" // the same in both byte orders
	blockHeaderLen = 8
	blockOverhead  = 12
	sectionLen     = 28 // of the shortest section header, with its overhead
	byteOrderMagic = 0x1a2b3c4d

	// maxBlockLen bounds the blocks that are looked into: a packet with its options. Others are passed over, however long.
	maxBlockLen = 1 << 20

	// maxInterfaces bounds the table of a section. A file that describes one interface again for each packet is broken.
	maxInterfaces = 4096
)

// The types of block that mean something to us. Wireshark gives frame numbers to the last ones as well.
const (
	blockInterface    = 1
	blockPacket       = 2 // obsolete
	blockSimplePacket = 3
	blockEnhanced     = 6
	blockJournal      = 9
	blockSection      = 0x0a0d0d0a
	blockSysdig       = 0x204
	blockSysdigFlags  = 0x208
	blockSysdigV2     = 0x216
	blockSysdigV2Flag = 0x217
	blockSysdigLarge  = 0x221
	blockSysdigLargeF = 0x222
)

// The options of an interface that we need.
const (
	optionEnd        = 0
	optionResolution = 9
	optionOffset     = 14
)

// ngInterface is what an interface description says.
type ngInterface struct {
	link       linkType
	snapLen    uint32
	resolution byte  // if_tsresol
	offset     int64 // if_tsoffset, seconds
}

// pcapngFile is a pcapng file being read.
type pcapngFile struct {
	src        *source
	order      byteOrder
	interfaces []ngInterface
	cut        *Cut // of the first section header, which is where the file ends
}

func openPcapng(src *source) (*pcapngFile, error) {
	f := &pcapngFile{src: src}
	h := src.peek(sectionLen)
	if len(h) < sectionLen {
		if src.err != nil && !errors.Is(src.err, io.EOF) {
			return nil, fmt.Errorf("capture: %w", src.err)
		}
		return nil, fmt.Errorf("capture: pcapng file of %d bytes is cut inside its header of %d", len(h), sectionLen)
	}
	cut := f.section()
	switch {
	case cut == nil:
	case len(src.peek(4)) < 4:
		f.cut = cut // a capture it is, though it ends inside its first block
	default:
		return nil, fmt.Errorf("capture: pcapng: %s", cut.Reason)
	}
	return f, nil
}

// section reads a section header.
func (f *pcapngFile) section() *Cut {
	h := f.src.peek(sectionLen)
	if len(h) < sectionLen {
		return f.src.cutShort("%d of %d bytes of a section header", len(h), sectionLen)
	}
	switch {
	case littleEndian.uint32(h[8:]) == byteOrderMagic:
		f.order = littleEndian
	case bigEndian.uint32(h[8:]) == byteOrderMagic:
		f.order = bigEndian
	default:
		return f.src.cutAt("section header without the byte-order magic: % x", h[8:12])
	}
	if major, minor := f.order.uint16(h[12:]), f.order.uint16(h[14:]); major != 1 {
		return f.src.cutAt("pcapng version %d.%d is not supported (want 1.0)", major, minor)
	}
	length := f.order.uint32(h[4:])
	if cut := f.checkLength(length, sectionLen); cut != nil {
		return cut
	}
	// Nothing is kept from one section to the next, so that any number of them costs nothing.
	f.interfaces = f.interfaces[:0]
	return f.pass(length)
}

func (f *pcapngFile) next(rec *record) (ok bool, cut *Cut) {
	if f.cut != nil {
		return false, f.cut
	}
	for {
		h := f.src.peek(blockHeaderLen)
		if len(h) < blockHeaderLen {
			if f.src.ended() {
				return false, nil
			}
			return false, f.src.cutShort("%d of %d bytes of a block's header", len(h), blockHeaderLen)
		}
		*rec = record{}
		kind, length := f.order.uint32(h), f.order.uint32(h[4:])
		switch kind {
		case blockSection:
			cut = f.section()
		case blockInterface:
			cut = f.describe(length)
		case blockEnhanced, blockPacket, blockSimplePacket:
			ok, cut = f.packet(rec, kind, length)
		case blockJournal:
			rec.alien = "a journal entry, not a packet"
			ok, cut = f.alien(length)
		case blockSysdig, blockSysdigFlags, blockSysdigV2, blockSysdigV2Flag, blockSysdigLarge, blockSysdigLargeF:
			rec.alien = "a system event, not a packet"
			ok, cut = f.alien(length)
		default:
			if cut = f.checkLength(length, blockOverhead); cut == nil {
				cut = f.pass(length)
			}
		}
		if ok || cut != nil {
			return ok, cut
		}
	}
}

func (f *pcapngFile) alien(length uint32) (ok bool, cut *Cut) {
	if cut = f.checkLength(length, blockOverhead); cut == nil {
		cut = f.pass(length)
	}
	return cut == nil, cut
}

func (f *pcapngFile) checkLength(length, shortest uint32) *Cut {
	if length < shortest || length%4 != 0 {
		return f.src.cutAt("block of %d bytes (want a multiple of 4, at least %d)", length, shortest)
	}
	return nil
}

// pass passes over a block without looking into it.
func (f *pcapngFile) pass(length uint32) *Cut {
	at := f.src.offset
	body := int64(length) - 4
	if passed := f.src.discard(body); passed < body {
		cut := f.src.cutShort("%d of %d bytes of a block", int(passed), length)
		cut.Offset = at
		return cut
	}
	b := f.src.peek(4)
	if len(b) < 4 {
		cut := f.src.cutShort("%d of %d bytes of a block", int(body)+len(b), length)
		cut.Offset = at
		return cut
	}
	if cut := f.checkTrailer(at, length, b); cut != nil {
		return cut
	}
	f.src.skip(4)
	return nil
}

func (f *pcapngFile) checkTrailer(at int64, length uint32, b []byte) *Cut {
	if again := f.order.uint32(b); again != length {
		return &Cut{Offset: at, Reason: fmt.Sprintf("block of %d bytes says %d at its end", length, again)}
	}
	return nil
}

// block returns a whole block, to be skipped when it has been understood, and its body.
func (f *pcapngFile) block(length, shortest uint32) (whole, body []byte, cut *Cut) {
	if cut := f.checkLength(length, shortest); cut != nil {
		return nil, nil, cut
	}
	if length > maxBlockLen {
		return nil, nil, f.src.cutAt("block claims %d bytes, the limit is %d", length, maxBlockLen)
	}
	b := f.src.peek(int(length))
	if len(b) < int(length) {
		return nil, nil, f.src.cutShort("%d of %d bytes of a block", len(b), length)
	}
	if cut := f.checkTrailer(f.src.offset, length, b[length-4:]); cut != nil {
		return nil, nil, cut
	}
	return b, b[blockHeaderLen : length-4], nil
}

// describe adds an interface.
func (f *pcapngFile) describe(length uint32) *Cut {
	b, body, cut := f.block(length, blockOverhead+8)
	if cut != nil {
		return cut
	}
	if len(f.interfaces) == maxInterfaces {
		return f.src.cutAt("more than %d interfaces in a section", maxInterfaces)
	}
	in := ngInterface{link: linkType(f.order.uint16(body)), snapLen: f.order.uint32(body[4:]), resolution: 6}
	for o := body[8:]; len(o) >= 4; {
		code, n := f.order.uint16(o), int(f.order.uint16(o[2:]))
		o = o[4:]
		if code == optionEnd {
			break
		}
		if n > len(o) {
			return f.src.cutAt("option %d of an interface claims %d bytes of %d", code, n, len(o))
		}
		switch {
		case code == optionResolution && n >= 1:
			in.resolution = o[0]
		case code == optionOffset && n >= 8:
			in.offset = int64(f.order.uint64(o))
		}
		o = o[min((n+3)&^3, len(o)):]
	}
	f.interfaces = append(f.interfaces, in)
	f.src.skip(len(b))
	return nil
}

// packet reads a block that holds a packet.
func (f *pcapngFile) packet(rec *record, kind, length uint32) (ok bool, cut *Cut) {
	header := 20 // of the body, before the packet
	if kind == blockSimplePacket {
		header = 4
	}
	b, body, cut := f.block(length, uint32(blockOverhead+header))
	if cut != nil {
		return false, cut
	}
	data := body[header:]
	var id, captured uint32
	switch kind {
	case blockSimplePacket:
		rec.noTime = true
		rec.length = int(f.order.uint32(body))
		captured = min(uint32(rec.length), uint32(len(data)))
	case blockPacket:
		id = uint32(f.order.uint16(body))
		captured, rec.length = f.order.uint32(body[12:]), int(f.order.uint32(body[16:]))
	default:
		id = f.order.uint32(body)
		captured, rec.length = f.order.uint32(body[12:]), int(f.order.uint32(body[16:]))
	}
	if int64(id) >= int64(len(f.interfaces)) {
		return false, f.src.cutAt("packet of interface %d of %d", id, len(f.interfaces))
	}
	in := &f.interfaces[id]
	if kind == blockSimplePacket {
		if in.snapLen != 0 {
			captured = min(captured, in.snapLen)
		}
	} else {
		rec.at, rec.clamp = in.time(uint64(f.order.uint32(body[4:]))<<32 | uint64(f.order.uint32(body[8:])))
	}
	if captured > maxPacketLen {
		return false, f.src.cutAt("packet claims %d bytes, the limit is %d", captured, maxPacketLen)
	}
	if int(captured) > len(data) {
		return false, f.src.cutAt("packet of %d bytes in a block with room for %d", captured, len(data))
	}
	rec.data, rec.link = data[:captured], in.link
	f.src.skip(len(b))
	return true, nil
}

// time converts a time in the interface's unit to nanoseconds since 1970, exactly where it has so many digits and rounded
// down where it has more. What is out of range becomes the nearest time that is not.
func (in *ngInterface) time(t uint64) (nanoseconds int64, clamped bool) {
	const limit = maxTime / 1_000_000_000
	seconds, fraction := in.split(t)
	// Far enough out of range to be clamped, and near enough for the sum to fit.
	sum := int64(min(seconds, 4*limit)) + max(min(in.offset, 4*limit), -4*limit)
	switch {
	case sum >= limit:
		return maxTime, true
	case sum < -limit:
		return -maxTime, true
	}
	return sum*1e9 + int64(fraction), false
}

// split converts a time in the interface's unit to seconds and nanoseconds. The unit is a negative power of 10, or of 2 if
// the highest bit of if_tsresol is set.
func (in *ngInterface) split(t uint64) (seconds, nanoseconds uint64) {
	exponent := uint(in.resolution & 0x7f)
	if in.resolution&0x80 == 0 {
		if exponent > 19 { // 64 bits of such a unit are less than a second
			return 0, scaledDown(t, exponent-9)
		}
		unit := pow10(exponent)
		seconds, rest := t/unit, t%unit
		if exponent <= 9 {
			return seconds, rest * pow10(9-exponent)
		}
		return seconds, rest / pow10(exponent-9)
	}
	if exponent >= 64 {
		hi, _ := bits.Mul64(t, 1e9)
		return 0, hi >> (exponent - 64)
	}
	rest := t & (1<<exponent - 1)
	hi, lo := bits.Mul64(rest, 1e9)
	if exponent == 0 {
		return t, 0
	}
	return t >> exponent, hi<<(64-exponent) | lo>>exponent
}

func scaledDown(t uint64, digits uint) uint64 {
	for ; digits > 0 && t > 0; digits-- {
		t /= 10
	}
	return t
}

// pow10 is a power of ten that fits: up to the 19th.
func pow10(n uint) uint64 {
	p := uint64(1)
	for ; n > 0; n-- {
		p *= 10
	}
	return p
}
