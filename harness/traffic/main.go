// SPDX-License-Identifier: MIT

// Command traffic writes a capture of NetBIOS over TCP/IP as long as one likes, for benchmarks: four hundred hosts that ask
// for names and are answered, claim names and are refused, ask for node status, release names, send datagrams, call each
// other and talk. The same seed gives the same bytes.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

func main() {
	packets := flag.Int("packets", 1_000_000, "stop after so many `packets`, or a few more")
	seed := flag.Uint64("seed", 1, "`seed` of everything that is drawn")
	out := flag.String("o", "", "`file` to write")
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./harness/traffic -o million.pcap [-packets 1000000] [-seed 1]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *out == "" || flag.NArg() > 0 || *packets < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := capture.WriteFile(*out, frames(*seed, *packets)); err != nil {
		fmt.Fprintln(os.Stderr, "traffic:", err)
		os.Exit(1)
	}
}

// hosts is how many hosts there are, each with a name of its own.
const hosts = 400

// network makes the frames of the hosts.
type network struct {
	dice   *rand.Rand
	now    time.Duration
	frames []trace.Frame
	count  int // packets that the frames will take
	conns  int
}

func frames(seed uint64, packets int) []trace.Frame {
	n := &network{dice: rand.New(rand.NewPCG(seed, 0))}
	for n.count < packets {
		switch k := n.dice.IntN(40); {
		case k < 26:
			n.nameService()
		case k < 38:
			n.datagram()
		default: // which is as many packets as the other two together
			n.session()
		}
	}
	return n.frames
}

func addr(host int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(host >> 8), byte(host)}) }

var everybody = netip.AddrFrom4([4]byte{10, 1, 255, 255})

// name is that of a host, with one of a few suffixes.
func (n *network) name() (name netbios.Name, host int) {
	host = 1 + n.dice.IntN(hosts)
	return hostName(host, [...]byte{0x00, 0x03, 0x20, 0x1c, 0x1e}[n.dice.IntN(5)]), host
}

func hostName(host int, suffix byte) netbios.Name {
	name, err := netbios.MakeName(fmt.Sprintf("HOST%04d", host), suffix)
	if err != nil {
		panic(err) // it is shorter than that
	}
	return name
}

func (n *network) id() uint16 { return uint16(n.dice.Uint32()) }

// add adds a frame of so many packets, a little later than the last one.
func (n *network) add(f trace.Frame, packets int) {
	n.now += time.Duration(20+n.dice.IntN(400)) * time.Microsecond
	f.At = n.now
	n.frames = append(n.frames, f)
	n.count += packets
}

func (n *network) send(from, to netip.Addr, port uint16, m interface {
	AppendBinary([]byte) ([]byte, error)
},
) {
	n.add(trace.Frame{
		Kind: trace.UDP, Broadcast: to == everybody, From: netip.AddrPortFrom(from, port), To: netip.AddrPortFrom(to, port),
		Payload: encoded(m),
	}, 1)
}

func encoded(m interface {
	AppendBinary([]byte) ([]byte, error)
},
) []byte {
	b, err := m.AppendBinary(nil)
	if err != nil {
		panic(err) // it was made here
	}
	return b
}

func (n *network) nameService() {
	name, host := n.name()
	owner, other, id := addr(host), addr(1+n.dice.IntN(hosts)), n.id()
	ns := func(from, to netip.Addr, m nbt.NameMessage) { n.send(from, to, stack.NamePort, m) }
	switch k := n.dice.IntN(20); {
	case k < 9:
		ns(other, everybody, nbt.Query(id, name))
		if n.dice.IntN(4) > 0 {
			ns(owner, other, nbt.PositiveAnswer(id, name, nbt.ONTH, owner))
		}
	case k < 14:
		for range 3 {
			ns(other, everybody, nbt.Claim(id, name, nbt.ONTH, other))
		}
		if n.dice.IntN(3) == 0 {
			ns(owner, other, nbt.Refusal(id, name, nbt.ActErr, nbt.ONTH, owner))
		}
	case k < 17:
		var status nbt.NodeStatus
		for i := range 2 + n.dice.IntN(7) {
			status.Names = append(status.Names, nbt.NodeName{Name: hostName(host, byte(i)), Flags: nbt.NameACT})
		}
		ns(other, owner, nbt.StatusRequest(id, netbios.Wildcard))
		ns(owner, other, nbt.StatusResponse(id, netbios.Wildcard, status))
	default:
		ns(other, everybody, nbt.ReleaseDemand(id, name, nbt.ONTH, other))
	}
}

func (n *network) datagram() {
	name, host := n.name()
	from := 1 + n.dice.IntN(hosts)
	source := netip.AddrPortFrom(addr(from), stack.DatagramPort)
	if n.dice.IntN(3) == 0 {
		n.send(addr(from), everybody, stack.DatagramPort, nbt.GroupDatagram(n.id(), source, hostName(from, 0), name, n.data(120)))
		return
	}
	n.send(addr(from), addr(host), stack.DatagramPort, nbt.UniqueDatagram(n.id(), source, hostName(from, 0), name, n.data(120)))
}

// data is so many bytes on average, from half of that to one and a half.
func (n *network) data(mean int) []byte {
	b := make([]byte, mean/2+n.dice.IntN(mean))
	for i := range b {
		b[i] = byte(n.dice.Uint32())
	}
	return b
}

func (n *network) session() {
	called, callee := n.name()
	caller := 1 + n.dice.IntN(hosts)
	if caller == callee {
		return
	}
	n.conns++
	ends := [2]netip.AddrPort{
		netip.AddrPortFrom(addr(caller), uint16(1024+n.conns%60000)), netip.AddrPortFrom(addr(callee), stack.SessionPort),
	}
	event := func(from int, kind trace.FrameKind, payload []byte, packets int) {
		n.add(trace.Frame{Kind: kind, From: ends[from], To: ends[1-from], Payload: payload, Conn: n.conns}, packets)
	}
	message := func(from int, m nbt.SessionMessage) { event(from, trace.Message, encoded(m), 2) }
	event(0, trace.Connect, nil, 3)
	message(0, nbt.SessionMessage{Type: nbt.SsnRequest, Called: called, Calling: hostName(caller, 0)})
	if n.dice.IntN(8) == 0 {
		message(1, nbt.SessionMessage{Type: nbt.SsnNegative, ErrorCode: nbt.SsnNotPresent})
	} else {
		message(1, nbt.SessionMessage{Type: nbt.SsnPositive})
		for i := range 1 + n.dice.IntN(64) {
			message(i%2, nbt.SessionMessage{Type: nbt.SsnMessage, Data: n.data(160)})
		}
	}
	event(0, trace.Fin, nil, 2)
	event(1, trace.Fin, nil, 2)
}
