// SPDX-License-Identifier: MIT

package capture

import (
	"encoding/binary"
	"fmt"
)

// The snoop format of Solaris, version 2 (RFC 1761): a 16-byte file header, then records of a 24-byte header, the packet and
// padding, all big-endian.
const (
	snoopMagic           = "snoop\x00\x00\x00"
	snoopHeaderLen       = 16
	snoopRecordHeaderLen = 24
	snoopVersion         = 2
	snoopEthernet        = 4
)

// snoopFile is a snoop file being read.
type snoopFile struct{ src *source }

func openSnoop(src *source) (*snoopFile, error) {
	h := src.peek(snoopHeaderLen)
	if len(h) < snoopHeaderLen {
		return nil, fmt.Errorf("capture: snoop file of %d bytes is cut inside its header of %d", len(h), snoopHeaderLen)
	}
	if version := binary.BigEndian.Uint32(h[8:]); version != snoopVersion {
		return nil, fmt.Errorf("capture: snoop version %d is not supported (want %d)", version, snoopVersion)
	}
	if link := binary.BigEndian.Uint32(h[12:]); link != snoopEthernet {
		return nil, fmt.Errorf("capture: snoop data link type %d is not supported (want %d, Ethernet)", link, snoopEthernet)
	}
	src.skip(snoopHeaderLen)
	return &snoopFile{src}, nil
}

func (f *snoopFile) next(rec *record) (ok bool, cut *Cut) {
	h := f.src.peek(snoopRecordHeaderLen)
	if len(h) < snoopRecordHeaderLen {
		if f.src.ended() {
			return false, nil
		}
		return false, f.src.cutShort("%d of %d bytes of a packet's header", len(h), snoopRecordHeaderLen)
	}
	be := binary.BigEndian
	length, captured, whole := be.Uint32(h), be.Uint32(h[4:]), int64(be.Uint32(h[8:]))
	at := int64(be.Uint32(h[16:]))*1e9 + int64(be.Uint32(h[20:]))*1000
	if captured > maxPacketLen {
		return false, f.src.cutAt("packet claims %d bytes, the limit is %d", captured, maxPacketLen)
	}
	padding := whole - snoopRecordHeaderLen - int64(captured)
	if padding < 0 || padding > maxPacketLen {
		return false, f.src.cutAt("record of %d bytes for a packet of %d", whole, captured)
	}
	b := f.src.peek(int(whole))
	if len(b) < int(whole) {
		return false, f.src.cutShort("%d of %d bytes of a packet", len(b), whole)
	}
	f.src.skip(len(b))
	*rec = record{
		at: at, data: b[snoopRecordHeaderLen:][:captured], length: int(length), link: linkEthernet,
	}
	return true, nil
}
