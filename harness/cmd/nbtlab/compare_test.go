// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/pcaps"
)

// patience is how long a command may take that must not wait for ever.
const patience = 20 * time.Second

// soon ends a spec whose command waits for ever.
var soon = SpecTimeout(patience)

// Things that are no files, made at a path.

func fifo(path string) error { return syscall.Mkfifo(path, 0o600) }

func folder(path string) error { return os.Mkdir(path, 0o755) }

func linkTo(target string) func(string) error {
	return func(path string) error { return os.Symlink(target, path) }
}

func holding(text string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
}

// noise is bytes that are nothing in particular, the same each time.
func noise(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

var _ = Describe("nbtlab compare", func() {
	It("exits with 0 when the two runs are the same", func() {
		Expect(nbtlab("compare", "fixed", "fixed", "q124565")).
			To(And(exitWith(exitAsExpected), show("the two runs are the same\n"), HaveField("Stderr", "")))
		Expect(nbtlab("compare", "buggy", "Q124565", "q124565")).To(exitWith(exitAsExpected))
		Expect(nbtlab("compare", "fixed", "Q124565", "q124565-controls", "--case", "group")).To(exitWith(exitAsExpected))
	})

	It("exits with 1 when they differ, and shows both side by side, with the first difference marked", func() {
		out := nbtlab("compare", "fixed", "buggy", "q124565")
		Expect(out).To(And(exitWith(exitNot), HaveField("Stderr", "")))
		Expect(out.Stdout).To(MatchRegexp(`\A[^\n]+\n +fixed +Q124565\n`))
		Expect(out.Stdout).To(MatchRegexp(`(?m)^  12: peer add-name FRIEND *$`))
		Expect(out.Stdout).To(MatchRegexp(`(?m)^> 13: peer send-datagram CHAT from FRIEND "anyone there\?" *$`))
		Expect(strings.Count(out.Stdout, "\n> ")).To(Equal(1), "one first difference")
		Expect(out.Stdout).To(MatchRegexp(`(?m)^\* 27: pc add-name CHAT *$`))
		Expect(out.Stdout).To(MatchRegexp(`(?m)^ +result +pc ADD NAME: 0x00 NRC_GOODRET +pc ADD NAME: 0x0D NRC_DUPNAME$`))
		Expect(out.Stdout).To(MatchRegexp(`(?m)^ +references +pc CHAT<20> 1: registration +pc CHAT<20> 4: datagram x3, registration$`))
		Expect(out.Stdout).To(MatchRegexp(`(?m)^ +frames +pc > all name release request CHAT<20> .* x3 *$`))
		Expect(out.Stdout).To(HaveSuffix("\nfirst difference: line 13: peer send-datagram CHAT from FRIEND \"anyone there?\"\n"))
	})

	It("swaps the sides with the models", func() {
		one, other := nbtlab("compare", "fixed", "buggy", "q124565"), nbtlab("compare", "buggy", "fixed", "q124565")
		Expect(other).To(exitWith(exitNot))
		Expect(other.Stdout).To(HavePrefix(strings.SplitAfter(one.Stdout, "\n")[0]))
		Expect(other.Stdout).To(MatchRegexp(`\A[^\n]+\n +Q124565 +fixed\n`))
	})

	It("prints JSON of the same", func() {
		type view struct{ Results, References, Frames []string }
		type comparison struct {
			Scenario, Case, A, B string
			Same                 bool
			Steps                []struct {
				Line    int
				Text    string
				A, B    view
				Differs bool
			}
			First *struct {
				Line int
				Text string
			} `json:"first_difference"`
		}
		var got comparison
		out := nbtlab("compare", "fixed", "buggy", "q124565", "--json")
		Expect(out).To(exitWith(exitNot))
		decode(out.Stdout, &got)
		Expect(got.A).To(Equal("fixed"))
		Expect(got.B).To(Equal("Q124565"))
		Expect(got.Same).To(BeFalse())
		Expect(got.First.Line).To(Equal(13))
		Expect(got.Steps).To(HaveLen(9))
		last := got.Steps[8]
		Expect(last.Differs).To(BeTrue())
		Expect(last.A.Results).To(Equal([]string{"pc ADD NAME: 0x00 NRC_GOODRET"}))
		Expect(last.B.Results).To(Equal([]string{"pc ADD NAME: 0x0D NRC_DUPNAME"}))
		Expect(last.A.Frames).To(HaveLen(4), "three registration requests and one overwrite request")
		Expect(last.B.Frames).To(BeEmpty())
		Expect(last.B.References).To(ContainElement("pc CHAT<20> 3: datagram x3"))

		got = comparison{}
		out = nbtlab("compare", "fixed", "fixed", "q124565", "--json")
		Expect(out).To(exitWith(exitAsExpected))
		decode(out.Stdout, &got)
		Expect(got.Same).To(BeTrue())
		Expect(got.First).To(BeNil())
	})
})

var _ = Describe("nbtlab check", func() {
	BeforeEach(func() { Expect(nbtlab("record", "q124565")).To(exitWith(exitAsExpected)) })

	const fixed, buggy = "pcaps/q124565/fixed.pcap", "pcaps/q124565/Q124565.pcap"

	It("exits with 0 when the run and the capture match", func() {
		Expect(nbtlab("check", "q124565", "--against", fixed)).
			To(And(exitWith(exitAsExpected), show("q124565 on fixed, against "+fixed+": match (27 frames in the run, 27 in the")))
		Expect(nbtlab("check", "q124565", "--model", "buggy", "--against", buggy)).To(exitWith(exitAsExpected))
		Expect(nbtlab("check", "q124565", "--seed", "7", "--against", fixed)).To(exitWith(exitAsExpected))
	})

	It("exits with 1 when they differ, and shows the first difference in full", func() {
		out := nbtlab("check", "q124565", "--model", "buggy", "--against", fixed)
		Expect(out).To(And(exitWith(exitNot), show(": differs (20 frames in the run, 27 in the capture)\n", "not compared: ")))
		Expect(out.Stdout).To(MatchRegexp(
			`\n\nframe [0-9]+ of the recording is missing from the run: \S+ > \S+ name release request CHAT<20> `))
		Expect(out.Stdout).To(MatchRegexp(`\n  FIELD +RECORDING +RUN\n> source +10\.0\.0\.10:137`))
		Expect(out.Stdout).To(MatchRegexp(`\n  recording, frame [0-9]+, [0-9.]+s\n    0000  [0-9a-f ]{47}  .{16}\n`))
	})

	It("marks the field that was altered", func() {
		c, err := capture.ReadFile(fixed)
		Expect(err).NotTo(HaveOccurred())
		for i := range c.Frames {
			if payload := string(c.Frames[i].Payload); strings.Contains(payload, "hello") {
				c.Frames[i].Payload = []byte(strings.Replace(payload, "hello", "jello", 1))
			}
		}
		Expect(capture.WriteFile("altered.pcap", c.Frames)).To(Succeed())
		out := nbtlab("check", "q124565", "--against", "altered.pcap")
		Expect(out).To(And(exitWith(exitNot), show("is altered in the run")))
		Expect(out.Stdout).To(MatchRegexp(`(?m)^> .*jello.*hello`))
		Expect(out.Stdout).To(MatchRegexp(`(?m)^  source `))
	})

	It("exits with 125 when the capture is cut, and tells where (bad-input 36)", func() {
		whole := read(fixed)
		for size := 24; size < len(whole); size += 61 {
			write("cut.pcap", whole[:size])
			out := nbtlab("check", "q124565", "--against", "cut.pcap")
			if c, err := capture.ReadFile("cut.pcap"); err == nil && c.Cut == nil {
				Expect(out).To(exitWith(exitNot)) // between two packets: some are missing, and nobody can tell why
				continue
			}
			Expect(out).To(And(exitWith(exitCannotJudge), show(": cut (", "the capture is cut at byte ")))
		}
	})

	DescribeTable("exits with 2 when it is no capture (bad-input 36, 41)", func(_ SpecContext, create func(string) error, why string) {
		Expect(create("odd")).To(Succeed())
		Expect(nbtlab("check", "q124565", "--against", "odd")).To(refuse("odd", why))
		Expect(nbtlab("check", "q124565", "--against", "odd", "--json")).To(refuse("odd", why))
	},
		Entry("but an empty file", holding(""), "empty", soon),
		Entry("but noise", holding(noise(300)), "capture", soon),
		Entry("but the beginning of a header", holding("\xd4\xc3\xb2\xa1\x02\x00"), "cut inside its header", soon),
		Entry("but a text", holding("SCENARIO BUG VERDICT FIXED BUGGY CONTROLS"), "capture", soon),
		Entry("but a directory", folder, "directory", soon),
		Entry("but a FIFO, which nobody writes to", fifo, "FIFO", soon),
		Entry("but a device without end", linkTo("/dev/zero"), "device", soon),
		Entry("but a link to itself", linkTo("odd"), "too many levels", soon),
		Entry("but a link to nothing", linkTo("nothing"), "no such file", soon),
	)

	It("exits with 2 when there is none", func() {
		Expect(nbtlab("check", "q124565", "--against", "none.pcap")).To(refuse("none.pcap", "no such file"))
		Expect(nbtlab("check", "q124565")).To(refuse("against"))
	})

	It("prints JSON of the same", func() {
		var got struct {
			Scenario, Case, Model, Capture, Cut string
			Frames, Recorded, Count             int
			Differences                         []struct {
				Change   string
				Recorded int `json:"recorded_frame"`
				Run      int `json:"run_frame"`
				Fields   []string
				Text     string
			}
		}
		out := nbtlab("check", "q124565", "--model", "buggy", "--against", fixed, "--json")
		Expect(out).To(exitWith(exitNot))
		decode(out.Stdout, &got)
		Expect(got.Capture).To(Equal("differs"))
		Expect(got.Frames).To(Equal(20))
		Expect(got.Recorded).To(Equal(27))
		Expect(got.Differences).To(HaveLen(7))
		Expect(got.Count).To(Equal(7))
		for _, d := range got.Differences {
			Expect(d.Change).To(Equal("missing"))
			Expect(d.Recorded).To(BeNumerically(">", 0))
			Expect(d.Run).To(BeZero())
		}
	})
})

var _ = Describe("A full disk (bad-input 50)", func() {
	DescribeTable("under standard output ends a command with 2", func(args ...string) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(full.Close)
		var stderr strings.Builder
		Expect(run(context.Background(), args, strings.NewReader(""), full, &stderr)).To(Equal(exitUsage))
		Expect(stderr.String()).To(MatchRegexp(`\Anbtlab: [^\n]*no space left on device\n\z`))
	},
		Entry(nil, "run", "q124565"),
		Entry(nil, "verify", "q124565", "--json"),
		Entry(nil, "bugs", "--markdown"),
	)
})

var _ = Describe("nbtlab check of a capture that is cut", func() {
	recording := func() []byte {
		b, err := fs.ReadFile(pcaps.FS(), "q124565/fixed.pcap")
		Expect(err).NotTo(HaveOccurred())
		return bytes.Clone(b[:900])
	}

	It("cannot judge when it is the same up to there, and blames the run for nothing behind it", func() {
		Expect(os.WriteFile("cut.pcap", recording(), 0o600)).To(Succeed())
		r := nbtlab("check", "q124565", "--against", "cut.pcap")
		Expect(r).To(exitWith(exitCannotJudge))
		Expect(r.Stdout).To(And(ContainSubstring("cut at byte"), Not(ContainSubstring("not in the recording"))))
	})

	It("says that it differs when it does before the cut as well", func() {
		b := recording()
		b[24+16+14+20+8+13]++ // a letter of the name in the first packet
		Expect(os.WriteFile("cut.pcap", b, 0o600)).To(Succeed())
		r := nbtlab("check", "q124565", "--against", "cut.pcap")
		Expect(r).To(exitWith(exitNot))
		Expect(r.Stdout).To(ContainSubstring("QUESTION_NAME"))
	})
})
