// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"io"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// What a peer may send to the terminal of whoever looks at its traffic: clear the screen, set the title, fill the clipboard,
// C1 controls, overwrite the line, and turn around what follows.
const (
	clearScreen = "\x1b[2J"
	title       = "\x1b]0;x\x07"
	clipboard   = "\x1b]52;c;eA==\x07"
	controls    = "\x9b\x9d\r\x08\x7f"
	turned      = "\u202e\u2028\u200b"
	forged      = "\nverdict: pass\n"
)

const hostile = clearScreen + title + clipboard + controls + turned + forged

// onTheWire writes 16 bytes in the first-level encoding (RFC 1001 section 14.1), without asking whether they are a name.
func onTheWire(name string) string {
	var b strings.Builder
	for i := range 16 {
		b.WriteByte('A' + name[i]>>4)
		b.WriteByte('A' + name[i]&15)
	}
	return b.String()
}

// hostileTraffic is the traffic of a run, with hostile bytes in the place of the names and payloads.
func hostileTraffic() []trace.Frame {
	GinkgoHelper()
	s, err := harness.FindShipped("q124565-running")
	Expect(err).NotTo(HaveOccurred())
	model, err := harness.Model(s, "fixed")
	Expect(err).NotTo(HaveOccurred())
	frames := harness.Perform(s, &s.Cases[0], model, harness.Options{}).Frames
	replace := strings.NewReplacer(
		onTheWire("CHAT            "), onTheWire(clearScreen+title+controls+"\n"),
		onTheWire("FRIEND          "), onTheWire("\x1b]52;c;eA==\x07\u202e\n"),
		"are you there?", clearScreen+title+"\u202e\n", // 14 bytes
		"hello", controls,
	)
	changed := 0
	for i := range frames {
		altered := []byte(replace.Replace(string(frames[i].Payload)))
		Expect(altered).To(HaveLen(len(frames[i].Payload)))
		if !bytes.Equal(altered, frames[i].Payload) {
			changed++
		}
		frames[i].Payload = altered
	}
	Expect(changed).To(BeNumerically(">", 10))
	return frames
}

// hostileScenario is a scenario of this bug whose title, names and payloads are hostile, as far as the language lets it.
const hostileScenario = `# hostile
bug   Q124565 in pc
cure  restart
node  pc    10.0.0.10/24
node  peer  10.0.0.20/24

case "\x1b[2J \x1b]0;x\x07 \x9b\x9d\r\x08\x7f \xe2\x80\xae\n"
peer  add-name          "\x1b]52;c;eA==\x07"
pc    add-name          "\x1b[2J\x9b\x9d\r\x08\x7f\xe2\x80\xae\n"
pc    receive-datagram  "\x1b[2J\x9b\x9d\r\x08\x7f\xe2\x80\xae\n" as mail
peer  send-datagram     "\x1b[2J\x9b\x9d\r\x08\x7f\xe2\x80\xae\n" from "\x1b]52;c;eA==\x07" "\x1b]0;x\x07\xe2\x80\xae\nverdict: pass\n" x3  trigger
      -> mail ok, mail data "\x1b]0;x\x07\xe2\x80\xae\nverdict: fail\n"
pc    delete-name       "\x1b[2J\x9b\x9d\r\x08\x7f\xe2\x80\xae\n"
      -> ok, release "\x1b[2J\x9b\x9d\r\x08\x7f\xe2\x80\xae\n" from pc  | Q124565: any
pc    add-name          "\x1b[2J\x9b\x9d\r\x08\x7f\xe2\x80\xae\n"
      -> ok  | Q124565! NRC_DUPNAME
`

// nbtlab itself sees to it that everything it prints is fit for a terminal; these specs are about what to print.
var _ = Describe("Hostile bytes (bad-input 59, 60)", func() {
	// onlyOurs makes sure that no byte of a peer began a line.
	onlyOurs := func(out outcome) {
		GinkgoHelper()
		Expect(out.Stdout + out.Stderr).NotTo(MatchRegexp(`(?m)^verdict: `))
	}

	It("in a capture are printed escaped", func() {
		Expect(capture.WriteFile("hostile.pcap", hostileTraffic())).To(Succeed())
		for _, model := range []string{"fixed", "buggy"} {
			out := nbtlab("check", "q124565-running", "--model", model, "--against", "hostile.pcap")
			Expect(out).To(And(exitWith(exitNot), show(`\x1b[2J`, `\x1b]52;c;eA==\x07`, `\x9b\x9d\x0d\x08\x7f`, `\xe2\x80\xae`)))
			onlyOurs(out)
			out = nbtlab("check", "q124565-running", "--model", model, "--against", "hostile.pcap", "--json")
			Expect(out).To(And(exitWith(exitNot), show(`\\x1b[2J`)))
			Expect(lines(out.Stdout)).To(HaveLen(1))
		}
	})

	It("in a capture that verify reads are printed escaped", func() {
		Expect(nbtlab("record", "q124565-running")).To(exitWith(exitAsExpected))
		Expect(capture.WriteFile("pcaps/q124565-running/fixed.pcap", hostileTraffic())).To(Succeed())
		for _, args := range [][]string{{}, {"--json"}} {
			out := nbtlab(append([]string{"verify", "q124565-running", "--pcaps", "pcaps"}, args...)...)
			Expect(out).To(And(exitWith(exitNot), show("x1b[2J")))
			onlyOurs(out)
		}
		out := nbtlab("record", "--check", "q124565-running")
		Expect(out).To(exitWith(exitNot))
	})

	It("in frames that are no messages at all are printed escaped", func() {
		frames := hostileTraffic()
		for i := range frames {
			if frames[i].Kind == trace.UDP || frames[i].Kind == trace.Message {
				frames[i].Payload = []byte(hostile)
			}
		}
		var pcap bytes.Buffer
		Expect(capture.Write(&pcap, frames)).To(Succeed())
		for size := pcap.Len(); size > 24; size -= 97 {
			write("hostile.pcap", pcap.String()[:size])
			out := nbtlab("check", "q124565-running", "--against", "hostile.pcap")
			Expect(out.Status).To(BeElementOf(exitNot, exitCannotJudge))
			onlyOurs(out)
			onlyOurs(nbtlab("check", "q124565-running", "--against", "hostile.pcap", "--json"))
		}
	})

	It("in the names and payloads of a scenario are printed escaped", func() {
		GinkgoT().Setenv("NBTLAB_ARTIFACTS", "left")
		write("hostile.scenario", hostileScenario)
		for _, args := range [][]string{
			{"run", "hostile.scenario"},
			{"run", "hostile.scenario", "--model", "buggy"},
			{"compare", "fixed", "buggy", "hostile.scenario"},
			{"verify", "hostile.scenario"},
		} {
			out := nbtlab(args...)
			Expect(out).To(And(exitWith(exitNot), HaveField("Stderr", "")))
			onlyOurs(out)
			if args[0] != "verify" {
				Expect(out).To(show(`\x1b[2J\x9b\x9d\x0d\x08\x7f\xe2\x80\xae\x0a`))
			}
			out = nbtlab(append(args, "--json")...)
			Expect(out).To(And(exitWith(exitNot), HaveField("Stderr", "")))
			Expect(lines(out.Stdout)).To(HaveLen(1))
		}
		Expect(nbtlab("run", "hostile.scenario", "--trace", "out.jsonl", "--pcap", "out.pcap")).To(exitWith(exitNot))
		Expect(read("out.jsonl")).To(beFitForATerminal())
		Expect(nbtlab("record", "hostile.scenario")).To(exitWith(exitAsExpected))
		Expect(nbtlab("check", "hostile.scenario", "--against", "out.pcap")).To(exitWith(exitAsExpected))
		for _, file := range names("left") {
			Expect(file).To(MatchRegexp(`^[A-Za-z0-9./_-]+$`))
			if !strings.HasSuffix(file, ".pcap") {
				Expect(read(file)).To(beFitForATerminal(), file)
			}
		}
		Expect(nbtlab("fmt", "hostile.scenario").Stdout).To(beFitForATerminal())
	})

	It("on the command line are printed escaped", func() {
		for _, args := range [][]string{
			{},
			{"help"},
			{"help", "run"},
			{"run"},
			{"run", "--model"},
			{"verify"},
			{"verify", "--pcaps"},
			{"verify", "--model"},
			{"compare", "fixed"},
			{"compare", "fixed", "fixed"},
			{"compare"},
			{"check", "q124565", "--against"},
			{"record"},
			{"record", "--check", "--pcaps"},
			{"record", "--pcaps", "x", "y", "--"},
			{"bugs"},
			{"fmt"},
			{"fmt", "-w"},
			{"fmt", "--"},
			{"run", "q124565", "--case"},
			{"run", "q124565", "--bind"},
			{"run", "q124565", "--lose"},
			{"run", "q124565", "--seed"},
			{"run", "q124565", "--model"},
			{"run", "q124565", "--pcap", "no/such"},
			{"__complete"},
			{"__complete", "run"},
			{"completion"},
		} {
			for _, word := range []string{
				hostile, "--" + hostile, "-" + hostile, "./" + hostile, hostile + "=" + hostile, "CHAT=" + hostile,
			} {
				out := nbtlab(append(args, word)...)
				Expect(out.Stderr).NotTo(ContainSubstring("panic"))
				onlyOurs(out)
			}
		}
		Expect(names(".")).To(BeEmpty())
	})

	It("in paths are printed escaped", func() {
		dir := strings.ToValidUTF8(hostile, "") // what else is in it, may be in the name of a file
		Expect(folder(dir)).To(Succeed())
		pcap, file := dir+"/"+dir+".pcap", dir+"/"+dir+".scenario"
		write(file, shipped("q124565"))
		for _, args := range [][]string{
			{"run", file},
			{"run", file, "--model", "buggy"},
			{"run", file, "--pcap", pcap, "--trace", dir + "/trace"},
			{"compare", "fixed", "buggy", file},
			{"verify", file},
			{"verify", file, "--pcaps", dir},
			{"check", file, "--against", pcap},
			{"check", file, "--against", pcap, "--model", "buggy"},
			{"fmt", "--check", file},
			{"fmt", "-w", file},
			{"record", "q124565", "--pcaps", dir},
			{"record", "--check", "q124565", "--pcaps", dir},
		} {
			Expect(nbtlab(args...)).NotTo(exitWith(exitUsage), args[0])
			nbtlab(append(args, "--json")...)
		}
		write(file, altered("q124565", "pc ", "pc\t")+" ")
		Expect(nbtlab("fmt", "--check", file)).To(exitWith(exitNot))
		write(file, "node "+hostile)
		for _, command := range []string{"run", "verify", "fmt", "record"} {
			Expect(nbtlab(command, file)).To(And(exitWith(exitUsage), HaveField("Stderr", ContainSubstring(`\x1b[2J`))))
		}
		for _, create := range []func(string) error{holding(hostile), folder, linkTo("nowhere")} {
			Expect(os.RemoveAll(pcap)).To(Succeed())
			Expect(create(pcap)).To(Succeed())
			Expect(nbtlab("check", "q124565", "--against", pcap)).To(refuse(`\x1b[2J`))
		}
		Expect(nbtlab("run", "q124565", "--pcap", dir)).To(refuse("it is a directory"))
		Expect(nbtlab("record", "--check", "q124565", "--pcaps", dir+"x")).To(refuse(`\x1b[2J`))
	})

	It("in a manifest and in the names of files below it are printed escaped", func() {
		Expect(nbtlab("record", "q124565")).To(exitWith(exitAsExpected))
		name := strings.ToValidUTF8(hostile, "")
		write("pcaps/"+name, "")
		Expect(nbtlab("record", "--check", "q124565")).To(And(exitWith(exitNot), show(`\x1b[2J`)))
		Expect(os.Remove("pcaps/" + name)).To(Succeed())
		for _, entry := range []string{hostile, line(hostile), line("x\x1b"), "x\t\x1b\u202e\t\x1b\t\x1b\t\x1b"} {
			write("pcaps/MANIFEST", entry+"\n")
			Expect(nbtlab("record", "--check", "q124565")).To(exitWith(exitUsage))
			Expect(nbtlab("record", "q124565")).To(exitWith(exitUsage))
		}
	})

	It("are escaped where there is colour, whose codes are the only others", func() {
		write("hostile.scenario", hostileScenario)
		for _, args := range [][]string{
			{"run", "hostile.scenario", "--model", "buggy"},
			{"verify", "hostile.scenario"},
			{"compare", "fixed", "buggy", "hostile.scenario"},
		} {
			var stdout bytes.Buffer
			a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: io.Discard, colour: true}
			root := a.root()
			root.SetArgs(args)
			Expect(root.Execute()).To(Succeed())
			text := stdout.String()
			Expect(text).To(ContainSubstring(string(report.Bad)))
			for _, code := range []report.Colour{report.Good, report.Bad, report.Doubt, report.Faint, report.Strong, "\x1b[0m"} {
				text = strings.ReplaceAll(text, string(code), "")
			}
			Expect(text).To(beFitForATerminal())
		}
	})
})
