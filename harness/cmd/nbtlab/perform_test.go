// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// answering makes out.pcap, a capture in which a host claims a name and answers for it.
func answering() {
	GinkgoHelper()
	write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npc    add-name   CHAT\npeer  find-name  CHAT\n")
	Expect(nbtlab("run", "mine.scenario", "--pcap", "out.pcap")).To(exitWith(exitAsExpected))
}

// replayTo replays out.pcap to the device at 127.79.0.3, from an address on the loopback network.
func replayTo(args ...string) outcome {
	GinkgoHelper()
	return nbtlab(append([]string{
		"replay", "out.pcap", "--host", "10.0.0.10", "--dut", "127.79.0.3", "--at", "10.0.0.20=127.79.0.4/8", "--ports", testPorts(),
	}, args...)...)
}

var _ = Describe("nbtlab replay to a device", func() {
	BeforeEach(answering)

	It("passes a device that answers as the captured host did, and records it", func() {
		device := serve("--addr", "127.79.0.3/8", "--name", "CHAT")
		Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		out := replayTo("--unasked", "add-name", "--pcap", "live.pcap", "--trace", "live.jsonl")
		Expect(out).To(And(exitWith(exitAsExpected), show(
			"out.pcap, host 10.0.0.10, played before the device at 127.79.0.3: it does as the host did",
			"1 frame sent in the peers' names; of the 1 that the host sent to them the device sent 1 alike",
			"not judged: 4 frames, the first is frame 1: the device was not told to")))
		c, err := capture.ReadFile("live.pcap")
		Expect(err).NotTo(HaveOccurred())
		ends := []string{}
		for _, f := range c.Frames {
			ends = append(ends, f.From.String()+" "+f.To.String())
		}
		Expect(ends).To(Equal([]string{"127.79.0.4:137 127.255.255.255:137", "127.79.0.3:137 127.79.0.4:137"}))
		Expect(read("live.jsonl")).To(ContainSubstring(`"event":"ended"`))
	})

	It("fails one that answers otherwise, with the frame of the capture and the packet of the device", func() {
		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		i := slices.IndexFunc(c.Frames, func(f trace.Frame) bool { return f.From.String() == "10.0.0.10:137" && !f.Broadcast })
		c.Frames[i].Payload[51] = 7 // of the time to live
		Expect(capture.WriteFile("out.pcap", c.Frames)).To(Succeed())
		device := serve("--addr", "127.79.0.3/8", "--name", "CHAT")
		Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		out := replayTo("--unasked", "add-name")
		Expect(out).To(And(exitWith(exitNot), show("it does otherwise", "frame 6, and packet 2 of the device:", "> TTL", "again: nbtlab replay out.pcap")))
		out = replayTo("--unasked", "add-name", "--json")
		Expect(out).To(exitWith(exitNot))
		var line struct {
			Verdict     string
			Divergences []struct {
				Frame, Packet int
				Fields        []string
			}
		}
		Expect(json.Unmarshal([]byte(out.Stdout), &line)).To(Succeed())
		Expect(line.Verdict).To(Equal("fail"))
		Expect(line.Divergences).To(HaveLen(1))
		Expect(line.Divergences[0].Fields).To(Equal([]string{"TTL"}))
		Expect(replayTo("--unasked", "add-name", "--tolerate", "TTL")).To(And(exitWith(exitAsExpected), show("tolerated: TTL, 1x")))
	})

	Describe("cannot judge", func() {
		It("a device that nobody makes do what the applications did, and says how to go on", func() {
			Expect(replayTo()).To(And(exitWith(exitCannotJudge),
				show("cannot judge: add-name of the captured host for CHAT<20> (frame 1 shows it)", "--unasked leaves to it", "again: nbtlab replay")))
		})

		It("a silent one", func() {
			Expect(replayTo("--unasked", "all")).To(And(exitWith(exitCannotJudge), show("is silent", "is it switched on, and within reach?")))
		})

		It("one whose agent does not speak the protocol", func() {
			Expect(replayTo("--agent", "echo hello").Stderr).To(ContainSubstring("does not speak the agent protocol"))
		})
	})

	Describe("that is interrupted", func() {
		var device *servingCommand

		// The peer asks before the host's application does anything, which it then does for as long as the spec likes.
		BeforeEach(func() {
			write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npeer  find-name  CHAT\n      -> any\npc    add-name   CHAT\n")
			Expect(nbtlab("run", "mine.scenario", "--pcap", "out.pcap")).To(exitWith(exitAsExpected))
			write("agent.sh", `echo '{"nbtlab_agent":1,"name":"x","can":["add-name"]}'; read -r request; echo >asked; cat >/dev/null`)
			device = serve("--addr", "127.79.0.3/8")
			Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("serving"))
		})

		command := func() []string {
			return []string{
				"replay", "out.pcap", "--host", "10.0.0.10", "--dut", "127.79.0.3", "--at", "10.0.0.20=127.79.0.4/8", "--ports", testPorts(),
				"--agent", "sh agent.sh", "--pcap", "live.pcap", "--trace", "live.jsonl",
			}
		}

		recorded := func() {
			GinkgoHelper()
			c, err := capture.ReadFile("live.pcap")
			Expect(err).NotTo(HaveOccurred())
			Expect(c.Cut).To(BeNil())
			Expect(c.Frames).To(HaveLen(3))
			lines := strings.Split(strings.TrimSpace(read("live.jsonl")), "\n")
			for _, line := range lines {
				Expect(json.Valid([]byte(line))).To(BeTrue(), line)
			}
			Expect(lines[len(lines)-2]).To(ContainSubstring("the run was interrupted"))
			Expect(lines[len(lines)-1]).To(ContainSubstring(`"event":"ended"`))
		}

		DescribeTable("says so, and loses nothing of what it has seen", func(flags ...string) {
			ctx, interrupt := context.WithCancel(context.Background())
			var stdout, stderr safeBuffer
			status := make(chan int, 1)
			go func() { status <- run(ctx, append(command(), flags...), strings.NewReader(""), &stdout, &stderr) }()
			Eventually("asked").WithTimeout(10 * time.Second).Should(BeAnExistingFile())
			interrupt()
			Eventually(status).WithTimeout(10 * time.Second).Should(Receive(Equal(exitInterrupted)))
			Expect(stdout.String()).To(And(ContainSubstring("the run was interrupted"), ContainSubstring("live.pcap")))
			recorded()
		},
			Entry("to people"),
			Entry("to a program", "--json"),
		)

		It("before anything was sent, has nothing to tell", func() {
			ctx, interrupt := context.WithCancel(context.Background())
			var stdout, stderr safeBuffer
			args := command()
			args[1] = standardInput
			file := io.MultiReader(strings.NewReader(read("out.pcap")), interrupting{interrupt})
			Expect(run(ctx, args, file, &stdout, &stderr)).To(Equal(exitInterrupted))
			Expect(stderr.String()).To(ContainSubstring("interrupted while the capture was read: nothing was sent"))
			Expect("live.pcap").NotTo(BeAnExistingFile())
		})

		It("by the signal, and by more than one, when nobody reads what it says any more, has written all that was seen", func() {
			if runtime.GOOS == "windows" {
				return // processes cannot be sent this signal there
			}
			replay := exec.Command(built(), command()...)
			stdout, err := replay.StdoutPipe()
			Expect(err).NotTo(HaveOccurred())
			Expect(replay.Start()).To(Succeed())
			Expect(stdout.Close()).To(Succeed())
			Eventually("asked").WithTimeout(10 * time.Second).Should(BeAnExistingFile())
			ended := make(chan error, 1)
			go func() { ended <- replay.Wait() }()
			Eventually(func() error { return replay.Process.Signal(os.Interrupt) }).WithTimeout(10 * time.Second).WithPolling(time.Millisecond).
				Should(MatchError(os.ErrProcessDone))
			Expect(<-ended).NotTo(Succeed())
			recorded()
		})
	})

	It("is not begun when its recording cannot be written", func() {
		out := replayTo("--unasked", "all", "--trace", "no/such/folder.jsonl")
		Expect(out).To(refuse("cannot write no/such/folder.jsonl"))
	})

	DescribeTable("refuses what makes no sense, and says what would",
		func(want string, args ...string) {
			out := nbtlab(append([]string{"replay", "out.pcap", "--host", "10.0.0.10"}, args...)...)
			Expect(out).To(exitWith(exitUsage))
			Expect(out.Stderr).To(ContainSubstring(want))
		},
		Entry("flags of a device without one", "--bind is for a replay to a device: say which with --dut ADDRESS", "--bind", "A=B"),
		Entry("flags of models with a device", "--profile is for models", "--dut", "127.79.0.3", "--profile", "netbt"),
		Entry("no address", "--dut pc: want the address of the device, such as 10.77.0.1", "--dut", "pc"),
		Entry("a network that is not here", "203.0.113.7 is on no network of this host", "--dut", "203.0.113.7"),
		Entry("a peer that is not in the capture", "10.0.0.99 sent 10.0.0.10 nothing (those who did: [10.0.0.20])", "--dut", "127.79.0.3", "--peers", "10.0.0.99"),
		Entry("a peer's address that is not here", "add one: ip addr add", "--dut", "127.0.0.1"),
		Entry("a word for no call", "--unasked dance: want all, or some of add-name,add-group", "--dut", "127.79.0.3", "--unasked", "dance"),
		Entry("a difference that is none", `--tolerate: no field is called "ttl": want one of destination, flags, QDCOUNT,`,
			"--dut", "127.79.0.3", "--tolerate", "TTL", "--tolerate", "ttl"),
		Entry("a message that is none", `no message is called "answer": behind missing stands one of name registration request, `,
			"--dut", "127.79.0.3", "--tolerate", "missing answer"),
		Entry("an identifier, which is not compared", `no field is called "NAME_TRN_ID"`, "--dut", "127.79.0.3", "--tolerate", "NAME_TRN_ID"),
		Entry("no patience", "--patience 0s: want a time", "--dut", "127.79.0.3", "--patience", "0s"),
		Entry("a name that is not in the capture", "name X<20> is not in the capture (it has CHAT<20>)",
			"--dut", "127.79.0.3", "--at", "10.0.0.20=127.79.0.4/8", "--bind", "X=Y"),
	)
})
