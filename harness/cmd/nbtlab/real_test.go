// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
)

// runReal runs a scenario on the loopback network.
func runReal(args ...string) outcome {
	GinkgoHelper()
	return nbtlab(append([]string{"run", "mine.scenario", "--ports", testPorts()}, args...)...)
}

// opposite is an expectation that is met when another is not.
func opposite(clause string) string {
	if rest, not := strings.CutPrefix(clause, "no "); not {
		return rest
	}
	return "no " + clause
}

// ms00047 is what a stranger can do to a device that nobody has a hand at, and what can be seen of it.
const ms00047 = `bug   MS00-047 in pc
node  pc        10.0.0.10/24
node  stranger  10.0.0.66/24

stranger  inject  conflict-demand CHAT to pc id 0xbad0  trigger
          -> CHAT in names pc registered  | MS00-047! CHAT in names pc conflict
`

var _ = Describe("nbtlab run on a real network", func() {
	It("plays a scenario between nodes of ours, records it, and judges it like any other", func() {
		write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npc    add-name   CHAT\npeer  find-name  CHAT\n"+
			"      -> ok, answer CHAT from pc\n")
		out := runReal("--at", "pc=127.79.0.1/8", "--at", "peer=127.79.0.2/8", "--pcap", "out.pcap", "--trace", "out.jsonl")
		Expect(out).To(And(exitWith(exitAsExpected), show("mine on fixed on a real network: pass (2 steps, 2 expectations, 6 frames, in real time)")))
		Expect(out.Stderr).To(HavePrefix("          pc at 127.79.0.1, peer at 127.79.0.2\n"))
		Expect(out.Stderr).To(MatchRegexp(`(?m)^ +\d\.\d{3}s  line 4: pc add-name CHAT$`))
		c, err := capture.ReadFile("out.pcap")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Frames).To(HaveLen(6))
		Expect(c.Frames[0].From.String()).To(Equal("127.79.0.1:137"))
		Expect(read("out.jsonl")).To(ContainSubstring(`"event":"ended"`))
	})

	It("tells a device with the bug from one without, with nobody's hand at it", func() {
		write("mine.scenario", ms00047)
		for model, status := range map[string]int{"fixed": exitAsExpected, "MS00-047": exitNot} {
			device := serve("--addr", "127.79.0.3/8", "--name", "CHAT", "--model", model)
			Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
			out := runReal("--dut", "pc=127.79.0.3", "--at", "stranger=127.79.0.4/8", "--json")
			Expect(out).To(exitWith(status), model)
			Expect(out.Stdout).To(ContainSubstring(`"model":"pc at 127.79.0.3"`))
			Expect(device.end()).To(Equal(exitAsExpected))
		}
	})

	It("does not judge a device by a frame that it need not send, and by all others", func() {
		write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npeer  inject  query CHAT to pc id 0x7001\n"+
			"      -> answer CHAT from pc\npeer  inject  status-request to pc id 0x7002\n      -> status CHAT from pc\n")
		device := serve("--addr", "127.79.0.3/8")
		Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("serving"))
		on := []string{"--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8"}
		out := runReal(append(on, "--need-not", "answer")...)
		Expect(out).To(And(exitWith(exitNot), show("mine.scenario:4: not judged: answer CHAT from pc, which the device need not send; saw none on the wire",
			"expected  status CHAT from pc", "--need-not answer")))
		out = runReal(append(on, "--need-not", "answer,status", "--json")...)
		Expect(out).To(exitWith(exitAsExpected))
		Expect(out.Stdout).To(ContainSubstring(`"not_judged":[{"line":4,`))
		Expect(runReal(append(on, "--need-not", "applause")...).Stderr).To(ContainSubstring("--need-not applause: there is no such frame in scenarios"))
	})

	It("tells of a forbidden frame when it is seen, and ends there with --fail-fast", func() {
		write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npeer  inject  query CHAT to pc id 0x7001\n"+
			"      -> no answer CHAT from pc\npeer  add-name  FRIEND\n")
		device := serve("--addr", "127.79.0.3/8", "--name", "CHAT")
		Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		out := runReal("--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8", "--fail-fast")
		Expect(out).To(And(exitWith(exitNot), show("fail (2 steps, 1 expectations, 2 frames", "one on the wire: frame 2")))
		Expect(out.Stderr).To(HavePrefix("          pc at 127.79.0.3 (the device), peer at 127.79.0.4\n"))
		Expect(out.Stderr).To(ContainSubstring("seen, and must not be: no answer CHAT from pc"))
		Expect(out.Stderr).NotTo(ContainSubstring("add-name"))
	})

	It("does not judge a device when somebody else has a name that is claimed, and says who", func() {
		write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npeer  inject  status-request to pc id 0x7001\n"+
			"peer  add-name  CHAT\n      -> ok\n")
		device, bystander := serve("--addr", "127.79.0.3/8"), serve("--addr", "127.79.0.5/8", "--name", "CHAT")
		Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("serving"))
		Eventually(bystander.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		on := []string{"--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8"}
		out := runReal(on...)
		Expect(out).To(And(exitWith(exitCannotJudge),
			show("127.79.0.5, which is no node of this run, has the name CHAT<20>: whoever claims it is refused for that")))
		Expect(bystander.end()).To(Equal(exitAsExpected))
		Expect(runReal(on...)).To(exitWith(exitAsExpected))
	})

	Describe("has a device's agent answer for what it can do (bad-input 58)", func() {
		const nodes = "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\n"

		// says runs a scenario with an agent that answers each request with the next of some lines, at a device that holds CHAT.
		says := func(can, steps string, answers ...string) outcome {
			GinkgoHelper()
			write("mine.scenario", nodes+steps)
			lines := []string{fmt.Sprintf(`echo '{"nbtlab_agent":1,"name":"x","can":[%s]}'`, can)}
			for i, answer := range answers {
				lines = append(lines, fmt.Sprintf(`read -r request; echo '{"id":%d,%s}'`, i+1, answer))
			}
			write("agent.sh", strings.Join(append(lines, "cat >/dev/null"), "\n"))
			device := serve("--addr", "127.79.0.3/8", "--name", "CHAT")
			Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
			out := runReal("--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8", "--agent", "pc=sh agent.sh")
			Expect(device.end()).To(Equal(exitAsExpected))
			return out
		}

		It("and takes a refusal for the device's own", func() {
			out := says(`"add-name"`, "pc  add-name  MAIL\npeer  add-name  FRIEND\n", `"code":3`)
			Expect(out).To(And(exitWith(exitNot), show("pc add-name MAIL", "NRC_ILLCMD")))
			out = says(`"add-name"`, "pc  add-name  MAIL\n  -> NRC_ILLCMD\npeer  add-name  FRIEND\n", `"code":3`)
			Expect(out).To(exitWith(exitAsExpected))
		})

		It("and takes what it cannot do after all for no answer of the device", func() {
			out := says(`"add-name"`, "pc  add-name  MAIL\npeer  add-name  FRIEND\n", `"error":"not today"`)
			Expect(out).To(And(exitWith(exitCannotJudge), show("the agent of pc: it could not do add-name: not today")))
		})

		DescribeTable("and not for what is on the wire, whatever it says of the name table",
			func(table, claimed, seen string) {
				const asks = "peer  inject  status-request to pc id 0x7001\n  -> "
				out := says(`"adapter-status"`, asks+claimed+", "+seen+"\n", `"code":0,"names":[`+table+`]`)
				Expect(out).To(exitWith(exitAsExpected), "the agent's word is recorded, and what is on the wire is seen")
				out = says(`"adapter-status"`, asks+claimed+", "+opposite(seen)+"\n", `"code":0,"names":[`+table+`]`)
				Expect(out).To(And(exitWith(exitNot), show(opposite(seen))), "the agent's word does not make up for it")
			},
			Entry("that it is empty", "", "no CHAT in names pc", "status CHAT from pc"),
			Entry("that there is more in it", `{"name":"MAIL<20>","number":2,"group":false,"state":"registered"}`,
				"MAIL in names pc registered", "no status MAIL from pc"),
		)
	})

	Describe("cannot judge", func() {
		BeforeEach(func() { write("mine.scenario", shipped("q124565")) })

		It("a device that has no agent for what it would have to do, and names that", func() {
			out := runReal("--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8")
			Expect(out).To(And(exitWith(exitCannotJudge),
				show("line 16: pc add-name CHAT: this needs add-name of pc, which has no agent to do it", "(9 steps, 0 expectations, 0 frames")))
		})

		It("a device whose agent is not capable of it", func() {
			write("agent.sh", `echo '{"nbtlab_agent":1,"name":"x","can":["add-name","delete-name"]}'; cat >/dev/null`)
			out := runReal("--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8", "--agent", "pc=sh agent.sh", "--agent-timeout", "5s")
			Expect(out).To(And(exitWith(exitCannotJudge), show("needs listen of pc, of which its agent is not capable", "--agent-timeout 5s")))
		})

		It("with an agent that does not speak the protocol", func() {
			out := runReal("--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8", "--agent", "pc=echo hello")
			Expect(out).To(exitWith(exitCannotJudge))
			Expect(out.Stderr).To(ContainSubstring(`does not speak the agent protocol: "hello" is no JSON object`))
		})

		It("a device that is silent", func() {
			write("mine.scenario", ms00047)
			out := runReal("--dut", "pc=127.79.0.3", "--at", "stranger=127.79.0.4/8")
			Expect(out).To(And(exitWith(exitCannotJudge), show("pc at 127.79.0.3 is silent", "is it switched on, and within reach?")))
		})

		It("a run whose agent is killed in the middle, at once", func() {
			device := serve("--addr", "127.79.0.3/8")
			Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("serving"))
			write("mine.scenario", shipped("q140419"))
			write("agent.sh", `echo '{"nbtlab_agent":1,"name":"x","can":["add-name","add-group","stop"]}'; read -r request; kill -9 $$`)
			began := time.Now()
			out := runReal("--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8", "--agent", "pc=exec sh agent.sh")
			Expect(out).To(And(exitWith(exitCannotJudge), show("the agent of pc: it has ended: signal: killed")))
			Expect(time.Since(began)).To(BeNumerically("<", 8*time.Second))
		})

		It("a run that was interrupted, and loses nothing of it", func() {
			write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npc  add-name  CHAT\nafter 1h\npeer add-name CHAT\n")
			ctx, cancel := context.WithCancel(context.Background())
			var stdout, stderr safeBuffer
			status := make(chan int, 1)
			go func() {
				status <- run(ctx, []string{
					"run", "mine.scenario", "--ports", testPorts(), "--at", "pc=127.79.0.1/8", "--at", "peer=127.79.0.2/8", "--pcap", "out.pcap",
				}, strings.NewReader(""), &stdout, &stderr)
			}()
			Eventually(stderr.String).WithTimeout(10 * time.Second).Should(ContainSubstring("after 1h"))
			cancel()
			Eventually(status).WithTimeout(10 * time.Second).Should(Receive(Equal(exitInterrupted)))
			Expect(stdout.String()).To(ContainSubstring("the run was interrupted"))
			c, err := capture.ReadFile("out.pcap")
			Expect(err).NotTo(HaveOccurred())
			Expect(c.Frames).To(HaveLen(4))
		})
	})

	It("ends at once when it is interrupted before an agent has said what it can do", func() {
		if runtime.GOOS == "windows" {
			return // processes cannot be sent these signals there
		}
		program := built()
		write("mine.scenario", ms00047)
		write("agent.sh", "echo started >started; exec cat >/dev/null")
		write("out.pcap", committed("ms00-047/fixed.pcap"))
		for _, args := range [][]string{
			{"run", "mine.scenario", "--dut", "pc=127.79.0.3", "--at", "stranger=127.79.0.4/8", "--agent", "pc=sh agent.sh"},
			{"compare", "live:127.79.0.3", "fixed", "mine.scenario", "--at", "stranger=127.79.0.4/8", "--agent", "live:127.79.0.3=sh agent.sh"},
			{"replay", "out.pcap", "--host", "10.0.0.10", "--dut", "127.79.0.3", "--at", "10.0.0.66=127.79.0.4/8", "--agent", "sh agent.sh"},
		} {
			for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
				var stdout, stderr safeBuffer
				command := exec.Command(program, append(args, "--ports", testPorts())...)
				command.Stdout, command.Stderr = &stdout, &stderr
				Expect(command.Start()).To(Succeed())
				ended := make(chan error, 1)
				go func() { ended <- command.Wait() }()
				DeferCleanup(func() { _ = command.Process.Kill() }) // unless it has ended, as it should
				Eventually("started").WithTimeout(10*time.Second).Should(BeAnExistingFile(), stderr.String)
				Expect(os.Remove("started")).To(Succeed())
				Expect(command.Process.Signal(sig)).To(Succeed())
				Eventually(ended).WithTimeout(10 * time.Second).Should(Receive())
				Expect(command.ProcessState.ExitCode()).To(Equal(exitInterrupted), stderr.String())
				Expect(stdout.String()).To(BeEmpty())
				Expect(stderr.String()).To(MatchRegexp(`\Anbtlab: the run was interrupted before the agent of \S+ had said what it can do\n\z`))
			}
		}
	})

	It("has a person for an agent where no program can be one", func() {
		device := serve("--addr", "127.79.0.3/8", "--name", "CHAT")
		Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npc    delete-name  CHAT\n      -> NRC_ACTSES\n"+
			"peer  add-name     FRIEND\n")
		args := []string{"run", "mine.scenario", "--ports", testPorts(), "--dut", "pc=127.79.0.3", "--at", "peer=127.79.0.4/8", "--agent", "pc=manual"}
		var stdout, stderr bytes.Buffer
		Expect(run(context.Background(), args, strings.NewReader("0f\n"), &stdout, &stderr)).To(Equal(exitAsExpected), stdout.String())
		Expect(stderr.String()).To(ContainSubstring("on pc: end what registered the name CHAT<20>\n"))
		Expect(run(context.Background(), args, strings.NewReader("n\n"), &stdout, &stderr)).To(Equal(exitCannotJudge))
		Expect(run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)).To(Equal(exitCannotJudge))
	})

	DescribeTable("says what is wrong, and what to do about it",
		func(because string, args ...string) {
			Expect(os.WriteFile("mine.scenario", []byte(ms00047), 0o600)).To(Succeed())
			Expect(runReal(args...)).To(refuse(because))
		},
		Entry(nil, "want NODE=ADDRESS, such as pc=10.77.0.1", "--dut", "127.0.0.1"),
		Entry(nil, "want NODE=ADDRESS", "--at", "pc=::1"),
		Entry(nil, "pc has an address already", "--at", "pc=127.0.0.2", "--at", "pc=127.0.0.3"),
		Entry(nil, "mine has no node host (it has pc, stranger)", "--dut", "host=127.0.0.1"),
		Entry(nil, "203.0.113.1 is on no network of this host", "--dut", "pc=203.0.113.1"),
		Entry(nil, "stranger: 203.0.113.2 is not an address of this host", "--dut", "pc=203.0.113.1", "--at", "stranger=203.0.113.2/24"),
		Entry(nil, "203.0.113.2 of stranger is not on the network of the others, 127.0.0.0/8", "--dut", "pc=127.0.0.3/8", "--at", "stranger=203.0.113.2"),
		Entry(nil, "127.0.0.3 is given to pc and to stranger", "--dut", "pc=127.0.0.3", "--at", "stranger=127.0.0.3"),
		Entry(nil, "want NODE=COMMAND", "--dut", "pc=127.0.0.3", "--agent", "pc"),
		Entry(nil, "there is no --dut stranger=ADDRESS", "--dut", "pc=127.0.0.3", "--agent", "stranger=true"),
		Entry(nil, "--agent-timeout 0s: want a time, such as 1m0s", "--dut", "pc=127.0.0.3", "--agent", "pc=true", "--agent-timeout", "0"),
		Entry(nil, "a real network has whims of its own", "--dut", "pc=127.0.0.3", "--lose", "5"),
		Entry(nil, "this is for simulated runs", "--dut", "pc=127.0.0.3", "--control", "restart"),
	)
})

var _ = Describe("nbtlab compare with a device", func() {
	It("says that it was interrupted, and not that the device does otherwise", func() {
		write("mine.scenario", ms00047)
		ctx, interrupt := context.WithCancel(context.Background())
		interrupt()
		var stdout, stderr bytes.Buffer
		Expect(run(ctx, []string{
			"compare", "fixed", "live:127.79.0.3", "mine.scenario", "--ports", testPorts(), "--at", "stranger=127.79.0.4/8",
		}, strings.NewReader(""), &stdout, &stderr)).To(Equal(exitInterrupted), stderr.String())
		Expect(stdout.String()).To(ContainSubstring("the run was interrupted"))
	})

	It("says where it does not do as the model does, and knows no references of it", func() {
		write("mine.scenario", ms00047)
		write("mine.scenario", "bug   MS00-047 in pc\ncontrol none because \"it is about comparing\"\nnode  pc        10.0.0.10/24\nnode  stranger  10.0.0.66/24\n\n"+
			"stranger  inject  query CHAT to pc id 0x7001\n          -> no answer CHAT from pc  | MS00-047! answer CHAT from pc\n")
		for name, status := range map[string]int{"OTHER": exitAsExpected, "CHAT": exitNot} {
			device := serve("--addr", "127.79.0.3/8", "--name", name)
			Eventually(device.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
			out := nbtlab("compare", "live:127.79.0.3", "fixed", "mine.scenario", "--ports", testPorts(), "--at", "stranger=127.79.0.4/8")
			Expect(out).To(And(exitWith(status), show("pc at 127.79.0.3", "stranger > pc name query request CHAT<20>")), name)
			Expect(out.Stdout).NotTo(ContainSubstring("references"))
			Expect(device.end()).To(Equal(exitAsExpected))
		}
	})

	It("cannot judge when the device is silent", func() {
		write("mine.scenario", ms00047)
		out := nbtlab("compare", "live:127.79.0.3", "fixed", "mine.scenario", "--ports", testPorts(), "--at", "stranger=127.79.0.4/8")
		Expect(out).To(And(exitWith(exitCannotJudge), show("cannot judge: the run was ended early: pc at 127.79.0.3 is silent")))
	})

	It("needs to know whose place the device takes", func() {
		write("mine.scenario", "node  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24\n\npc    add-name   CHAT\npeer  add-name  FRIEND\n")
		Expect(nbtlab("compare", "live:127.79.0.3", "fixed", "mine.scenario")).To(refuse("say whose place the device takes with --node NODE"))
	})
})

var _ = Describe("nbtlab agent nmbd", func() {
	DescribeTable("says what is wrong, and what to do about it",
		func(because string, args ...string) {
			GinkgoT().Setenv("PATH", "")
			Expect(nbtlab(append([]string{"agent", "nmbd"}, args...)...)).To(refuse(because))
		},
		Entry(nil, "agent nmbd wants --addr ADDRESS/LENGTH and --workgroup NAME"),
		Entry(nil, "with the length of its network's prefix, such as 10.77.0.1/24", "--addr", "127.0.0.1", "--workgroup", "NBTLAB"),
		Entry(nil, "smbcontrol is missing", "--addr", "127.0.0.1/8", "--workgroup", "NBTLAB"),
	)
})
