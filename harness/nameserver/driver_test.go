// SPDX-License-Identifier: MIT

package nameserver_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nameserver"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

func TestNameServer(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "nameserver")
}

// The hosts: the server's own, and three others.
var (
	serverAddr   = netip.MustParseAddr("10.0.0.2")
	pc           = netip.MustParseAddr("10.0.0.10")
	peer         = netip.MustParseAddr("10.0.0.20")
	stranger     = netip.MustParseAddr("10.0.0.66")
	everybody    = netip.MustParseAddr("10.0.0.255")
	hostsByAddrs = map[netip.Addr]string{serverAddr: "server", pc: "pc", peer: "peer", stranger: "stranger"}
)

func host(a netip.Addr) string {
	if s, ok := hostsByAddrs[a]; ok {
		return s
	}
	return a.String()
}

func name(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// bench is a server with nothing around it but a clock that stands still until it is moved.
type bench struct {
	*nameserver.Server
	now     time.Duration
	id      uint16 // of the last request
	queries uint16 // identifiers of challenges
	own     nameserver.Own
	woken   int
	remarks []string
	sent    []stack.SendDatagram
}

func newBench(change ...func(*nameserver.Config)) *bench {
	b := &bench{queries: 0x7000}
	cfg := nameserver.Config{
		Addr: serverAddr, Broadcast: everybody, Timeout: 5 * time.Second, Count: 3,
		NextID: func() uint16 { b.queries++; return b.queries },
	}
	for _, f := range change {
		f(&cfg)
	}
	b.Server = nameserver.New(cfg)
	return b
}

func withPolicy(p nameserver.Policy) func(*nameserver.Config) {
	return func(cfg *nameserver.Config) { cfg.Policy = p }
}

// ask hands the server a message of a host's, under a new identifier, and returns what it sends, one line each.
func (b *bench) ask(from netip.Addr, m nbt.NameMessage) []string {
	GinkgoHelper()
	b.id++
	m.ID = b.id
	return b.again(from, m)
}

// again is ask with the identifier that the message has.
func (b *bench) again(from netip.Addr, m nbt.NameMessage) []string {
	GinkgoHelper()
	return b.from(netip.AddrPortFrom(from, stack.NamePort), m)
}

func (b *bench) from(from netip.AddrPort, m nbt.NameMessage) []string {
	GinkgoHelper()
	// Through bytes, as on a wire: what a sender has in memory is not what a server sees.
	m.Loose = true
	packet, err := m.AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	arrived, err := nbt.ParseNameMessageLenient(packet)
	Expect(err).NotTo(HaveOccurred())
	var out stack.Outputs
	if arrived.Response {
		if !b.Answer(b.now, from, &arrived, &out) {
			return []string{"not for the server"}
		}
	} else {
		Expect(nameserver.Serves(&arrived)).To(BeTrue())
		b.Receive(b.now, from, &arrived, b.own, &out)
	}
	return b.collect(&out)
}

// wait lets time pass, and wakes the server when it wants to be woken.
func (b *bench) wait(d time.Duration) []string {
	GinkgoHelper()
	var lines []string
	for until := b.now + d; ; {
		at, wants := b.Next()
		if !wants || at > until {
			b.now = until
			return lines
		}
		Expect(at).To(BeNumerically(">=", b.now))
		b.now = at
		b.woken++
		var out stack.Outputs
		b.Wake(b.now, &out)
		lines = append(lines, b.collect(&out)...)
	}
}

func (b *bench) collect(out *stack.Outputs) []string {
	GinkgoHelper()
	var lines []string
	for _, o := range out.All() {
		switch o := o.(type) {
		case stack.SendDatagram:
			Expect(o.From).To(Equal(netip.AddrPortFrom(serverAddr, stack.NamePort)))
			Expect(o.Broadcast).To(BeFalse())
			b.sent = append(b.sent, o)
			lines = append(lines, line(o))
		case stack.Remark:
			b.remarks = append(b.remarks, o.Text)
		default:
			Fail(fmt.Sprintf("a name server puts out %T", o))
		}
	}
	return lines
}

// lastOwner is the address in the record that was sent last.
func (b *bench) lastOwner() netip.Addr {
	GinkgoHelper()
	m, err := nbt.ParseNameMessageLenient(b.sent[len(b.sent)-1].Payload)
	Expect(err).NotTo(HaveOccurred())
	_, owner := m.Owner()
	return owner
}

// line writes a packet as "to pc: positive name registration response CHAT<20> pc for 60".
func line(o stack.SendDatagram) string {
	GinkgoHelper()
	m, err := nbt.ParseNameMessageLenient(o.Payload)
	Expect(err).NotTo(HaveOccurred())
	about, scope := m.Subject()
	to := host(o.To.Addr())
	if o.To.Port() != stack.NamePort {
		to += fmt.Sprintf(":%d", o.To.Port())
	}
	words := []string{"to " + to + ":", m.Kind().String(), about.String()}
	if scope != "" {
		words = append(words, "in "+scope)
	}
	if m.RCode != nbt.RCodeOK {
		return strings.Join(append(words, m.RCode.String()), " ")
	}
	rr := m.Record()
	if rr == nil {
		return strings.Join(words, " ")
	}
	for _, a := range rr.Addrs {
		word := host(a.Addr)
		if a.Flags&nbt.NBGroup != 0 {
			word += "(group)"
		}
		words = append(words, word)
	}
	if rr.TTL > 0 {
		words = append(words, fmt.Sprintf("for %d", rr.TTL))
	}
	return strings.Join(words, " ")
}

// The messages that clients send, from P nodes with a term of 300 s.
func register(of string, owner netip.Addr) nbt.NameMessage {
	GinkgoHelper()
	return nbt.RegistrationRequest(0, name(of), nbt.ONTP, owner, 300)
}

func registerGroup(of string, member netip.Addr) nbt.NameMessage {
	GinkgoHelper()
	return nbt.RegistrationRequest(0, name(of), nbt.ONTP|nbt.NBGroup, member, 300)
}

func multihomed(of string, owner netip.Addr) nbt.NameMessage {
	GinkgoHelper()
	return nbt.MultihomedRegistration(0, name(of), nbt.ONTP, owner, 300)
}

func refresh(of string, owner netip.Addr) nbt.NameMessage {
	GinkgoHelper()
	return nbt.Refresh(0, name(of), nbt.ONTP, owner, 300)
}

func overwrite(of string, owner netip.Addr) nbt.NameMessage {
	GinkgoHelper()
	return nbt.OverwriteRequest(0, name(of), nbt.ONTP, owner, 300)
}

func release(of string, owner netip.Addr) nbt.NameMessage {
	GinkgoHelper()
	return nbt.ReleaseRequest(0, name(of), nbt.ONTP, owner)
}

func query(of string) nbt.NameMessage {
	GinkgoHelper()
	return nbt.UnicastQuery(0, name(of))
}

// What the server says.
func granted(to netip.Addr, of string) string {
	return fmt.Sprintf("to %s: positive name registration response %s %s for 300", host(to), of, host(to))
}

func refused(to netip.Addr, of, code string) string {
	return fmt.Sprintf("to %s: negative name registration response %s %s", host(to), of, code)
}

func found(to netip.Addr, of, whose string) string {
	return fmt.Sprintf("to %s: positive name query response %s %s for 300", host(to), of, whose)
}

func unknown(to netip.Addr, of string) string {
	return fmt.Sprintf("to %s: negative name query response %s NAM_ERR", host(to), of)
}

func released(to netip.Addr, of string, owner netip.Addr) string {
	return fmt.Sprintf("to %s: positive name release response %s %s", host(to), of, host(owner))
}

func notReleased(to netip.Addr, of, code string) string {
	return fmt.Sprintf("to %s: negative name release response %s %s", host(to), of, code)
}

func wack(to netip.Addr, of string, seconds int) string {
	return fmt.Sprintf("to %s: wait for acknowledgement response %s for %d", host(to), of, seconds)
}

func asked(owner netip.Addr, of string) string {
	return fmt.Sprintf("to %s: name query request %s", host(owner), of)
}

func lines(l ...string) []string { return l }
