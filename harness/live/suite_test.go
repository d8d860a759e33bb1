// SPDX-License-Identifier: MIT

package live_test

import (
	"context"
	"encoding"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/stack"
)

func TestLive(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "live")
}

// The specs run on the loopback network, whose broadcasts work like any other's, with ports that need no privilege.
// All of the loopback network hears a broadcast, so each process has its own, below those that the system gives.
var ports = func() live.Ports {
	n := uint16(20000 + 4*(os.Getpid()%3000))
	return live.Ports{Name: n, Datagram: n + 1, Session: n + 2}
}()

// host returns an address on the loopback network.
func host(n byte) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 77, 0, n}), 8)
}

// quick is RFC 1002 in a hurry: what is claimed is had after 60 ms.
var quick = func() node.Profile {
	p := node.RFC1002
	p.BroadcastTimeout = 20 * time.Millisecond
	return p
}()

// attach puts one of our nodes on an address.
func attach(lan *live.LAN, at netip.Prefix) int {
	GinkgoHelper()
	index, err := lan.Attach("node", at, func(firstID uint16) stack.Stack {
		return node.New(node.Config{Prefix: at, Profile: quick, FirstID: firstID})
	})
	Expect(err).NotTo(HaveOccurred())
	return index
}

// run drives a LAN until the spec is over.
func run(lan *live.LAN) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- lan.Run(ctx) }()
	DeferCleanup(func() {
		cancel()
		Expect(<-ended).To(Or(Succeed(), MatchError(HavePrefix("the stack crashed"))))
		lan.Close()
	})
}

func name(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// encoded is a message as it is sent.
func encoded(m encoding.BinaryAppender) []byte {
	GinkgoHelper()
	b, err := m.AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	return b
}

// do submits an NCB and returns its completion.
func do(lan *live.LAN, index int, ncb netbios.NCB) stack.Complete {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := lan.Do(ctx, index, ncb)
	Expect(err).NotTo(HaveOccurred())
	return c
}

// client is a stranger's socket.
func client(from netip.Prefix) *net.UDPConn {
	GinkgoHelper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from.Addr(), 0)))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(c.Close)
	return c
}

// exchange sends a message to a port and returns the first answer to it.
func exchange(c *net.UDPConn, to netip.AddrPort, m nbt.NameMessage) nbt.NameMessage {
	GinkgoHelper()
	b := encoded(m)
	buf := make([]byte, 2048)
	for range 20 {
		_, err := c.WriteToUDPAddrPort(b, to)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))).To(Succeed())
		n, _, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			continue
		}
		answer, err := nbt.ParseNameMessage(buf[:n])
		Expect(err).NotTo(HaveOccurred())
		if answer.ID == m.ID {
			return answer
		}
	}
	Fail("no answer")
	return nbt.NameMessage{}
}
