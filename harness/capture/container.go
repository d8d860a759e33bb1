// SPDX-License-Identifier: MIT

package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// container is a file that holds packets.
type container interface {
	// next sets rec to the next packet and returns true. At the end of the file it does not, nor where the file is cut.
	next(rec *record) (ok bool, cut *Cut)
}

// record is one packet as the file holds it.
type record struct {
	at     int64    // nanoseconds since 1970, from -maxTime to maxTime
	data   []byte   // valid until the next record is asked for
	length int      // of the packet on the wire, of which data may be the beginning
	link   linkType // what data begins with
	noTime bool     // the file does not say when; at means nothing
	clamp  bool     // at is not the time that the file says, which is out of range
	alien  string   // what it is, if not a packet but counted by Wireshark as one
}

// maxTime bounds times so that the difference of two fits in 64 bits: nanoseconds from 1970 to 2116.
const maxTime = 1<<62 - 1

// maxPacketLen is the largest packet that a record may hold: tcpdump's own limit, four times the largest IPv4 packet. A
// record that claims more is a damaged file, and no reason to allocate.
const maxPacketLen = 256 << 10

var errEmpty = errors.New("capture: empty file")

// open reads the beginning of a file of whatever kind, decompressing it if need be. It returns the source that the offsets
// of what is wrong refer to.
func open(r io.Reader, bufferSize int, maxBytes int64) (container, *source, error) {
	src := &source{r: r, buf: make([]byte, bufferSize)}
	zipped := string(src.peek(len(gzipMagic))) == gzipMagic
	if zipped {
		inner, err := inflate(src, maxBytes, bufferSize)
		if err != nil {
			return nil, nil, err
		}
		src = inner
	}
	h := src.peek(8)
	if len(h) < 4 && src.err != nil && !errors.Is(src.err, io.EOF) {
		return nil, nil, fmt.Errorf("capture: %w", src.err)
	}
	if len(h) == 0 {
		return nil, nil, errEmpty
	}
	if len(h) < 4 {
		return nil, nil, fmt.Errorf("capture: %d bytes are too few for a capture", len(h))
	}
	file, err := openKind(src, h, zipped)
	return file, src, err
}

func openKind(src *source, h []byte, zipped bool) (container, error) {
	switch {
	case isPcap(h):
		return openPcap(src)
	case bytes.HasPrefix(h, []byte(pcapngMagic)):
		return openPcapng(src)
	case bytes.HasPrefix(h, []byte(snoopMagic)):
		return openSnoop(src)
	case zipped && bytes.HasPrefix(h, []byte(gzipMagic)):
		return nil, errors.New("capture: gzip inside gzip is not opened (want a capture inside)")
	}
	return nil, notCapture(h)
}

// notCapture says what a file is instead, as far as its first bytes tell.
func notCapture(h []byte) error {
	for _, known := range []struct{ magic, name string }{
		{"\x34\xcd\xb2\xa1", "modified (Kuznetzov) pcap"},
		{"\xa1\xb2\xcd\x34", "modified (Kuznetzov) pcap"},
		{"\x28\xb5\x2f\xfd", "zstd"},
		{"\x04\x22\x4d\x18", "lz4"},
		{"\xfd7zXZ", "xz"},
		{"BZh", "bzip2"},
		{"PK\x03\x04", "zip"},
		{"RTSS", "Microsoft Network Monitor 1"},
		{"GMBU", "Microsoft Network Monitor 2"},
		{"TRSNIFF ", "Sniffer"},
		{"XCP\x00", "Windows Sniffer"},
	} {
		if bytes.HasPrefix(h, []byte(known.magic)) {
			return fmt.Errorf("capture: %s files are not supported (want pcap, pcapng or snoop, or one of them in gzip)",
				known.name)
		}
	}
	return fmt.Errorf("capture: not a capture: begins with % x (want a pcap, pcapng or snoop file)", h[:4])
}

// cutShort reports that there are fewer bytes than wanted, and the reader's own reason if it is not just the end of the
// file.
func (s *source) cutShort(format string, have int, want any) *Cut {
	c := &Cut{Offset: s.offset, Reason: fmt.Sprintf(format, have, want)}
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		c.Reason += ": " + s.err.Error()
	}
	return c
}

// cutAt reports that what comes next in the file cannot be right.
func (s *source) cutAt(format string, args ...any) *Cut {
	return &Cut{Offset: s.offset, Reason: fmt.Sprintf(format, args...)}
}

// ended reports whether the file ends as it should where it has been read to.
func (s *source) ended() bool { return s.start == s.end && errors.Is(s.err, io.EOF) }
