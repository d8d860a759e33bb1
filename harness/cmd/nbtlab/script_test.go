// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/pcaps"
)

// beyondADraft are the recordings of ours that a draft does not give again: the network loses what the capture shows, a host is
// made to send what no stack sends, a name server is of another profile or is absent, and no frame says so.
var beyondADraft = []string{
	"nbns-challenge/group/", "nbns-challenge/owner-that-has-forgotten/", "nbns-challenge/repetitions-while-waiting/",
	"nbns-challenge/requester-asks-living-owner/", "nbns-challenge/requester-asks-silent-owner/", "nbns-challenge/silent-owner/",
	"nbns-types/h-release-unanswered/", "nbns-types/h-without-name-server/",
}

// drafted reports whether a recording is one that a draft gives again.
func drafted(path string) bool {
	return !strings.HasPrefix(path, "recorded/") &&
		!slices.ContainsFunc(beyondADraft, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}

// hostOf is the host that a recording of ours is about.
func hostOf(path string) string {
	if strings.HasPrefix(path, "nbns-types/h-") {
		return "10.0.0.11"
	}
	return pcHost
}

var _ = Describe("nbtlab script", func() {
	var ours []string
	Expect(fs.WalkDir(pcaps.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcap") && drafted(path) {
			ours = append(ours, path)
		}
		return err
	})).To(Succeed())

	for _, path := range ours {
		It("drafts a scenario that gives the same capture on the same model: "+path, func() {
			write("given.pcap", committed(path))
			out := nbtlab("script", "given.pcap", "--host", hostOf(path))
			Expect(out).To(And(exitWith(exitAsExpected), HaveField("Stderr", "")))
			Expect(out.Stdout).NotTo(ContainSubstring("Left out"))
			write("draft.scenario", out.Stdout)
			Expect(nbtlab("fmt", "--check", "draft.scenario")).To(exitWith(exitAsExpected), "it is in canonical form")
			model := strings.TrimSuffix(filepath.Base(path), ".pcap")
			Expect(nbtlab("check", "draft.scenario", "--model", model, "--against", "given.pcap")).To(exitWith(exitAsExpected))
			Expect(nbtlab("run", "draft.scenario")).To(exitWith(exitAsExpected), "what it expects of a correct stack holds")
		})
	}

	It("names the frames, and says what a faulty stack does otherwise", func() {
		write("given.pcap", committed("q124565/fixed.pcap"))
		Expect(nbtlab("script", "given.pcap", "--host", pcHost)).To(show(
			"# Drafted from given.pcap: what 10.0.0.10 did.\n", "# Explained by fixed.\n", "bug      Q124565 in host\n",
			"peer  knows          CHAT at host\n", "host  add-name       CHAT &                              # frame 11\n",
			"host  delete-name    CHAT &                              # frame 28\n",
			"      -> release CHAT from host  | Q124565! no release CHAT from host\n"))
	})

	It("gives a history that replay takes once what the wire does not show is written into it", func() {
		write("given.pcap", committed("q124565/Q124565.pcap"))
		draft := nbtlab("script", "given.pcap", "--host", pcHost).Stdout
		Expect(draft).To(ContainSubstring("against  Q124565 in host\n"))
		write("known.scenario", draft+"at 7.5s\nhost delete-name CHAT &\nat 9s\n")
		Expect(nbtlab("replay", "given.pcap", "--host", pcHost, "--calls", "known.scenario")).To(And(exitWith(exitNot),
			show("Q124565 explains it")))
	})

	It("writes of a real stack what runs on a model", func() {
		write("given.pcap", committed(thenDelete))
		out := nbtlab("script", "given.pcap", "--host", samba, "--profile", "samba-4.17")
		Expect(out).To(exitWith(exitAsExpected))
		write("draft.scenario", out.Stdout)
		Expect(nbtlab("run", "draft.scenario")).To(exitWith(exitAsExpected))
	})

	It("says when there is nothing to write", func() {
		write("given.pcap", committed("q124565/fixed.pcap"))
		out := nbtlab("script", "given.pcap", "--host", "192.0.2.1")
		Expect(out).To(And(exitWith(exitCannotJudge), HaveField("Stdout", ""),
			HaveField("Stderr", ContainSubstring("cannot write a draft: 192.0.2.1 is not in the capture"))))
		Expect(nbtlab("script", "given.pcap", "--host", pcHost, "--json")).To(refuse("script prints a scenario"))
		Expect(nbtlab("script", "given.pcap")).To(refuse("--host IP"))
	})
})

// Captures of others are read where NBTLAB_CAPTURES says that they are; without it, the committed ones.
var _ = Describe("Captures of all kinds", func() {
	dir := os.Getenv("NBTLAB_CAPTURES")

	It("are replayed, explained and drafted, whatever they hold", func() {
		if dir == "" {
			dir = GinkgoT().TempDir()
			realStacks(dir)
			write(filepath.Join(dir, "q124565.pcap"), committed("q124565/Q124565.pcap"))
		}
		read := 0
		Expect(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			out := nbtlab("explain", path, "--json")
			if out.Status == exitUsage {
				return nil // no capture
			}
			read++
			Expect(out).To(exitWith(exitAsExpected), path)
			Expect(strings.Count(nbtlab("explain", path).Stdout, "\n")).To(BeNumerically("<", 2500), "the table of "+path)
			tried := 0
			for _, line := range lines(out.Stdout) {
				var x struct{ Kind, Host string }
				Expect(json.Unmarshal([]byte(line), &x)).To(Succeed())
				if x.Kind != "host" {
					continue
				}
				if tried++; tried > 8 {
					break
				}
				sound := Or(exitWith(exitAsExpected), exitWith(exitNot), exitWith(exitCannotJudge))
				Expect(nbtlab("replay", path, "--host", x.Host)).To(sound, path)
				draft := nbtlab("script", path, "--host", x.Host)
				Expect(draft).To(Or(exitWith(exitAsExpected), exitWith(exitCannotJudge)), path)
				Expect(draft.Stderr).NotTo(ContainSubstring("a bug in nbtlab"))
				if draft.Status == exitAsExpected {
					write("draft.scenario", draft.Stdout)
					Expect(nbtlab("run", "draft.scenario")).NotTo(exitWith(exitUsage), path)
				}
			}
			return nil
		})).To(Succeed())
		Expect(read).To(BeNumerically(">", 0), "captures below "+dir)
	})
})
