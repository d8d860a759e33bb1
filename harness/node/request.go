// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nametable"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// request is a name-service request under way: sent, repeated at every time-out, and over after the last one. Claims,
// queries, releases and status requests are all of this form (RFC 1002 section 5.1.1); the repetitions of one request
// carry one NAME_TRN_ID.
type request struct {
	kind    requestKind
	id      uint16
	name    netbios.Name
	to      netip.AddrPort // a node, or the broadcast address
	payload []byte
	left    int           // transmissions still to come
	every   time.Duration // time-out of each
	timer   stack.TimerID

	call  stack.CallID // claims: the ADD NAME
	num   uint8        // claims: the number it gets
	group bool         // claims
	asker asker        // queries and status requests: who wants to know
}

type requestKind uint8

const (
	claimRequest requestKind = iota
	queryRequest
	statusRequest
	releaseRequest
)

// asker is a command that needs to know where a name is.
type asker interface {
	// caller is the call that waits for the answer.
	caller() stack.CallID
	// resolved is told where the name is; for a group that is one of its members.
	resolved(n *Node, at netip.Addr, group bool)
	// abandon ends the call with a code: nobody has answered, or nobody wants to know any more.
	abandon(n *Node, code netbios.Code)
}

// unanswered is the code with which an asker gives up when nobody answers; CALL has NOCALL for it, others CMDTMO.
type unanswered interface{ silence() netbios.Code }

func (n *Node) start(r *request, m nbt.NameMessage) {
	r.payload = encode(m)
	n.requests = append(n.requests, r)
	n.transmit(r)
}

func (n *Node) transmit(r *request) {
	r.left--
	n.sendName(r.to, r.payload)
	r.timer = n.arm(r, r.every)
}

// ring is the time-out of one transmission.
func (r *request) ring(n *Node) {
	r.timer = 0
	if r.left > 0 {
		n.transmit(r)
		return
	}
	n.finish(r)
	switch r.kind {
	case claimRequest:
		n.claimUnopposed(r)
	case queryRequest, statusRequest:
		r.asker.abandon(n, silenceCode(r.asker))
	case releaseRequest:
		n.stopIfQuiet()
	}
}

func silenceCode(a asker) netbios.Code {
	if u, ok := a.(unanswered); ok {
		return u.silence()
	}
	return netbios.CMDTMO
}

// finish takes a request off the list and its timer with it.
func (n *Node) finish(r *request) {
	n.disarm(r.timer)
	n.requests = slices.DeleteFunc(n.requests, func(x *request) bool { return x == r })
}

// pending returns the request of a kind that a response with this identifier and name answers.
func (n *Node) pending(kind requestKind, id uint16, name netbios.Name) *request {
	for _, r := range n.requests {
		if r.kind == kind && r.id == id && r.name == name {
			return r
		}
	}
	return nil
}

func (n *Node) nextTrn() uint16 {
	n.lastTrn++
	return n.lastTrn
}

// recentClaim is a claim that ended well a short while ago, so that an objection to it may still come.
type recentClaim struct {
	name              netbios.Name
	request, demanded uint16 // identifiers of the registration requests and of the overwrite demand
	until             time.Duration
}

func (n *Node) claim(id stack.CallID, name netbios.Name, num uint8, group bool) {
	r := n.broadcastRequest(claimRequest, name)
	r.call, r.num, r.group = id, num, group
	n.start(r, nbt.Claim(r.id, name, bNode(group), n.addr))
}

func (n *Node) broadcastRequest(kind requestKind, name netbios.Name) *request {
	return &request{
		kind: kind, id: n.nextTrn(), name: name, to: netip.AddrPortFrom(n.broadcast, stack.NamePort),
		left: n.profile.BroadcastCount, every: n.profile.BroadcastTimeout,
	}
}

// claimUnopposed ends a claim that nobody refused: the overwrite demand tells the network, and the name is ours.
func (n *Node) claimUnopposed(r *request) {
	demand := nbt.OverwriteDemand(n.nextTrn(), r.name, bNode(r.group), n.addr)
	n.sendName(r.to, encode(demand))
	n.table.Granted(r.name, n.out)
	n.claims = slices.DeleteFunc(n.claims, func(c recentClaim) bool { return c.until < n.now || c.name == r.name })
	n.claims = append(n.claims, recentClaim{r.name, r.id, demand.ID, n.after(n.profile.ConflictTimer)})
	n.complete(stack.Complete{ID: r.call, Num: r.num})
}

// claimRefused ends a claim that another node objected to.
func (n *Node) claimRefused(r *request) {
	n.finish(r)
	n.table.Refused(r.name, n.out)
	n.completeCode(r.call, netbios.INUSE)
}

// release tells the network that a name is free (RFC 1002 section 5.1.1.4): a broadcast demand, repeated, that nobody
// answers.
func (n *Node) release(e nametable.Entry) {
	if n.stopping && !n.releasesAtStop() {
		return
	}
	r := n.broadcastRequest(releaseRequest, e.Name)
	n.start(r, nbt.ReleaseDemand(r.id, e.Name, bNode(e.Group), n.addr))
}

// cancelRelease stops repeating the release of a name that is about to be claimed again.
func (n *Node) cancelRelease(name netbios.Name) {
	for _, r := range slices.Clone(n.requests) {
		if r.kind == releaseRequest && r.name == name {
			n.finish(r)
		}
	}
}

// resolve finds out where a name is: LMHOSTS, what was found lately, then a broadcast query.
func (n *Node) resolve(name netbios.Name, a asker) {
	for _, h := range n.cfg.Hosts {
		if h.Name == name {
			a.resolved(n, h.Addr, false)
			return
		}
	}
	for _, c := range n.cache {
		if c.name == name && c.until >= n.now {
			a.resolved(n, c.addr, c.group)
			return
		}
	}
	n.query(name, a)
}

func (n *Node) query(name netbios.Name, a asker) {
	r := n.broadcastRequest(queryRequest, name)
	r.asker = a
	n.start(r, nbt.Query(r.id, name))
}

// cached is a remote name that was found lately. Until conflictUntil a second owner's answer to the same query is a
// conflict between the two (CONFLICT_TIMER, RFC 1002 section 5.1.1.3).
type cached struct {
	name                 netbios.Name
	addr                 netip.Addr
	group                bool
	query                uint16
	until, conflictUntil time.Duration
}

// maxCached bounds the remote names remembered; the oldest goes first.
const maxCached = 256

func (n *Node) remember(name netbios.Name, addr netip.Addr, group bool, query uint16) {
	n.forget(name)
	if len(n.cache) == maxCached {
		n.cache = slices.Delete(n.cache, 0, 1)
	}
	n.cache = append(n.cache, cached{
		name: name, addr: addr, group: group, query: query,
		until: n.after(n.profile.CacheLife), conflictUntil: n.after(n.profile.ConflictTimer),
	})
}

func (n *Node) forget(name netbios.Name) {
	n.cache = slices.DeleteFunc(n.cache, func(c cached) bool { return c.name == name })
}
