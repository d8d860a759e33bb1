// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// flags are the NB_FLAGS of a name of this node: its kind, and the type of the node.
func (n *Node) flags(group bool) nbt.NBFlags {
	f := n.ownType()
	if group {
		f |= nbt.NBGroup
	}
	return f
}

func (n *Node) ownType() nbt.NBFlags {
	return [...]nbt.NBFlags{B: nbt.ONTB, P: nbt.ONTP, M: nbt.ONTM, H: nbt.ONTH}[n.cfg.Type]
}

// messageRoom is what a name-service message of a usual size takes in bytes.
const messageRoom = 72

// encode writes a message of our own. That cannot fail: none carries a scope or a list that is too long.
func encode(m nbt.NameMessage) []byte {
	b, err := m.AppendBinary(make([]byte, 0, messageRoom))
	if err != nil {
		panic("node: own message does not encode: " + err.Error())
	}
	return b
}

func (n *Node) sendName(to netip.AddrPort, payload []byte) {
	n.sendUDP(stack.NamePort, to, payload)
}

func (n *Node) sendUDP(port uint16, to netip.AddrPort, payload []byte) {
	n.out.Add(stack.SendDatagram{
		From: netip.AddrPortFrom(n.addr, port), To: to, Broadcast: to.Addr() == n.broadcast, Payload: payload,
	})
}

// nameService handles a message on port 137. Responses go to where the request came from, port included (RFC 1002
// section 5.1).
func (n *Node) nameService(in stack.Datagram) {
	m, err := n.parse(in)
	if err != nil {
		n.remark("name service message ignored: " + err.Error())
		return
	}
	// Some senders set the flag in what they send to one node; it asks for what a broadcast asks for.
	broadcast := in.Broadcast || m.Flags&nbt.FlagB != 0
	name, scope := m.Subject()
	switch {
	case n.stopping:
		n.stoppingAnswer(in.From, name, m)
	case m.Response:
		if !n.answersServer(in.From, &m) && scope == "" {
			n.response(in.From, name, m)
		}
	case n.asksServer(in, &m):
		n.serveRequest(in.From, &m)
	case scope != "":
		// A name in another scope is another name, and this node has none.
	case broadcast && n.cfg.Type == P:
		// A P node takes no part in what goes on on its segment (RFC 1002 section 5.1.2).
	default:
		n.requested(in, name, m, broadcast)
	}
}

// requested handles what others want of this node.
func (n *Node) requested(in stack.Datagram, name netbios.Name, m nbt.NameMessage, broadcast bool) {
	switch m.Kind() {
	case nbt.KindClaim, nbt.KindMultihomed:
		n.defend(in.From, name, m)
	case nbt.KindOverwrite, nbt.KindRefresh:
		// The demand that ends a claim is broadcast and not answered; what is sent to this node alone wants an answer, which
		// RFC 1002 has nothing about and smbtorture's nbt.register tests demand.
		if !in.Broadcast {
			n.defend(in.From, name, m)
		}
	case nbt.KindQuery:
		n.answerQuery(in.From, name, m.ID, broadcast)
	case nbt.KindStatusRequest:
		n.answerStatus(in.From, name, m.ID)
	case nbt.KindRelease:
		n.released(name, broadcast)
	default:
		// Nothing that an end node knows of.
	}
}

// response handles what others answer, or say of their own accord in the form of an answer.
func (n *Node) response(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	switch m.Kind() {
	case nbt.KindPositiveRegistration:
		if r := n.pending(claimRequest, from, m.ID, name); r != nil && !n.broadcasts(r) {
			n.claimAccepted(r, m.Record().TTL)
		} else if r := n.pending(refreshRequest, from, m.ID, name); r != nil {
			n.finish(r)
			n.keepFor(r.entry, m.Record().TTL)
		}
	case nbt.KindNegativeRegistration:
		n.refused(from, name, m.ID)
	case nbt.KindConflictDemand:
		if !n.refused(from, name, m.ID) {
			n.conflictDemand(name, m.ID)
		}
	case nbt.KindChallenge:
		if r := n.pending(claimRequest, from, m.ID, name); r != nil && !n.broadcasts(r) {
			_, owner := m.Owner()
			n.startChallenge(r, owner)
		}
	case nbt.KindWACK:
		n.putOff(from, m.ID, name, m.Record().TTL)
	case nbt.KindPositiveQuery:
		n.positiveAnswer(from, name, m)
	case nbt.KindNegativeQuery:
		if r := n.pending(queryRequest, from, m.ID, name); r != nil && !n.broadcasts(r) {
			n.finish(r)
			n.queryFailed(r)
		}
	case nbt.KindStatusResponse:
		n.statusAnswer(from, name, m)
	case nbt.KindPositiveRelease, nbt.KindNegativeRelease:
		n.releaseAnswered(from, name, m)
	default:
		// A redirect, for one: there is one name server.
	}
}

// stoppingAnswer hears only what an orderly stop waits for.
func (n *Node) stoppingAnswer(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	switch m.Kind() {
	case nbt.KindPositiveRelease, nbt.KindNegativeRelease, nbt.KindWACK:
		n.response(from, name, m)
	default:
	}
}

func (n *Node) releaseAnswered(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	if r := n.pending(releaseRequest, from, m.ID, name); r != nil && !n.broadcasts(r) {
		n.finish(r)
		n.releaseOver(r, m.Kind() == nbt.KindPositiveRelease)
	}
}

// refused ends a claim or a refresh that somebody objects to, and reports whether there was one.
func (n *Node) refused(from netip.AddrPort, name netbios.Name, id uint16) bool {
	if r := n.objected(from, id, name); r != nil {
		n.finish(r)
		n.claimFailed(r.claim, netbios.INUSE)
		return true
	}
	if r := n.pending(refreshRequest, from, id, name); r != nil {
		n.refreshRefused(r)
		return true
	}
	return false
}

// defend refuses a claim to a name that is ours, unless both are groups (RFC 1002 section 5.1.1.5).
func (n *Node) defend(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	e, found := n.table.Find(name)
	claimed, _ := m.Owner()
	if !found || e.State != stack.Registered || e.Group && claimed&nbt.NBGroup != 0 {
		return
	}
	n.sendName(from, encode(nbt.Refusal(m.ID, e.Name, nbt.ActErr, n.flags(e.Group), n.addr)))
}

// answerQuery answers for a name of ours. For others a node with a name server says no when it is asked alone (RFC 1002
// section 5.1.2.5): that is how the server learns that an owner is none any more.
func (n *Node) answerQuery(from netip.AddrPort, name netbios.Name, id uint16, broadcast bool) {
	e, found := n.table.Find(name)
	switch {
	case found && e.State == stack.Registered:
		n.sendName(from, encode(nbt.PositiveAnswer(id, e.Name, n.flags(e.Group), n.addr)))
	case n.cfg.Type != B && !broadcast:
		n.sendName(from, encode(nbt.NegativeAnswer(id, name, nbt.NamErr)))
	}
}

// released handles another's release. Names of ours are released by nobody else (RFC 1002 section 5.1.1.5), but section
// 5.1.2.5 has a node with a name server believe that they are, if it is told so alone: the hook of CVE-2000-0673.
func (n *Node) released(name netbios.Name, broadcast bool) {
	n.forget(name)
	if n.cfg.Type != B && !broadcast && n.believesStrangers() {
		n.lose(name)
	}
}

// conflictDemand takes a name out of service when somebody rightly says that it is theirs.
func (n *Node) conflictDemand(name netbios.Name, id uint16) {
	if !n.acceptsConflict(id, name) {
		n.remark("name conflict demand for " + name.String() + " ignored: it answers no claim of ours")
		return
	}
	n.lose(name)
}

// lose puts a name in conflict, which ends what waits on it.
func (n *Node) lose(name netbios.Name) {
	if n.table.Conflict(name, n.out) {
		n.endWaiting(name, netbios.NAMCONF)
		n.endCalls(name, netbios.NAMCONF)
	}
}

// acceptsConflict reports whether a name conflict demand counts: only one that answers our own claim, until shortly
// after it (the rule of the MS00-047 fix).
func (n *Node) acceptsConflict(id uint16, name netbios.Name) bool {
	if n.believesStrangers() {
		return true
	}
	for _, c := range n.claims {
		if c.name == name && slices.Contains(c.ids, id) && n.now <= c.until {
			return true
		}
	}
	return false
}

// believesStrangers reports whether anybody may tell this node that a name of its is not its own.
func (n *Node) believesStrangers() bool {
	return n.profile.AcceptsAnyConflict || n.cfg.Faults.Get(fault.AnyConflict) == fault.On
}

// positiveAnswer gives the first answer to whoever asked. A later one, from another owner of a unique name, tells that
// the two are in conflict, and the later is told so (RFC 1002 section 5.1.1.5).
func (n *Node) positiveAnswer(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	flags, at := m.Owner()
	group := flags&nbt.NBGroup != 0
	if !at.IsValid() || !group && !isHost(at) {
		return
	}
	if r := n.pending(queryRequest, from, m.ID, name); r != nil {
		n.finish(r)
		n.remember(name, at, group, r)
		r.asker.resolved(n, at, group)
		return
	}
	for _, c := range n.cache {
		if c.name == name && c.query == m.ID && !c.group && !group && c.addr != at && n.now <= c.conflictUntil {
			n.forget(name)
			n.sendName(from, encode(nbt.ConflictDemand(n.nextTrn(), name, n.ownType())))
			return
		}
	}
}

// isHost reports whether an address can be that of one host. A name server gives those of most groups as 255.255.255.255.
func isHost(a netip.Addr) bool {
	return a.Is4() && !a.IsUnspecified() && !a.IsMulticast() && a != stack.LimitedBroadcast
}

// find is a FIND NAME under way.
type find struct {
	call stack.CallID
	ncb  netbios.NCB
}

// findName locates a name on the network; one of our own needs no asking.
func (n *Node) findName(id stack.CallID, ncb netbios.NCB) {
	f := &find{id, ncb}
	if e, found := n.table.Find(ncb.CallName); found && e.State == stack.Registered {
		f.resolved(n, n.addr, e.Group)
		return
	}
	n.startQuery(ncb.CallName, f, n.routes())
}

func (f *find) caller() stack.CallID { return f.call }

func (f *find) resolved(n *Node, at netip.Addr, group bool) {
	n.completeBuffer(f.call, findBuffer(at, group), f.ncb.Length)
}

func (f *find) abandon(n *Node, code netbios.Code) { n.completeCode(f.call, code) }

// answerStatus answers a node status request: for any name, or for one we have (RFC 1002 section 5.1.1.5 leaves B nodes
// out, every stack answers). Only names are told, no statistics, as Samba does.
func (n *Node) answerStatus(from netip.AddrPort, name netbios.Name, id uint16) {
	if e, found := n.table.Find(name); name != netbios.Wildcard && (!found || e.State == stack.Claiming) {
		return
	}
	names := make([]nbt.NodeName, 0, maxStatusNames)
	listed := n.table.Listed()
	for _, e := range listed[:min(len(listed), maxStatusNames)] {
		names = append(names, nbt.NodeName{Name: e.Name, Flags: n.statusFlags(e)})
	}
	answer := nbt.StatusResponse(id, name, nbt.NodeStatus{Names: names, Stats: nbt.Statistics{UnitID: n.cfg.UnitID}})
	if len(names) < len(listed) {
		answer.Flags |= nbt.FlagTC
	}
	n.sendName(from, encode(answer))
}

// maxStatusNames is how many names fit into MAX_DATAGRAM_LENGTH, 576 bytes with IP and UDP headers: a node status
// response is 103 bytes and 18 for each name (RFC 1002 sections 4.2.18 and 6).
const maxStatusNames = (nbt.MaxDatagramPayload - 103) / netbios.StatusRowLen

func (n *Node) statusFlags(e nametable.Entry) nbt.NameFlags {
	f := nbt.NameACT | nbt.NameFlags(n.ownType())
	if e.Group {
		f |= nbt.NameGroup
	}
	if e.State == stack.Deregistered || e.State == stack.ConflictDeregistered {
		f |= nbt.NameDRG
	}
	if e.State == stack.Conflict || e.State == stack.ConflictDeregistered {
		f |= nbt.NameCNF
	}
	return f
}
