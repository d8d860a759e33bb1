// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/peers"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// How long a stack may take to answer.
const (
	answersIn    = time.Second // once the fire is over
	answersUnder = 10 * time.Second
)

// How many TCP connections there are at a time that never get to the end of their handshake, and how many that are idle.
const (
	halfOpen = 10_000
	idle     = 10_000
)

// fireFor is how long a stack is kept under fire: NBTLAB_FIRE=10m, which make test-peers FIRE=10m sets.
func fireFor() time.Duration {
	GinkgoHelper()
	text := os.Getenv("NBTLAB_FIRE")
	if text == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(text)
	Expect(err).NotTo(HaveOccurred(), "NBTLAB_FIRE is a time such as 10m")
	return d
}

// defender is an nbtlab serve under fire.
type defender struct {
	host  *peers.Host
	serve *peers.Process
	names []string
	door  netbios.Name // it takes sessions for
	calm  peers.Vitals // before the fire
	most  int          // bytes resident, so far
	half  int          // most TCP connections in SYN-RECV, so far
}

// defend has a host serve a name and one to call it by, each of its own, and a group.
func defend(h *peers.Host, text string, args ...string) *defender {
	GinkgoHelper()
	d := &defender{host: h, names: []string{text + "<20>", text + "<00>", text + "DOOR<20>", "OFFICE<1e>"}}
	d.door = name(d.names[2])
	d.serve = serve(h, append([]string{
		"--name", d.names[0], "--name", d.names[1], "--name", d.names[2], "--group", d.names[3], "--listen", d.names[2],
	}, args...)...)
	d.weigh()
	d.calm = peers.Vitals{Resident: d.most, Descriptors: d.descriptors(), Names: d.names}
	return d
}

// weigh notes what the process has resident.
func (d *defender) weigh() {
	GinkgoHelper()
	n, err := d.serve.Resident()
	Expect(err).NotTo(HaveOccurred(), d.serve.Output())
	d.most = max(d.most, n)
}

func (d *defender) descriptors() int {
	GinkgoHelper()
	n, err := d.serve.Descriptors()
	Expect(err).NotTo(HaveOccurred(), d.serve.Output())
	return n
}

// vitals are those of the process when a fire is over, and it has had time to find out which connections are.
func (d *defender) vitals(w *witness) peers.Vitals {
	GinkgoHelper()
	v := peers.Vitals{}
	for until := time.Now().Add(90 * time.Second); time.Now().Before(until); {
		if v.Descriptors = d.descriptors(); v.Descriptors <= d.calm.Descriptors {
			break
		}
		_, _ = unix.Poll(nil, 500)
	}
	for range 10 {
		if v.Idle = d.share(); v.Idle < 0.05 {
			break
		}
	}
	v.Names, _ = w.table(d, answersIn)
	d.weigh()
	v.Resident = d.most
	return v
}

// halfOpens looks how many TCP connections to port 139 wait for the end of their handshake: state 3 is SYN-RECV.
func (d *defender) halfOpens() {
	GinkgoHelper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", d.serve.Pid()))
	Expect(err).NotTo(HaveOccurred())
	n := 0
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) > 3 && bytes.HasSuffix(f[1], []byte(":008B")) && string(f[3]) == "03" {
			n++
		}
	}
	d.half = max(d.half, n)
}

// share is how much of a processor the process takes, over a second.
func (d *defender) share() float64 {
	GinkgoHelper()
	before, err := d.serve.Worked()
	Expect(err).NotTo(HaveOccurred())
	began := time.Now()
	time.Sleep(time.Second)
	after, err := d.serve.Worked()
	Expect(err).NotTo(HaveOccurred())
	return (after - before).Seconds() / time.Since(began).Seconds()
}

func (d *defender) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(d.host.Addr, port) }

// witness asks as a user would: again when there is no answer.
type witness struct {
	host     *peers.Host
	conn     net.PacketConn
	id       uint16
	sent     int
	answered int
	calls    int // session requests
	granted  int
}

func newWitness(h *peers.Host) *witness {
	GinkgoHelper()
	return &witness{host: h, conn: udp(h), id: uint16(rand.Uint32())}
}

// udp opens a socket on a host.
func udp(h *peers.Host) (conn net.PacketConn) {
	GinkgoHelper()
	Expect(h.In(func() (err error) {
		conn, err = net.ListenPacket("udp4", netip.AddrPortFrom(h.Addr, 0).String())
		return err
	})).To(Succeed())
	DeferCleanup(conn.Close)
	return conn
}

// asks sends a request until it is answered, and returns the answer and its length. It fails after a time.
func (w *witness) asks(to netip.AddrPort, patience time.Duration, request func(id uint16) nbt.NameMessage) (nbt.NameMessage, int) {
	GinkgoHelper()
	buf := make([]byte, 4096)
	w.id++
	for until := time.Now().Add(patience); time.Now().Before(until); {
		_, err := w.conn.WriteTo(encoded(request(w.id)), net.UDPAddrFromAddrPort(to))
		Expect(err).NotTo(HaveOccurred())
		w.sent++
		Expect(w.conn.SetReadDeadline(time.Now().Add(250 * time.Millisecond))).To(Succeed())
		for {
			n, _, err := w.conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if m, err := nbt.ParseNameMessage(buf[:n]); err == nil && m.Response && m.ID == w.id {
				w.answered++
				return m, n
			}
		}
	}
	Fail(fmt.Sprintf("%s has not answered within %s", to, patience))
	return nbt.NameMessage{}, 0
}

// hasAll asks for every name that the defender holds.
func (w *witness) hasAll(d *defender, patience time.Duration) {
	GinkgoHelper()
	for _, text := range d.names {
		m, _ := w.asks(d.at(stack.NamePort), patience, func(id uint16) nbt.NameMessage { return nbt.UnicastQuery(id, name(text)) })
		Expect(m.Kind()).To(Equal(nbt.KindPositiveQuery), text)
	}
}

// gets asks for a session until it is granted, hangs up, and fails after a time.
func (w *witness) gets(d *defender, patience time.Duration) {
	GinkgoHelper()
	answer := make([]byte, 4)
	for until := time.Now().Add(patience); time.Now().Before(until); {
		w.calls++
		if w.called(d, answer) == nil && answer[0] == byte(nbt.SsnPositive) {
			w.granted++
			return
		}
		_, _ = unix.Poll(nil, 50)
	}
	Fail(fmt.Sprintf("%s has granted no session within %s: %x", d.host.Addr, patience, answer))
}

// called reads the beginning of the answer to one session request.
func (w *witness) called(d *defender, answer []byte) error {
	GinkgoHelper()
	var conn net.Conn
	err := w.host.In(func() (err error) {
		conn, err = net.DialTimeout("tcp4", d.at(stack.SessionPort).String(), 3*time.Second)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(encoded(nbt.SessionRequest(d.door, name("FRIEND")))); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, answer)
	return err
}

// table is the name table by node status, and how long the response was.
func (w *witness) table(d *defender, patience time.Duration) ([]string, int) {
	GinkgoHelper()
	m, n := w.asks(d.at(stack.NamePort), patience, func(id uint16) nbt.NameMessage { return nbt.StatusRequest(id, netbios.Wildcard) })
	var names []string
	for _, row := range m.Record().Status.Names {
		names = append(names, row.Name.String())
	}
	return names, n
}

// fire is what is sent at the defenders from a host, until it is over.
type fire struct {
	from   *peers.Host
	at     []*defender
	over   chan struct{}
	crews  sync.WaitGroup
	sent   [3]atomic.Uint64 // datagrams on 137 and 138, connections on 139
	knocks atomic.Uint64    // first packets of connections that are never more than that
}

func (f *fire) burns() bool {
	select {
	case <-f.over:
		return false
	default:
		return true
	}
}

// crew sends datagrams that a function makes, to each defender and by broadcast, until the fire is over.
func (f *fire) crew(make func(dice *rand.Rand) (port uint16, payload []byte)) {
	GinkgoHelper()
	conn := udp(f.from)
	dice := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), rand.Uint64()))
	f.crews.Go(func() {
		broadcast := netip.MustParseAddr("10.77.0.255")
		for f.burns() {
			port, payload := make(dice)
			to := broadcast
			if i := dice.IntN(4 * len(f.at)); i < 4*len(f.at)-1 {
				to = f.at[i/4].host.Addr
			}
			// One that is not sent is one less: the sender's own queue is full.
			_, _ = conn.WriteTo(payload, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, port)))
			f.sent[port-stack.NamePort].Add(1)
		}
	})
}

// vectors are the bytes of vectors by the port that they are for.
func vectors(list []fixtures.Vector) map[uint16][][]byte {
	ports := map[fixtures.Service]uint16{
		fixtures.NameService: stack.NamePort, fixtures.DatagramService: stack.DatagramPort, fixtures.SessionService: stack.SessionPort,
	}
	by := map[uint16][][]byte{}
	for _, v := range list {
		by[ports[v.Service]] = append(by[ports[v.Service]], v.Bytes)
	}
	return by
}

// datagram picks one of vectors for port 137 or 138.
func datagram(by map[uint16][][]byte) func(dice *rand.Rand) (uint16, []byte) {
	return func(dice *rand.Rand) (uint16, []byte) {
		port := stack.NamePort + uint16(dice.IntN(2))
		return port, by[port][dice.IntN(len(by[port]))]
	}
}

func random(dice *rand.Rand) (port uint16, payload []byte) {
	payload = make([]byte, dice.IntN(600))
	for i := range payload {
		payload[i] = byte(dice.Uint32())
	}
	return stack.NamePort + uint16(dice.IntN(2)), payload
}

// registration claims a name: one of ten thousand, or one that the defenders hold.
func registration(from netip.Addr) func(dice *rand.Rand) (uint16, []byte) {
	return func(dice *rand.Rand) (uint16, []byte) {
		text := fmt.Sprintf("FLOOD%05d", dice.IntN(10_000))
		if dice.IntN(4) == 0 {
			text = "CHAT"
		}
		n, _ := netbios.MakeName(text, 0x20) // it is short enough
		id := uint16(dice.Uint32())
		m := nbt.RegistrationRequest(id, n, nbt.ONTH, from, 3600)
		switch dice.IntN(4) {
		case 0:
			m = nbt.Claim(id, n, nbt.ONTB, from)
		case 1:
			m = nbt.ReleaseRequest(id, n, nbt.ONTH, from)
		case 2:
			m = nbt.ConflictDemand(id, n, nbt.ONTB)
		}
		b, _ := m.AppendBinary(nil) // a name without a scope fits
		return stack.NamePort, b
	}
}

// callers open connections to port 139 of the defenders, hold so many at a time, and leave most of them as they are.
func (f *fire) callers(count int) {
	GinkgoHelper()
	by := vectors(append(fixtures.Vectors(), fixtures.Malformed()...))[stack.SessionPort]
	refused := encoded(nbt.SessionRequest(name("CHAT"), name("FRIEND")))
	granted := map[*defender][]byte{}
	for _, d := range f.at {
		granted[d] = encoded(nbt.SessionRequest(d.door, name("FRIEND")))
	}
	f.crews.Go(func() {
		defer GinkgoRecover()
		dice := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 1))
		Expect(f.from.In(func() error { // a thread that is on the host, for as long as this takes
			var held []int
			defer func() {
				for _, fd := range held {
					_ = unix.Close(fd)
				}
			}()
			for f.burns() {
				if len(held) >= count { // the oldest go, a tenth at a time
					for _, fd := range held[:count/10] {
						_ = unix.Close(fd)
					}
					held = slices.Delete(held, 0, count/10)
				}
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					return err
				}
				held = append(held, fd)
				at := f.at[dice.IntN(len(f.at))]
				to := at.at(stack.SessionPort)
				if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: 100_000}); err != nil {
					return err
				}
				// What becomes of any of these is the defender's business: refused, reset or left waiting.
				_ = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
				f.sent[2].Add(1)
				switch dice.IntN(16) {
				case 0:
					_, _ = unix.Write(fd, []byte{0x81})
				case 1:
					_ = unix.Shutdown(fd, unix.SHUT_WR)
				case 2:
					_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
					_ = unix.Close(fd)
					held = held[:len(held)-1]
				case 3:
					_ = unix.Send(fd, []byte("!"), unix.MSG_OOB)
				case 4, 5:
					_, _ = unix.Write(fd, by[dice.IntN(len(by))])
				case 6:
					_, _ = unix.Write(fd, refused)
				case 7: // a session, which is no longer held than somebody who means it would
					_, _ = unix.Write(fd, granted[at])
					_ = unix.Close(fd)
					held = held[:len(held)-1]
				}
			}
			return nil
		})).To(Succeed())
	})
}

// strangers are the addresses that half-open connections come from. Who answers them reaches the host that the fire is from,
// which is not them: nothing comes back, neither the end of the handshake nor a reset.
var strangers = netip.MustParsePrefix("10.78.0.0/16")

// knowsStrangers has a host send by way of another to the addresses of strangers.
func knowsStrangers(h, by *peers.Host) {
	GinkgoHelper()
	r := on(h, "ip", "route", "add", strangers.String(), "via", by.Addr.String())
	Expect(r.Code).To(BeZero(), r.Stderr)
}

// hasRoomForHalfOpens lets the listeners of a host have more half-open connections than are made. Without, the kernel has
// as many as it has room for, and keeps no state of the others (SYN cookies).
func hasRoomForHalfOpens(h *peers.Host) {
	GinkgoHelper()
	Expect(h.In(func() error {
		return os.WriteFile("/proc/sys/net/core/somaxconn", []byte(strconv.Itoa(2*halfOpen)), 0o644)
	})).To(Succeed())
}

// knock sends the first packet of TCP connections from addresses of strangers, the same ones again and again, since a kernel
// gives them up after a minute.
func (f *fire) knock() {
	GinkgoHelper()
	f.crews.Go(func() {
		defer GinkgoRecover()
		Expect(f.from.In(func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			for i := 0; f.burns(); i++ {
				n := i % (halfOpen + halfOpen/20) // some are lost
				from := netip.AddrFrom4([4]byte{10, 78, byte(n >> 8), byte(n)})
				for _, d := range f.at {
					to := d.at(stack.SessionPort)
					// A full queue loses some of them.
					_ = unix.Sendto(fd, syn(netip.AddrPortFrom(from, 1024), to), 0, &unix.SockaddrInet4{Addr: to.Addr().As4()})
					f.knocks.Add(1)
				}
				if n%50 == 0 {
					_, _ = unix.Poll(nil, 10)
				}
			}
			return nil
		})).To(Succeed())
	})
}

// udpPacket is an IPv4 packet with a datagram without a checksum (RFC 768).
func udpPacket(from, to netip.AddrPort, payload []byte) []byte {
	source, dest := from.Addr().As4(), to.Addr().As4()
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	b = append(append(b, source[:]...), dest[:]...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(append(b, 0, 0), payload...)
	return b // the kernel fills in the length and the checksum of the header
}

// syn is an IPv4 packet with a TCP segment that opens a connection (RFC 9293 section 3.1).
func syn(from, to netip.AddrPort) []byte {
	source, dest := from.Addr().As4(), to.Addr().As4()
	b := []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, unix.IPPROTO_TCP, 0, 0}
	b = append(append(b, source[:]...), dest[:]...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, 5<<4, 0x02, 0xff, 0xff, 0, 0, 0, 0)
	sum := uint32(unix.IPPROTO_TCP + 20)
	for i := 12; i < len(b); i += 2 { // the addresses and the segment
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[36:], ^uint16(sum))
	return b
}

var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ .*\[([^\],]*).*\]:$`)

// goroutines ends a process with SIGQUIT, on which the Go runtime lists its goroutines, and counts them by what they wait for.
func goroutines(p *peers.Process) map[string]int {
	GinkgoHelper()
	Expect(p.Signal(syscall.SIGQUIT)).To(Succeed())
	Eventually(p.Done()).WithTimeout(20 * time.Second).Should(BeClosed())
	found := map[string]int{}
	for _, m := range goroutine.FindAllStringSubmatch(p.Output(), -1) {
		if !strings.HasPrefix(m[1], "GC worker") { // the runtime's, which come with the first garbage
			found[m[1]]++
		}
	}
	return found
}

func total(counts map[string]int) int {
	n := 0
	for count := range maps.Values(counts) {
		n += count
	}
	return n
}

var _ = Describe("Serve under fire", Serial, func() {
	It("stays small, keeps answering and its names, and leaks nothing (bad-input 21, 22, 23, 28)", func() {
		lan := newLAN(4)
		attacker := lan.Host(3)
		hasRoomForHalfOpens(lan.Host(1)) // and Host(2) is as hosts are
		knowsStrangers(lan.Host(1), attacker)
		knowsStrangers(lan.Host(2), attacker)
		plain := defend(lan.Host(1), "CHAT")
		server := defend(lan.Host(2), "NBNS", "--wins")
		both := []*defender{plain, server}
		w := newWitness(lan.Host(4))
		for _, d := range both {
			w.hasAll(d, answersIn)
			w.gets(d, answersIn)
		}

		f := &fire{from: attacker, at: both, over: make(chan struct{})}
		f.crew(datagram(vectors(fixtures.Vectors())))
		f.crew(datagram(vectors(fixtures.Malformed())))
		f.crew(random)
		f.crew(registration(attacker.Addr))
		f.crew(func(dice *rand.Rand) (uint16, []byte) { return stack.NamePort + uint16(dice.IntN(2)), nil })
		f.callers(idle)
		f.knock()
		put := sync.OnceFunc(func() { // out
			close(f.over)
			f.crews.Wait()
		})
		DeferCleanup(put)
		lasts := fireFor()
		began := time.Now()
		for round := 0; time.Since(began) < lasts && plain.most <= peers.MostResident && server.most <= peers.MostResident; round++ {
			for _, d := range both {
				d.weigh()
				w.hasAll(d, answersUnder)
				w.gets(d, answersUnder)
				if round%5 == 0 {
					d.halfOpens()
				}
			}
			_, _ = unix.Poll(nil, 100)
		}
		put()
		took := time.Since(began)
		queries, answered, calls, granted := w.sent, w.answered, w.calls, w.granted

		var after []peers.Vitals
		for _, d := range both {
			w.hasAll(d, answersUnder) // behind what is queued
			w.hasAll(d, answersIn)
			w.gets(d, answersIn)
			_, n := w.table(d, answersIn)
			Expect(n).To(BeNumerically("<=", nbt.MaxDatagramPayload))
			group, n := w.asks(d.at(stack.NamePort), answersIn,
				func(id uint16) nbt.NameMessage { return nbt.UnicastQuery(id, name("OFFICE<1e>")) })
			Expect(group.Kind()).To(Equal(nbt.KindPositiveQuery))
			Expect(n).To(BeNumerically("<=", nbt.MaxDatagramPayload))
			after = append(after, d.vitals(w))
		}

		Expect(plain.serve.Stop()).To(Equal(0))
		Expect(plain.serve.Output()).To(And(
			MatchRegexp(`ended: \d{4,} datagrams received`),
			MatchRegexp(`(?m)^[1-9]\d* messages ignored`),
			MatchRegexp(`(?m)^[1-9]\d* connections (refused|reset)`),
		))
		ends := goroutines(server.serve)
		// One that nobody has fired at shows what it ought to have.
		begins := goroutines(defend(lan.Host(1), "NBNS", "--wins").serve)
		Expect(total(begins)).To(BeNumerically(">", 4), "the list of goroutines is read")
		after[1].Goroutines, server.calm.Goroutines = total(ends), total(begins)

		AddReportEntry("Under fire", fmt.Sprintf(
			"%s: %d datagrams on 137, %d on 138, %d connections to 139 and %d that stay half open, of which %d and %d were in SYN-RECV at a time; "+
				"most resident %.1f MiB and %.1f MiB (name server); %d of %d queries answered and %d of %d session requests granted at once; "+
				"%d goroutines before, %d after\n%s",
			took.Round(time.Second), f.sent[0].Load(), f.sent[1].Load(), f.sent[2].Load(), f.knocks.Load(), plain.half, server.half,
			float64(plain.most)/(1<<20), float64(server.most)/(1<<20), answered, queries, granted, calls, total(begins), total(ends),
			strings.TrimSpace(plain.serve.Output()[strings.Index(plain.serve.Output(), "ended:"):])), ReportEntryVisibilityAlways)
		Expect(errors.Join(after[0].Harm(plain.calm), after[1].Harm(server.calm))).
			To(Succeed(), "goroutines before %v, after %v", begins, ends)
		Expect(granted).To(BeNumerically(">=", calls*3/4), "of %d session requests", calls)
		Expect(plain.half).To(BeNumerically(">=", halfOpen), "connections in SYN-RECV at a time")
	})
})

var _ = Describe("Serve to which one host keeps many connections open", func() {
	DescribeTable("grants every session that another asks for (bad-input 28)",
		func(count int, says func() []byte) {
			lan := newLAN(3)
			d, w := defend(lan.Host(1), "CHAT"), newWitness(lan.Host(2))
			for i := range count {
				_ = lan.Host(3).In(func() error { // what becomes of these does not matter
					conn, err := net.DialTimeout("tcp4", d.at(stack.SessionPort).String(), 3*time.Second)
					if err != nil {
						return err
					}
					DeferCleanup(func() { _ = conn.Close() })
					_, err = conn.Write(says())
					return err
				})
				if i%20 == 0 {
					w.gets(d, answersIn)
				}
			}
			Expect(w.granted).To(Equal(w.calls), "at once")
		},
		Entry("while those ask for nothing", 200, func() []byte { return nil }),
		Entry("while those begin to ask", 200, func() []byte { return []byte{0x81} }),
		Entry("while those have been refused", 700, func() []byte { return encoded(nbt.SessionRequest(name("NOSUCH"), name("FRIEND"))) }),
	)
})

var _ = Describe("Serve on a host with something the matter", func() {
	var lan *peers.LAN
	var host *peers.Host

	BeforeEach(func() {
		lan = newLAN(2)
		host = lan.Host(1)
	})

	cannot := func(r peers.Result, says ...string) {
		GinkgoHelper()
		Expect(r.Code).To(Equal(2), r.Stderr)
		for _, text := range says {
			Expect(r.Stderr).To(ContainSubstring(text))
		}
	}

	It("says that nmbd has the port, and does not start (bad-input 33)", func() {
		_, err := samba(host, "CHAT").Nmbd()
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() string { return on(host, "ss", "-Hlun", "sport", "=", "137").Stdout }).
			WithTimeout(20 * time.Second).Should(ContainSubstring(host.Addr.String()))
		cannot(on(host, nbtlab, "serve", "--addr", host.Prefix().String(), "--name", "CHAT"),
			"UDP port 137 of 10.77.0.1 is taken by nmbd (process ")
	})

	It("says what somebody who may not have port 137 can do (bad-input 33)", func() {
		binary, err := os.ReadFile(nbtlab)
		Expect(err).NotTo(HaveOccurred())
		path := filepath.Join(lan.Dir(), "nbtlab") // the folder of the build is closed to others
		Expect(os.WriteFile(path, binary, 0o755)).To(Succeed())
		cannot(on(host, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
			path, "serve", "--addr", host.Prefix().String(), "--name", "CHAT"),
			"port 137", "setcap cap_net_bind_service=+ep")
	})

	It("serves others while its answers pile up for hosts that are not there, and counts those that it drops (bad-input 33)", func() {
		lan := newLAN(3)
		d := defend(lan.Host(1), "CHAT")
		w := newWitness(lan.Host(2))
		w.hasAll(d, answersIn)
		f := &fire{from: lan.Host(3), over: make(chan struct{})}
		query := encoded(nbt.UnicastQuery(1, name("CHAT")))
		f.crews.Go(func() {
			defer GinkgoRecover()
			Expect(f.from.In(func() error {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
				if err != nil {
					return err
				}
				defer func() { _ = unix.Close(fd) }()
				for i := 0; f.burns(); i++ {
					from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 77, 0, byte(100 + i%20)}), 1024)
					_ = unix.Sendto(fd, udpPacket(from, d.at(stack.NamePort), query), 0, &unix.SockaddrInet4{Addr: d.host.Addr.As4()})
					if i%20 == 0 {
						_, _ = unix.Poll(nil, 1)
					}
				}
				return nil
			})).To(Succeed())
		})
		over := sync.OnceFunc(func() {
			close(f.over)
			f.crews.Wait()
		})
		DeferCleanup(over)
		Eventually(func() string { return on(d.host, "ss", "-Hlumn", "sport", "=", "137").Stdout }).
			WithTimeout(20*time.Second).Should(MatchRegexp(`\bt2\d{5}\b`), "the room for what waits to be sent is full")
		for range 20 {
			w.gets(d, answersIn)
		}
		Expect(w.granted).To(Equal(w.calls), "at once")
		over()
		w.hasAll(d, answersUnder)
		Expect(d.serve.Stop()).To(Equal(0))
		count := func(what string) int {
			m := regexp.MustCompile(`(?m)^(\d+) ` + what).FindStringSubmatch(d.serve.Output())
			if m == nil {
				return 0 // what there was none of has no line
			}
			n, err := strconv.Atoi(m[1])
			Expect(err).NotTo(HaveOccurred())
			return n
		}
		Expect(count("datagrams that could not be sent")).To(BeNumerically(">", count("datagrams dropped: they came too fast")),
			"it does not wait for room every time")
	})

	It("waits while its interface is down, without being busy, and answers when that is back (bad-input 33)", func() {
		d := defend(host, "CHAT")
		w := newWitness(lan.Host(2))
		w.hasAll(d, answersIn)
		Expect(on(host, "ip", "link", "set", "eth0", "down").Code).To(Equal(0))
		Expect(d.share()).To(BeNumerically("<", 0.1), "of a processor")
		Expect(on(host, "ip", "link", "set", "eth0", "up").Code).To(Equal(0))
		w.hasAll(d, answersUnder)
	})
})
