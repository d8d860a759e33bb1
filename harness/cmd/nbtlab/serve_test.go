// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// The whole loopback network hears a broadcast, so every process has ports of its own, below those that the system gives.
func namePort() uint16 { return uint16(20000 + 4*(os.Getpid()%3000)) }

func testPorts() string {
	return fmt.Sprintf("%d,%d,%d", namePort(), namePort()+1, namePort()+2)
}

// safeBuffer is written by a command while a spec reads it.
type safeBuffer struct {
	lock sync.Mutex
	b    bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.b.String()
}

// servingCommand is a serve command that goes on.
type servingCommand struct {
	stdout, stderr safeBuffer
	stdin          *io.PipeWriter
	interrupt      context.CancelFunc
	status         chan int
}

// serve starts a command that goes on until it is interrupted, at the end of the spec at the latest.
func serve(args ...string) *servingCommand {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	s := &servingCommand{stdin: w, interrupt: cancel, status: make(chan int, 1)}
	ended := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(ended)
		s.status <- run(ctx, append([]string{"serve", "--ports", testPorts()}, args...), r, &s.stdout, &s.stderr)
		Expect(r.Close()).To(Succeed())
	}()
	DeferCleanup(func() {
		cancel()
		Expect(w.Close()).To(Succeed())
		Eventually(ended).WithTimeout(10 * time.Second).Should(BeClosed())
	})
	return s
}

// end interrupts the command, and returns its exit status.
func (s *servingCommand) end() (status int) {
	GinkgoHelper()
	s.interrupt()
	Eventually(s.status).WithTimeout(10 * time.Second).Should(Receive(&status))
	return status
}

func parsed(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// query asks a host for a name, from a port that is nobody's.
func query(host, name string) nbt.NameKind {
	GinkgoHelper()
	c, err := net.Dial("udp4", net.JoinHostPort(host, strconv.Itoa(int(namePort()))))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(c.Close)
	b, err := nbt.UnicastQuery(7, parsed(name)).AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	_, err = c.Write(b)
	Expect(err).NotTo(HaveOccurred())
	Expect(c.SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
	buf := make([]byte, 600)
	n, err := c.Read(buf)
	Expect(err).NotTo(HaveOccurred())
	m, err := nbt.ParseNameMessage(buf[:n])
	Expect(err).NotTo(HaveOccurred())
	return m.Kind()
}

var _ = Describe("nbtlab serve", func() {
	It("registers its names, answers for them, records that, and releases them when it is interrupted", func() {
		s := serve("--addr", "127.78.0.1/8", "--name", "CHAT", "--group", "TEAM<1e>", "--pcap", "out.pcap")
		Eventually(s.stdout.String).WithTimeout(10 * time.Second).Should(Equal(
			"serving on 127.78.0.1/8, model fixed, profile rfc1002\nCHAT<20> registered\nTEAM<1e> registered\n"))
		Expect(query("127.78.0.1", "CHAT")).To(Equal(nbt.KindPositiveQuery))
		Expect(s.end()).To(Equal(exitAsExpected))
		Expect(s.stdout.String()).To(ContainSubstring("ended: "))
		Expect(s.stderr.String()).To(BeEmpty())

		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		kinds := map[nbt.NameKind]int{}
		for _, f := range c.Frames {
			Expect(f.Kind).To(Equal(trace.UDP))
			m, err := nbt.ParseNameMessage(f.Payload)
			Expect(err).NotTo(HaveOccurred())
			kinds[m.Kind()]++
		}
		Expect(kinds).To(Equal(map[nbt.NameKind]int{
			nbt.KindClaim: 6, nbt.KindOverwrite: 2, nbt.KindQuery: 1, nbt.KindPositiveQuery: 1, nbt.KindRelease: 6,
		}))
	})

	It("ends like a crash when it is told to", func() {
		s := serve("--addr", "127.78.0.1/8", "--name", "CHAT", "--crash", "--pcap", "out.pcap")
		Eventually(s.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		Expect(s.end()).To(Equal(exitAsExpected))
		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Frames).To(HaveLen(4), "three claims and the demand, no release")
	})

	It("says that a name is somebody else's, and exits with 1", func() {
		one := serve("--addr", "127.78.0.1/8", "--name", "CHAT", "--json")
		Eventually(one.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring(`{"event":"registered","name":"CHAT<20>"}`))
		two := serve("--addr", "127.78.0.2/8", "--name", "CHAT")
		Eventually(two.stdout.String).WithTimeout(10 * time.Second).Should(
			ContainSubstring("CHAT<20> is not registered: NRC_INUSE: another node has it\n"))
		Expect(two.end()).To(Equal(exitNot))
		Expect(one.end()).To(Equal(exitAsExpected))
		last := lines(one.stdout.String())
		Expect(last[len(last)-1]).To(HavePrefix(`{"event":"ended","counters":{"received":`))
	})

	It("ends by itself after a time", func() {
		s := serve("--addr", "127.78.0.1/8", "--for", "100ms")
		Eventually(s.status).WithTimeout(10 * time.Second).Should(Receive(Equal(exitAsExpected)))
	})

	It("accepts sessions for the names that it listens on, one after the other, and refuses others", func() {
		s := serve("--addr", "127.78.0.1/8", "--name", "CHAT", "--listen", "CHAT")
		Eventually(s.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		for _, x := range []struct {
			called string
			answer byte
		}{{"CHAT", 0x82}, {"CHAT", 0x82}, {"NOSUCH", 0x83}} {
			Eventually(func() byte { return session("127.78.0.1", x.called) }).WithTimeout(5 * time.Second).Should(Equal(x.answer))
		}
		Expect(s.end()).To(Equal(exitAsExpected))
	})

	It("is a name server for nodes that have one", func() {
		server := serve("--addr", "127.78.0.1/8", "--wins")
		Eventually(server.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("serving"))
		client := serve("--addr", "127.78.0.2/8", "--name", "FRIEND", "--wins-server", "127.78.0.1", "--node-type", "p")
		Eventually(client.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("FRIEND<20> registered"))
		Expect(query("127.78.0.1", "FRIEND")).To(Equal(nbt.KindPositiveQuery), "the name server knows it")
		Expect(client.end()).To(Equal(exitAsExpected))
		Expect(server.end()).To(Equal(exitAsExpected))
	})

	It("is an agent: it does what it is asked, and ends with its standard input", func() {
		s := serve("--addr", "127.78.0.1/8", "--agent")
		_, err := io.WriteString(s.stdin, `{"id":1,"op":"add-name","name":"CHAT<20>"}`+"\n"+`{"id":2,"op":"stop"}`+"\n"+
			`{"id":3,"op":"add-name","name":"CHAT<20>"}`+"\n"+`{"id":4,"op":"restart"}`+"\n")
		Expect(err).NotTo(HaveOccurred())
		Eventually(s.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring(`{"id":4,"code":0}`))
		Expect(s.stdin.Close()).To(Succeed())
		Eventually(s.status).WithTimeout(10 * time.Second).Should(Receive(Equal(exitAsExpected)))
		Expect(lines(s.stdout.String())[0]).To(HavePrefix(`{"nbtlab_agent":1,"name":"nbtlab serve, fixed","can":["add-name",`))
		Expect(s.stdout.String()).NotTo(ContainSubstring("serving"), "standard output is for the protocol")
	})

	DescribeTable("says what is wrong, and what to do about it",
		func(because string, args ...string) {
			Expect(nbtlab(append([]string{"serve"}, args...)...)).To(refuse(because))
		},
		Entry(nil, "serve wants an address: --addr ADDRESS"),
		Entry(nil, "want an IPv4 address, such as 10.77.0.1/24", "--addr", "pc"),
		Entry(nil, "want an IPv4 address", "--addr", "::1"),
		Entry(nil, "it is not an address of this host", "--addr", "203.0.113.1"),
		Entry(nil, "203.0.113.1 is not an address of this host", "--addr", "203.0.113.1/24"),
		Entry(nil, "there is no scenario whose bug it could be", "--addr", "127.0.0.1", "--model", "buggy"),
		Entry(nil, "there are fixed, Q124565", "--addr", "127.0.0.1", "--model", "Q1"),
		Entry(nil, "there are rfc1002, netbt", "--addr", "127.0.0.1", "--profile", "fast"),
		Entry(nil, "name is longer than 15 bytes", "--addr", "127.0.0.1", "--name", "ABCDEFGHIJKLMNOP"),
		Entry(nil, "--listen MAIL: sessions are accepted for names of --name alone: say --name MAIL too",
			"--addr", "127.0.0.1", "--name", "CHAT", "--listen", "CHAT", "--listen", "MAIL"),
		Entry(nil, "say --name 'CHAT<00>' too", "--addr", "127.0.0.1", "--name", "CHAT", "--listen", "CHAT<00>"),
		Entry(nil, "--listen TEAM: sessions", "--addr", "127.0.0.1", "--group", "TEAM", "--listen", "TEAM"),
		Entry(nil, `serve takes flags alone, and got "CHAT" besides (see: nbtlab serve --help)`, "--addr", "127.0.0.1", "CHAT"),
		Entry(nil, "--max-names 0: want 1 to 253", "--addr", "127.0.0.1", "--max-names", "0"),
		Entry(nil, "such a node has a name server", "--addr", "127.0.0.1", "--node-type", "p"),
		Entry(nil, "want b, p, m or h", "--addr", "127.0.0.1", "--node-type", "x"),
		Entry(nil, "want an IPv4 address", "--addr", "127.0.0.1", "--wins-server", "x"),
		Entry(nil, "want NAME=ADDRESS", "--addr", "127.0.0.1", "--lmhosts", "CHAT"),
		Entry(nil, "want three different ones", "--addr", "127.0.0.1", "--ports", "1,2"),
		Entry(nil, `"x" is no port`, "--addr", "127.0.0.1", "--ports", "1,2,x"),
		Entry(nil, "a time is not negative", "--addr", "127.0.0.1", "--for", "-1s"),
		Entry(nil, "cannot write", "--addr", "127.0.0.1", "--pcap", "no/such/folder/x.pcap"),
	)

	It("says who has the port that it wants (bad-input 33)", func() {
		taken, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.78.0.3"), namePort())))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(taken.Close)
		Expect(nbtlab("serve", "--addr", "127.78.0.3/8", "--ports", testPorts())).To(refuse(
			fmt.Sprintf("UDP port %d of 127.78.0.3 is taken by ", namePort())))
	})
})

// session asks a host for a session, and returns the type of the answer.
func session(host, called string) byte {
	GinkgoHelper()
	c, err := net.Dial("tcp4", net.JoinHostPort(host, strconv.Itoa(int(namePort()+2))))
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(c.Close()).To(Succeed()) }()
	b, err := nbt.SessionRequest(parsed(called), parsed("CALLER")).AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	_, err = c.Write(b)
	Expect(err).NotTo(HaveOccurred())
	Expect(c.SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
	answer := make([]byte, 1)
	_, err = io.ReadFull(c, answer)
	Expect(err).NotTo(HaveOccurred())
	return answer[0]
}
