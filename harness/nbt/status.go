// SPDX-License-Identifier: MIT

package nbt

import (
	"encoding/binary"
	"fmt"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// NodeStatus is what a node status response tells of a node (RFC 1002 section 4.2.18).
type NodeStatus struct {
	Names []NodeName // NUM_NAMES of them: at most [MaxNodeNames]
	Stats Statistics

	// What only lenient parsing finds. Missing is how many names NUM_NAMES claims and the record does not have. Rest is
	// what follows the statistics inside the record or, if Cut, all there is of the statistics.
	Missing uint8
	Cut     bool
	Rest    []byte
}

// MaxNodeNames is how many names one node status response can list: NUM_NAMES is a byte.
const MaxNodeNames = 255

// NodeName is a row of a node status response. Its name is as the table has it, not encoded.
type NodeName struct {
	Name  netbios.Name
	Flags NameFlags
}

// NameFlags are the flags of a name in a node status response. The nine low bits are reserved.
type NameFlags uint16

// The flags. NameONT covers the owner's node type, whose values are those of [NBFlags]: [ONTB] to [ONTH].
const (
	NameGroup NameFlags = 0x8000 // G: a group name
	NameONT   NameFlags = 0x6000 // owner node type
	NameDRG   NameFlags = 0x1000 // being deregistered: deleted, but still in use
	NameCNF   NameFlags = 0x0800 // in conflict
	NameACT   NameFlags = 0x0400 // active: set for every name listed
	NamePRM   NameFlags = 0x0200 // the permanent node name

	nameReserved NameFlags = 0x01ff
)

// Statistics are the counters of a node status response. Windows fills in UnitID alone, Samba nothing.
type Statistics struct {
	UnitID             [6]byte // the adapter's address
	Jumpers            uint8
	TestResult         uint8
	Version            uint16
	Period             uint16 // minutes that the counters cover
	CRCs               uint16
	AlignmentErrors    uint16
	Collisions         uint16
	SendAborts         uint16
	GoodSends          uint32
	GoodReceives       uint32
	Retransmits        uint16
	NoResources        uint16
	FreeCommands       uint16
	TotalCommands      uint16
	MaxTotalCommands   uint16
	PendingSessions    uint16
	MaxPendingSessions uint16
	MaxSessions        uint16
	PacketSize         uint16 // of session data, in bytes
}

const (
	nodeNameLen   = netbios.NameLen + 2
	statisticsLen = 46
)

// parse reads the RDATA that begins at offset off of a message. NUM_NAMES allocates no more than there are rows for.
// Where it claims more, the rows in front of the statistics are kept. Cut says that the message ends before the record
// does: then there are rows only.
func (s *NodeStatus) parse(r *reader, data []byte, off int, cut bool) error {
	*s = NodeStatus{Names: s.Names[:0]}
	if len(data) == 0 {
		return &ParseError{Field: "NUM_NAMES", Offset: off, Err: ErrTruncated}
	}
	count := int(data[0])
	rows, at := data[1:], off+1
	var err error
	if have := len(rows) / nodeNameLen; count > have {
		if !cut && len(rows) >= statisticsLen+nodeNameLen {
			have = (len(rows) - statisticsLen) / nodeNameLen
		}
		if r.lenient() {
			r.note(Odd{Field: "NUM_NAMES", Offset: off, Err: ErrFewer, Got: count, Want: have})
			s.Missing = uint8(count - have)
		} else {
			err = &ParseError{
				Field: "NUM_NAMES", Offset: off,
				Err: fmt.Errorf("%w: says %d names, there are %d", ErrTruncated, count, have),
			}
		}
		count = have
	}
	s.Names = resize(s.Names, count)
	flags := s.readNames(rows)
	if err != nil {
		return err
	}
	if r.lenient() && flags&nameReserved != 0 {
		r.nameFlags(s.Names, at)
	}
	rows, at = rows[count*nodeNameLen:], at+count*nodeNameLen
	switch rest := len(rows) - statisticsLen; {
	case rest < 0 && r.lenient():
		s.Cut, s.Rest = true, clip(rows)
		r.note(Odd{Field: "STATISTICS", Offset: at, Err: ErrLength, Got: len(rows), Want: statisticsLen})
		return nil
	case rest < 0:
		return &ParseError{
			Field: "STATISTICS", Offset: at,
			Err: fmt.Errorf("%w: %d bytes, want %d", ErrTruncated, len(rows), statisticsLen),
		}
	case rest > 0 && r.lenient():
		s.Rest = clip(rows[statisticsLen:])
		r.note(Odd{Field: "STATISTICS", Offset: at + statisticsLen, Err: ErrTrailing, Got: rest})
	case rest > 0:
		return &ParseError{
			Field: "STATISTICS", Offset: at + statisticsLen, Err: fmt.Errorf("%w: %d", ErrTrailing, rest),
		}
	}
	s.Stats.parse(rows)
	return nil
}

// nameFlags notes the first name, of those that begin at an offset, whose flags have a reserved bit.
func (r *reader) nameFlags(names []NodeName, off int) {
	for i := range names {
		if reserved := names[i].Flags & nameReserved; reserved != 0 {
			at := off + i*nodeNameLen + netbios.NameLen
			r.note(Odd{Field: "NAME_FLAGS", Offset: at, Err: ErrFlag, Got: int(reserved)})
			return
		}
	}
}

// readNames reads as many rows as there are names, and returns the flags of all of them.
func (s *NodeStatus) readNames(rows []byte) (flags NameFlags) {
	for i := range s.Names {
		row := rows[i*nodeNameLen:][:nodeNameLen]
		s.Names[i] = NodeName{
			Name:  netbios.Name(row[:netbios.NameLen]),
			Flags: NameFlags(binary.BigEndian.Uint16(row[netbios.NameLen:])),
		}
		flags |= s.Names[i].Flags
	}
	return flags
}

func (s *Statistics) parse(b []byte) {
	_ = b[statisticsLen-1]
	be := binary.BigEndian
	// One by one: as one value it would be made beside s and copied.
	s.UnitID = [6]byte(b)
	s.Jumpers, s.TestResult = b[6], b[7]
	s.Version, s.Period = be.Uint16(b[8:]), be.Uint16(b[10:])
	s.CRCs, s.AlignmentErrors, s.Collisions = be.Uint16(b[12:]), be.Uint16(b[14:]), be.Uint16(b[16:])
	s.SendAborts = be.Uint16(b[18:])
	s.GoodSends, s.GoodReceives = be.Uint32(b[20:]), be.Uint32(b[24:])
	s.Retransmits, s.NoResources = be.Uint16(b[28:]), be.Uint16(b[30:])
	s.FreeCommands, s.TotalCommands, s.MaxTotalCommands = be.Uint16(b[32:]), be.Uint16(b[34:]), be.Uint16(b[36:])
	s.PendingSessions, s.MaxPendingSessions, s.MaxSessions = be.Uint16(b[38:]), be.Uint16(b[40:]), be.Uint16(b[42:])
	s.PacketSize = be.Uint16(b[44:])
}

func (s *NodeStatus) encodedLen() int {
	n := 1 + nodeNameLen*len(s.Names) + len(s.Rest)
	if !s.Cut {
		n += statisticsLen
	}
	return n
}

func (s *NodeStatus) append(b []byte) ([]byte, error) {
	count := len(s.Names) + int(s.Missing)
	if count > MaxNodeNames {
		return b, rangeError("NUM_NAMES", count, MaxNodeNames)
	}
	b = append(b, byte(count))
	for i := range s.Names {
		b = append(b, s.Names[i].Name[:]...)
		b = binary.BigEndian.AppendUint16(b, uint16(s.Names[i].Flags))
	}
	if !s.Cut {
		b = s.Stats.append(b)
	}
	return append(b, s.Rest...), nil
}

func (s *Statistics) append(b []byte) []byte {
	b = append(b, s.UnitID[:]...)
	b = append(b, s.Jumpers, s.TestResult)
	for _, v := range [...]uint16{s.Version, s.Period, s.CRCs, s.AlignmentErrors, s.Collisions, s.SendAborts} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	b = binary.BigEndian.AppendUint32(b, s.GoodSends)
	b = binary.BigEndian.AppendUint32(b, s.GoodReceives)
	for _, v := range [...]uint16{
		s.Retransmits, s.NoResources, s.FreeCommands, s.TotalCommands, s.MaxTotalCommands,
		s.PendingSessions, s.MaxPendingSessions, s.MaxSessions, s.PacketSize,
	} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}
