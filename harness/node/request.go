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
// queries, refreshes, releases and status requests are all of this form (RFC 1002 sections 5.1.1 and 5.1.2); the
// repetitions of one request carry one NAME_TRN_ID. An answer is known by that, the name and the opcode.
type request struct {
	kind    requestKind
	id      uint16
	name    netbios.Name
	to      netip.AddrPort   // a node, the name server, or the broadcast address
	rest    []netip.AddrPort // where to go on when this comes to nothing
	payload []byte
	left    int           // transmissions still to come
	every   time.Duration // time-out of each
	wacks   int           // heeded so far
	timer   stack.TimerID

	claim      claim           // claims
	overwrites bool            // claims: an owner was asked, and is gone
	entry      nametable.Entry // refreshes and releases
	asker      asker           // queries and status requests: who wants to know
}

type requestKind uint8

const (
	claimRequest requestKind = iota
	queryRequest
	statusRequest
	refreshRequest
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

func (n *Node) everybody() netip.AddrPort { return netip.AddrPortFrom(n.broadcast, stack.NamePort) }
func (n *Node) nameServer() netip.AddrPort {
	return netip.AddrPortFrom(n.cfg.NameServer, stack.NamePort)
}

// routes are where this type of node claims a name and asks for one, in order.
func (n *Node) routes() []netip.AddrPort {
	switch n.cfg.Type {
	case P:
		return []netip.AddrPort{n.nameServer()}
	case M:
		return []netip.AddrPort{n.everybody(), n.nameServer()}
	case H:
		return []netip.AddrPort{n.nameServer(), n.everybody()}
	default:
		return []netip.AddrPort{n.everybody()}
	}
}

func (n *Node) newRequest(kind requestKind, name netbios.Name, to netip.AddrPort, rest ...netip.AddrPort) *request {
	r := &request{kind: kind, id: n.nextTrn(), name: name, to: to, rest: rest}
	if n.broadcasts(r) {
		r.left, r.every = n.profile.BroadcastCount, n.profile.BroadcastTimeout
	} else {
		r.left, r.every = n.profile.UnicastCount, n.profile.UnicastTimeout
	}
	return r
}

func (n *Node) broadcasts(r *request) bool { return r.to.Addr() == n.broadcast }

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
		n.claimUnanswered(r)
	case queryRequest:
		n.queryFailed(r)
	case statusRequest:
		r.asker.abandon(n, silenceCode(r.asker))
	case refreshRequest:
		n.keep(r.entry, n.profile.Probe)
	case releaseRequest:
		n.releaseOver(r, false)
	}
}

func silenceCode(a asker) netbios.Code {
	if u, ok := a.(unanswered); ok {
		return u.silence()
	}
	return netbios.CMDTMO
}

const (
	// maxWait bounds how long a WACK has a node wait: a server says how long it may take, not for ever.
	maxWait = 2 * time.Minute
	// maxWACKs bounds how often one request is put off.
	maxWACKs = 3
)

// putOff begins the wait for the answer to a request anew, for as long as the name server's WACK says: at least one
// time-out, which is also what is waited when the server cannot tell.
func (n *Node) putOff(from netip.AddrPort, id uint16, name netbios.Name, seconds uint32) {
	for _, r := range n.requests {
		if r.id != id || r.name != name || r.to != from || r.wacks == maxWACKs {
			continue
		}
		r.wacks++
		n.disarm(r.timer)
		r.timer = n.arm(r, min(max(time.Duration(seconds)*time.Second, r.every), maxWait))
	}
}

// finish takes a request off the list and its timer with it.
func (n *Node) finish(r *request) {
	n.disarm(r.timer)
	n.requests = slices.DeleteFunc(n.requests, func(x *request) bool { return x == r })
}

// pending returns the request of a kind that a response with this identifier and name answers. What was asked of one
// address is answered from there.
func (n *Node) pending(kind requestKind, from netip.AddrPort, id uint16, name netbios.Name) *request {
	for _, r := range n.requests {
		if r.kind == kind && r.id == id && r.name == name && (n.broadcasts(r) || r.to == from) {
			return r
		}
	}
	return nil
}

func (n *Node) nextTrn() uint16 {
	n.lastTrn++
	return n.lastTrn
}

// claim is an ADD NAME under way, at whichever place it is being claimed now.
type claim struct {
	call  stack.CallID
	name  netbios.Name
	num   uint8
	group bool
	ids   []uint16 // of its registration requests so far
}

// recentClaim is a claim that ended well a short while ago, so that an objection to it may still come.
type recentClaim struct {
	name  netbios.Name
	ids   []uint16 // of the registration requests and of the overwrite demand
	until time.Duration
}

// claims reports whether the request is part of a certain ADD NAME.
func (r *request) claims(id stack.CallID) bool {
	c, challenging := r.asker.(*challenge)
	return r.kind == claimRequest && r.claim.call == id || challenging && c.caller() == id
}

// startClaim claims a name at the first of some places.
func (n *Node) startClaim(c claim, at []netip.AddrPort) {
	r := n.newRequest(claimRequest, c.name, at[0], at[1:]...)
	c.ids = append(c.ids, r.id)
	r.claim = c
	if n.broadcasts(r) {
		n.start(r, nbt.Claim(r.id, c.name, n.flags(c.group), n.addr))
	} else {
		n.start(r, nbt.RegistrationRequest(r.id, c.name, n.flags(c.group), n.addr, n.profile.TTL))
	}
}

// claimUnanswered goes on with a claim that nobody has answered: to a segment silence is consent, to a name server it is
// not.
func (n *Node) claimUnanswered(r *request) {
	switch {
	case len(r.rest) > 0:
		n.startClaim(r.claim, r.rest)
	case n.broadcasts(r):
		n.claimGranted(r, true)
		if n.cfg.Type == H {
			n.keep(nametable.Entry{Name: r.name, Group: r.claim.group}, n.profile.Probe)
		}
	default:
		n.claimFailed(r.claim, netbios.CMDTMO)
	}
}

// claimAccepted ends a claim that the name server agrees to, for so many seconds.
func (n *Node) claimAccepted(r *request, ttl uint32) {
	n.finish(r)
	n.claimGranted(r, n.cfg.Type == M)
	n.keepFor(nametable.Entry{Name: r.name, Group: r.claim.group}, ttl)
}

// claimGranted ends a claim that nobody objects to: the name is ours. An overwrite demand tells the segment.
func (n *Node) claimGranted(r *request, tell bool) {
	c := r.claim
	if tell {
		demand := nbt.OverwriteDemand(n.nextTrn(), r.name, n.flags(c.group), n.addr)
		n.sendName(n.everybody(), encode(demand))
		c.ids = append(c.ids, demand.ID)
	}
	n.table.Granted(r.name, n.out)
	n.claims = slices.DeleteFunc(n.claims, func(c recentClaim) bool { return c.until < n.now || c.name == r.name })
	n.claims = append(n.claims, recentClaim{r.name, c.ids, n.after(n.profile.ConflictTimer)})
	n.complete(stack.Complete{ID: c.call, Num: c.num})
}

// claimFailed ends a claim without the name.
func (n *Node) claimFailed(c claim, code netbios.Code) {
	n.table.Refused(c.name, n.out)
	n.completeCode(c.call, code)
}

// objected returns the claim that a negative response is about: to the request under way, or to an earlier one by
// broadcast of the same ADD NAME.
func (n *Node) objected(from netip.AddrPort, id uint16, name netbios.Name) *request {
	for _, r := range n.requests {
		if r.kind == claimRequest && r.name == name && slices.Contains(r.claim.ids, id) &&
			(r.id != id || n.broadcasts(r) || r.to == from) {
			return r
		}
	}
	return nil
}

// challenge is a claim to a name that has an owner, as the name server says. It is for us to ask the owner (RFC 1002 section
// 5.1.2.1).
type challenge struct {
	claim claim
	rest  []netip.AddrPort // of the claim
}

func (n *Node) startChallenge(r *request, owner netip.Addr) {
	n.finish(r)
	c := &challenge{r.claim, r.rest}
	switch {
	case r.overwrites, !isHost(owner): // an owner that was silent cannot be asked again and again
		n.claimFailed(r.claim, netbios.INUSE)
	case owner == n.addr:
		c.overwrite(n)
	default:
		n.startQuery(r.name, c, []netip.AddrPort{netip.AddrPortFrom(owner, stack.NamePort)})
	}
}

func (c *challenge) caller() stack.CallID { return c.claim.call }

// resolved gives up: the owner defends its name.
func (c *challenge) resolved(n *Node, _ netip.Addr, _ bool) { n.claimFailed(c.claim, netbios.INUSE) }

// abandon takes the name over from an owner that is silent or does not own it.
func (c *challenge) abandon(n *Node, code netbios.Code) {
	if code == netbios.CMDCAN {
		n.claimFailed(c.claim, code)
		return
	}
	c.overwrite(n)
}

// overwrite tells the name server that the owner is gone.
func (c *challenge) overwrite(n *Node) {
	r := n.newRequest(claimRequest, c.claim.name, n.nameServer(), c.rest...)
	c.claim.ids = append(c.claim.ids, r.id)
	r.claim, r.overwrites = c.claim, true
	n.start(r, nbt.OverwriteRequest(r.id, r.name, n.flags(c.claim.group), n.addr, n.profile.TTL))
}

// lease is a name that the name server has to be told of again before its term is over.
type lease struct {
	entry nametable.Entry
	timer stack.TimerID
}

// keep has a name refreshed after a time.
func (n *Node) keep(e nametable.Entry, after time.Duration) {
	l := &lease{entry: e}
	l.timer = n.arm(l, after)
	n.leases = append(n.leases, l)
}

// keepFor has a name refreshed within the term that the name server granted. 0 is for ever.
func (n *Node) keepFor(e nametable.Entry, seconds uint32) {
	if seconds > 0 {
		n.keep(e, max(time.Duration(seconds)*time.Second/2, n.profile.MinRefresh))
	}
}

// dropLease forgets a name that needs no refreshing any more, and the refresh that may be under way.
func (n *Node) dropLease(name netbios.Name) {
	n.leases = slices.DeleteFunc(n.leases, func(l *lease) bool {
		if l.entry.Name == name {
			n.disarm(l.timer)
		}
		return l.entry.Name == name
	})
	for _, r := range slices.Clone(n.requests) {
		if r.kind == refreshRequest && r.name == name {
			n.finish(r)
		}
	}
}

func (n *Node) dropLeases() {
	for _, l := range slices.Clone(n.leases) {
		n.dropLease(l.entry.Name)
	}
	for _, r := range slices.Clone(n.requests) {
		if r.kind == refreshRequest {
			n.finish(r)
		}
	}
}

// ring is the time for a refresh (RFC 1002 section 5.1.2.3).
func (l *lease) ring(n *Node) {
	l.timer = 0
	n.dropLease(l.entry.Name)
	e, _ := n.table.Find(l.entry.Name)
	if e.State != stack.Registered && e.State != stack.Deregistered {
		return // it was lost to somebody else meanwhile
	}
	r := n.newRequest(refreshRequest, e.Name, n.nameServer())
	r.entry = e
	n.start(r, nbt.Refresh(r.id, e.Name, n.flags(e.Group), n.addr, n.profile.TTL))
}

// refreshRefused puts a name in conflict that the name server says is another's.
func (n *Node) refreshRefused(r *request) {
	n.finish(r)
	n.remark("the name server refuses to refresh " + r.name.String())
	n.lose(r.name)
}

// release tells the network that a name is free: the segment by a demand, repeated, that nobody answers (RFC 1002 section
// 5.1.1.4), a name server by a request (section 5.1.2.4).
func (n *Node) release(e nametable.Entry) {
	n.dropLease(e.Name)
	if n.stopping && !n.releasesAtStop() {
		return
	}
	switch n.cfg.Type {
	case P:
		n.startRelease(e, n.nameServer())
	case M, H:
		n.startRelease(e, n.nameServer(), n.everybody())
	default:
		n.startRelease(e, n.everybody())
	}
}

func (n *Node) startRelease(e nametable.Entry, to netip.AddrPort, rest ...netip.AddrPort) {
	r := n.newRequest(releaseRequest, e.Name, to, rest...)
	r.entry = e
	if n.broadcasts(r) {
		n.start(r, nbt.ReleaseDemand(r.id, e.Name, n.flags(e.Group), n.addr))
	} else {
		n.start(r, nbt.ReleaseRequest(r.id, e.Name, n.flags(e.Group), n.addr))
	}
}

// releaseOver ends a release at one place. An M node tells the segment once the name server has agreed, an H node when it
// has not.
func (n *Node) releaseOver(r *request, agreed bool) {
	if len(r.rest) > 0 && agreed == (n.cfg.Type == M) {
		n.startRelease(r.entry, r.rest[0])
		return
	}
	n.stopIfQuiet()
}

// cancelRelease stops repeating the release of a name that is about to be claimed again.
func (n *Node) cancelRelease(name netbios.Name) {
	for _, r := range slices.Clone(n.requests) {
		if r.kind == releaseRequest && r.name == name {
			n.finish(r)
		}
	}
}

// resolve finds out where a name is: LMHOSTS, what was found lately, then a query.
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
	n.startQuery(name, a, n.routes())
}

// startQuery asks for a name at the first of some places.
func (n *Node) startQuery(name netbios.Name, a asker, at []netip.AddrPort) {
	r := n.newRequest(queryRequest, name, at[0], at[1:]...)
	r.asker = a
	if n.broadcasts(r) {
		n.start(r, nbt.Query(r.id, name))
	} else {
		n.start(r, nbt.UnicastQuery(r.id, name))
	}
}

// queryFailed goes on with a query that nobody has answered, or that the name server knows no answer to.
func (n *Node) queryFailed(r *request) {
	if len(r.rest) > 0 {
		n.startQuery(r.name, r.asker, r.rest)
		return
	}
	r.asker.abandon(n, silenceCode(r.asker))
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

func (n *Node) remember(name netbios.Name, addr netip.Addr, group bool, r *request) {
	n.forget(name)
	if len(n.cache) == maxCached {
		n.cache = slices.Delete(n.cache, 0, 1)
	}
	n.cache = append(n.cache, cached{
		name: name, addr: addr, group: group, query: r.id, until: n.after(n.profile.CacheLife),
	})
	if n.broadcasts(r) {
		n.cache[len(n.cache)-1].conflictUntil = n.after(n.profile.ConflictTimer)
	}
}

func (n *Node) forget(name netbios.Name) {
	n.cache = slices.DeleteFunc(n.cache, func(c cached) bool { return c.name == name })
}
