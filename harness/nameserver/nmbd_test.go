// SPDX-License-Identifier: MIT

package nameserver_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nameserver"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

// exchange is a request of a recording, and what a server has answered to it, in words.
type exchange struct {
	id   uint16
	from netip.AddrPort
	what string
	said []string
}

// recordedRequests returns the frames that the recording's nmbd got as a name server, and its answers.
func recordedRequests(nmbd netip.Addr, frames []trace.Frame) []*exchange {
	GinkgoHelper()
	var list []*exchange
	for _, f := range frames {
		m, ok := message(f)
		switch {
		case !ok:
		case f.To.Addr() == nmbd && !m.Response && nameserver.Serves(&m):
			name, _ := m.Subject()
			list = append(list, &exchange{m.ID, f.From, fmt.Sprintf("frame %d: %s %s", f.Number, m.Kind(), name), nil})
		case f.From.Addr() == nmbd && m.Response:
			for _, x := range list {
				if x.id == m.ID && x.from == f.To {
					x.said = append(x.said, words(m))
				}
			}
		}
	}
	return list
}

func message(f trace.Frame) (nbt.NameMessage, bool) {
	if f.Kind != trace.UDP || f.To.Port() != stack.NamePort || f.Broadcast {
		return nbt.NameMessage{}, false
	}
	m, err := nbt.ParseNameMessage(f.Payload)
	return m, err == nil
}

// words says what an answer says, but for what is tolerated: how long a WACK has the requester wait (nmbd says a minute,
// whatever its timers), the address in a refusal (nmbd repeats the requester's, RFC 1002 section 4.2.6 has the owner's), the
// order of a list, and how much of a term is left when a name is asked for (nmbd's challenges take 21 s, these 15).
func words(m nbt.NameMessage) string {
	rr := m.Record()
	say := fmt.Sprintf("%v %v", m.Kind(), m.RCode)
	if m.Kind() == nbt.KindWACK || m.RCode != nbt.RCodeOK {
		return say
	}
	var addrs []string
	for _, a := range rr.Addrs {
		addrs = append(addrs, fmt.Sprintf("%04x %v", uint16(a.Flags), a.Addr))
	}
	slices.Sort(addrs)
	if m.Kind() == nbt.KindPositiveRegistration {
		say += fmt.Sprintf(" for %d", rr.TTL)
	}
	return say + ": " + strings.Join(addrs, ", ")
}

var _ = Describe("A name server with nmbd's policy", func() {
	It("answers each request of a recording as the nmbd there did", func() {
		file, err := fs.ReadFile(pcaps.FS(), "recorded/lifecycle-wins.pcap")
		Expect(err).NotTo(HaveOccurred())
		c, err := capture.Read(bytes.NewReader(file))
		Expect(err).NotTo(HaveOccurred())
		nmbd := netip.MustParseAddr("10.77.0.1")

		b := newBench(func(cfg *nameserver.Config) {
			cfg.Addr, cfg.Broadcast = nmbd, netip.MustParseAddr("10.77.0.255")
			cfg.Policy = nameserver.NMBD
		})
		var ours []*exchange
		for _, x := range recordedRequests(nmbd, c.Frames) {
			ours = append(ours, &exchange{x.id, x.from, x.what, nil})
		}
		collect := func(out *stack.Outputs) {
			for _, o := range out.All() {
				d, ok := o.(stack.SendDatagram)
				if !ok {
					continue
				}
				m, err := nbt.ParseNameMessage(d.Payload)
				Expect(err).NotTo(HaveOccurred())
				for _, x := range ours {
					if m.Response && x.id == m.ID && x.from == d.To {
						x.said = append(x.said, words(m))
					}
				}
			}
		}
		until := func(at time.Duration) {
			for {
				next, wants := b.Next()
				if !wants || next > at {
					b.now = at
					return
				}
				b.now = next
				var out stack.Outputs
				b.Wake(next, &out)
				collect(&out)
			}
		}
		for _, f := range c.Frames {
			m, ok := message(f)
			if !ok || f.To.Addr() != nmbd {
				continue
			}
			until(f.At)
			var out stack.Outputs
			switch {
			case m.Response:
				m.ID = b.queries // the challenge is the server's own
				b.Answer(b.now, f.From, &m, &out)
			case nameserver.Serves(&m):
				b.Receive(b.now, f.From, &m, nameserver.Own{}, &out)
			}
			collect(&out)
		}
		until(b.now + time.Hour)

		theirs := recordedRequests(nmbd, c.Frames)
		Expect(len(theirs)).To(BeNumerically(">", 30))
		for i, x := range theirs {
			Expect(ours[i].said).To(Equal(x.said), x.what)
		}
	})
})
