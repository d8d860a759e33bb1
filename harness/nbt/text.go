// SPDX-License-Identifier: MIT

package nbt

import (
	"fmt"
	"strings"
)

// String returns the operation in the RFC's words, or its number.
func (o Opcode) String() string {
	switch o {
	case OpQuery:
		return "query"
	case OpRegistration:
		return "registration"
	case OpRelease:
		return "release"
	case OpWACK:
		return "WACK"
	case OpRefresh:
		return "refresh"
	case OpRefreshAlt:
		return "refresh (9)"
	case OpMultihomed:
		return "multi-homed registration"
	}
	return fmt.Sprintf("opcode %d", uint8(o))
}

// String returns the RFC's symbol, such as ACT_ERR; OK for 0.
func (c RCode) String() string {
	symbols := [...]string{"OK", "FMT_ERR", "SRV_ERR", "NAM_ERR", "IMP_ERR", "RFS_ERR", "ACT_ERR", "CFT_ERR"}
	if int(c) < len(symbols) {
		return symbols[c]
	}
	return fmt.Sprintf("RCODE %d", uint8(c))
}

// String returns the symbols of the flags that are set, with spaces between them; for zero bits that are set, their
// number.
func (f NMFlags) String() string {
	return flagWords(uint16(f), []flagWord{
		{uint16(FlagAA), "AA"}, {uint16(FlagTC), "TC"}, {uint16(FlagRD), "RD"}, {uint16(FlagRA), "RA"}, {uint16(FlagB), "B"},
	})
}

// String returns the word and what it says: "0x8000 group B".
func (f NBFlags) String() string {
	kind := "unique"
	if f&NBGroup != 0 {
		kind = "group"
	}
	words := []string{hex(uint16(f)), kind, ownerType(uint16(f))}
	if rest := f &^ (NBGroup | NBONT); rest != 0 {
		words = append(words, fmt.Sprintf("reserved 0x%04x", uint16(rest)))
	}
	return strings.Join(words, " ")
}

// String returns the word and what it says: "0x0400 unique B ACT".
func (f NameFlags) String() string {
	kind := "unique"
	if f&NameGroup != 0 {
		kind = "group"
	}
	words := []string{hex(uint16(f)), kind, ownerType(uint16(f))}
	rest := flagWords(uint16(f&^(NameGroup|NameONT)), []flagWord{
		{uint16(NameDRG), "DRG"}, {uint16(NameCNF), "CNF"}, {uint16(NameACT), "ACT"}, {uint16(NamePRM), "PRM"},
	})
	if rest != "" {
		words = append(words, rest)
	}
	return strings.Join(words, " ")
}

// String returns the byte and what it says: "0x02 first B".
func (f DatagramFlags) String() string {
	words := []string{fmt.Sprintf("0x%02x", uint8(f))}
	if f&DgmFirst != 0 {
		words = append(words, "first")
	}
	if f&DgmMore != 0 {
		words = append(words, "more")
	}
	words = append(words, [...]string{"B", "P", "M", "NBDD"}[f&DgmSNT>>2])
	if rest := f &^ (DgmFirst | DgmMore | DgmSNT); rest != 0 {
		words = append(words, fmt.Sprintf("reserved 0x%02x", uint8(rest)))
	}
	return strings.Join(words, " ")
}

func ownerType(flags uint16) string {
	return [...]string{"B", "P", "M", "H"}[flags&uint16(NBONT)>>13]
}

type flagWord struct {
	mask uint16
	word string
}

func flagWords(f uint16, names []flagWord) string {
	var words []string
	for _, n := range names {
		if f&n.mask != 0 {
			words = append(words, n.word)
			f &^= n.mask
		}
	}
	if f != 0 {
		words = append(words, fmt.Sprintf("reserved 0x%04x", f))
	}
	return strings.Join(words, " ")
}

// String returns the RFC's name of the message.
func (t DatagramType) String() string {
	switch t {
	case DgmUnique:
		return "direct unique datagram"
	case DgmGroup:
		return "direct group datagram"
	case DgmBroadcast:
		return "broadcast datagram"
	case DgmError:
		return "datagram error"
	case DgmQuery:
		return "datagram query request"
	case DgmPositive:
		return "datagram positive query response"
	case DgmNegative:
		return "datagram negative query response"
	}
	return fmt.Sprintf("datagram type 0x%02x", uint8(t))
}

// String returns the RFC's name of the message.
func (t SessionType) String() string {
	switch t {
	case SsnMessage:
		return "session message"
	case SsnRequest:
		return "session request"
	case SsnPositive:
		return "positive session response"
	case SsnNegative:
		return "negative session response"
	case SsnRetarget:
		return "retarget session response"
	case SsnKeepAlive:
		return "session keep alive"
	}
	return fmt.Sprintf("session type 0x%02x", uint8(t))
}

func ssnErrorText(code uint8) string {
	switch code {
	case SsnNotListening:
		return "not listening on called name"
	case SsnNotListeningFor:
		return "not listening for calling name"
	case SsnNotPresent:
		return "called name not present"
	case SsnNoResources:
		return "insufficient resources"
	case SsnUnspecified:
		return "unspecified error"
	}
	return "error"
}

func dgmErrorText(code uint8) string {
	switch code {
	case DgmNotPresent:
		return "destination name not present"
	case DgmBadSource:
		return "invalid source name format"
	case DgmBadDestination:
		return "invalid destination name format"
	}
	return "error"
}

// String returns the message on one line: "negative name registration response CHAT<20> ACT_ERR 10.0.0.10, id 0x1001".
func (m NameMessage) String() string {
	var b strings.Builder
	b.WriteString(m.Kind().String())
	if m.Kind() == KindOther {
		fmt.Fprintf(&b, " (%s)", m.flagText())
	}
	switch rr := m.Record(); {
	case len(m.Questions) > 0:
		s := m.Questions[0].spelled()
		b.WriteByte(' ')
		b.WriteString(s.text())
	case rr != nil:
		b.WriteByte(' ')
		b.WriteString(rr.nameText())
	}
	if m.RCode != RCodeOK {
		fmt.Fprintf(&b, " %v", m.RCode)
	}
	if rr := m.Record(); rr != nil {
		rr.summarise(&b)
	}
	if m.Flags&FlagB != 0 {
		b.WriteString(", broadcast")
	}
	fmt.Fprintf(&b, ", id %s", hex(m.ID))
	return b.String()
}

func (rr *Resource) summarise(b *strings.Builder) {
	for _, entry := range rr.Addrs {
		if entry.Flags&NBGroup != 0 {
			b.WriteString(" group")
		}
		fmt.Fprintf(b, " %v", entry.Addr)
	}
	if rr.Status != nil {
		for i, row := range rr.Status.Names {
			separator := ", "
			if i == 0 {
				separator = ": "
			}
			fmt.Fprintf(b, "%s%v %s", separator, row.Name, hex(uint16(row.Flags)))
		}
	}
	if rr.TTL != 0 {
		fmt.Fprintf(b, ", ttl %d s", rr.TTL)
	}
}

// String returns the message on one line: `direct unique datagram CHAT<20> from FRIEND<20> "hello", id 0x2001`.
func (m DatagramMessage) String() string {
	source, dest := m.source(), m.dest()
	var b strings.Builder
	b.WriteString(m.Type.String())
	switch {
	case m.Type == DgmError:
		fmt.Fprintf(&b, " 0x%02x %s", m.ErrorCode, dgmErrorText(m.ErrorCode))
	case !m.Type.CarriesData():
		fmt.Fprintf(&b, " %s", dest.text())
	case m.HasNames():
		fmt.Fprintf(&b, " %s from %s", dest.text(), source.text())
	default:
		fmt.Fprintf(&b, " fragment at %d", m.Offset)
	}
	if m.Type.CarriesData() {
		fmt.Fprintf(&b, ` "%s"`, Printable(m.Data))
	}
	if m.Flags&DgmMore != 0 {
		b.WriteString(", more follows")
	}
	fmt.Fprintf(&b, ", id %s", hex(m.ID))
	return b.String()
}

// String returns the message on one line: "session request CHAT<20> from FRIEND<20>".
func (m SessionMessage) String() string {
	switch m.Type {
	case SsnMessage:
		return fmt.Sprintf(`%v "%s"`, m.Type, Printable(m.Data))
	case SsnRequest:
		called, calling := m.called(), m.calling()
		return fmt.Sprintf("%v %s from %s", m.Type, called.text(), calling.text())
	case SsnNegative:
		return fmt.Sprintf("%v 0x%02x %s", m.Type, m.ErrorCode, ssnErrorText(m.ErrorCode))
	case SsnRetarget:
		return fmt.Sprintf("%v to %v", m.Type, m.Retarget)
	case SsnPositive, SsnKeepAlive:
	}
	return m.Type.String()
}
