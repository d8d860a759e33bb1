// SPDX-License-Identifier: MIT

package node

import (
	"encoding/binary"
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// completeBuffer ends a call with what fits into its buffer.
func (n *Node) completeBuffer(id stack.CallID, b []byte, length uint16) {
	code := netbios.GOODRET
	if len(b) > int(length) {
		b, code = b[:length], netbios.INCOMP
	}
	n.complete(stack.Complete{ID: id, Code: code, Data: b})
}

// adapterStatus lists the name table of this node, or of the node that owns a name.
func (n *Node) adapterStatus(id stack.CallID, ncb netbios.NCB) {
	switch {
	case ncb.Length < netbios.StatusHeaderLen:
		n.completeCode(id, netbios.BUFLEN)
	case ncb.CallName.IsWild() || n.usableName(ncb.CallName) == netbios.GOODRET:
		n.completeBuffer(id, n.localStatus(), ncb.Length)
	default:
		n.resolve(ncb.CallName, &remoteStatus{id, ncb})
	}
}

func (n *Node) localStatus() []byte {
	listed := n.table.Listed()
	b := n.statusHeader(n.cfg.UnitID, len(listed))
	for _, e := range listed {
		b = appendStatusRow(b, e.Name, e.Num, ncbFlags(e))
	}
	return b
}

// Offsets in nb30.h's ADAPTER_STATUS that are not zero in ours.
const (
	statusAdapterType = 8
	statusMaxDatagram = 48
	statusPending     = 50
	statusMaxConfig   = 52
	statusMaxSessions = 54
	statusNameCount   = 58

	adapterEthernet = 0xfe
)

func (n *Node) statusHeader(unit [6]byte, names int) []byte {
	b := make([]byte, netbios.StatusHeaderLen, netbios.StatusHeaderLen+names*netbios.StatusRowLen)
	copy(b, unit[:])
	b[statusAdapterType] = adapterEthernet
	binary.LittleEndian.PutUint16(b[statusMaxDatagram:], netbios.MaxDatagram)
	binary.LittleEndian.PutUint16(b[statusPending:], uint16(n.sessionsInUse()))
	binary.LittleEndian.PutUint16(b[statusMaxConfig:], uint16(n.limits.Sessions))
	binary.LittleEndian.PutUint16(b[statusMaxSessions:], uint16(n.limits.Sessions))
	binary.LittleEndian.PutUint16(b[statusNameCount:], uint16(names))
	return b
}

func appendStatusRow(b []byte, name netbios.Name, num, flags uint8) []byte {
	return append(append(b, name[:]...), num, flags)
}

func ncbFlags(e nametable.Entry) uint8 {
	var f uint8
	switch e.State {
	case stack.Deregistered:
		f = netbios.FlagDeregistered
	case stack.Conflict:
		f = netbios.FlagDuplicate
	case stack.ConflictDeregistered:
		f = netbios.FlagDuplicateDeregist
	default:
		f = netbios.FlagRegistered
	}
	if e.Group {
		f |= netbios.FlagGroup
	}
	return f
}

// remoteStatus is an ADAPTER STATUS of another node under way: the name is resolved, then its owner is asked.
type remoteStatus struct {
	call stack.CallID
	ncb  netbios.NCB
}

func (s *remoteStatus) caller() stack.CallID { return s.call }

func (s *remoteStatus) resolved(n *Node, at netip.Addr, _ bool) {
	if !isHost(at) {
		s.abandon(n, netbios.CMDTMO)
		return
	}
	r := n.newRequest(statusRequest, netbios.Wildcard, netip.AddrPortFrom(at, stack.NamePort))
	r.asker = s
	n.start(r, nbt.StatusRequest(r.id, r.name))
}

func (s *remoteStatus) abandon(n *Node, code netbios.Code) { n.completeCode(s.call, code) }

// statusAnswer completes a remote ADAPTER STATUS in the layout of the NCB interface. A node status response has no name
// numbers, so rows are numbered as they stand.
func (n *Node) statusAnswer(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	r := n.pending(statusRequest, from, m.ID, name)
	if r == nil {
		return
	}
	rr := m.Record() // of type NBSTAT, or this would be no node status response
	n.finish(r)
	b := n.statusHeader(rr.Status.Stats.UnitID, len(rr.Status.Names))
	for i, row := range rr.Status.Names {
		b = appendStatusRow(b, row.Name, uint8(i+1), ncbFlagsOf(row.Flags))
	}
	s := r.asker.(*remoteStatus)
	n.completeBuffer(s.call, b, s.ncb.Length)
}

func ncbFlagsOf(f nbt.NameFlags) uint8 {
	e := nametable.Entry{Group: f&nbt.NameGroup != 0, State: stack.Registered}
	switch {
	case f&nbt.NameCNF != 0 && f&nbt.NameDRG != 0:
		e.State = stack.ConflictDeregistered
	case f&nbt.NameCNF != 0:
		e.State = stack.Conflict
	case f&nbt.NameDRG != 0:
		e.State = stack.Deregistered
	}
	return ncbFlags(e)
}

// findBuffer is the FIND_NAME_HEADER and one FIND_NAME_BUFFER row of nb30.h. The source address has room for six bytes; the
// owner's IPv4 address stands in its last four.
func findBuffer(at netip.Addr, group bool) []byte {
	b := make([]byte, netbios.FindHeaderLen+netbios.FindRowLen)
	binary.LittleEndian.PutUint16(b, 1)
	if group {
		b[3] = 1
	}
	row := b[netbios.FindHeaderLen:]
	row[0] = netbios.FindRowLen
	a := at.As4()
	copy(row[11:], a[:])
	return b
}

// States of a session in a SESSION STATUS row (nb30.h).
const (
	sessionListening   = 1
	sessionCalling     = 2
	sessionEstablished = 3
	sessionClosed      = 5
	sessionAborted     = 6
)

// sessionStatus lists the sessions and LISTENs of one name, or of all.
func (n *Node) sessionStatus(id stack.CallID, ncb netbios.NCB) {
	all := ncb.Name.IsWild()
	var e nametable.Entry
	if !all {
		var found bool
		if e, found = n.table.Find(ncb.Name); !found || e.State == stack.Claiming {
			n.completeCode(id, netbios.NOWILD)
			return
		}
		if e.State == stack.Conflict || e.State == stack.ConflictDeregistered {
			n.completeCode(id, netbios.NAMCONF)
			return
		}
	}
	if ncb.Length < netbios.SessionHeaderLen {
		n.completeCode(id, netbios.BUFLEN)
		return
	}
	b := make([]byte, netbios.SessionHeaderLen)
	b[0] = e.Num
	if all {
		b[0] = netbios.AnyName
	}
	for _, w := range n.waiting {
		if !all && (w.any || w.name != ncb.Name) {
			continue
		}
		switch w.ncb.Command &^ netbios.NoWait {
		case netbios.Listen:
			b = appendSessionRow(b, 0, sessionListening, w.name, w.ncb.CallName, 0)
		case netbios.ReceiveDatagram:
			b[2]++
		case netbios.ReceiveAny:
			b[3]++
		}
	}
	for _, s := range n.sessions {
		if s.phase != answering && (all || s.local == ncb.Name) {
			b = appendSessionRow(b, s.lsn, s.statusState(), s.local, s.remote, len(s.receives))
		}
	}
	b[1] = uint8(min((len(b)-netbios.SessionHeaderLen)/netbios.SessionRowLen, 0xff))
	n.completeBuffer(id, b, ncb.Length)
}

func appendSessionRow(b []byte, lsn, state uint8, local, remote netbios.Name, receives int) []byte {
	b = append(b, lsn, state)
	b = append(append(b, local[:]...), remote[:]...)
	return append(b, uint8(min(receives, 0xff)), 0)
}

func (s *session) statusState() uint8 {
	switch s.phase {
	case established:
		return sessionEstablished
	case ended:
		if s.end == netbios.SABORT {
			return sessionAborted
		}
		return sessionClosed
	default:
		return sessionCalling
	}
}
