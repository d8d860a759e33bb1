// SPDX-License-Identifier: MIT

package harnesstest_test

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/harnesstest"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// outcome is what became of somebody else's suite.
type outcome struct {
	passes bool              // its exit status
	output string            // what its author reads
	specs  map[string]result // by the case that the spec is about, or its text
}

type result struct {
	status  string // of Ginkgo: passed, failed or skipped
	message string
	labels  string
}

// suiteOf runs the suite of a stack as its author would, with Ginkgo's own JUnit report.
func suiteOf(name string, args ...string) outcome {
	GinkgoHelper()
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	report := filepath.Join(GinkgoT().TempDir(), "junit.xml")
	cmd := exec.Command(self, append([]string{
		"-test.run=^TestHarnesstest$", "-ginkgo.no-color", "-ginkgo.label-filter=" + harnesstest.Conformance,
		"-ginkgo.junit-report=" + report,
	}, args...)...)
	cmd.Env = append(os.Environ(), otherStack+"="+name)
	output, err := cmd.CombinedOutput()
	return outcome{err == nil, string(output), junit(report)}
}

func junit(file string) map[string]result {
	GinkgoHelper()
	text, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	var report struct {
		Cases []struct {
			Name    string `xml:"name,attr"`
			Status  string `xml:"status,attr"`
			Failure struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
			Skipped struct {
				Message string `xml:"message,attr"`
			} `xml:"skipped"`
		} `xml:"testsuite>testcase"`
	}
	Expect(xml.Unmarshal(text, &report)).To(Succeed())
	specs := map[string]result{}
	for _, c := range report.Cases {
		if !strings.Contains(c.Name, harnesstest.Conformance) {
			continue
		}
		name, labels, _ := strings.Cut(strings.TrimPrefix(c.Name, "[It] "), " [")
		if _, path, about := strings.Cut(name, "correct stack does in "); about {
			name = path
		}
		specs[name] = result{c.Status, c.Failure.Message + c.Skipped.Message, strings.TrimSuffix(labels, "]")}
	}
	return specs
}

// cases lists the specs that came out in a way.
func (o outcome) cases(status string) []string {
	var list []string
	for name, r := range o.specs {
		if r.status == status {
			list = append(list, name)
		}
	}
	return list
}

// servedCases are the cases that put a name server, or a node that has one, in the stack's place.
func servedCases() []string {
	GinkgoHelper()
	all, err := harness.Shipped()
	Expect(err).NotTo(HaveOccurred())
	var list []string
	for _, s := range all {
		for i := range s.Cases {
			if n := s.Nodes[s.Bug.Node]; n.Type != "" || n.NameServer {
				list = append(list, harness.Path(s, &s.Cases[i]))
			}
		}
	}
	return list
}

const judged = "can be judged by a case at least"

const repeats = "tiny gives the same outputs for the same inputs at the same times"

var _ = Describe("The suite of somebody else's stack", func() {
	It("tells what the stack does right, what it does wrong, and what it cannot be judged by", func() {
		o := suiteOf("tiny")
		Expect(o.passes).To(BeFalse())
		Expect(o.cases("passed")).To(ConsistOf(
			"ms00-047", "q124565-exhaustion", "q124565-controls/another-name",
			"malformed/name", "malformed/datagram", "malformed/session", repeats, "tiny "+judged))
		Expect(o.cases("failed")).To(ConsistOf("q124565-table", "q124565-controls/another-suffix"))
		Expect(o.cases("skipped")).To(ConsistOf(append(servedCases(),
			"q124565", "q124565-running", "q124565-refusal", "q140419",
			"q124565-controls/broadcast", "q124565-controls/group", "q124565-controls/session-without-datagrams",
			"q124565-controls/one-live-session", "q124565-controls/two-live-sessions")))
		Expect(o.cases("pending")).To(BeEmpty())

		By("naming the line, the step and what there was instead, as nbtlab run does")
		Expect(o.specs["q124565-controls/another-suffix"].message).To(Equal("Expected the run to pass.\n\n" +
			"q124565-controls/another-suffix on tiny: fail (5 steps, 6 expectations, 18 frames, seed 1)\n\n" +
			"scenarios/q124565-controls.scenario:22: peer send-datagram CHAT<00> from FRIEND \"for the workstation service\"\n" +
			"    expected  datagram-error from pc code 0x82 x3\n" +
			"    saw       none on the wire\n" +
			strings.Repeat("\nbroken promise: pc: datagram-error: a datagram for CHAT<00>, which is not here, was not answered with an error\n", 3) +
			"\nrepeat it: go test -ginkgo.focus='tiny does as a correct stack does in q124565-controls/another-suffix$'"))

		By("naming what a node with a name server would have to be")
		Expect(o.specs["q124565-h"].message).To(ContainSubstring("cannot judge: node pc is of type h, which tiny cannot be"))
		Expect(o.specs["nbns-challenge/group"].message).To(ContainSubstring("node nbns is of type nameserver, which tiny cannot be"))

		By("naming what cannot be judged, and why, in the output as well as in the report")
		why := "cannot judge: line 17: pc listen CHAT: needs listen, which tiny does not have"
		Expect(o.specs["q124565"].message).To(ContainSubstring(why))
		Expect(o.output).To(And(ContainSubstring("q124565 cannot be judged"), ContainSubstring(why)))
		Expect(o.specs["q124565-refusal"].message).To(ContainSubstring("line 18: peer call CHAT from FRIEND: needs listen, which tiny"))
		Expect(o.specs["q140419"].message).To(ContainSubstring("pc add-group TEAM: needs add-group, which tiny does not have"))
	})

	It("labels its specs with the bug, the scenario, and whether they can be judged", func() {
		o := suiteOf("tiny", "-ginkgo.dry-run")
		Expect(o.specs["ms00-047"].labels).To(Equal("conformance, ms00-047, MS00-047"))
		Expect(o.specs["q124565"].labels).To(Equal("conformance, q124565, Q124565, cannot-judge"))
		Expect(o.specs["malformed/session"].labels).To(Equal("conformance, malformed"))
		Expect(o.specs["q124565-p"].labels).To(Equal("conformance, q124565-p, Q124565, cannot-judge"))
		Expect(suiteOf("tiny", "-ginkgo.label-filter=Q140419").cases("skipped")).To(HaveLen(len(o.specs)))
	})

	It("passes once what is known to fail is pinned, and repeats itself by the command that a failure ends with", func() {
		o := suiteOf("tiny, pinned")
		Expect(o.passes).To(BeTrue(), o.output)
		Expect(o.cases("failed")).To(BeEmpty())
		Expect(o.cases("skipped")).To(HaveLen(9 + len(servedCases())))
		Expect(suiteOf("tiny", "-ginkgo.focus=tiny does as a correct stack does in q124565-table$").cases("failed")).
			To(ConsistOf("q124565-table"))
	})

	It("fails when what is pinned fails otherwise, or not at all", func() {
		o := suiteOf("tiny, pinned wrongly")
		Expect(o.specs["ms00-047"].message).To(ContainSubstring("Expected the run to fail with\n    line 12\nbut it passes."))
		Expect(o.specs["q124565-table"].message).To(ContainSubstring("but it fails with\n    line 20: peer inject status-request to pc"))
		Expect(o.cases("failed")).To(ConsistOf("ms00-047", "q124565-table", "q124565-controls/another-suffix"))
	})

	It("fails when it pins a case that there is not", func() {
		o := suiteOf("tiny, of unknown failings")
		Expect(o.cases("failed")).To(ConsistOf("tiny is told of correctly"))
		Expect(o.output).To(ContainSubstring("q1 is said to fail, and there is no such case"))
	})

	It("skips nothing that was not declared, and says how to declare it", func() {
		o := suiteOf("boastful")
		Expect(o.cases("skipped")).To(ConsistOf(servedCases()))
		Expect(o.specs["q124565"].status).To(Equal("failed"))
		Expect(o.specs["q124565"].message).To(And(
			ContainSubstring("tiny answered NRC_ILLCMD in line 17: pc listen CHAT. If it is not meant to have that, say so in Lacks."),
			ContainSubstring("saw       0x18 NRC_SABORT")))
	})

	It("fails when it judges nothing, and says what would have to be there", func() {
		o := suiteOf("empty")
		Expect(o.passes).To(BeFalse())
		Expect(o.cases("failed")).To(ConsistOf("empty " + judged))
		Expect(o.specs["empty "+judged].message).To(HavePrefix(
			"0 of %d cases could be judged, so that nothing is known of empty: ms00-047 takes least, add-name. Have the stack do that",
			len(o.specs)-2))
	})

	It("says how a call ends to a stack that does not end one", func() {
		o := suiteOf("empty, boastful")
		Expect(o.specs["ms00-047"].message).To(And(
			ContainSubstring("empty did not complete the call of line 11: pc add-name CHAT. A stack ends each stack.Call that is put to Step"),
			ContainSubstring("out.Add(stack.Complete{ID: call.ID})"),
			ContainSubstring("a call did not complete within 10m0s")))
	})

	It("notices a stack whose outputs depend on more than its inputs", func() {
		o := suiteOf("moody")
		Expect(o.cases("failed")).To(ContainElement(repeats))
		Expect(o.specs[repeats].message).To(ContainSubstring("ms00-047: tiny, given the same inputs again, does something else at"))
	})
})

var _ = Describe("A stack", func() {
	DescribeTable("is not put to anything while what is said of it cannot be",
		func(change func(s *harnesstest.Stack), why string) {
			_, err := with(tinyStack(), change).Trials()
			Expect(err).To(MatchError(ContainSubstring(why)))
		},
		Entry("without New", func(s *harnesstest.Stack) { s.New = nil }, "needs New, which makes one, or else a Device"),
		Entry("with New and a device", func(s *harnesstest.Stack) { s.Device = &harnesstest.Device{} }, "needs New, which makes one, or else a Device"),
		Entry("with unknown timers", func(s *harnesstest.Stack) { s.Profile = "windows" }, `unknown profile "windows"`),
		Entry("failing a case that it cannot be judged by", func(s *harnesstest.Stack) {
			s.Fails = map[string]string{"q124565": "x"}
		}, "q124565 is said to fail, and cannot be judged: line 17"),
	)

	It("that breaks down over a malformed packet fails", func() {
		s := fixed()
		s.New = func(cfg node.Config) stack.Stack { return fragile{newTiny(cfg)} }
		Expect(trial(s, "malformed/datagram").Run()).To(And(
			Not(harnesstest.Pass()), harnesstest.FailWith("the stack crashed: too long for me")))
	})

	DescribeTable("that hears nothing after a malformed packet is told which, and where its file has it",
		func(service, vector, file string) {
			o := suiteOf("deafened by "+vector, "-ginkgo.focus="+harnesstest.Malformed+"/")
			Expect(o.cases("failed")).To(ConsistOf("malformed/" + service))
			message := o.specs["malformed/"+service].message
			Expect(message).To(MatchRegexp(
				`\n%s:\d+: peer find-name CHAT after vector %s\n    expected  ok, answer CHAT from pc\n    saw .*\n`, file, vector))
			Expect(strings.Count(message, file)).To(Equal(1), "what follows is left out")
			line, err := strconv.Atoi(regexp.MustCompile(file + `:(\d+)`).FindStringSubmatch(message)[1])
			Expect(err).NotTo(HaveOccurred())
			text, err := fixtures.Files.ReadFile(strings.TrimPrefix(file, "fixtures/"))
			Expect(err).NotTo(HaveOccurred())
			Expect(strings.Split(string(text), "\n")[line-1]).To(Equal("vector  " + vector))
		},
		Entry("of the name service", "name", "pointer-chain", "fixtures/malformed/name.vec"),
		Entry("of the datagram service", "datagram", "datagram-2-bytes", "fixtures/malformed/datagram.vec"),
		Entry("of the session service", "session", "session-length-1ffff", "fixtures/malformed/session.vec"),
	)

	It("that crashes is told in which step", func() {
		o := suiteOf("fragile", "-ginkgo.focus="+harnesstest.Malformed+"/")
		Expect(o.specs["malformed/datagram"].message).To(And(
			MatchRegexp(`^fragile crashed in line \d+: peer sends vector \S+ to the datagram service of pc\.\n`),
			ContainSubstring("the stack crashed: too long for me")))
	})

	It("of a device is asked after every few malformed packets, each of them named", func() {
		s := deviceStack()
		s.Scenarios = nil
		trials, err := s.Trials()
		Expect(err).NotTo(HaveOccurred())
		var named, paths []string
		for _, t := range trials {
			if t.Scenario.Name != harnesstest.Malformed {
				continue
			}
			paths = append(paths, t.Path())
			for _, step := range t.Scenario.Cases[0].Steps {
				if _, vectors, question := strings.Cut(step.Text, "find-name CHAT after vector "); question {
					Expect(strings.Count(vectors, ",")).To(BeNumerically("<", 8))
					named = append(named, strings.Split(vectors, ", ")...)
				}
			}
		}
		Expect(paths).To(ConsistOf("malformed/name", "malformed/datagram"))
		var sent []string
		for _, v := range fixtures.Malformed() {
			if v.Service != fixtures.SessionService {
				sent = append(sent, v.Name)
			}
		}
		Expect(named).To(ConsistOf(sent))
	})

	It("can be put to scenarios of one's own, in the place of their first node", func() {
		s := tinyStack()
		sc, err := scenario.Parse("mine.scenario", []byte(
			"node box 10.0.0.10/24\nnode peer 10.0.0.20/24\nbox add-name HERE\npeer find-name HERE\n -> ok, answer HERE from box\n"))
		Expect(err).NotTo(HaveOccurred())
		s.Scenarios = []*scenario.Scenario{sc}
		trials, err := s.Trials()
		Expect(err).NotTo(HaveOccurred())
		Expect(trials).To(HaveLen(1))
		Expect(trials[0].Run()).To(harnesstest.Pass())
	})
})

// fragile breaks down over long packets.
type fragile struct{ stack.Stack }

func (f fragile) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	if d, ok := in.(stack.Datagram); ok && len(d.Payload) > 1000 {
		panic("too long for me")
	}
	f.Stack.Step(at, in, out)
}

// deafened is a stack that hears nothing any more once it has got some bytes.
type deafened struct {
	stack.Stack

	by   []byte
	deaf bool
}

func (d *deafened) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	switch in := in.(type) {
	case stack.Datagram:
		d.deaf = d.deaf || bytes.Equal(in.Payload, d.by)
	case stack.Data:
		d.deaf = d.deaf || bytes.Equal(in.Bytes, d.by)
	}
	if !d.deaf {
		d.Stack.Step(at, in, out)
	}
}

// trial returns the case of a path.
func trial(s harnesstest.Stack, path string) harnesstest.Trial {
	GinkgoHelper()
	trials, err := s.Trials()
	Expect(err).NotTo(HaveOccurred())
	for _, t := range trials {
		if t.Path() == path {
			return t
		}
	}
	Fail("no case " + path)
	return harnesstest.Trial{}
}
