// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// bNode are the NB_FLAGS of a name of a B node.
func bNode(group bool) nbt.NBFlags {
	if group {
		return nbt.NBGroup
	}
	return 0
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
	m, err := nbt.ParseNameMessage(in.Payload)
	if err != nil {
		n.remark("name service message ignored: " + err.Error())
		return
	}
	if n.stopping {
		return
	}
	name, scope := m.Subject()
	if scope != "" {
		return // a name in another scope is another name, and this node has none
	}
	switch m.Kind() {
	case nbt.KindClaim, nbt.KindMultihomed:
		n.defend(in.From, name, m)
	case nbt.KindQuery:
		n.answerQuery(in.From, name, m.ID)
	case nbt.KindStatusRequest:
		n.answerStatus(in.From, name, m.ID)
	case nbt.KindRelease:
		n.forget(name) // ours are released by nobody else (RFC 1002 section 5.1.1.5)
	case nbt.KindNegativeRegistration:
		if r := n.pending(claimRequest, m.ID, name); r != nil {
			n.claimRefused(r)
		}
	case nbt.KindConflictDemand:
		n.conflictDemand(name, m.ID)
	case nbt.KindPositiveQuery:
		n.positiveAnswer(in.From, name, m)
	case nbt.KindStatusResponse:
		n.statusAnswer(in.From, name, m)
	default:
		// An overwrite demand, and whatever else is addressed to name servers: a B node says nothing.
	}
}

// defend refuses a claim to a name that is ours, unless both are groups (RFC 1002 section 5.1.1.5).
func (n *Node) defend(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	e, found := n.table.Find(name)
	claimed, _ := m.Owner()
	if !found || e.State != stack.Registered || e.Group && claimed&nbt.NBGroup != 0 {
		return
	}
	n.sendName(from, encode(nbt.Refusal(m.ID, e.Name, nbt.ActErr, bNode(e.Group), n.addr)))
}

func (n *Node) answerQuery(from netip.AddrPort, name netbios.Name, id uint16) {
	e, found := n.table.Find(name)
	if !found || e.State != stack.Registered {
		return
	}
	n.sendName(from, encode(nbt.PositiveAnswer(id, e.Name, bNode(e.Group), n.addr)))
}

// conflictDemand takes a name out of service when somebody rightly says that it is theirs.
func (n *Node) conflictDemand(name netbios.Name, id uint16) {
	if r := n.pending(claimRequest, id, name); r != nil {
		n.claimRefused(r)
		return
	}
	if !n.acceptsConflict(id, name) {
		n.remark("name conflict demand for " + name.String() + " ignored: it answers no claim of ours")
		return
	}
	if n.table.Conflict(name, n.out) {
		n.endWaiting(name, netbios.NAMCONF)
		n.endCalls(name, netbios.NAMCONF)
	}
}

// acceptsConflict reports whether a name conflict demand counts: only one that answers our own claim, until shortly
// after it (the rule of the MS00-047 fix).
func (n *Node) acceptsConflict(id uint16, name netbios.Name) bool {
	if n.profile.AcceptsAnyConflict || n.cfg.Faults.Get(fault.AnyConflict) == fault.On {
		return true
	}
	for _, c := range n.claims {
		if c.name == name && (c.request == id || c.demanded == id) && n.now <= c.until {
			return true
		}
	}
	return false
}

// positiveAnswer gives the first answer to whoever asked. A later one, from another owner of a unique name, tells that
// the two are in conflict, and the later is told so (RFC 1002 section 5.1.1.5).
func (n *Node) positiveAnswer(from netip.AddrPort, name netbios.Name, m nbt.NameMessage) {
	flags, at := m.Owner()
	if !at.IsValid() {
		return
	}
	group := flags&nbt.NBGroup != 0
	if r := n.pending(queryRequest, m.ID, name); r != nil {
		n.finish(r)
		n.remember(name, at, group, m.ID)
		r.asker.resolved(n, at, group)
		return
	}
	for _, c := range n.cache {
		if c.name == name && c.query == m.ID && !c.group && !group && c.addr != at && n.now <= c.conflictUntil {
			n.forget(name)
			n.sendName(from, encode(nbt.ConflictDemand(n.nextTrn(), name, 0)))
			return
		}
	}
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
	n.query(ncb.CallName, f)
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
		names = append(names, nbt.NodeName{Name: e.Name, Flags: wireFlags(e)})
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

func wireFlags(e nametable.Entry) nbt.NameFlags {
	f := nbt.NameACT
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
