// SPDX-License-Identifier: MIT

package capture

import (
	"encoding/binary"
	"time"
)

// What is kept of datagrams that arrive in pieces. At most it is eight megabytes.
const (
	maxDatagrams    = 128
	maxFragmentAge  = 30 * time.Second // as the capture tells the time; RFC 1122 section 3.3.2 has 60 to 120 s, Linux 30
	maxDatagramBody = 65535 - ipv4Len
)

// The 16 bits of flags and offset in an IPv4 header.
const (
	fragmentMore   = 0x2000
	fragmentOffset = 0x1fff // in units of eight bytes
)

// skipFragment counts the fragments that made no datagram.
const (
	skipFragment      = "IPv4 fragment"
	dropDatagramFull  = "datagrams in fragments: more than 128 incomplete at once"
	dropDatagramStale = "datagrams in fragments: incomplete after 30 s"
)

// datagramKey tells the fragments of one datagram (RFC 791 section 3.2).
type datagramKey struct {
	addresses uint64
	id        uint16
	protocol  byte
}

// partial is a datagram of which fragments have arrived.
type partial struct {
	key      datagramKey
	used     bool
	whole    bool // to be freed when the packet has been dealt with
	other    bool // its ports are none of ours: nothing is kept
	first    mark // of the fragment that arrived first
	count    int  // of its fragments
	total    int  // bytes; -1 while the last fragment is missing
	furthest int  // where the fragments so far end
	units    int  // of eight bytes that are there
	have     [8192 / 64]uint64
	header   [60]byte // of the fragment with offset 0
	headerN  int
	buf      []byte
	overlaps bool
}

// fragments puts datagrams together.
type fragments struct {
	table   []partial
	whole   int    // how many of them the packet at hand made whole
	skipped *tally // fragments
	dropped *tally // datagrams
}

// decodeFragment keeps a fragment, and takes the datagram apart when that was the last of it.
func (p *packet) decodeFragment(header, body []byte, length int) (skip string) {
	switch header[9] {
	case protocolUDP, protocolTCP, protocolGRE, protocolIPv4:
	default:
		return skipProtocol
	}
	field := binary.BigEndian.Uint16(header[6:])
	offset, more := int(field&fragmentOffset)*8, field&fragmentMore != 0
	if p.quoted || len(body) < length || length == 0 || more && length%8 != 0 || offset+length > maxDatagramBody {
		return skipFragment // cut, or what no datagram can be made of
	}
	key := datagramKey{
		addresses: binary.BigEndian.Uint64(header[12:]), id: binary.BigEndian.Uint16(header[4:]), protocol: header[9],
	}
	d := p.fragments.find(key, p.now, offset == 0)
	if offset == 0 && isOther(header[9], body) {
		d.other = true
		p.fragments.skipped.add(skipNotNBT, d.first.number, d.count)
		d.count = 0
	}
	if d.other {
		return skipNotNBT
	}
	d.count++
	if !d.add(header, body, offset, more) {
		return kept
	}
	d.whole = true
	p.fragments.whole++
	if d.overlaps {
		p.note("IPv4 fragments overlap")
	}
	p.captured, p.length = 0, 0 // it is whole, whatever was cut off behind the last fragment
	return p.decodeDatagram(d.header[:d.headerN], d.buf[:d.total], d.total)
}

// isOther reports whether the ports at the beginning of a datagram are none of ours.
func isOther(protocol byte, body []byte) bool {
	if protocol != protocolUDP && protocol != protocolTCP {
		return false
	}
	tcp, from, to := protocol == protocolTCP, binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
	return !isNBT(tcp, from) && !isNBT(tcp, to) && (tcp || !isTunnel(from) && !isTunnel(to))
}

// find returns the datagram that a fragment belongs to, a new one if need be. The first fragment of a datagram that is
// known to be none of ours begins another one with the same number.
func (f *fragments) find(key datagramKey, now mark, first bool) *partial {
	var free, oldest *partial
	for i := range f.table {
		d := &f.table[i]
		switch {
		case !d.used:
			free = d
		case d.whole:
		case (now.at - d.first.at).Abs() > maxFragmentAge:
			f.giveUp(d, dropDatagramStale)
			free = d
		case d.key == key:
			if first && d.other {
				d.begin(key, now)
			}
			return d
		case oldest == nil || d.first.number < oldest.first.number:
			oldest = d
		}
	}
	if free == nil && len(f.table) < maxDatagrams {
		// A datagram is never needed while the table grows, but for a whole one, whose bytes stay where they are.
		f.table = append(f.table, partial{})
		free = &f.table[len(f.table)-1]
	}
	if free == nil {
		f.giveUp(oldest, dropDatagramFull)
		free = oldest
	}
	free.begin(key, now)
	return free
}

func (d *partial) begin(key datagramKey, now mark) {
	*d = partial{key: key, used: true, first: now, total: -1, buf: d.buf}
}

// add puts a fragment in its place, and reports whether the datagram is whole. What is sent twice counts as it was seen
// first.
func (d *partial) add(header, body []byte, offset int, more bool) (whole bool) {
	end := offset + len(body)
	// Only one fragment can be the last, and nothing can be behind it: else there would be as many bytes as there should
	// be, though some are missing.
	ends := d.total >= 0
	if ends && end > d.total || !more && (ends && end < d.total || end < d.furthest) {
		d.overlaps = true
		return false
	}
	if !more {
		d.total = end
	}
	d.furthest = max(d.furthest, end)
	if offset == 0 && d.headerN == 0 {
		d.headerN = copy(d.header[:], header)
	}
	if end > len(d.buf) {
		if end > cap(d.buf) {
			d.buf = append(make([]byte, 0, max(end, min(2*cap(d.buf), maxDatagramBody), 4096)), d.buf...)
		}
		d.buf = d.buf[:end]
	}
	old := 0
	for at := offset; at < end; at += 8 {
		unit, bit := at/8/64, uint64(1)<<(at/8%64)
		if d.have[unit]&bit != 0 {
			old++
			continue
		}
		d.have[unit] |= bit
		d.units++
		copy(d.buf[at:], body[at-offset:min(at-offset+8, len(body))])
	}
	if old > 0 && old < (len(body)+7)/8 {
		d.overlaps = true // not just sent again
	}
	return d.total >= 0 && d.headerN > 0 && d.units == (d.total+7)/8 && len(d.buf) >= d.total
}

// giveUp counts what a datagram that stays incomplete cost.
func (f *fragments) giveUp(d *partial, why string) {
	if d.count > 0 {
		f.skipped.add(skipFragment, d.first.number, d.count)
		if why != "" {
			f.dropped.add(why, d.first.number, 1)
		}
	}
	d.used = false
}

// free frees the datagrams that the last packet made whole.
func (f *fragments) free() {
	if f.whole == 0 {
		return
	}
	f.whole = 0
	for i := range f.table {
		if f.table[i].whole {
			f.table[i].used, f.table[i].whole = false, false
		}
	}
}

// end gives up waiting.
func (f *fragments) end() {
	f.free()
	for i := range f.table {
		if f.table[i].used {
			f.giveUp(&f.table[i], "")
		}
	}
}
