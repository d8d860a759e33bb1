// SPDX-License-Identifier: MIT

package pcaps_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/pcaps"
)

// recorded makes the recordings of all shipped scenarios, now.
func recorded() []harness.Recording {
	GinkgoHelper()
	shipped, err := harness.Shipped()
	Expect(err).NotTo(HaveOccurred())
	var list []harness.Recording
	for _, s := range shipped {
		made, err := harness.Recordings(s)
		Expect(err).NotTo(HaveOccurred())
		list = append(list, made...)
	}
	return list
}

// committed copies what is committed, so that it can be broken.
func committed() fstest.MapFS {
	GinkgoHelper()
	files := fstest.MapFS{}
	err := fs.WalkDir(pcaps.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(pcaps.FS(), path)
		files[path] = &fstest.MapFile{Data: b}
		return err
	})
	Expect(err).NotTo(HaveOccurred())
	return files
}

const victim = "q124565/fixed.pcap"

// edit returns the manifest with something replaced in it, which must be there once.
func edit(files fstest.MapFS, old, new string) {
	GinkgoHelper()
	text := string(files[harness.Manifest].Data)
	Expect(strings.Count(text, old)).To(Equal(1), "%q in the manifest", old)
	files[harness.Manifest] = &fstest.MapFile{Data: []byte(strings.Replace(text, old, new, 1))}
}

// line returns a file's line of the manifest.
func line(files fstest.MapFS, path string) string {
	GinkgoHelper()
	for line := range strings.Lines(string(files[harness.Manifest].Data)) {
		if strings.HasPrefix(line, path+"\t") {
			return line
		}
	}
	Fail(path + " is not in the manifest")
	return ""
}

// othersLines are the lines of the manifest about captures that the harness did not make.
func othersLines() string {
	GinkgoHelper()
	var lines strings.Builder
	for line := range strings.Lines(string(committed()[harness.Manifest].Data)) {
		if strings.HasPrefix(line, realStacks) {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

var _ = Describe("What is committed", func() {
	It("says of each capture of a real stack what made it", func() {
		Expect(strings.Split(strings.TrimSuffix(othersLines(), "\n"), "\n")).To(HaveEach(MatchRegexp(
			`^recorded/[a-z-]+\.pcap\t[0-9a-f]{64}\tSamba 4\.17\.12 [^\t]+\t-\tMIT$`)))
	})

	It("is what the recorder makes of the shipped scenarios now, and nothing else", func() {
		Expect(harness.CheckRecordings(pcaps.FS(), recorded(), true)).To(BeEmpty())
	})

	It("is used, every file: there is a scenario, a case and a model for it", func() {
		made := map[string]bool{}
		for _, r := range recorded() {
			made[r.Path] = true
		}
		for _, path := range paths() {
			Expect(made).To(HaveKey(path))
			delete(made, path)
		}
		Expect(made).To(BeEmpty(), "not committed")
	})

	It("is written again to the last byte, the manifest too", func() {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, harness.Manifest), []byte(othersLines()), 0o600)).To(Succeed())
		changed, err := harness.Record(dir, recorded())
		Expect(err).NotTo(HaveOccurred())
		Expect(changed).To(ConsistOf(append(paths(), harness.Manifest)))
		for _, path := range changed {
			b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
			Expect(err).NotTo(HaveOccurred())
			want, err := fs.ReadFile(pcaps.FS(), path)
			Expect(err).NotTo(HaveOccurred())
			same := bytes.Equal(b, want) // a difference of captures is nothing to print
			Expect(same).To(BeTrue(), path)
		}
	})
})

var _ = Describe("Checking what is committed", func() {
	DescribeTable("reports what somebody broke, and that alone",
		func(sabotage func(files fstest.MapFS), want ...string) {
			files := committed()
			before := maps.Clone(files)
			sabotage(files)
			Expect(files).NotTo(Equal(before))
			Expect(harness.CheckRecordings(files, recorded(), true)).To(Equal(want))
		},
		Entry("a byte of a capture changed",
			func(files fstest.MapFS) {
				b := bytes.Clone(files[victim].Data)
				b[len(b)-1] ^= 1
				files[victim] = &fstest.MapFile{Data: b}
			},
			victim+" is not the file that MANIFEST lists", victim+" is not what the recorder makes"),
		Entry("a capture cut short",
			func(files fstest.MapFS) {
				b := files[victim].Data
				files[victim] = &fstest.MapFile{Data: b[:len(b)-1]}
			},
			victim+" is not the file that MANIFEST lists", victim+" is not what the recorder makes"),
		Entry("a file added",
			func(files fstest.MapFS) { files["q124565/other.pcap"] = files[victim] },
			"q124565/other.pcap is not listed in MANIFEST"),
		Entry("a file added and listed as the recorder's",
			func(files fstest.MapFS) {
				files["q124565/other.pcap"] = files[victim]
				old := line(files, victim)
				edit(files, old, old+strings.Replace(old, victim, "q124565/other.pcap", 1))
			},
			"q124565/other.pcap is listed as made by nbtlab record, which does not make it"),
		Entry("a file removed",
			func(files fstest.MapFS) { delete(files, victim) },
			victim+" is listed in MANIFEST and not there", victim+" is missing"),
		Entry("a file removed and its line too",
			func(files fstest.MapFS) {
				delete(files, victim)
				edit(files, line(files, victim), "")
			},
			victim+" is missing"),
		Entry("a line removed",
			func(files fstest.MapFS) { edit(files, line(files, victim), "") },
			victim+" is not listed in MANIFEST"),
		Entry("a line with the sum of another file",
			func(files fstest.MapFS) {
				sum := func(path string) string { return strings.Split(line(files, path), "\t")[1] }
				edit(files, sum(victim), sum("q140419/fixed.pcap"))
			},
			victim+" is not the file that MANIFEST lists"),
		Entry("a FIFO in a file's place",
			func(files fstest.MapFS) {
				files[victim] = &fstest.MapFile{Data: files[victim].Data, Mode: fs.ModeNamedPipe}
			},
			victim+" is listed in MANIFEST and not there", victim+" is not a regular file"),
		Entry("two files exchanged",
			func(files fstest.MapFS) {
				other := "q124565/Q124565.pcap"
				files[victim], files[other] = files[other], files[victim]
			},
			"q124565/Q124565.pcap is not the file that MANIFEST lists", "q124565/Q124565.pcap is not what the recorder makes",
			victim+" is not the file that MANIFEST lists", victim+" is not what the recorder makes"),
	)

	It("leaves alone what others made, if it is listed", func() {
		files := committed()
		files["recorded/samba.pcap"] = files[victim]
		old := line(files, victim)
		edit(files, old, old+strings.NewReplacer(victim, "recorded/samba.pcap", "nbtlab record", "tcpdump").Replace(old))
		Expect(harness.CheckRecordings(files, recorded(), true)).To(BeEmpty())
	})

	DescribeTable("refuses a manifest that is none, and says in which line",
		func(old, new, want string) {
			files := committed()
			edit(files, old, new)
			_, err := harness.CheckRecordings(files, recorded(), true)
			Expect(err).To(MatchError(want))
		},
		Entry("a field missing", "\tnbtlab record\t1\tMIT\nms00-047/fixed.pcap", "\tnbtlab record\tMIT\nms00-047/fixed.pcap",
			"MANIFEST:4: 4 fields, want path, sha256, made by, recorder version, licence"),
		Entry("a path that leads elsewhere", "ms00-047/fixed.pcap", "../fixed.pcap",
			`MANIFEST:5: path "../fixed.pcap" is not one of a recording`),
		Entry("a file listed twice", "ms00-047/fixed.pcap", "ms00-047/MS00-047.PCAP",
			"MANIFEST:5: ms00-047/MS00-047.PCAP is listed twice"),
		Entry("a field too many", "ms00-047/fixed.pcap\t", "ms00-047/fixed.pcap\tff\t",
			"MANIFEST:5: 6 fields, want path, sha256, made by, recorder version, licence"),
	)

	It("refuses a sum that is none", func() {
		files := committed()
		sum := strings.Split(line(files, victim), "\t")[1]
		edit(files, sum, strings.ToUpper(sum))
		_, err := harness.CheckRecordings(files, recorded(), true)
		Expect(err).To(MatchError(MatchRegexp(`^MANIFEST:\d+: ".*" is not a sha256 in lower case$`)))
	})

	It("needs a manifest", func() {
		files := committed()
		delete(files, harness.Manifest)
		_, err := harness.CheckRecordings(files, recorded(), true)
		Expect(err).To(MatchError(fs.ErrNotExist))
	})
})
