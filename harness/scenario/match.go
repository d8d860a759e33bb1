// SPDX-License-Identifier: MIT

package scenario

import (
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// sighting is what a frame is, in the words of this language.
type sighting struct {
	kind  Kind
	name  netbios.Name
	names []nbt.NodeName // status: the names listed
	code  uint8
}

// Matches reports whether a frame is one that the pattern means. Its count and its times are not looked at.
func (p Pattern) Matches(nodes []Node, f trace.Frame) bool {
	if !p.fromFits(nodes, f) || !p.toFits(nodes, f) {
		return false
	}
	if p.Kind == AnyKind && !p.Named && !p.Coded {
		return true
	}
	s, ok := see(f)
	return ok && (p.Kind == AnyKind || p.Kind == s.kind) && (!p.Named || s.about(p.Name)) && (!p.Coded || p.Code == s.code)
}

func (p Pattern) fromFits(nodes []Node, f trace.Frame) bool {
	return p.From < 0 || nodes[p.From].Prefix.Addr() == f.From.Addr()
}

func (p Pattern) toFits(nodes []Node, f trace.Frame) bool {
	switch p.To {
	case Anyone:
		return true
	case Everybody:
		return f.Broadcast || isBroadcast(nodes, f.To.Addr())
	}
	return nodes[p.To].Prefix.Addr() == f.To.Addr()
}

// isBroadcast looks at the address where a tap that sees no MAC addresses cannot tell.
func isBroadcast(nodes []Node, a netip.Addr) bool {
	return a == stack.LimitedBroadcast || len(nodes) > 0 && a == stack.BroadcastOf(nodes[0].Prefix)
}

// about reports whether the sighting is about a name: its own, or one of those that a node status response lists.
func (s sighting) about(name netbios.Name) bool {
	if s.kind != Status {
		return s.name == name
	}
	for _, row := range s.names {
		if row.Name == name {
			return true
		}
	}
	return false
}

// see tells what a frame is. Frames that are no NBT message are none of our kinds.
func see(f trace.Frame) (sighting, bool) {
	switch {
	case f.Kind == trace.Message:
		return seeSession(f.Payload)
	case f.Kind != trace.UDP:
		return sighting{}, false
	case f.To.Port() == stack.DatagramPort || f.From.Port() == stack.DatagramPort:
		return seeDatagram(f.Payload)
	}
	return seeName(f.Payload)
}

var nameKinds = map[nbt.NameKind]Kind{
	nbt.KindClaim: Claim, nbt.KindOverwrite: Overwrite, nbt.KindNegativeRegistration: Refusal,
	nbt.KindConflictDemand: ConflictDemand, nbt.KindQuery: Query, nbt.KindPositiveQuery: Answer,
	nbt.KindNegativeQuery: Denial, nbt.KindRelease: Release, nbt.KindStatusRequest: StatusRequest,
	nbt.KindStatusResponse: Status, nbt.KindRefresh: Refresh, nbt.KindMultihomed: Multihomed,
	nbt.KindPositiveRegistration: Grant, nbt.KindChallenge: Challenge, nbt.KindWACK: Wack,
	nbt.KindPositiveRelease: ReleaseGrant, nbt.KindNegativeRelease: ReleaseRefusal,
}

func seeName(b []byte) (sighting, bool) {
	m, err := nbt.ParseNameMessage(b)
	if err != nil {
		return sighting{}, false
	}
	kind, known := nameKinds[m.Kind()]
	s := sighting{kind: kind, code: uint8(m.RCode)}
	s.name, _ = m.Subject()
	if rr := m.Record(); rr != nil && rr.Status != nil {
		s.names = rr.Status.Names
	}
	return s, known
}

func seeDatagram(b []byte) (sighting, bool) {
	m, err := nbt.ParseDatagram(b)
	if err != nil {
		return sighting{}, false
	}
	switch m.Type {
	case nbt.DgmUnique:
		return sighting{kind: Datagram, name: m.DestName}, true
	case nbt.DgmGroup:
		return sighting{kind: GroupDatagram, name: m.DestName}, true
	case nbt.DgmBroadcast:
		return sighting{kind: Broadcast, name: m.DestName}, true
	case nbt.DgmError:
		return sighting{kind: DatagramError, code: m.ErrorCode}, true
	}
	return sighting{}, false
}

func seeSession(b []byte) (sighting, bool) {
	m, err := nbt.ParseSessionMessage(b)
	if err != nil {
		return sighting{}, false
	}
	switch m.Type {
	case nbt.SsnRequest:
		return sighting{kind: SessionRequest, name: m.Called}, true
	case nbt.SsnPositive:
		return sighting{kind: SessionAccept}, true
	case nbt.SsnNegative:
		return sighting{kind: SessionRefusal, code: m.ErrorCode}, true
	case nbt.SsnMessage:
		return sighting{kind: SessionMessage}, true
	case nbt.SsnKeepAlive:
		return sighting{kind: KeepAlive}, true
	}
	return sighting{}, false
}
