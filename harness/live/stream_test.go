// SPDX-License-Identifier: MIT

//go:build unix

package live_test

import (
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// urgent sends a byte of urgent data: on the systems that this runs on, it is not part of the stream for who does not ask for it.
func urgent(c net.Conn) {
	GinkgoHelper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	Expect(err).NotTo(HaveOccurred())
	var sent error
	Expect(raw.Control(func(fd uintptr) { _, sent = syscall.SendmsgN(int(fd), []byte("!"), nil, nil, syscall.MSG_OOB) })).To(Succeed())
	Expect(sent).NotTo(HaveOccurred())
}

var _ = Describe("A connection to the session service (bad-input 28)", func() {
	var lan *live.LAN
	var index int

	BeforeEach(func() {
		lan = live.New(live.Options{Ports: ports})
		index = attach(lan, host(1))
		run(lan)
		do(lan, index, netbios.NCB{Command: netbios.AddName, Name: name("CHAT")})
	})

	dial := func() net.Conn {
		GinkgoHelper()
		c, err := net.DialTimeout("tcp4", service(host(1), ports.Session).String(), time.Second)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		Expect(c.SetDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
		return c
	}
	heard := func(c net.Conn, n int) []byte {
		GinkgoHelper()
		b := make([]byte, n)
		_, err := io.ReadFull(c, b)
		Expect(err).NotTo(HaveOccurred())
		return b
	}
	listen := func() <-chan stack.Complete {
		GinkgoHelper()
		listened := make(chan stack.Complete, 1)
		_, err := lan.Submit(index, netbios.NCB{Command: netbios.Listen, Name: name("CHAT"), CallName: netbios.Wildcard},
			func(c stack.Complete) { listened <- c })
		Expect(err).NotTo(HaveOccurred())
		return listened
	}
	stillServes := func() {
		GinkgoHelper()
		answer := exchange(client(host(9)), service(host(1), ports.Name), nbt.Query(9, name("CHAT")))
		Expect(answer.Kind()).To(Equal(nbt.KindPositiveQuery))
		listen()
		c := dial()
		_, err := c.Write(encoded(nbt.SessionRequest(name("CHAT"), name("ME"))))
		Expect(err).NotTo(HaveOccurred())
		Expect(heard(c, 4)).To(Equal([]byte{0x82, 0, 0, 0}))
	}

	const requestLen, messageLen = 72, 13
	stream := func() []byte {
		GinkgoHelper()
		return slices.Concat(encoded(nbt.SessionRequest(name("CHAT"), name("ME"))),
			encoded(nbt.SessionMessage{Type: nbt.SsnMessage, Data: []byte("all of it")}))
	}
	receive := func(door stack.Complete) stack.Complete {
		GinkgoHelper()
		return do(lan, index, netbios.NCB{Command: netbios.Receive, LSN: door.LSN, Length: 100})
	}

	// NetBIOS has no use for urgent data, and stacks have died of it (CVE-1999-0153): what comes in the stream is what counts.
	DescribeTable("loses no byte of the stream to urgent data, is granted and carries messages", func(at int) {
		listened := listen()
		c, stream := dial(), stream()
		Expect(stream).To(HaveLen(requestLen + messageLen))
		_, err := c.Write(stream[:at])
		Expect(err).NotTo(HaveOccurred())
		urgent(c)
		_, err = c.Write(stream[at:])
		Expect(err).NotTo(HaveOccurred())
		Expect(heard(c, 4)).To(Equal([]byte{0x82, 0, 0, 0}))
		door := <-listened
		Expect(door.Code).To(Equal(netbios.GOODRET))
		Expect(string(receive(door).Data)).To(Equal("all of it"))
		stillServes()
	},
		Entry("before the session request", 0),
		Entry("in its header", 2),
		Entry("in the middle of it", requestLen/2),
		Entry("behind it", requestLen),
		Entry("in the middle of a message", requestLen+7),
		Entry("behind all", requestLen+messageLen),
	)

	It("is ended when the last byte of its request was urgent, to the cost of nobody else", func() {
		c := dial()
		_, err := c.Write(stream()[:requestLen-1])
		Expect(err).NotTo(HaveOccurred())
		urgent(c)
		Expect(c.(*net.TCPConn).CloseWrite()).To(Succeed())
		_, err = c.Read(make([]byte, 1))
		Expect(err).To(MatchError(io.EOF), "a request that is not whole has no answer")
		stillServes()
	})

	It("is ended when nothing comes but urgent data, however often", func() {
		for range 100 {
			c := dial()
			urgent(c)
			urgent(c)
			Expect(c.(*net.TCPConn).CloseWrite()).To(Succeed())
			// Of two urgent bytes the first may come in the stream: it is no message either.
			_, err := c.Read(make([]byte, 1))
			Expect(err).To(Or(MatchError(io.EOF), MatchError(syscall.ECONNRESET)))
			Expect(os.IsTimeout(err)).To(BeFalse())
		}
		stillServes()
	})

	DescribeTable("is ended when the peer has ended its side before it has asked", func(at int) {
		c := dial()
		_, err := c.Write(stream()[:at])
		Expect(err).NotTo(HaveOccurred())
		Expect(c.(*net.TCPConn).CloseWrite()).To(Succeed())
		_, err = c.Read(make([]byte, 1))
		Expect(err).To(MatchError(io.EOF))
		stillServes()
	},
		Entry("without a byte", 0), Entry("in the header", 2), Entry("in the request", requestLen-1),
	)

	It("still has its answer when the peer ends its side behind the request, and is a session no more then", func() {
		c := dial()
		_, err := c.Write(stream()[:requestLen])
		Expect(err).NotTo(HaveOccurred())
		Expect(c.(*net.TCPConn).CloseWrite()).To(Succeed())
		Expect(io.ReadAll(c)).To(Equal([]byte{0x83, 0, 0, 1, nbt.SsnNotListening}))

		listened := listen()
		c = dial()
		_, err = c.Write(stream())
		Expect(err).NotTo(HaveOccurred())
		Expect(c.(*net.TCPConn).CloseWrite()).To(Succeed())
		Expect(io.ReadAll(c)).To(Equal([]byte{0x82, 0, 0, 0}))
		door := <-listened
		Expect(string(receive(door).Data)).To(Equal("all of it"), "what came before the end is there")
		Expect(receive(door).Code).To(Equal(netbios.SCLOSED))
		stillServes()
	})
})
