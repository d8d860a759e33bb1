// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// withQ124565 writes the recording of the first bug, 17 messages in 27 packets.
func withQ124565(path string) {
	GinkgoHelper()
	write(path, committed("q124565/Q124565.pcap"))
}

// captured writes a capture of one message from 10.0.0.10 to 10.0.0.20.
func captured(path string, kind trace.FrameKind, port uint16, payload []byte) {
	GinkgoHelper()
	end := func(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), port) }
	frames := []trace.Frame{{At: time.Second, Kind: kind, From: end("10.0.0.10"), To: end("10.0.0.20"), Payload: payload}}
	if kind == trace.Message {
		from, to := netip.MustParseAddrPort("10.0.0.10:1025"), end("10.0.0.20")
		frames = []trace.Frame{
			{Kind: trace.Connect, From: from, To: to, Conn: 1},
			{At: time.Second, Kind: kind, From: from, To: to, Payload: payload, Conn: 1},
		}
	}
	Expect(capture.WriteFile(path, frames)).To(Succeed())
}

// snap cuts the packets of a capture to so many bytes, as who captures with a snap length does.
func snap(path string, length int) {
	GinkgoHelper()
	file := []byte(read(path))
	cut := slices.Clone(file[:24])
	for packet := file[24:]; len(packet) > 0; {
		have := int(binary.LittleEndian.Uint32(packet[8:]))
		binary.LittleEndian.PutUint32(packet[8:], uint32(min(have, length)))
		cut = append(cut, packet[:16+min(have, length)]...)
		packet = packet[16+have:]
	}
	write(path, string(cut))
}

func inBytes(m interface {
	AppendBinary([]byte) ([]byte, error)
},
) []byte {
	GinkgoHelper()
	b, err := m.AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	return b
}

// object is the one line of JSON that a command printed.
func object(text string) map[string]any {
	GinkgoHelper()
	Expect(lines(text)).To(HaveLen(1))
	var v map[string]any
	Expect(json.Unmarshal([]byte(text), &v)).To(Succeed())
	return v
}

var _ = Describe("nbtlab decode", func() {
	chat := netbios.Name([]byte("CHAT           \x1d"))
	friend := netbios.Name([]byte("FRIEND          "))
	own := netip.MustParseAddr("10.0.0.10")

	It("prints each message on a line, and says how many there were on standard error", func() {
		withQ124565("x.pcap")
		out := nbtlab("decode", "x.pcap")
		Expect(out).To(exitWith(exitAsExpected))
		Expect(lines(out.Stdout)).To(HaveLen(17))
		Expect(lines(out.Stdout)).To(ContainElements(
			"     1     0.000000  10.0.0.20       > 10.0.0.255       ns   "+
				"name registration request FRIEND<20> 10.0.0.20, broadcast, id 0x1ca0",
			"     5     1.750000  10.0.0.20       > 10.0.0.10        dgm  "+
				`direct unique datagram CHAT<20> from FRIEND<20> "anyone there?", id 0x1ca0`,
			"    18     4.500200  10.0.0.20:1025  > 10.0.0.10        ssn  session request CHAT<20> from FRIEND<20>",
		))
		Expect(out.Stderr).To(Equal("x.pcap: 27 packets, 17 messages\n"))
	})

	It("shows all fields of a message and its bytes with --verbose", func() {
		withQ124565("x.pcap")
		out := nbtlab("decode", "x.pcap", "--frame", "8", "-v")
		Expect(out).To(show("datagram error 0x82", "           4  SOURCE_IP                 10.0.0.10\n",
			"    0000  13 00 1c a0 0a 00 00 0a 00 8a 82                 ...........\n"))
		Expect(out.Stdout).NotTo(ContainSubstring("name registration"))
	})

	Describe("with --json", func() {
		It("has the fields of a name service message", func() {
			captured("x.pcap", trace.UDP, 137, inBytes(nbt.RegistrationRequest(7, chat, nbt.NBGroup, own, 300).InScope("sub.example")))
			out := nbtlab("decode", "--json", "x.pcap")
			Expect(object(out.Stdout)).To(Equal(map[string]any{
				"file": "x.pcap", "frame": 1.0, "message": 0.0, "time": object(out.Stdout)["time"], "src": "10.0.0.10", "dst": "10.0.0.20",
				"sport": 137.0, "dport": 137.0, "service": "ns", "kind": "name registration request", "id": 7.0, "opcode": 5.0,
				"response": false, "rcode": 0.0, "flags": 10496.0, "name": "CHAT<1d>", "scope": "sub.example", "type": 32.0, "ttl": 300.0,
				"addresses": []any{"10.0.0.10"}, "nb_flags": []any{32768.0},
			}))
			Expect(object(out.Stdout)["time"]).To(MatchRegexp(`^\d+\.\d{9}$`))
		})

		It("has the names of a node status", func() {
			captured("x.pcap", trace.UDP, 137, inBytes(nbt.StatusResponse(7, netbios.Wildcard, nbt.NodeStatus{
				Names: []nbt.NodeName{{Name: chat, Flags: nbt.NameACT}},
				Stats: nbt.Statistics{UnitID: [6]byte{2, 0, 10, 0, 0, 10}},
			})))
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("name", "*"), HaveKeyWithValue("type", 33.0), HaveKeyWithValue("unit_id", "02:00:0a:00:00:0a"),
				HaveKeyWithValue("names", []any{map[string]any{"name": "CHAT<1d>", "flags": 1024.0}})))
		})

		It("has the fields of a datagram", func() {
			captured("x.pcap", trace.UDP, 138,
				inBytes(nbt.UniqueDatagram(9, netip.AddrPortFrom(own, 138), friend, chat, []byte("hello"))))
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("service", "dgm"), HaveKeyWithValue("msg_type", 16.0), HaveKeyWithValue("dgm_id", 9.0),
				HaveKeyWithValue("dgm_flags", 2.0), HaveKeyWithValue("source_ip", "10.0.0.10"), HaveKeyWithValue("source_port", 138.0),
				HaveKeyWithValue("source_name", "FRIEND<20>"), HaveKeyWithValue("destination_name", "CHAT<1d>"),
				HaveKeyWithValue("length", 73.0), HaveKeyWithValue("offset", 0.0), Not(HaveKey("error_code")), Not(HaveKey("id"))))
			captured("x.pcap", trace.UDP, 138, inBytes(nbt.ErrorDatagram(9, netip.AddrPortFrom(own, 138), nbt.DgmNotPresent)))
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("msg_type", 19.0), HaveKeyWithValue("error_code", 130.0), Not(HaveKey("length"))))
		})

		It("has the fields of a session message", func() {
			captured("x.pcap", trace.Message, 139, inBytes(nbt.SessionMessage{Type: nbt.SsnRequest, Called: chat, Calling: friend}))
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("service", "ssn"), HaveKeyWithValue("msg_type", 129.0), HaveKeyWithValue("length", 68.0),
				HaveKeyWithValue("called_name", "CHAT<1d>"), HaveKeyWithValue("calling_name", "FRIEND<20>"),
				HaveKeyWithValue("sport", 1025.0), HaveKeyWithValue("dport", 139.0)))
			captured("x.pcap", trace.Message, 139, inBytes(nbt.SessionMessage{Type: nbt.SsnNegative, ErrorCode: nbt.SsnNotPresent}))
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("msg_type", 131.0), HaveKeyWithValue("error_code", 130.0), HaveKeyWithValue("length", 1.0)))
		})

		It("says what is odd and what could not be read, with field and offset", func() {
			captured("x.pcap", trace.UDP, 137, append(inBytes(nbt.Query(7, chat)), 0, 0))
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(HaveKeyWithValue("odd", []any{
				map[string]any{"field": "end", "offset": 50.0, "text": "bytes left over: 2"},
			}))
			captured("x.pcap", trace.UDP, 137, inBytes(nbt.Query(7, chat))[:40])
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("id", 7.0), Not(HaveKey("name")), Not(HaveKey("type")),
				HaveKeyWithValue("error", map[string]any{
					"field": "QUESTION_NAME", "offset": 12.0, "text": "message ends before this field does",
				})))
		})

		It("has what was captured of messages that are cut by snap length", func() {
			captured("x.pcap", trace.Message, 139, inBytes(nbt.SessionMessage{Type: nbt.SsnRequest, Called: chat, Calling: friend}))
			snap("x.pcap", 100)
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("length", 68.0), HaveKeyWithValue("called_name", "CHAT<1d>"), Not(HaveKey("calling_name"))))
			out := nbtlab("decode", "-v", "x.pcap")
			Expect(out).To(show("session request CHAT<1d>  [CALLING_NAME at offset 38: message ends",
				"           2  LENGTH                    68\n           4  CALLED_NAME               CHAT<1d>\n    0000  81"))
			captured("x.pcap", trace.Message, 139, inBytes(nbt.SessionMessage{Data: []byte("hello")}))
			snap("x.pcap", 60)
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(HaveKeyWithValue("length", 5.0))
			Expect(nbtlab("decode", "-v", "x.pcap")).To(show("           2  LENGTH                    5\n           4  USER_DATA                 he\n"))
			captured("x.pcap", trace.UDP, 137, inBytes(nbt.Query(7, chat)))
			snap("x.pcap", 14+20+8+4)
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(
				HaveKeyWithValue("kind", "unreadable"), HaveKeyWithValue("id", 7.0), HaveKeyWithValue("flags", 272.0), Not(HaveKey("name"))))
			snap("x.pcap", 14+20+8+3)
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).NotTo(HaveKey("id"))
			captured("x.pcap", trace.UDP, 138,
				inBytes(nbt.UniqueDatagram(9, netip.AddrPortFrom(own, 138), friend, chat, []byte("hello"))))
			snap("x.pcap", 14+20+8+9)
			Expect(object(nbtlab("decode", "--json", "x.pcap").Stdout)).To(And(HaveKeyWithValue("kind", "unreadable"),
				HaveKeyWithValue("msg_type", 16.0), HaveKeyWithValue("dgm_id", 9.0), Not(HaveKey("source_ip")), Not(HaveKey("length"))))
		})

		It("shows every field of a message with a name that goes on in a pointer", func() {
			b := inBytes(nbt.PositiveAnswer(7, chat, 0, own))
			b = slices.Concat(b[:12], []byte("\x01x\xc0\x0c"), b[46:])
			b = slices.Concat(b[:4], []byte{0, 1}, b[6:12], inBytes(nbt.Query(7, chat))[12:], b[12:])
			captured("x.pcap", trace.UDP, 137, b)
			Expect(nbtlab("decode", "-v", "x.pcap")).To(show("[odd: RR_NAME at offset 50", "NB_ADDRESS                10.0.0.10\n"))
		})

		It("numbers the messages that one frame completes", func() {
			two := append(inBytes(nbt.SessionMessage{Type: nbt.SsnKeepAlive}), inBytes(nbt.SessionMessage{Type: nbt.SsnKeepAlive})...)
			captured("x.pcap", trace.Message, 139, two)
			out := lines(nbtlab("decode", "--json", "x.pcap").Stdout)
			Expect(out).To(HaveExactElements(ContainSubstring(`"message":0,`), ContainSubstring(`"message":1,`)))
		})

		It("tells the whole nanosecond", func() {
			file := []byte(committed("q124565/Q124565.pcap"))
			copy(file[24:], []byte{1, 0, 0, 0, 2, 0, 0, 0}) // one second and two nanoseconds
			write("x.pcap", string(file))
			Expect(lines(nbtlab("decode", "--json", "x.pcap").Stdout)[0]).To(ContainSubstring(`"time":"1.000000002"`))
		})
	})

	Describe("with --stats", func() {
		It("prints what there is of each kind, the names and who has to do with them", func() {
			withQ124565("x.pcap")
			out := nbtlab("decode", "--stats", "x.pcap")
			Expect(out).To(And(exitWith(exitAsExpected), HaveField("Stderr", "")))
			Expect(out).To(show("x.pcap: 27 packets, 2245 bytes captured, from 1994-11-01 00:00:00.000000 UTC\n",
				"NetBIOS over TCP/IP                  17  100.0    947\n", "    name registration request         6   35.3    408\n",
				"1 connection opened", "CHAT<20>           8  10.0.0.10  10.0.0.20\n", "FRIEND<20>         8  10.0.0.20  -\n"))
		})

		It("counts what is skipped, odd, or cannot be read, and says where the file is cut", func() {
			withQ124565("x.pcap")
			file := []byte(read("x.pcap"))
			file[24+16+23] = 1 // the first packet is of ICMP now
			write("x.pcap", string(file[:len(file)-10]))
			out := nbtlab("decode", "--stats", "x.pcap")
			Expect(out).To(And(exitWith(exitAsExpected), show("cut at byte ", "SKIPPED PACKETS")))
			captured("y.pcap", trace.UDP, 137, append(inBytes(nbt.Query(7, chat)), 0, 0))
			Expect(nbtlab("decode", "--stats", "y.pcap")).To(show("\nODD                   COUNT  FIRST FRAME\nend: bytes left over      1            1\n"))
			captured("y.pcap", trace.UDP, 137, nil)
			Expect(nbtlab("decode", "--stats", "y.pcap")).To(show("\nCANNOT BE READ", "NAME_TRN_ID: message ends before this field does", "unreadable"))
		})

		It("prints one object for each capture with --json", func() {
			withQ124565("x.pcap")
			out := nbtlab("decode", "--stats", "--json", "x.pcap", "x.pcap")
			Expect(lines(out.Stdout)).To(HaveLen(2))
			v := object(lines(out.Stdout)[0] + "\n")
			Expect(v).To(And(HaveKeyWithValue("packets", 27.0), HaveKeyWithValue("messages", 17.0), HaveKeyWithValue("connections", 1.0)))
			Expect(v["services"]).To(HaveLen(3))
			Expect(v["names"]).To(ContainElement(map[string]any{
				"name": "CHAT<20>", "messages": 8.0, "held_by": []any{"10.0.0.10"}, "asked_for_by": []any{"10.0.0.20"},
			}))
			Expect(v["names"]).To(ContainElement(And(HaveKeyWithValue("name", "FRIEND<20>"), HaveKeyWithValue("asked_for_by", []any{}))))
		})
	})

	DescribeTable("picks messages",
		func(count int, args ...string) {
			withQ124565("x.pcap")
			out := nbtlab(append([]string{"decode", "x.pcap"}, args...)...)
			Expect(out).To(exitWith(exitAsExpected))
			Expect(strings.Count(out.Stdout, "\n")).To(Equal(count))
		},
		Entry("of a service", 6, "--service", "dgm"),
		Entry("of several", 9, "--service", "dgm,ssn"),
		Entry("of a host, which may be a network", 17, "--host", "10.0.0.0/24"),
		Entry("from or to a host", 13, "--host", "10.0.0.10"),
		Entry("with a name", 8, "--name", "CHAT"),
		Entry("with a name and suffix", 0, "--name", "CHAT<1d>"),
		Entry("of a frame", 1, "--frame", "22"),
		Entry("that satisfy all of these", 3, "--service", "dgm", "--name", "CHAT", "--host", "10.0.0.20"),
	)

	It("counts only what it picks", func() {
		withQ124565("x.pcap")
		out := nbtlab("decode", "--stats", "x.pcap", "--service", "dgm")
		Expect(out.Stdout).To(And(MatchRegexp(`NetBIOS over TCP/IP +6 +100.0 +318\n`), Not(ContainSubstring("connection opened"))))
	})

	It("reads standard input", func() {
		out := nbtlabReading(committed("q124565/fixed.pcap"), "decode", "-", "--service", "ssn")
		Expect(out).To(And(exitWith(exitAsExpected), show("session request CHAT<20>"), HaveField("Stderr", HavePrefix("-: "))))
		Expect(nbtlabReading("", "decode", "-")).To(refuse("empty file: standard input"))
	})

	It("reads what is compressed, up to a bound that can be moved (bad-input 40)", func() {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, err := w.Write([]byte(committed("q124565/Q124565.pcap")))
		Expect(errors.Join(err, w.Close())).To(Succeed())
		write("x.pcap.gz", zipped.String())
		Expect(lines(nbtlab("decode", "x.pcap.gz").Stdout)).To(HaveLen(17))
		out := nbtlab("decode", "x.pcap.gz", "--max-bytes", "1000")
		Expect(out).To(exitWith(exitAsExpected))
		Expect(out.Stdout).NotTo(BeEmpty())
		Expect(out.Stderr).To(MatchRegexp(`; cut at byte \d+, packet \d+: `))
		Expect(nbtlab("decode", "x.pcap.gz", "--max-bytes", "-1")).To(refuse("--max-bytes"))
	})

	It("reads what there is of a capture that is cut, and says where (bad-input 36)", func() {
		file := committed("q124565/Q124565.pcap")
		for _, at := range []int{24, 30, 40, 100, 1000, len(file) - 1} {
			write("x.pcap", file[:at])
			out := nbtlab("decode", "x.pcap")
			Expect(out).To(exitWith(exitAsExpected), "%d bytes", at)
			if at > 24 {
				Expect(out.Stderr).To(ContainSubstring("cut at byte"), "%d bytes", at)
			}
		}
		for _, at := range []int{0, 3, 23} {
			write("x.pcap", file[:at])
			Expect(nbtlab("decode", "x.pcap")).To(refuse("x.pcap"))
		}
		write("x.pcap", strings.Repeat("not a capture ", 20))
		Expect(nbtlab("decode", "x.pcap")).To(refuse("not a capture", "x.pcap"))
	})

	It("decodes the other captures when one cannot be read, and exits with 2 (bad-input 41)", func() {
		withQ124565("x.pcap")
		Expect(folder("folder.pcap")).To(Succeed())
		for _, bad := range []string{"none.pcap", "folder.pcap", "/dev/zero"} {
			out := nbtlab("decode", "x.pcap", bad, "x.pcap")
			Expect(out).To(exitWith(exitUsage))
			Expect(strings.Count(out.Stdout, "anyone there?")).To(Equal(6), bad)
			Expect(out.Stderr).To(ContainSubstring("nbtlab: cannot read " + bad))
		}
	})

	It("heads the messages of several captures with their names", func() {
		withQ124565("x.pcap")
		withQ124565("y.pcap")
		out := nbtlab("decode", "x.pcap", "y.pcap")
		Expect(out.Stdout).To(And(HavePrefix("x.pcap\n"), ContainSubstring("\n\ny.pcap\n")))
		Expect(lines(nbtlab("decode", "--json", "x.pcap", "y.pcap").Stdout)).To(HaveLen(34))
	})

	It("prints nothing that a peer could move a cursor with (bad-input 59, 60)", func() {
		Expect(capture.WriteFile("x.pcap", hostileTraffic())).To(Succeed())
		for _, args := range [][]string{{}, {"-v"}, {"--json"}, {"--stats"}, {"--stats", "--json"}} {
			Expect(nbtlab(append([]string{"decode", "x.pcap"}, args...)...)).To(And(exitWith(exitAsExpected), show(`\x1b[2J`)), "%v", args)
		}
		Expect(strings.Count(nbtlab("decode", "x.pcap").Stdout, "\n")).To(Equal(len(lines(nbtlab("decode", "--json", "x.pcap").Stdout))),
			"no message forges a line")
		forged := "x\nverdict: pass"
		withQ124565(forged)
		for _, args := range [][]string{{}, {"--stats"}} {
			out := nbtlab(append([]string{"decode", forged, forged}, args...)...)
			Expect(out.Stdout + out.Stderr).NotTo(ContainSubstring("\nverdict"))
		}
	})

	It("says what is wrong with what it is asked", func() {
		Expect(nbtlab("decode")).To(refuse("decode wants a capture", "nbtlab decode --help"))
		Expect(nbtlab("decode", "x.pcap", "--host", "pc")).To(refuse(`nbtlab: host "pc"`, "10.0.0.0/24"))
		Expect(nbtlab("decode", "x.pcap", "--name", "SIXTEENCHARACTER")).To(refuse("SIXTEENCHARACTER", "longer than 15"))
		Expect(nbtlab("decode", "x.pcap", "--service", "smb")).To(refuse("ssn (session service)"))
		for _, flag := range []string{"--host", "--name", "--service", "--frame"} {
			Expect(nbtlab("decode", "x.pcap", flag, "")).To(exitWith(exitUsage), flag)
		}
		Expect(nbtlab("decode", "x.pcap", "--frame", "one")).To(refuse("--frame"))
		Expect(nbtlab("decode", "x.pcap", "--frame", "1,0")).To(refuse("--frame 0: frames count from 1"))
	})

	It("takes its progress away before it writes on, and does not clear its own line", func() {
		var screen bytes.Buffer
		in := &input{ctx: context.Background(), r: strings.NewReader("xy"), bar: progressBar(&screen, 2), began: time.Now().Add(-time.Minute)}
		Expect(in.Read(make([]byte, 1))).To(Equal(1))
		Expect(screen.String()).To(ContainSubstring("50%"))
		screen.Reset()
		out := clearing{&app{stdout: &screen, reading: in}}
		for _, text := range []string{"half a ", "line\n"} {
			Expect(out.Write([]byte(text))).To(Equal(len(text)))
		}
		Expect(screen.String()).To(MatchRegexp(`^\r +\rhalf a line\n$`))
	})

	It("stops when it is interrupted while standard input is silent, and keeps what it has", func() {
		silent := falling{strings.NewReader(committed("q124565/fixed.pcap")), make(chan struct{}), make(chan struct{})}
		DeferCleanup(func() { close(silent.over) })
		ctx, interrupt := context.WithCancel(context.Background())
		var stdout, stderr safeBuffer
		status := make(chan int, 1)
		go func() { status <- run(ctx, []string{"decode", "-"}, silent, &stdout, &stderr) }()
		Eventually(silent.waiting).WithTimeout(10 * time.Second).Should(BeClosed())
		interrupt()
		Eventually(status).WithTimeout(10 * time.Second).Should(Receive(Equal(exitInterrupted)))
		Expect(strings.Count(stdout.String(), "\n")).To(Equal(24))
		Expect(stderr.String()).To(ContainSubstring("34 packets, 24 messages"))
	})

	It("stops when it is interrupted, and keeps what it has", func() {
		withQ124565("x.pcap")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var stdout, stderr bytes.Buffer
		Expect(run(ctx, []string{"decode", "x.pcap", "x.pcap"}, nil, &stdout, &stderr)).To(Equal(exitInterrupted))

		// While it reads on: the capture is cut there.
		ctx, cancel = context.WithCancel(context.Background())
		file := io.MultiReader(strings.NewReader(committed("q124565/Q124565.pcap")), interrupting{cancel})
		stdout.Reset()
		stderr.Reset()
		Expect(run(ctx, []string{"decode", "-", "--stats"}, file, &stdout, &stderr)).To(Equal(exitInterrupted))
		Expect(stdout.String()).To(And(ContainSubstring("interrupted"), ContainSubstring("NetBIOS over TCP/IP                  17")))
	})

	It("says so when what it prints cannot be written", func() {
		withQ124565("x.pcap")
		var stderr bytes.Buffer
		for _, args := range [][]string{{}, {"--json"}, {"--stats"}, {"--stats", "--json"}} {
			stderr.Reset()
			Expect(run(context.Background(), append([]string{"decode", "x.pcap"}, args...), nil, full{}, &stderr)).To(Equal(exitUsage), "%v", args)
			Expect(stderr.String()).To(ContainSubstring("no space left"))
		}
	})
})

// interrupting is where a reader is when its user interrupts it.
type interrupting struct{ cancel context.CancelFunc }

func (i interrupting) Read(p []byte) (int, error) {
	i.cancel()
	return copy(p, "\x00"), nil
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// checkout is where the project lies: the folder above this package's.
var checkout = func() string {
	here, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return filepath.Join(here, "..", "..", "..")
}()

var _ = Describe("The README", func() {
	It("shows what decode, explain and replay print", func() {
		text := read(filepath.Join(checkout, "README.md"))
		GinkgoT().Chdir(checkout)
		examples := 0
		for block := range strings.SplitSeq(text, "```\n") {
			command, printed, shown := strings.Cut(block, "\n")
			command, ours := strings.CutPrefix(command, "$ bin/nbtlab ")
			args := strings.Fields(command)
			if !shown || !ours || !slices.Contains([]string{"decode", "explain", "replay"}, args[0]) {
				continue
			}
			Expect(nbtlab(args...).Stdout).To(Equal(printed), command)
			examples++
		}
		Expect(examples).To(Equal(4))
	})
})

// falling reads a text in pieces, and falls silent then until it is over.
type falling struct {
	text          *strings.Reader
	waiting, over chan struct{}
}

func (f falling) Read(p []byte) (int, error) {
	if f.text.Len() > 0 {
		return f.text.Read(p[:min(len(p), 1+f.text.Len()/7)])
	}
	close(f.waiting)
	<-f.over
	return 0, io.EOF
}
