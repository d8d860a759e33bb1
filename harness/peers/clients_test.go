// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/peers"
)

// differences are what a client may print otherwise of serve than of Samba. They are all.
var differences = []struct {
	why   string
	print *regexp.Regexp
	as    string
}{
	{
		"nmbd tells zeros for its unit address, serve one made of the IP address",
		regexp.MustCompile(`((?:MAC Address =|Adapter address:) )(00-00-00-00-00-00|00:00:00:00:00:00|02-00-0A-4D-00-01|02:00:0a:4d:00:01)`),
		"${1}UNIT",
	},
	{
		"nmbd is an H node when it is a name server, serve its own B node then",
		regexp.MustCompile(`rdata (?:60|00)000a4d0002`),
		"rdata NODE0a4d0002",
	},
}

// segment is a LAN with the names on host 1, the name server on host 2 and a client on host 3; hosts 4 and 5 are free.
type segment struct {
	lan    *peers.LAN
	client *peers.Host
	conf   string // the client's smb.conf
}

func newSegment() *segment {
	GinkgoHelper()
	lan := newLAN(5)
	client := lan.Host(3)
	return &segment{lan, client, samba(client, "CLIENT").Conf}
}

// held are the names of host 1, as nmbd has them for its name, an alias and the workgroup.
var held = []string{
	"--name", "CHAT<00>", "--name", "CHAT<03>", "--name", "CHAT<20>",
	"--name", "ALIAS<00>", "--name", "ALIAS<03>", "--name", "ALIAS<20>",
	"--group", peers.Workgroup + "<00>", "--group", peers.Workgroup + "<1e>",
}

// sambas is the segment of nmbd and smbd.
func sambas() *segment {
	GinkgoHelper()
	s := newSegment()
	owner := samba(s.lan.Host(1), "CHAT", "netbios aliases = ALIAS")
	server := samba(s.lan.Host(2), "SERVER", "wins support = yes")
	for _, start := range []func() (*peers.Process, error){owner.Nmbd, owner.Smbd, server.Nmbd} {
		_, err := start()
		Expect(err).NotTo(HaveOccurred())
	}
	return s
}

// serves is the segment of nbtlab serve.
func serves() *segment {
	GinkgoHelper()
	s := newSegment()
	serve(s.lan.Host(1), append([]string{"--listen", "CHAT<20>"}, held...)...)
	serve(s.lan.Host(2), "--wins", "--name", "SERVER<00>", "--name", "SERVER<20>")
	return s
}

// serve starts nbtlab serve on a host, and waits until it holds its names: up to 30 s, because the machine may be busy.
func serve(h *peers.Host, args ...string) *peers.Process {
	GinkgoHelper()
	p := start(h, nbtlab, append([]string{"serve", "--addr", h.Prefix().String()}, args...)...)
	names := 0
	for _, arg := range args {
		if arg == "--name" || arg == "--group" {
			names++
		}
	}
	Eventually(func() int { return strings.Count(p.Output(), " registered\n") }).
		WithTimeout(30*time.Second).Should(Equal(names), "%v", p.Output)
	return p
}

// run runs a client; the word CONF in its command is the path of its smb.conf.
func (s *segment) run(command ...string) peers.Result {
	GinkgoHelper()
	return on(s.client, command[0], s.args(command)...)
}

func (s *segment) args(command []string) []string {
	var args []string
	for _, arg := range command[1:] {
		if arg == "CONF" {
			arg = s.conf
		}
		args = append(args, arg)
	}
	return args
}

// settled waits until a command prints something.
func (s *segment) settled(print string, command ...string) {
	GinkgoHelper()
	Eventually(func() string { return s.run(command...).Stdout }).
		WithTimeout(60 * time.Second).WithPolling(time.Second).Should(ContainSubstring(print))
}

// calls runs smbclient until it has printed something, and returns what it printed of its calls. What would come after the
// session request is SMB, which nbtlab does not speak.
func (s *segment) calls(until string, command ...string) []string {
	GinkgoHelper()
	p := start(s.client, command[0], s.args(command)...)
	Eventually(p.Output).WithTimeout(30 * time.Second).Should(ContainSubstring(until))
	Expect(p.Signal(syscall.SIGKILL)).To(Or(Succeed(), MatchError(ContainSubstring("finished"))))
	<-p.Done()
	return regexp.MustCompile(`(?m)^ *(?:Connecting to|session request|do_connect:).*`).FindAllString(p.Output(), -1)
}

var _ = Describe("Real clients", Ordered, ContinueOnFailure, func() {
	var real, ours *segment

	BeforeAll(func() {
		real, ours = sambas(), serves()
		for _, s := range []*segment{real, ours} { // nothing else leads there: a LAN of ours has no way out
			Expect(on(s.client, "ip", "route", "add", "255.255.255.255", "dev", "eth0")).To(Equal(peers.Result{}))
		}
		// Samba answers long before it has registered everywhere. What is registered last is that of the name server.
		for _, s := range []*segment{real, ours} {
			s.settled("10.77.0.1 CHAT<20>", "nmblookup", "-s", "CONF", "CHAT#20")
			s.settled("10.77.0.2 SERVER<20>", "nmblookup", "-s", "CONF", "--recursion", "--unicast=10.77.0.2", "SERVER#20")
		}
	})

	DescribeTable("print of serve what they print of nmbd holding the same names",
		func(prints string, command ...string) {
			results := make([]peers.Result, 2)
			var both sync.WaitGroup
			for i, s := range []*segment{real, ours} {
				both.Go(func() {
					defer GinkgoRecover()
					results[i] = s.run(command...)
				})
			}
			both.Wait()
			for i := range results {
				for _, d := range differences {
					results[i].Stdout = d.print.ReplaceAllString(results[i].Stdout, d.as)
				}
			}
			Expect(results[0].Stdout).To(ContainSubstring(prints), "what Samba is held against is there")
			Expect(results[1]).To(Equal(results[0]))
		},
		Entry("nmblookup, by broadcast", "10.77.0.1 CHAT<00>\n", "nmblookup", "-d1", "-s", "CONF", "CHAT"),
		Entry("nmblookup -B 255.255.255.255", "10.77.0.1 CHAT<20>\n", "nmblookup", "-d1", "-s", "CONF", "-B", "255.255.255.255", "CHAT#20"),
		Entry("nmblookup -B 255.255.255.255, of a name that nobody holds", "failed to find name NOSUCH\n",
			"nmblookup", "-d1", "-s", "CONF", "-B", "255.255.255.255", "NOSUCH"),
		Entry("nmblookup, by broadcast, of an alias", "10.77.0.1 ALIAS<20>\n", "nmblookup", "-d1", "-s", "CONF", "ALIAS#20"),
		Entry("nmblookup --unicast, of a group", "10.77.0.1 NBTLAB<1e>\n",
			"nmblookup", "-d1", "-s", "CONF", "--unicast=10.77.0.1", "NBTLAB#1e"),
		Entry("nmblookup, by broadcast, of a name that nobody holds", "failed to find name NOSUCH\n",
			"nmblookup", "-d1", "-s", "CONF", "NOSUCH"),
		Entry("nmblookup, by broadcast, of a suffix that nobody holds", "failed to find name CHAT#1b\n",
			"nmblookup", "-d1", "-s", "CONF", "CHAT#1b"),
		Entry("nmblookup --unicast", "10.77.0.1 CHAT<20>\n", "nmblookup", "-d1", "-s", "CONF", "--unicast=10.77.0.1", "CHAT#20"),
		Entry("nmblookup --unicast, of a name that is not held", "failed to find name NOSUCH\n",
			"nmblookup", "-d1", "-s", "CONF", "--unicast=10.77.0.1", "NOSUCH"),
		Entry("nmblookup -S: query, then node status", "NBTLAB          <1e> - <GROUP> B <ACTIVE> \n",
			"nmblookup", "-d1", "-s", "CONF", "-S", "CHAT"),
		Entry("nmblookup -A: node status", "CHAT            <20> -         B <ACTIVE> \n",
			"nmblookup", "-d1", "-s", "CONF", "-A", "10.77.0.1"),
		Entry("nmblookup --recursion --unicast, of a name server", "10.77.0.2 SERVER<20>\n",
			"nmblookup", "-d1", "-s", "CONF", "--recursion", "--unicast=10.77.0.2", "SERVER#20"),
		Entry("nmblookup --recursion --unicast, of a name server, of a name that nobody registered with it",
			"failed to find name CHAT\n", "nmblookup", "-d2", "-s", "CONF", "--recursion", "--unicast=10.77.0.2", "CHAT"),
		Entry("nbtscan -v", "CHAT             <20>             UNIQUE\n", "nbtscan", "-v", "10.77.0.1"),
		Entry("nbtscan -v -h", "CHAT             File Server Service\n", "nbtscan", "-v", "-h", "10.77.0.1"),
		Entry("impacket, by broadcast", "CHAT ['10.77.0.1'] rdata 00000a4d0001\nNOSUCH NetBIOSTimeout",
			"/usr/bin/python3", "testdata/nmb.py", "broadcast", "10.77.0.255", "CHAT", "NOSUCH"),
		Entry("impacket, by broadcast to 255.255.255.255", "CHAT ['10.77.0.1'] rdata 00000a4d0001\nNOSUCH NetBIOSTimeout",
			"/usr/bin/python3", "testdata/nmb.py", "broadcast", "255.255.255.255", "CHAT", "NOSUCH"),
		Entry("impacket, of the owner", "ALIAS ['10.77.0.1'] rdata 00000a4d0001\n",
			"/usr/bin/python3", "testdata/nmb.py", "ask", "10.77.0.1", "ALIAS"),
		Entry("impacket, of a name server", "NOSUCH NetBIOSError Negative response-Name does not exist(3)\n",
			"/usr/bin/python3", "testdata/nmb.py", "ask", "10.77.0.2", "SERVER", "NOSUCH"),
		Entry("impacket, node status", "NBTLAB          <1e> flags 0x8400\n",
			"/usr/bin/python3", "testdata/nmb.py", "status", "10.77.0.1"),
		Entry("impacket, the name of a host", "CHAT\n", "/usr/bin/python3", "testdata/nmb.py", "name", "10.77.0.1"),
		Entry("impacket, session request", "CHAT accepts\n*SMBSERVER accepts\n",
			"/usr/bin/python3", "testdata/nmb.py", "call", "10.77.0.1", "CHAT", "*SMBSERVER"),
	)

	It("hear nmbd answer for any name, and serve only for what it holds", func() {
		Expect(real.run("nmblookup", "-d1", "-s", "CONF", "*").Stdout).To(ContainSubstring("10.77.0.1 *<00>\n"))
		Expect(ours.run("nmblookup", "-d1", "-s", "CONF", "*").Stdout).To(Equal("name_query failed to find name *\n"))
	})

	It("hear nmbd say no when it is asked alone, and serve say nothing, as a B node does (RFC 1002 section 5.1.1.5)", func() {
		ask := []string{"nmblookup", "-d3", "--debug-stdout", "-s", "CONF", "--unicast=10.77.0.1", "NOSUCH"}
		Expect(real.run(ask...).Stdout).To(ContainSubstring("Negative name query response, rcode 0x03"))
		Expect(ours.run(ask...).Stdout).To(And(
			ContainSubstring("failed to find name NOSUCH"), Not(ContainSubstring("query response"))))
	})

	It("hear a session accepted by smbclient as smbd accepts it", func() {
		smbclient := []string{"smbclient", "-d5", "-s", "CONF", "-N", "-p", "139", "-I", "10.77.0.1", "-L", "CHAT"}
		got := ours.calls("session request ok", smbclient...)
		Expect(got).To(HaveExactElements("Connecting to 10.77.0.1 at port 139", " session request ok"))
		Expect(got).To(Equal(real.calls("session request ok", smbclient...)))
	})

	// Smbd accepts every called name, so that what is refused, and with which code, is RFC 1002's (section 4.3.4) alone.
	Describe("calling serve", func() {
		BeforeAll(func() {
			door := serve(ours.lan.Host(4), "--agent", "--name", "DEAF", "--name", "PICKY", "--crash")
			for id := range 2 { // a LISTEN takes one session
				_, err := fmt.Fprintf(door.Stdin, `{"id":%d,"op":"listen","name":"PICKY","call_name":"FRIEND<00>"}`+"\n", id+1)
				Expect(err).NotTo(HaveOccurred())
			}
			serve(ours.lan.Host(5), "--name", "FULL", "--listen", "FULL", "--max-sessions", "1")
			var friend net.Conn
			Expect(ours.client.In(func() (err error) {
				friend, err = net.Dial("tcp4", "10.77.0.5:139")
				return err
			})).To(Succeed())
			DeferCleanup(friend.Close)
			_, err := friend.Write(encoded(nbt.SessionMessage{Type: nbt.SsnRequest, Called: name("FULL"), Calling: name("FRIEND")}))
			Expect(err).NotTo(HaveOccurred())
			Expect(friend.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
			Expect(io.ReadAtLeast(friend, make([]byte, 4), 4)).To(Equal(4))
		})

		DescribeTable("are refused with the code that says why", func(address, called, says string) {
			got := ours.run("/usr/bin/python3", "testdata/nmb.py", "call", address, called)
			Expect(got.Stdout).To(HavePrefix(says), got.Stderr)
		},
			Entry("0x80: nobody listens on the name", "10.77.0.4", "DEAF", "DEAF refuses with 0x80:"),
			Entry("0x81: nobody listens on it for this caller", "10.77.0.4", "PICKY", "PICKY refuses with 0x81:"),
			Entry("none: this caller is the one", "10.77.0.4", "PICKY/FRIEND", "PICKY accepts"),
			Entry("0x82: nobody has the name", "10.77.0.4", "NOSUCH", "NOSUCH refuses with 0x82:"),
			Entry("0x83: there is no room for another session", "10.77.0.5", "FULL", "FULL refuses with 0x83:"),
		)

		// Smbclient tries *SMBSERVER after a refusal, and tells what came of that.
		DescribeTable("are told so by smbclient", func(address, called string) {
			got := ours.calls("do_connect:", "smbclient", "-d5", "-s", "CONF", "-N", "-p", "139", "-I", address, "-L", called)
			Expect(got).To(HaveExactElements("Connecting to "+address+" at port 139", "Connecting to "+address+" at port 139",
				"do_connect: Connection to "+called+" failed (Error NT_STATUS_RESOURCE_NAME_NOT_FOUND)"))
		},
			Entry("when nobody listens on the name", "10.77.0.4", "DEAF"),
			Entry("when nobody has the name", "10.77.0.4", "NOSUCH"),
		)
	})
})
