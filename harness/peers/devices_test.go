// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/peers"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// verdict is what a run says of a stack: a simulated one in the same words as a real one.
type verdict struct {
	Verdict string `json:"verdict"`
	Failed  *struct {
		Line int    `json:"line"`
		Text string `json:"text"`
	} `json:"failed_step"`
	Symptom    string `json:"symptom"`
	Deviations int    `json:"deviations"`
	Why        string `json:"why"`
}

func verdictOf(r peers.Result) verdict {
	GinkgoHelper()
	var v verdict
	Expect(json.Unmarshal([]byte(r.Stdout), &v)).To(Succeed(), "%s%s", r.Stdout, r.Stderr)
	return v
}

var _ = Describe("A scenario on a real wire", func() {
	// Each run takes as long as its timers: all of them at once take as long as the longest. In a scenario with a bug the device
	// is the node that has it, in one without each node in turn.
	It("has the same verdict, failed step and symptom as in a simulation, on a faulty device as on a correct one", func() {
		shipped, err := harness.Shipped()
		Expect(err).NotTo(HaveOccurred())
		var runs sync.WaitGroup
		var lock sync.Mutex
		different := map[string][2]verdict{}
		played, unplayed := map[string]int{}, map[string]string{}
		room := make(chan struct{}, 20)
		for _, s := range shipped {
			for i := range s.Cases {
				path := harness.Path(s, &s.Cases[i])
				for _, run := range runsOf(s, i) {
					runs.Go(func() {
						defer GinkgoRecover()
						room <- struct{}{}
						defer func() { <-room }()
						real, simulated := onDevice(s, i, run)
						lock.Lock()
						defer lock.Unlock()
						switch {
						case real.Verdict == "cannot-judge":
							unplayed[path] = real.Why
							return
						case flat(real) != flat(simulated):
							different[fmt.Sprintf("%s, %s is %s", path, s.Nodes[run.device].Name, run.model)] = [2]verdict{real, simulated}
						}
						played[path]++
					})
				}
			}
		}
		runs.Wait()
		Expect(different).To(BeEmpty())
		// Frames that the network itself loses or holds up are the point of these, and no real one does so when asked.
		noOrders := ContainSubstring("a real network takes no orders")
		Expect(unplayed).To(MatchAllKeys(Keys{
			"nbns-challenge/silent-owner":                noOrders,
			"nbns-challenge/repetitions-while-waiting":   noOrders,
			"nbns-challenge/requester-asks-silent-owner": noOrders,
			"nbns-types/h-without-name-server":           noOrders,
			"nbns-types/h-release-unanswered":            noOrders,
		}))
		Expect(played).To(HaveLen(27))
		count := 0
		for _, times := range played {
			count += times
		}
		Expect(count).To(Equal(66))
	})

	// The scenarios are played on a device with the bug, whose agent switches it off and on before one of the steps.
	It("leaves nothing behind on a device that is restarted, wherever that comes (bad-input 31)", func() {
		var runs sync.WaitGroup
		var lock sync.Mutex
		wrong := map[string]string{}
		room := make(chan struct{}, 12)
		for _, name := range []string{"q124565", "q124565-table"} {
			s, err := harness.FindShipped(name)
			Expect(err).NotTo(HaveOccurred())
			for before := range len(s.Cases[0].Steps) + 1 {
				runs.Go(func() {
					defer GinkgoRecover()
					room <- struct{}{}
					defer func() { <-room }()
					if r := onScript(fromPowerOn(s, before, "pc restart")); r.Code != 0 {
						lock.Lock()
						defer lock.Unlock()
						wrong[fmt.Sprintf("%s, before step %d", name, before+1)] = r.Stdout + r.Stderr
					}
				})
			}
			runs.Go(func() {
				defer GinkgoRecover()
				r := onScript(fromPowerOn(s, len(s.Cases[0].Steps), ""))
				Expect(r.Code).To(Equal(1), "without a restart: %s%s", r.Stdout, r.Stderr)
			})
		}
		runs.Wait()
		Expect(wrong).To(BeEmpty())
	})

	It("is played with an agent of fifty lines in another language, at a stack that is not ours", func() {
		lan := newLAN(2)
		path := filepath.Join(lan.Dir(), "small.scenario")
		Expect(os.WriteFile(path, []byte("node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n"+
			"pc   add-name CHAT\n  -> ok, CHAT in names pc registered\npc add-name CHAT\n  -> NRC_DUPNAME\n"+
			"peer find-name CHAT\n  -> ok, answer CHAT from pc\npc delete-name CHAT\n  -> ok, no CHAT in names pc\n"+
			"peer find-name CHAT\n  -> NRC_CMDTMO\npc delete-name CHAT\n  -> NRC_NOWILD\n"), 0o600)).To(Succeed())
		agent := fmt.Sprintf("pc=ip netns exec %s /usr/bin/python3 %s 10.77.0.1", lan.Host(1).Name(), "../agent/testdata/agent.py")
		r := on(lan.Host(2), nbtlab, "run", path, "--dut", "pc=10.77.0.1", "--agent", agent)
		Expect(r.Code).To(BeZero(), r.Stdout+r.Stderr)
		r = on(lan.Host(2), nbtlab, "run", "q124565-table", "--dut", "pc=10.77.0.1", "--agent", agent)
		Expect(r.Code).To(Equal(1), r.Stdout+r.Stderr)
		Expect(r.Stdout).To(ContainSubstring("expected  release CHAT from pc"), "it tells nobody that a name is free")
	})

	It("is compared with a model, step by step", func() {
		lan := newLAN(2)
		agent := fmt.Sprintf("live:10.77.0.1=ip netns exec %s %s serve --addr %s --agent", lan.Host(1).Name(), nbtlab, lan.Host(1).Prefix())
		Expect(on(lan.Host(2), "ip", "addr", "add", "10.77.0.3/24", "dev", "eth0").Code).To(BeZero())
		r := on(lan.Host(2), nbtlab, "compare", "live:10.77.0.1", "fixed", "ms00-047", "--agent", agent)
		Expect(r.Code).To(BeZero(), r.Stdout+r.Stderr)
		Expect(r.Stdout).To(ContainSubstring("the two runs are the same"))
		r = on(lan.Host(2), nbtlab, "compare", "live:10.77.0.1", "buggy", "ms00-047", "--agent", agent)
		Expect(r.Code).To(Equal(1), r.Stdout+r.Stderr)
	})

	It("cannot be judged when the device is killed in the middle, and says so within the limit", func() {
		lan := newLAN(2)
		conf := filepath.Join(lan.Dir(), "mine.scenario")
		Expect(os.WriteFile(conf, []byte("node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\npeer add-name FRIEND\nafter 5s\npeer find-name CHAT\n"+
			"  -> NRC_CMDTMO, no answer CHAT from pc\n"), 0o600)).To(Succeed())
		device := start(lan.Host(1), nbtlab, "serve", "--addr", lan.Host(1).Prefix().String(), "--name", "CHAT")
		Eventually(device.Output).WithTimeout(10 * time.Second).Should(ContainSubstring("registered"))
		run := start(lan.Host(2), nbtlab, "run", conf, "--dut", "pc=10.77.0.1")
		Eventually(run.Output).WithTimeout(10 * time.Second).Should(ContainSubstring("after 5s"))
		Expect(device.Signal(syscall.SIGKILL)).To(Succeed())
		Eventually(run.Done()).WithTimeout(20 * time.Second).Should(BeClosed())
		Expect(run.Code()).To(Equal(125), "what a dead device does not do is no merit of it")
		Expect(run.Output()).To(ContainSubstring("pc at 10.77.0.1 is silent"))
	})
})

// fromPowerOn is a scenario that plays the steps of another up to one, whatever comes of them, then a step of its own, and then
// asks for what a device that was just switched on has to do.
func fromPowerOn(s *scenario.Scenario, before int, then string) string {
	lines := []string{"node pc 10.0.0.10/24", "node peer 10.0.0.20/24", "peer knows CHAT at pc"}
	for i := range s.Cases[0].Steps[:before] {
		step := &s.Cases[0].Steps[i]
		line := step.Text
		if step.Times > 1 {
			line += fmt.Sprintf(" x%d", step.Times)
		}
		lines = append(lines, line)
		if step.Verb <= scenario.Ncb && step.Verb != scenario.Listen { // which is not over with its step
			lines = append(lines, "  -> any")
		}
	}
	return strings.Join(append(lines, then,
		"peer inject status-request to pc id 0x7ffe", "  -> status from pc, no status CHAT from pc",
		"peer inject query CHAT to pc id 0x7fff", "  -> no answer CHAT from pc",
		"pc add-name CHAT", "  -> ok, claim CHAT from pc",
	), "\n") + "\n"
}

// onScript runs a scenario with a device that has the bug Q124565.
func onScript(text string) peers.Result {
	GinkgoHelper()
	lan, err := peers.Up(2)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(lan.Down()).To(Succeed()) }()
	path := filepath.Join(lan.Dir(), "mine.scenario")
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return on(lan.Host(2), nbtlab, "run", path, "--dut", "pc="+lan.Host(1).Addr.String(), "--agent", fmt.Sprintf(
		"pc=ip netns exec %s %s serve --addr %s --model Q124565 --agent", lan.Host(1).Name(), nbtlab, lan.Host(1).Prefix()))
}

// flat is a verdict without pointers, to be compared and printed.
func flat(v verdict) string {
	step := "-"
	if v.Failed != nil {
		step = fmt.Sprint(*v.Failed)
	}
	return strings.Join([]string{v.Verdict, step, v.Symptom, fmt.Sprint(v.Deviations)}, " | ")
}

// deviceRun is a way to play a case: with which node as the device, and what that is.
type deviceRun struct {
	device int
	model  string // "fixed" or "buggy"
}

// runsOf are the runs of a case.
func runsOf(s *scenario.Scenario, index int) []deviceRun {
	if s.Bug.Model != "" {
		return []deviceRun{{s.Bug.Node, "fixed"}, {s.Bug.Node, "buggy"}}
	}
	var list []deviceRun
	for node := range s.Nodes {
		if canBeDevice(s, index, node) {
			list = append(list, deviceRun{node, "fixed"})
		}
	}
	return list
}

// canBeDevice reports whether a node has something to do in a case, be it as the name server of another, and the script itself
// sends nothing in its name: nobody can in that of a device.
func canBeDevice(s *scenario.Scenario, index, node int) bool {
	takesPart := false
	for _, step := range s.Cases[index].Steps {
		switch {
		case step.Node == scenario.LAN:
		case step.Node == node && step.Verb == scenario.Inject:
			return false
		case step.Node == node, s.Nodes[step.Node].Type != "" && s.Nodes[step.Node].Wins == node:
			takesPart = true
		}
	}
	return takesPart
}

// onDevice runs a case on serve as the device, and in a simulation.
func onDevice(s *scenario.Scenario, index int, run deviceRun) (real, simulated verdict) {
	GinkgoHelper()
	lan, err := peers.Up(2)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(lan.Down()).To(Succeed()) }()
	args := []string{"run", s.Name, "--json", "--model", run.model}
	if slug := s.Cases[index].Slug; slug != "" {
		args = append(args, "--case", slug)
	}
	simulated = verdictOf(on(lan.Host(1), nbtlab, args...))

	addrs := make([]string, len(s.Nodes)) // all but the device are on one host
	for i, n := range s.Nodes {
		if i == run.device {
			addrs[i] = lan.Host(1).Addr.String()
			args = append(args, "--dut", n.Name+"="+addrs[i])
			continue
		}
		addrs[i] = fmt.Sprintf("10.77.0.%d", 20+i)
		Expect(on(lan.Host(2), "ip", "addr", "add", addrs[i]+"/24", "dev", "eth0").Code).To(BeZero())
		args = append(args, "--at", n.Name+"="+addrs[i])
	}
	device := s.Nodes[run.device].Name
	agent := fmt.Sprintf("%s=ip netns exec %s %s serve --agent --addr %s %s", device, lan.Host(1).Name(), nbtlab, lan.Host(1).Prefix(),
		strings.Join(serveFlags(s, index, run, addrs), " "))
	return verdictOf(on(lan.Host(2), nbtlab, append(args, "--agent", agent)...)), simulated
}

// serveFlags make serve the node that the scenario describes.
func serveFlags(s *scenario.Scenario, index int, run deviceRun, addrs []string) []string {
	n := &s.Nodes[run.device]
	model := run.model
	if model == "buggy" {
		model = s.Bug.Model
	}
	flags := []string{"--profile", n.Profile, "--model", model}
	if n.NameServer {
		flags = append(flags, "--wins")
	}
	if n.Type != "" {
		flags = append(flags, "--node-type", n.Type, "--wins-server", addrs[n.Wins])
	}
	if n.Limits.Names > 0 {
		flags = append(flags, "--max-names", fmt.Sprint(n.Limits.Names))
	}
	if n.Limits.Sessions > 0 {
		flags = append(flags, "--max-sessions", fmt.Sprint(n.Limits.Sessions))
	}
	for _, k := range s.Cases[index].Knows {
		if k.Node == run.device {
			flags = append(flags, "--lmhosts", k.Name.String()+"="+addrs[k.At])
		}
	}
	return flags
}

// heardApart is how much earlier a frame may seem to be than one before it that came on another socket: whoever reads them may
// turn to the second first.
const heardApart = time.Millisecond

var _ = Describe("Q124565 put to Samba's nmbd", Ordered, Label("nmbd"), func() {
	var lan *peers.LAN
	var agent, pcap string

	BeforeAll(func() {
		lan = newLAN(2)
		s := samba(lan.Host(1), "REALB", "local master = yes", "preferred master = no", "os level = 10")
		_, err := s.Nmbd()
		Expect(err).NotTo(HaveOccurred())
		agent = fmt.Sprintf("pc=%s agent nmbd --addr %s --workgroup %s --conf %s", nbtlab, lan.Host(1).Prefix(), peers.Workgroup, s.Conf)
		pcap = filepath.Join(lan.Dir(), "nmbd.pcap")
	})

	run := func(args ...string) peers.Result {
		GinkgoHelper()
		p := start(lan.Host(2), nbtlab, append([]string{"run", "--dut", "pc=10.77.0.1", "--agent", agent}, args...)...)
		Eventually(p.Done()).WithTimeout(4 * time.Minute).Should(BeClosed())
		return peers.Result{Code: p.Code(), Stdout: p.Output()}
	}

	It("passes in two cycles: the fault is not there, and the capture shows the release within milliseconds of the delete", func() {
		r := run("testdata/q124565-nmbd.scenario", "--pcap", pcap)
		Expect(r.Code).To(BeZero(), r.Stdout)
		Expect(r.Stdout).To(ContainSubstring("pass ("))

		c, err := capture.ReadFile(pcap)
		Expect(err).NotTo(HaveOccurred())
		datagrams := 0
		var elections, releases []trace.Frame
		for _, f := range c.Frames {
			if f.To.Port() == 138 {
				m, err := nbt.ParseDatagram(f.Payload)
				Expect(err).NotTo(HaveOccurred())
				switch {
				case m.Type == nbt.DgmUnique && f.To.Addr().String() == "10.77.0.1":
					datagrams++
				case m.SourceName.String() == "NBTLAB-AGENT<00>":
					elections = append(elections, f)
				}
				continue
			}
			m, err := nbt.ParseNameMessage(f.Payload)
			Expect(err).NotTo(HaveOccurred())
			if name, _ := m.Subject(); m.Kind() == nbt.KindRelease && name.String() == "NBTLAB<1d>" && f.From.Addr().String() == "10.77.0.1" {
				releases = append(releases, f)
				Expect(datagrams).To(BeNumerically(">=", 50*len(releases)))
			}
		}
		Expect(releases).To(HaveLen(2))
		for i, release := range releases {
			var asked trace.Frame
			for _, e := range elections {
				if e.At <= release.At+heardApart {
					asked = e
				}
			}
			Expect(asked.Number).NotTo(BeZero(), "cycle %d: released in frame %d, before anybody asked for it", i+1, release.Number)
			later := release.At - asked.At
			AddReportEntry(fmt.Sprintf("cycle %d: delete asked in frame %d, released in frame %d, %s later", i+1, asked.Number, release.Number, later))
			Expect(later).To(BeNumerically("<", 50*time.Millisecond))
		}
	})

	It("fails the shipped scenario in one point alone: nmbd never sends a datagram error", func() {
		r := run("q124565-table", "--bind", "CHAT=NBTLAB<1d>", "--json")
		var v struct {
			Failed []struct {
				Expected string `json:"expected"`
			} `json:"failed"`
		}
		_, line, _ := strings.Cut("\n"+r.Stdout, "\n{")
		Expect(json.Unmarshal([]byte("{"+line), &v)).To(Succeed(), r.Stdout)
		Expect(v.Failed).To(HaveLen(1), r.Stdout)
		Expect(v.Failed[0].Expected).To(Equal("datagram-error from pc code 0x82"))
	})

	It("passes the shipped scenario where it is not asked for the datagram error that it never sends", func() {
		r := run("q124565-table", "--bind", "CHAT=NBTLAB<1d>", "--need-not", "datagram-error")
		Expect(r.Code).To(BeZero(), r.Stdout)
		Expect(r.Stdout).To(And(ContainSubstring("pass ("),
			ContainSubstring("not judged: datagram-error from pc code 0x82, which the device need not send; saw none on the wire")))
	})

	It("is shown beside the fixed model, where it does otherwise", func() {
		p := start(lan.Host(2), nbtlab, "compare", "live:10.77.0.1", "fixed", "q124565-table", "--bind", "CHAT=NBTLAB<1d>",
			"--agent", "live:10.77.0.1="+strings.TrimPrefix(agent, "pc="))
		Eventually(p.Done()).WithTimeout(4 * time.Minute).Should(BeClosed())
		Expect(p.Code()).To(Equal(1), p.Output())
		var different []string
		for line := range strings.Lines(p.Output()) {
			if strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "* ") {
				different = append(different, strings.TrimSpace(line[2:]))
			}
		}
		GinkgoWriter.Println(p.Output())
		Expect(different).To(ContainElement(HavePrefix("23: peer inject datagram")), "nmbd sends no datagram error")
		Expect(different).NotTo(ContainElement(HavePrefix("18: peer find-name")), "but has forgotten the name as a correct stack has")
	})

	// An application that runs gets its datagrams before anybody calls it: its first step that nmbd cannot do is another.
	It("cannot be judged by what it cannot do, and names the first such step: the scenarios with sessions need LISTEN", func() {
		for name, step := range map[string]string{
			"q124565":         "pc listen CHAT: this needs listen",
			"q124565-refusal": "peer call CHAT from FRIEND: this needs listen",
			"q124565-running": "pc receive-datagram CHAT as mail: this needs receive-datagram",
		} {
			r := run(name, "--bind", "CHAT=NBTLAB<1d>")
			Expect(r.Code).To(Equal(125), name)
			Expect(r.Stdout).To(ContainSubstring("%s of pc, of which its agent is not capable",
				strings.ReplaceAll(step, "CHAT", "NBTLAB<1d>")), name)
		}
	})
})
