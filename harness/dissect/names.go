// SPDX-License-Identifier: MIT

package dissect

import (
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// role is what a host has to do with a name that is in a message.
type role uint8

const (
	holder role = iota // it claims or holds the name, gives it up, or uses it as its own
	asker              // it asks for the name, or sends to it
)

// mention is a name in a message, and who has to do with it.
type mention struct {
	name *netbios.Name
	role role
	host netip.Addr
}

// mentions calls each for every NetBIOS name in the message; of a message that could not be read to its end, for those
// before that.
func (m *Message) mentions(each func(mention)) {
	from := m.Frame.From.Addr()
	switch m.Service {
	case capture.NameService:
		m.nameServiceMentions(from, each)
	case capture.DatagramService:
		d := &m.Datagram
		if d.HasNames() && !d.SourceBare && m.WasRead("SOURCE_NAME") {
			each(mention{&d.SourceName, holder, from})
		}
		if (d.HasNames() || d.Type > nbt.DgmError) && !d.DestBare && m.WasRead("DESTINATION_NAME") {
			each(mention{&d.DestName, asker, from})
		}
	case capture.SessionService:
		s := &m.Session
		if s.Type != nbt.SsnRequest {
			return
		}
		if !s.CallingBare && m.WasRead("CALLING_NAME") {
			each(mention{&s.Calling, holder, from})
		}
		if !s.CalledBare && m.WasRead("CALLED_NAME") {
			each(mention{&s.Called, asker, from})
		}
	}
}

// nameServiceMentions tells the names of a name service message: the one that it is about, and those of a node status. A
// positive answer tells who holds the name; whoever registers, refreshes or releases it, or refuses it to others as its
// own, is taken to hold it. A name server refuses in the name of others, which the wire does not tell.
func (m *Message) nameServiceMentions(from netip.Addr, each func(mention)) {
	n := &m.Name
	does := asker
	if n.Response && n.RCode == nbt.ActErr || !n.Response && n.Opcode != nbt.OpQuery {
		does = holder
	}
	for i := range n.Questions {
		if q := &n.Questions[i]; !q.Bare {
			each(mention{&q.Name, does, from})
		}
	}
	if !n.Response {
		return // its record is about the name in question
	}
	for i := range n.Answers {
		rr := &n.Answers[i]
		switch {
		case rr.Status != nil: // asked for with a name that need not be one of these
			for k := range rr.Status.Names {
				each(mention{&rr.Status.Names[k].Name, holder, from})
			}
		case rr.Bare:
		case n.RCode == nbt.RCodeOK && n.Opcode == nbt.OpQuery && len(rr.Addrs) > 0:
			for _, owner := range rr.Addrs {
				each(mention{&rr.Name, holder, owner.Addr})
			}
		case does == holder:
			each(mention{&rr.Name, holder, from})
		case n.RCode == nbt.RCodeOK && n.Opcode != nbt.OpQuery && n.Opcode != nbt.OpWACK: // granted to who it is sent to
			each(mention{&rr.Name, holder, m.Frame.To.Addr()})
		default: // a response that says nothing of who holds the name is sent to who asked for it
			each(mention{&rr.Name, asker, m.Frame.To.Addr()})
		}
	}
}
