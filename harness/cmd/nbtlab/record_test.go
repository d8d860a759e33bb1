// SPDX-License-Identifier: MIT

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/scenarios"
)

var _ = Describe("nbtlab record", func() {
	const (
		manifest = "pcaps/" + harness.Manifest
		fixed    = "pcaps/q124565/fixed.pcap"
	)

	check := func() outcome { return nbtlab("record", "--check", "q124565") }

	BeforeEach(func() { Expect(nbtlab("record", "q124565")).To(And(exitWith(exitAsExpected), HaveField("Stderr", ""))) })

	It("writes the captures of both models and a manifest, which check finds as they are", func() {
		Expect(names("pcaps")).To(ConsistOf(fixed, "pcaps/q124565/Q124565.pcap", manifest))
		Expect(check()).To(And(exitWith(exitAsExpected), show("2 captures are as they would be recorded\n")))
	})

	It("lists each file with its sum, its maker and its licence", func() {
		rows := lines(read(manifest))
		Expect(rows).To(HaveLen(3))
		Expect(rows[0]).To(HavePrefix("# path\tsha256\t"))
		Expect(rows[1]).To(MatchRegexp(`^q124565/Q124565\.pcap\t[0-9a-f]{64}\tnbtlab record\t[0-9]+\tMIT$`))
		Expect(rows[2]).To(MatchRegexp(`^q124565/fixed\.pcap\t[0-9a-f]{64}\tnbtlab record\t[0-9]+\tMIT$`))
	})

	It("records all that ships, and verify agrees with it", func() {
		Expect(nbtlab("record", "--pcaps", "all")).To(exitWith(exitAsExpected))
		Expect(nbtlab("record", "--pcaps", "all", "--check")).To(exitWith(exitAsExpected))
		Expect(nbtlab("verify", "--pcaps", "all")).To(exitWith(exitAsExpected))
		for _, path := range casesOf() {
			Expect(filepath.Join("all", filepath.FromSlash(path), "fixed.pcap")).To(BeARegularFile())
		}
	})

	It("names what it writes", func() {
		out := nbtlab("record", "q140419")
		Expect(lines(out.Stdout)).To(Equal([]string{
			"recorded pcaps/q140419/fixed.pcap", "recorded pcaps/q140419/Q140419.pcap", "recorded pcaps/MANIFEST",
			"2 captures, 3 files changed",
		}))
	})

	It("changes nothing the second time, not even when a file was written", func() {
		long := time.Now().Add(-time.Hour)
		for _, path := range names("pcaps") {
			Expect(os.Chtimes(path, long, long)).To(Succeed())
		}
		before := tree("pcaps")
		Expect(nbtlab("record", "q124565")).To(And(exitWith(exitAsExpected), show("2 captures, 0 files changed\n")))
		Expect(tree("pcaps")).To(Equal(before))
	})

	It("writes only what it must to put things right", func() {
		long := time.Now().Add(-time.Hour)
		for _, path := range names("pcaps") {
			Expect(os.Chtimes(path, long, long)).To(Succeed())
		}
		before := tree("pcaps")
		whole := read(fixed)
		write(fixed, whole[:100])
		Expect(nbtlab("record", "q124565")).To(show("recorded " + fixed + "\n2 captures, 1 files changed\n"))
		Expect(read(fixed)).To(Equal(whole))
		after := tree("pcaps")
		delete(before, fixed)
		delete(after, fixed)
		Expect(after).To(Equal(before))
	})

	It("keeps what others have put into the manifest", func() {
		other := "recorded/samba.pcap\t" + strings.Repeat("0", 64) + "\ttcpdump\t4\tMIT\n"
		write(manifest, read(manifest)+other)
		Expect(nbtlab("record", "q140419")).To(exitWith(exitAsExpected))
		Expect(read(manifest)).To(And(ContainSubstring(other), ContainSubstring("\nq140419/"), ContainSubstring("\nq124565/")))
	})

	It("replaces a link that leads out of the folder, and leaves what is there alone (bad-input 49)", func() {
		write("precious", "precious")
		Expect(os.Remove(fixed)).To(Succeed())
		Expect(os.Symlink("../../precious", fixed)).To(Succeed())
		Expect(nbtlab("record", "q124565")).To(exitWith(exitAsExpected))
		Expect(read("precious")).To(Equal("precious"))
		Expect(check()).To(exitWith(exitAsExpected))
	})

	DescribeTable("complains of what is not as it would be recorded (bad-input 49)", func(spoil func(), complaint string) {
		spoil()
		before := tree(".")
		Expect(check()).To(And(exitWith(exitNot), show(complaint+"\n"), HaveField("Stderr", "")))
		Expect(tree(".")).To(Equal(before))
	},
		Entry("a file that is missing", func() {
			Expect(os.Remove(fixed)).To(Succeed())
		}, "q124565/fixed.pcap is missing"),
		Entry("a file that is listed and missing", func() {
			Expect(os.Remove(fixed)).To(Succeed())
		}, "q124565/fixed.pcap is listed in MANIFEST and not there"),
		Entry("a file that has changed", func() {
			write(fixed, read(fixed)[:100])
		}, "q124565/fixed.pcap is not what the recorder makes"),
		Entry("a file that is not the listed one", func() {
			write(manifest, strings.Replace(read(manifest), "q124565/fixed.pcap\t", line("q124565/fixed.pcap")+"\n# ", 1))
		}, "q124565/fixed.pcap is not the file that MANIFEST lists"),
		Entry("a file that is not listed", func() {
			write("pcaps/q124565/more.pcap", "")
		}, "q124565/more.pcap is not listed in MANIFEST"),
		Entry("a file that is no longer listed", func() {
			write(manifest, strings.SplitAfter(read(manifest), "\n")[0])
		}, "q124565/fixed.pcap is not listed in MANIFEST"),
		Entry("a link that leads out, to the same bytes", func() {
			Expect(os.Rename(fixed, "elsewhere.pcap")).To(Succeed())
			Expect(os.Symlink("../../elsewhere.pcap", fixed)).To(Succeed())
		}, "q124565/fixed.pcap is not a regular file"),
		Entry("a link to a folder", func() {
			Expect(os.Rename("pcaps/q124565", "elsewhere")).To(Succeed())
			Expect(os.Symlink("../elsewhere", "pcaps/q124565")).To(Succeed())
		}, "q124565 is not a regular file"),
		Entry("another spelling of a listed file", func() {
			write("pcaps/q124565/Fixed.pcap", read(fixed))
		}, "q124565/Fixed.pcap is not listed in MANIFEST"),
		Entry("a device's name, which is no device here", func() {
			write(manifest, read(manifest)+"CON\t"+strings.Repeat("0", 64)+"\tme\t1\tMIT\n")
		}, "CON is listed in MANIFEST and not there"),
	)

	DescribeTable("refuses a manifest that it did not write, and writes nothing (bad-input 48, 49)", func(entry, because string) {
		write(manifest, read(manifest)+entry+"\n")
		before := tree(".")
		Expect(check()).To(refuse("MANIFEST:4: ", because))
		Expect(nbtlab("record", "q124565")).To(refuse("MANIFEST:4: ", because))
		Expect(nbtlab("record", "q140419")).To(refuse("MANIFEST:4: ", because))
		Expect(tree(".")).To(Equal(before))
	},
		Entry("with a path that leads out", line("../x.pcap"), "not one of a recording"),
		Entry("with a path that leads out on the way", line("q124565/../../x.pcap"), "not one of a recording"),
		Entry("with a path to here", line("./q124565/x.pcap"), "not one of a recording"),
		Entry("with an absolute path", line("/etc/passwd"), "not one of a recording"),
		Entry("with a path that leads out on Windows", line(`a\..\b`), "not one of a recording"),
		Entry("with a drive", line(`c:x`), "not one of a recording"),
		Entry("with a NUL", line("x\x00.pcap"), "not one of a recording"),
		Entry("with a control sequence", line("x\x1b[2J.pcap"), "not one of a recording"),
		Entry("with a trailing dot", line("x.pcap."), "not one of a recording"),
		Entry("with a trailing space", line("x.pcap "), "not one of a recording"),
		Entry("with a hidden file", line(".x"), "not one of a recording"),
		Entry("with no path", line(""), "not one of a recording"),
		Entry("with an empty folder", line("q124565//x.pcap"), "not one of a recording"),
		Entry("with a file twice", line("q124565/fixed.pcap"), "listed twice"),
		Entry("with a file by two spellings", line("q124565/FIXED.pcap"), "listed twice"),
		Entry("with a sum in upper case", "x.pcap\t"+strings.Repeat("A", 64)+"\tme\t1\tMIT", "sha256"),
		Entry("with a sum that is too short", "x.pcap\t"+strings.Repeat("0", 62)+"\tme\t1\tMIT", "sha256"),
		Entry("with a sum that is none", "x.pcap\t"+strings.Repeat("g", 64)+"\tme\t1\tMIT", "sha256"),
		Entry("with too few fields", "x.pcap", "1 fields"),
		Entry("with too many fields", line("x.pcap")+"\tmore", "6 fields"),
	)

	It("refuses to check where nothing is recorded", func() {
		out := nbtlab("record", "--check", "--pcaps", "nowhere")
		Expect(out).To(refuse("cannot check the recordings in nowhere", "MANIFEST", "no such file"))
		Expect("nowhere").NotTo(BeADirectory())
	})

	It("refuses to check what may never end, and names it (bad-input 41)", func(SpecContext) {
		for _, file := range []string{fixed, manifest} {
			whole := read(file)
			for _, create := range []func(string) error{fifo, linkTo("/dev/zero")} {
				Expect(os.Remove(file)).To(Succeed())
				Expect(create(file)).To(Succeed())
				Expect(check()).To(refuse("cannot check the recordings in pcaps", strings.TrimPrefix(file, "pcaps/"), "not a regular file"))
			}
			Expect(os.Remove(file)).To(Succeed())
			write(file, whole)
		}
	}, soon)

	Describe("where it cannot write (bad-input 50)", func() {
		It("refuses a folder that is a file", func() {
			write("file", "precious")
			Expect(nbtlab("record", "q124565", "--pcaps", "file")).To(refuse("not a directory"))
			Expect(nbtlab("record", "q124565", "--pcaps", "file/below")).To(refuse("not a directory"))
			Expect(read("file")).To(Equal("precious"))
		})

		It("refuses a folder in the place of a file, and leaves no file half written", func() {
			Expect(os.Remove(fixed)).To(Succeed())
			Expect(os.Mkdir(fixed, 0o755)).To(Succeed())
			before := tree("pcaps")
			Expect(nbtlab("record", "q124565")).To(refuse("cannot write "+fixed, "it is a directory"))
			Expect(tree("pcaps")).To(Equal(before))
		})

		It("refuses a file in the place of a folder", func() {
			Expect(os.RemoveAll("pcaps/q124565")).To(Succeed())
			write("pcaps/q124565", "precious")
			Expect(nbtlab("record", "q124565")).To(refuse("pcaps/q124565", "not a directory"))
			Expect(read("pcaps/q124565")).To(Equal("precious"))
		})
	})

	It("writes nothing when one of the scenarios is wrong", func() {
		before := tree("pcaps")
		Expect(nbtlab("record", "q140419", "nosuch")).To(refuse(`"nosuch"`))
		Expect(tree("pcaps")).To(Equal(before))
	})
})

// line is a good line of a manifest, about this path.
func line(path string) string { return path + "\t" + strings.Repeat("0", 64) + "\tme\t1\tMIT" }

var _ = Describe("Recording what cannot lie where it would", func() {
	It("refuses a scenario whose name would lead out of the folder, or break the manifest", func() {
		src, err := fs.ReadFile(scenarios.FS(), "q140419.scenario")
		Expect(err).NotTo(HaveOccurred())
		for _, name := range []string{"...scenario", "-x.scenario", "a b.scenario"} {
			Expect(os.WriteFile(name, src, 0o600)).To(Succeed())
			r := nbtlab("record", "./"+name, "--pcaps", "out")
			Expect(r).To(exitWith(exitUsage), name)
			Expect(r.Stderr).To(ContainSubstring("cannot be the name of a folder"))
			Expect("out").NotTo(BeADirectory())
		}
	})

	It("replaces a link by a file, and does not follow a linked folder", func() {
		Expect(nbtlab("record", "q140419", "--pcaps", "out")).To(exitWith(exitAsExpected))
		Expect(os.Rename("out/q140419/fixed.pcap", "elsewhere.pcap")).To(Succeed())
		Expect(os.Symlink("../../elsewhere.pcap", "out/q140419/fixed.pcap")).To(Succeed())
		Expect(nbtlab("record", "q140419", "--pcaps", "out")).To(exitWith(exitAsExpected))
		info, err := os.Lstat("out/q140419/fixed.pcap")
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().IsRegular()).To(BeTrue())

		Expect(os.Rename("out/q140419", "moved")).To(Succeed())
		Expect(os.Symlink("../moved", "out/q140419")).To(Succeed())
		Expect(os.Remove("moved/fixed.pcap")).To(Succeed())
		r := nbtlab("record", "q140419", "--pcaps", "out")
		Expect(r).To(exitWith(exitUsage))
		Expect(r.Stderr).To(ContainSubstring("is a link"))
		Expect("moved/fixed.pcap").NotTo(BeAnExistingFile())
	})

	It("does not wait for a FIFO in the place of a capture or the manifest", func() {
		Expect(nbtlab("record", "q140419", "--pcaps", "out")).To(exitWith(exitAsExpected))
		for _, name := range []string{"out/q140419/fixed.pcap", "out/MANIFEST"} {
			Expect(os.Remove(name)).To(Succeed())
			Expect(syscall.Mkfifo(name, 0o600)).To(Succeed())
			r := nbtlab("record", "q140419", "--pcaps", "out")
			Expect(r).To(exitWith(exitUsage))
			Expect(r.Stderr).To(ContainSubstring("FIFO"))
			Expect(os.Remove(name)).To(Succeed())
		}
	})

	It("checks only what it is asked about", func() {
		Expect(nbtlab("record", "--pcaps", "out")).To(exitWith(exitAsExpected))
		Expect(nbtlab("record", "--check", "q124565", "--pcaps", "out")).To(exitWith(exitAsExpected))
		Expect(nbtlab("record", "--check", "--json", "--pcaps", "out").Stdout).To(Equal(`{"captures":49}` + "\n"))
	})
})
