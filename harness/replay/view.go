// SPDX-License-Identifier: MIT

package replay

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// MaxFrames bounds the frames of a [View]: a host of the nineties sends so many in a month.
const MaxFrames = 1 << 17

// MaxDraftFrames bounds those of a view of everybody: a draft has room for fewer steps.
const MaxDraftFrames = 1 << 13

// maxBytes bounds the payloads that a [View] keeps, and maxHosts the other hosts that it can name.
const (
	maxBytes = 24 << 20
	maxHosts = 64
)

// View is what a capture shows of one host: what it sent, and what was sent to it or to everybody. Add frames in any
// order, then call Done. The zero address makes a view of everybody, for [Draft].
type View struct {
	Host   netip.Addr
	Frames []trace.Frame
	Others []netip.Addr // hosts of the capture, in the order in which they were seen; at most 64
	Full   bool         // there was more than a view holds: frames behind the last one are missing

	prefix  netip.Prefix
	kind    node.Type  // what the host says to be, if its name server is known; else B
	server  netip.Addr // its name server
	unheard []int      // numbers of frames that were sent to the host before its stack was running
	bytes   int
	read    []meaning
	after   []after
	ends    map[int][2]netip.AddrPort // of TCP connections, the host's first
}

// NewView makes an empty view of a host.
func NewView(host netip.Addr) *View { return &View{Host: host} }

// Add takes a frame in, if it concerns the host. It keeps a copy of the payload.
func (v *View) Add(f *trace.Frame) {
	v.meet(f.From.Addr())
	everybody := f.Broadcast || f.To.Addr() == stack.LimitedBroadcast
	if v.Host.IsValid() && f.From.Addr() != v.Host && f.To.Addr() != v.Host && !everybody {
		return
	}
	most := MaxFrames
	if !v.Host.IsValid() {
		most = MaxDraftFrames
	}
	if len(v.Frames) >= most || v.bytes+len(f.Payload) > maxBytes {
		v.Full = true
		return
	}
	own := *f
	own.Broadcast = everybody
	own.Payload, own.Odd = slices.Clone(f.Payload), slices.Clone(f.Odd)
	v.bytes += len(own.Payload)
	v.Frames = append(v.Frames, own)
}

func (v *View) meet(a netip.Addr) {
	if len(v.Others) < maxHosts && a.Is4() && !slices.Contains(v.Others, a) {
		v.Others = append(v.Others, a)
	}
}

// Refused takes in that a datagram came back in an ICMP error: nobody was there to hear it. The frame is the one quoted. It
// counts only before the host has sent anything: then its stack was not running yet. Later, that it is gone is evidence.
func (v *View) Refused(f *trace.Frame) {
	host := f.To.Addr() // in a view of everybody, any
	if v.Host.IsValid() && host != v.Host {
		return
	}
	for i := len(v.Frames) - 1; i >= 0; i-- {
		x := &v.Frames[i]
		if x.From.Addr() == host {
			return
		}
		if x.From == f.From && x.To == f.To && len(v.unheard) < maxUnheard {
			v.unheard = append(v.unheard, x.Number)
			return
		}
	}
}

// maxUnheard bounds the datagrams that are known not to have been heard.
const maxUnheard = 1024

// Done puts the frames in order and reads them.
func (v *View) Done() {
	slices.SortStableFunc(v.Frames, func(a, b trace.Frame) int { return cmp.Compare(a.Number, b.Number) })
	v.ends = map[int][2]netip.AddrPort{}
	v.read = make([]meaning, len(v.Frames))
	for i := range v.Frames {
		v.read[i] = read(&v.Frames[i])
		v.read[i].out = v.Frames[i].From.Addr() == v.Host
		v.read[i].unheard = slices.Contains(v.unheard, v.Frames[i].Number)
		v.end(&v.Frames[i])
	}
	v.lookBack()
	if v.Host.IsValid() {
		v.prefix = v.network()
		v.kind, v.server = v.nodeKind()
	}
}

// after is what a frame of the host comes after.
type after struct {
	request    int  // index of the request that it answers, or -1
	challenged bool // somebody else than it is sent to has just claimed the name that it is about
}

// claims are the last claim of a name, and the last by another than who made that; indexes, or -1.
type claims struct{ last, other int }

// lookBack finds what the host's frames come after, in one pass: a flood may have thousands of frames in a second.
func (v *View) lookBack() {
	type request struct {
		service service
		id      uint16
		from    netip.AddrPort
	}
	requests := map[request]int{}
	claimed := map[netbios.Name]claims{}
	v.after = make([]after, len(v.Frames))
	for i := range v.Frames {
		f, r := &v.Frames[i], &v.read[i]
		within := func(k int, window time.Duration) bool { return k >= 0 && f.At-v.Frames[k].At <= window }
		v.after[i].request = -1
		if r.out {
			if k, known := requests[request{r.service, r.id, f.To}]; known && within(k, replyWindow) {
				v.after[i].request = k
			}
			if c, known := claimed[r.name]; known {
				k := c.last
				if v.Frames[k].From.Addr() == f.To.Addr() {
					k = c.other
				}
				v.after[i].challenged = within(k, challengeLife)
			}
			continue
		}
		if r.reply {
			continue
		}
		requests[request{r.service, r.id, f.From}] = i
		if r.kind == nbt.KindClaim || r.kind == nbt.KindMultihomed {
			c, known := claimed[r.name]
			switch {
			case !known:
				c.other = -1
			case v.Frames[c.last].From.Addr() != f.From.Addr():
				c.other = c.last
			}
			c.last = i
			claimed[r.name] = c
		}
	}
}

// requestOf is the index of the request that a frame of the host answers, or -1.
func (v *View) requestOf(i int) int { return v.after[i].request }

// challenges reports whether a query of a name server is to find out whether a name's owner still has it: somebody else has just
// claimed it.
func (v *View) challenges(query int) bool { return v.after[query].challenged }

// challengeLife is how long a name server asks the owner of a name: three times, UCAST_REQ_RETRY_TIMEOUT apart, and some.
const challengeLife = 20 * time.Second

// end notes the ends of a connection.
func (v *View) end(f *trace.Frame) {
	if _, known := v.ends[f.Conn]; known || f.Kind == trace.UDP {
		return
	}
	ends := [2]netip.AddrPort{f.From, f.To}
	if f.To.Addr() == v.Host {
		ends = [2]netip.AddrPort{f.To, f.From}
	}
	v.ends[f.Conn] = ends
}

// Of is the part of a view of everybody that one host sees. The two share the payloads.
func (v *View) Of(host netip.Addr) *View {
	own := &View{Host: host, Others: v.Others, Full: v.Full, unheard: v.unheard}
	for i := range v.Frames {
		if f := &v.Frames[i]; f.From.Addr() == host || f.To.Addr() == host || f.Broadcast {
			own.Frames = append(own.Frames, *f)
		}
	}
	own.Done()
	return own
}

// End is the time of the last frame.
func (v *View) End() time.Duration {
	if len(v.Frames) == 0 {
		return 0
	}
	return v.Frames[len(v.Frames)-1].At
}

// Sent counts the frames that the host sent.
func (v *View) Sent() int {
	n := 0
	for i := range v.read {
		if v.read[i].out {
			n++
		}
	}
	return n
}

// network is the host's network, as its broadcasts show it, else as others' do.
func (v *View) network() netip.Prefix {
	var seen netip.Addr
	for i := range v.Frames {
		f := &v.Frames[i]
		if !f.Broadcast || !f.To.Addr().Is4() {
			continue
		}
		if !seen.IsValid() || v.read[i].out {
			seen = f.To.Addr()
		}
		if v.read[i].out {
			break
		}
	}
	for bits := 30; bits >= 8; bits-- {
		if p := netip.PrefixFrom(v.Host, bits); seen.IsValid() && stack.BroadcastOf(p) == seen {
			return p
		}
	}
	if seen == stack.LimitedBroadcast {
		return netip.PrefixFrom(v.Host, 0)
	}
	return netip.PrefixFrom(v.Host, 24)
}

// nodeKind is the host's node type and its name server: that which it says in its own claims, refreshes and releases, and where
// it sends them. Without a name server a node is a B node, whatever it says.
func (v *View) nodeKind() (node.Type, netip.Addr) {
	var kind node.Type
	var server netip.Addr
	for i := range v.Frames {
		r := &v.read[i]
		if !r.out || r.bad || r.reply || r.service != nameService {
			continue
		}
		switch r.kind {
		case nbt.KindClaim, nbt.KindRefresh, nbt.KindRelease:
		default:
			continue
		}
		switch r.ont {
		case nbt.ONTP:
			kind = node.P
		case nbt.ONTM:
			kind = node.M
		case nbt.ONTH:
			kind = node.H
		default:
			if v.Frames[i].Broadcast {
				return node.B, netip.Addr{}
			}
			continue // made up: a B node tells nobody alone
		}
		if !v.Frames[i].Broadcast {
			server = v.Frames[i].To.Addr()
			break
		}
	}
	if !server.IsValid() {
		return node.B, server
	}
	return kind, server
}

// Node is what the host says to be, and its name server: the zero address, and a B node, without one.
func (v *View) Node() (node.Type, netip.Addr) { return v.kind, v.server }

// served reports whether the host has a name server.
func (v *View) served() bool { return v.server.IsValid() }

// service is one of the three services of NBT.
type service uint8

const (
	noService service = iota
	nameService
	datagramService
	sessionService
)

// meaning is what a frame says, as far as replaying needs it.
type meaning struct {
	out     bool // the host sent it
	unheard bool // nobody was there yet
	service service
	bad     bool // it is no message of its service, or of another scope than the empty one

	kind  nbt.NameKind // name service
	reply bool         // a response; an error of the datagram service
	name  netbios.Name // whom it is about; of a datagram the destination, of a session request the called name
	from  netbios.Name // source of a datagram, calling name
	id    uint16       // NAME_TRN_ID, DGM_ID
	group bool         // G of NB_FLAGS
	ont   nbt.NBFlags  // ONT of them: the node type of the owner
	owner netip.Addr   // the first address of the owner
	rows  []nbt.NodeName
	dgm   nbt.DatagramType
	flags nbt.DatagramFlags
	ssn   nbt.SessionType
	code  uint8 // error code of a negative session response
	data  []byte
}

// read decodes a frame.
func read(f *trace.Frame) meaning {
	switch {
	case f.Kind == trace.Message:
		return readSession(f.Payload)
	case f.Kind != trace.UDP:
		return meaning{service: sessionService}
	case f.From.Port() == stack.NamePort || f.To.Port() == stack.NamePort:
		return readName(f.Payload)
	}
	return readDatagram(f.Payload)
}

func readName(b []byte) meaning {
	m, err := nbt.ParseNameMessageLenient(b)
	r := meaning{service: nameService, bad: err != nil, reply: m.Response, id: m.ID, kind: m.Kind()}
	var scope string
	r.name, scope = m.Subject()
	r.bad = r.bad || scope != ""
	flags, owner := m.Owner()
	r.owner = owner
	r.group, r.ont = flags&nbt.NBGroup != 0, flags&nbt.NBONT
	if rr := m.Record(); rr != nil && rr.Status != nil {
		r.rows = rr.Status.Names
	}
	return r
}

func readDatagram(b []byte) meaning {
	m, err := nbt.ParseDatagramLenient(b)
	return meaning{
		service: datagramService, bad: err != nil || m.SourceScope != "" || m.DestScope != "", reply: m.Type == nbt.DgmError,
		id: m.ID, dgm: m.Type, flags: m.Flags, name: m.DestName, from: m.SourceName, data: m.Data,
	}
}

func readSession(b []byte) meaning {
	m, err := nbt.ParseSessionMessage(b)
	return meaning{
		service: sessionService, bad: err != nil, ssn: m.Type, code: m.ErrorCode, name: m.Called, from: m.Calling, data: m.Data,
	}
}
