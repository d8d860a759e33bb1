// SPDX-License-Identifier: MIT

// Package nameserver is a NetBIOS name server (NBNS, RFC 1001 section 11; Microsoft's is WINS): a table of names that are
// registered, refreshed, queried and released by unicast, and the challenge of an owner whose name somebody else wants. It
// decides; it has no socket and no clock. The node that it runs on hands it what arrives, and wakes it when it asks for it.
//
// The server challenges owners itself, behind a WACK, as Microsoft's and Samba's do; [Policy].LeavesChallenge has it leave
// that to the requester, as RFC 1002 section 5.1.4 also allows. It does no replication and distributes no datagrams.
package nameserver

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Policy is what name servers do differently. The zero value is what smbtorture's nbt.wins tests demand, which were
// written against Windows.
type Policy struct {
	// UnknownRelease is the answer to the release of a name that is not in the table: 0, or NAM_ERR (nmbd).
	UnknownRelease nbt.RCode
	// ForeignRelease is the answer to the release of a unique name with another address than its owner's: ACT_ERR, or
	// NAM_ERR (nmbd). 0 is ACT_ERR.
	ForeignRelease nbt.RCode
	// ReleaseByData takes the address in a release for that of its sender, so that anybody may release any name whose
	// owner's address they know (nmbd; CVE-2000-0673). Otherwise the packet must come from the owner.
	ReleaseByData bool
	// UniqueOverGroup is the answer to the registration as unique of a name that is a group's: ACT_ERR, or RFS_ERR (nmbd).
	// 0 is ACT_ERR.
	UniqueOverGroup nbt.RCode
	// GroupUnspecified answers queries for group names with 0.0.0.0 (nmbd) rather than 255.255.255.255.
	GroupUnspecified bool
	// LeavesChallenge answers a claim to a name that has an owner with an END-NODE CHALLENGE, and takes an overwrite
	// request at its word (RFC 1002 sections 4.2.7 and 5.1.4.1).
	LeavesChallenge bool
}

// NMBD is how Samba's nmbd differs (measured with 4.17).
var NMBD = Policy{
	UnknownRelease: nbt.NamErr, ForeignRelease: nbt.NamErr, ReleaseByData: true, UniqueOverGroup: nbt.RfsErr,
	GroupUnspecified: true,
}

// Config is what a server is made of.
type Config struct {
	Addr      netip.Addr    // of the host that it runs on, and the owner of that host's own names
	Broadcast netip.Addr    // of that host's network, which nobody can own a name with
	Timeout   time.Duration // of one challenge query
	Count     int           // challenge queries to one address
	Names     int           // most names held, 0 for [DefaultNames]
	Policy    Policy

	// NextID gives the identifiers of challenge queries. They share the host's, so that its own requests are not mistaken
	// for challenges.
	NextID func() uint16
}

// DefaultNames is how many names a server holds unless told otherwise: more than any segment of hosts has, and less than
// 8 MiB with the longest scopes. What does not fit is refused with SRV_ERR.
const DefaultNames = 8192

const (
	// MaxAddrs is how many addresses a record has at most: those of a multi-homed node, or of a group of domain controllers
	// ([MS-NBTE]; 25 fit any response).
	MaxAddrs = 25
	// maxChallenges bounds the challenges under way. Claims that would need another are refused with SRV_ERR.
	maxChallenges = 256

	// Bounds of the TTL that is granted, in seconds. A request for a TTL of 0, for ever, gets the longest.
	minTTL = 60
	maxTTL = 6 * 24 * 60 * 60 // nmbd's and WINS's default

	// maxEncoded is the length of the longest encoded name that is served: one with a scope of 237 characters. That is more
	// than RFC 1002 allows, but Windows 2008 and Samba take it (Samba ea7ec4fb30a).
	maxEncoded = 272

	// sweepEvery is how often a full table looks for names that have expired.
	sweepEvery = time.Second
)

// Suffixes with rules of their own ([MS-NBTE] appendix A).
const (
	domainMaster      = 0x1b
	domainControllers = 0x1c // a group whose members are listed
	masterBrowser     = 0x1d // one for each segment, so that the server keeps none
)

// Own is what the host that the server runs on has under the name of a message: nothing, or a name in service.
type Own struct {
	Held  bool
	Flags nbt.NBFlags // group bit and node type
}

func (o Own) unique() bool { return o.Held && o.Flags&nbt.NBGroup == 0 }
func (o Own) group() bool  { return o.Held && o.Flags&nbt.NBGroup != 0 }

// Server is one name server. Make it with [New].
type Server struct {
	cfg       Config
	records   map[key]*record
	pending   []*challenge
	nextSweep time.Duration

	now time.Duration
	out *stack.Outputs // of the step under way
}

// key is a name in its scope. Both are compared byte by byte (KB Q138449).
type key struct {
	name  netbios.Name
	scope string
}

// record is a name that is registered.
type record struct {
	kind   kind
	owners []owner // oldest first; of a plain group the last member that registered it
}

type kind uint8

const (
	unique   kind = iota // one node's, with one address or several
	group                // a segment's: its members are not known
	internet             // a group whose members are listed
)

type owner struct {
	flags nbt.NBFlags
	addr  netip.Addr
	until time.Duration
}

// New makes a server with an empty table.
func New(cfg Config) *Server {
	if cfg.Names == 0 {
		cfg.Names = DefaultNames
	}
	if cfg.Policy.ForeignRelease == nbt.RCodeOK {
		cfg.Policy.ForeignRelease = nbt.ActErr
	}
	if cfg.Policy.UniqueOverGroup == nbt.RCodeOK {
		cfg.Policy.UniqueOverGroup = nbt.ActErr
	}
	return &Server{cfg: cfg, records: map[key]*record{}}
}

// Names returns how many names are held, expired ones that nobody has asked for among them.
func (s *Server) Names() int { return len(s.records) }

// Taken reports whether a name that the host itself wants is another's: it has an owner, or it is a group's and wanted for
// one, or the other way round.
func (s *Server) Taken(now time.Duration, name netbios.Name, wantsGroup bool) bool {
	s.now = now
	rec := s.find(key{name: name})
	return rec != nil && (rec.kind == unique || !wantsGroup)
}

// request is a message to the server, reduced to what it says.
type request struct {
	from  netip.AddrPort
	id    uint16
	word  uint16 // R, OPCODE, NM_FLAGS and RCODE
	key   key
	kind  kind
	flags nbt.NBFlags
	addr  netip.Addr // of the would-be owner
	ttl   uint32     // asked for, in seconds
}

// Serves reports whether a message is for name servers, provided that it was sent to this host alone.
func Serves(m *nbt.NameMessage) bool {
	if m.Flags&nbt.FlagB != 0 {
		return false // for end nodes, wherever it was sent
	}
	switch m.Kind() {
	case nbt.KindClaim, nbt.KindOverwrite, nbt.KindMultihomed, nbt.KindRefresh, nbt.KindRelease:
		return true
	case nbt.KindQuery:
		return m.Flags&nbt.FlagRD != 0
	default:
		return false
	}
}

// Receive takes a message that [Serves] says is for name servers, and answers to where it came from, port included. The
// message is not kept.
func (s *Server) Receive(now time.Duration, from netip.AddrPort, m *nbt.NameMessage, own Own, out *stack.Outputs) {
	s.now, s.out = now, out
	name, scope := m.Subject()
	r := request{from: from, id: m.ID, word: m.FlagWord(), key: key{name, scope}}
	if m.Kind() == nbt.KindQuery {
		s.query(&r, own)
		return
	}
	rr := m.Record() // a request of these kinds has one, or it would not have been parsed
	r.flags, r.addr = m.Owner()
	r.ttl = rr.TTL
	r.kind = kindOf(name, r.flags)
	malformed := rr.Name != name || rr.Scope != scope || !s.isHost(r.addr)
	if m.Kind() == nbt.KindRelease {
		if malformed {
			s.send(&r, nbt.NegativeRelease(r.id, name, nbt.FmtErr, r.flags, addrOrZero(r.addr)))
			return
		}
		s.release(&r, own)
		return
	}
	if malformed {
		s.refuse(&r, nbt.FmtErr, r.flags, addrOrZero(r.addr))
		return
	}
	s.register(&r, own, m.Kind() == nbt.KindOverwrite)
}

func kindOf(name netbios.Name, flags nbt.NBFlags) kind {
	switch {
	case name.Suffix() == domainControllers:
		return internet // whatever its group bit says
	case flags&nbt.NBGroup != 0:
		return group
	}
	return unique
}

// isHost reports whether an address can be that of an owner.
func (s *Server) isHost(a netip.Addr) bool {
	return a.Is4() && !a.IsUnspecified() && !a.IsMulticast() && a != stack.LimitedBroadcast && a != s.cfg.Broadcast
}

func addrOrZero(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	return netip.IPv4Unspecified()
}

// register is registration, refresh and overwrite: a refresh of a name that is not in the table enters it (so does nmbd),
// and one by somebody else than the owner is a claim.
func (s *Server) register(r *request, own Own, overwrite bool) {
	switch {
	case s.repeats(r):
		return
	case nbt.EncodedNameLen(r.key.scope) > maxEncoded:
		s.refuse(r, nbt.SrvErr, r.flags, r.addr)
		return
	case r.key.name.IsWild():
		s.refuse(r, nbt.RfsErr, r.flags, r.addr) // RFC 1001 section 5.2
		return
	case own.unique(), own.group() && r.kind == unique:
		s.refuse(r, nbt.ActErr, own.Flags, s.cfg.Addr)
		return
	case r.key.name.Suffix() == masterBrowser:
		s.grant(r)
		return
	}
	rec := s.find(r.key)
	switch {
	case rec == nil && s.contested(r):
		s.refuse(r, nbt.ActErr, r.flags, r.addr)
	case rec == nil:
		s.deny(r)
		s.enter(r)
	case rec.kind == r.kind && (r.kind != unique || rec.owner(r.addr) >= 0):
		s.deny(r) // whoever wanted it of this owner: it lives
		s.renew(rec, r)
		s.grant(r)
	case rec.kind == group:
		s.refuse(r, s.cfg.Policy.UniqueOverGroup, rec.owners[0].flags, s.groupAddr())
	case s.cfg.Policy.LeavesChallenge && overwrite:
		s.replace(r)
	case s.cfg.Policy.LeavesChallenge:
		o := rec.owners[0]
		s.send(r, nbt.Challenge(r.id, r.key.name, o.flags, o.addr, s.left(o)))
	default:
		s.challenge(r, rec)
	}
}

// enter makes a new record, if there is room.
func (s *Server) enter(r *request) {
	if len(s.records) >= s.cfg.Names {
		s.sweep()
	}
	if len(s.records) >= s.cfg.Names {
		s.refuse(r, nbt.SrvErr, r.flags, r.addr)
		return
	}
	s.replace(r)
}

// replace makes the requester the only owner.
func (s *Server) replace(r *request) {
	rec := &record{kind: r.kind}
	s.records[r.key] = rec
	s.renew(rec, r)
	s.grant(r)
}

// renew gives the requester, who is among the owners or becomes one of them, another term. When there are too many, the
// one that was not heard of for the longest time goes.
func (s *Server) renew(rec *record, r *request) {
	if i := rec.owner(r.addr); i >= 0 {
		rec.owners = slices.Delete(rec.owners, i, i+1)
	} else if len(rec.owners) == MaxAddrs || rec.kind == group && len(rec.owners) > 0 {
		rec.owners = slices.Delete(rec.owners, 0, 1)
	}
	rec.owners = append(rec.owners, owner{r.flags, r.addr, s.after(granted(r.ttl))})
}

// granted is the term of a registration, in seconds.
func granted(asked uint32) uint32 {
	if asked == 0 {
		return maxTTL
	}
	return min(max(asked, minTTL), maxTTL)
}

func (s *Server) after(seconds uint32) time.Duration {
	if t := s.now + time.Duration(seconds)*time.Second; t > s.now {
		return t
	}
	return s.now // the end of time
}

// left is the rest of a term, in seconds.
func (s *Server) left(o owner) uint32 { return uint32(max(0, o.until-s.now) / time.Second) }

// find returns the record of a name, without owners whose term is over; nil when none is left.
func (s *Server) find(k key) *record {
	rec := s.records[k]
	if rec == nil {
		return nil
	}
	rec.owners = slices.DeleteFunc(rec.owners, func(o owner) bool { return o.until <= s.now })
	if len(rec.owners) == 0 {
		delete(s.records, k)
		return nil
	}
	return rec
}

// sweep forgets the names whose terms are over, now and then.
func (s *Server) sweep() {
	if s.now < s.nextSweep {
		return
	}
	s.nextSweep = s.now + sweepEvery
	for k := range s.records {
		s.find(k)
	}
}

// owner is the index of the owner with an address, or -1.
func (r *record) owner(a netip.Addr) int {
	return slices.IndexFunc(r.owners, func(o owner) bool { return o.addr == a })
}

// release takes an owner off a name. A group goes on without the one that leaves it.
func (s *Server) release(r *request, own Own) {
	rec := s.find(r.key)
	switch {
	case own.unique():
		s.send(r, nbt.NegativeRelease(r.id, r.key.name, nbt.ActErr, own.Flags, s.cfg.Addr))
		return
	case r.key.name.Suffix() == masterBrowser, rec != nil && rec.kind == group, rec == nil && own.group():
	case rec == nil, rec.kind == internet && rec.owner(r.addr) < 0:
		if code := s.cfg.Policy.UnknownRelease; code != nbt.RCodeOK {
			s.send(r, nbt.NegativeRelease(r.id, r.key.name, code, r.flags, r.addr))
			return
		}
	case rec.owner(r.addr) < 0:
		s.send(r, nbt.NegativeRelease(r.id, r.key.name, s.cfg.Policy.ForeignRelease, rec.owners[0].flags, rec.owners[0].addr))
		return
	case !s.cfg.Policy.ReleaseByData && rec.owner(r.from.Addr()) < 0:
		o := rec.owners[rec.owner(r.addr)]
		s.remark(r.key, "is released by "+r.from.Addr().String()+", which is not its owner: refused")
		s.send(r, nbt.NegativeRelease(r.id, r.key.name, nbt.ActErr, o.flags, o.addr))
		return
	default:
		i := rec.owner(r.addr)
		rec.owners = slices.Delete(rec.owners, i, i+1)
		s.remark(r.key, "is released by "+r.from.Addr().String()+" for "+r.addr.String())
	}
	s.send(r, nbt.PositiveRelease(r.id, r.key.name, r.flags, r.addr, 0))
	if rec != nil && s.find(r.key) == nil {
		s.concede(r.key)
	}
}

// query tells the addresses of a name.
func (s *Server) query(r *request, own Own) {
	answer := nbt.NegativeAnswer(r.id, r.key.name, nbt.NamErr)
	if addrs, ttl := s.addresses(r.key, own); len(addrs) > 0 {
		answer = nbt.PositiveAnswer(r.id, r.key.name, addrs[0].Flags, addrs[0].Addr)
		answer.Answers[0].Addrs, answer.Answers[0].TTL = addrs, ttl
	}
	answer.Flags |= nbt.FlagRA
	s.send(r, answer)
}

// addresses are what a name is answered with, and for how many seconds. A group's members are on their own segments, where
// a broadcast reaches them: the address for that stands for all of them.
func (s *Server) addresses(k key, own Own) (addrs []nbt.NBAddr, ttl uint32) {
	if own.unique() || own.group() && k.name.Suffix() == domainControllers {
		addrs = append(addrs, nbt.NBAddr{Flags: own.Flags, Addr: s.cfg.Addr})
	}
	rec := s.find(k)
	switch {
	case own.unique(), k.name.Suffix() == masterBrowser:
		return addrs, 0
	case rec == nil && own.group() && len(addrs) == 0:
		return []nbt.NBAddr{{Flags: own.Flags, Addr: s.groupAddr()}}, 0
	case rec == nil:
		return addrs, 0
	case rec.kind == group:
		return []nbt.NBAddr{{Flags: rec.owners[0].flags, Addr: s.groupAddr()}}, s.left(rec.owners[0])
	}
	for _, o := range rec.owners {
		flags := o.flags
		if rec.kind == internet {
			flags |= nbt.NBGroup
		}
		addrs = append(addrs, nbt.NBAddr{Flags: flags, Addr: o.addr})
		ttl = max(ttl, s.left(o))
	}
	if rec.kind == internet {
		s.masterFirst(k, addrs)
	}
	return addrs[:min(len(addrs), MaxAddrs)], ttl
}

// masterFirst puts the domain master, the owner of <1b>, first among the controllers of the domain.
func (s *Server) masterFirst(k key, addrs []nbt.NBAddr) {
	k.name[netbios.NameLen-1] = domainMaster
	master := s.find(k)
	if master == nil {
		return
	}
	for i := range addrs {
		if master.owner(addrs[i].Addr) >= 0 {
			first := addrs[i]
			copy(addrs[1:], addrs[:i])
			addrs[0] = first
			return
		}
	}
}

func (s *Server) groupAddr() netip.Addr {
	if s.cfg.Policy.GroupUnspecified {
		return netip.IPv4Unspecified()
	}
	return stack.LimitedBroadcast
}

func (s *Server) grant(r *request) {
	s.remark(r.key, "is registered for "+r.addr.String())
	s.send(r, nbt.PositiveRegistration(r.id, r.key.name, r.flags, r.addr, granted(r.ttl)))
}

func (s *Server) refuse(r *request, code nbt.RCode, flags nbt.NBFlags, addr netip.Addr) {
	s.send(r, nbt.Refusal(r.id, r.key.name, code, flags, addr))
}

func (s *Server) remark(k key, what string) {
	s.out.Add(stack.Remark{Text: "name server: " + k.name.String() + " " + what})
}

// send answers a request, to where it came from.
func (s *Server) send(r *request, m nbt.NameMessage) { s.sendTo(r.from, m.InScope(r.key.scope)) }

func (s *Server) sendTo(to netip.AddrPort, m nbt.NameMessage) {
	m.Loose = true // for names that are longer than the RFC has them, and were asked for so
	b, err := m.AppendBinary(nil)
	if err != nil {
		// Names and scopes come from the wire, where they were written in a form that can be written again.
		s.out.Add(stack.Remark{Text: "name server: no answer: " + err.Error()})
		return
	}
	s.out.Add(stack.SendDatagram{From: netip.AddrPortFrom(s.cfg.Addr, stack.NamePort), To: to, Payload: b})
}
