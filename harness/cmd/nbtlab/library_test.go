// SPDX-License-Identifier: MIT

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/scenarios"
)

var _ = Describe("nbtlab fmt", func() {
	const untidy = "# mine\n\n\nnode pc 10.0.0.10/24\r\nnode    peer  10.0.0.20/24 # the other\n\npc add-name \"CHAT\"\n" +
		"peer     find-name   CHAT<20>\n -> ok ,answer CHAT   from pc\n"

	const tidy = "# mine\n\nnode  pc    10.0.0.10/24\nnode  peer  10.0.0.20/24  # the other\n\npc    add-name   CHAT\n" +
		"peer  find-name  CHAT\n      -> ok, answer CHAT from pc\n"

	It("leaves everything that ships as it is (bad-input 51)", func() {
		files, err := fs.Glob(scenarios.FS(), "*")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			text := shipped(strings.TrimSuffix(file, scenarios.Extension))
			write(file, text)
			Expect(nbtlab("fmt", file)).To(Equal(outcome{exitAsExpected, text, ""}), file)
		}
		Expect(nbtlab(append([]string{"fmt", "--check"}, files...)...)).To(Equal(outcome{}))
	})

	It("prints a file in canonical form, which stays as it is", func() {
		write("mine.scenario", untidy)
		Expect(nbtlab("fmt", "mine.scenario")).To(Equal(outcome{exitAsExpected, tidy, ""}))
		Expect(read("mine.scenario")).To(Equal(untidy))
		Expect(nbtlabReading(tidy, "fmt", "-")).To(Equal(outcome{exitAsExpected, tidy, ""}))
	})

	It("reads standard input for -, and prints even with -w", func() {
		for _, args := range [][]string{{"fmt", "-"}, {"fmt", "-w", "-"}} {
			Expect(nbtlabReading(untidy, args...)).To(Equal(outcome{exitAsExpected, tidy, ""}))
		}
		Expect(nbtlabReading(untidy, "fmt", "--check", "-")).To(Equal(outcome{exitNot, "- is not in canonical form\n", ""}))
		Expect(nbtlabReading(tidy, "fmt", "--check", "-")).To(Equal(outcome{}))
	})

	It("names the files that are not in canonical form with --check, and writes nothing", func() {
		write("good.scenario", tidy)
		write("bad.scenario", untidy)
		before := tree(".")
		Expect(nbtlab("fmt", "--check", "good.scenario", "bad.scenario")).
			To(Equal(outcome{exitNot, "bad.scenario is not in canonical form\n", ""}))
		Expect(tree(".")).To(Equal(before))
	})

	It("rewrites with -w the files that it must", func() {
		write("good.scenario", tidy)
		write("bad.scenario", untidy)
		before := tree(".")["good.scenario"]
		Expect(nbtlab("fmt", "-w", "good.scenario", "bad.scenario")).To(Equal(outcome{}))
		Expect(read("bad.scenario")).To(Equal(tidy))
		Expect(tree(".")["good.scenario"]).To(Equal(before))
		info, err := os.Stat("bad.scenario")
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(fs.FileMode(0o600)), "who may read it is not for fmt to decide")
	})

	It("rewrites nothing when one of the files cannot be read", func() {
		write("bad.scenario", untidy)
		write("worse.scenario", "node pc\n")
		before := tree(".")
		out := nbtlab("fmt", "-w", "bad.scenario", "worse.scenario")
		Expect(out).To(And(exitWith(exitUsage), HaveField("Stdout", ""), HaveField("Stderr", HavePrefix("nbtlab: worse.scenario:1:"))))
		Expect(nbtlab("fmt", "-w", "bad.scenario", "none.scenario")).To(refuse("none.scenario", "no such file"))
		Expect(tree(".")).To(Equal(before))
	})

	It("refuses -w together with --check", func() {
		write("bad.scenario", untidy)
		Expect(nbtlab("fmt", "-w", "--check", "bad.scenario")).To(refuse("-w and --check exclude each other"))
		Expect(read("bad.scenario")).To(Equal(untidy))
	})
})

var _ = Describe("nbtlab bugs", func() {
	It("lists every bug with its source, its knobs and its scenarios", func() {
		out := nbtlab("bugs")
		Expect(out).To(And(exitWith(exitAsExpected), HaveField("Stderr", "")))
		for _, f := range fault.All() {
			Expect(out).To(show(f.ID+"  "+f.Title+".\n", "had by     "+f.Product+"\n", "source     "+f.Source+"\n"))
		}
		Expect(out).To(show("\n    Q124565:count=each|once  "))
		Expect(out.Stdout).To(MatchRegexp(`\n    scenarios  q124565, q124565-controls, [^\n]*q124565-table\n`))
	})

	It("prints JSON of the same", func() {
		out := nbtlab("bugs", "--json")
		Expect(out).To(exitWith(exitAsExpected))
		rows := lines(out.Stdout)
		Expect(rows).To(HaveLen(len(fault.All())))
		for i, f := range fault.All() {
			var got struct {
				ID, Title, Product, Source, Class, Oracle string
				Knobs                                     []struct {
					Name   string
					Values []string
					Doc    string
				}
				Scenarios []string
			}
			decode(rows[i], &got)
			Expect(got.ID).To(Equal(f.ID))
			Expect(got.Scenarios).NotTo(BeEmpty(), "a bug that nothing reproduces")
			for _, name := range got.Scenarios {
				Expect(nbtlab("verify", name)).To(exitWith(exitAsExpected))
			}
		}
	})

	It("prints a table for Markdown, each row with as many cells as its head", func() {
		rows := lines(nbtlab("bugs", "--markdown").Stdout)
		Expect(rows).To(HaveLen(2 + len(fault.All())))
		for _, row := range rows {
			Expect(strings.Count(row, "|")).To(Equal(strings.Count(rows[0], "|")), row)
			Expect(row).To(And(HavePrefix("|"), HaveSuffix("|")))
		}
		Expect(rows[1]).To(MatchRegexp(`^\|[-|]+\|$`))
	})
})

var _ = Describe("Help", func() {
	commands := []string{"verify", "run", "compare", "check", "record", "decode", "replay", "explain", "script", "bugs", "fmt", "serve", "agent", "probe", "help"}

	It("names every command", func() {
		out := nbtlab()
		Expect(out).To(And(exitWith(exitAsExpected), show(commands...), show("Exit status: 0 as expected"), HaveField("Stderr", "")))
		Expect(nbtlab("--help")).To(Equal(out))
		Expect(nbtlab("help")).To(Equal(out))
		var listed []string
		for _, cmd := range (&app{}).root().Commands() {
			listed = append(listed, cmd.Name())
		}
		Expect(append(listed, "help")).To(ContainElements(commands))
		Expect(commands).To(ContainElements(listed))
	})

	It("shows an example of every command", func() {
		for _, command := range commands {
			out := nbtlab(command, "--help")
			Expect(out).To(And(exitWith(exitAsExpected), HaveField("Stderr", "")))
			Expect(out.Stdout).To(MatchRegexp(`\n\nExamples:\n  nbtlab ` + command + ` ?`))
			Expect(nbtlab("help", command)).To(Equal(out))
		}
	})

	// Whoever tries an example must not be told that it is wrong.
	It("gives examples that work", func() {
		write("mine.scenario", shipped("q124565"))
		withQ124565("customer.pcapng")
		withQ124565("customer.pcap")
		files, err := fs.Glob(scenarios.FS(), "*")
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			write(filepath.Join("scenarios", file), shipped(strings.TrimSuffix(file, scenarios.Extension)))
		}
		Expect(nbtlab("record")).To(exitWith(exitAsExpected))
		Expect(nbtlab("record", "./mine.scenario", "--pcaps", "./my-captures")).To(exitWith(exitAsExpected))
		realStacks("pcaps")
		tried := 0
		for _, command := range append(commands, "") {
			_, examples, _ := strings.Cut(nbtlab(strings.Fields(command+" --help")...).Stdout, "Examples:\n")
			examples, _, _ = strings.Cut(examples, "\n\n")
			for _, example := range lines(examples + "\n") {
				example, _, _ = strings.Cut(example, " # ")
				example, _, _ = strings.Cut(example, " | ")
				example, ours := strings.CutPrefix(strings.TrimSpace(example), "nbtlab ")
				if !ours {
					continue // git's
				}
				var args []string
				for word := range strings.FieldsSeq(strings.ReplaceAll(example, "'", "")) { // there is no shell to take them off
					if found, err := filepath.Glob(word); err == nil && len(found) > 0 {
						args = append(args, found...)
					} else {
						args = append(args, strings.Trim(word, "'"))
					}
				}
				tried++
				if strings.Contains(example, " --addr 10.77.0.") || strings.Contains(example, " --dut ") || strings.Contains(example, " live:10.77.0.") {
					// On a LAN as those of harness/peers, which has an address for it.
					Expect(nbtlab(args...)).To(refuse("of this host"), example)
					continue
				}
				if command == "probe" && !strings.Contains(example, "--list") {
					Expect(understood(args)).To(Succeed(), example) // and not done: nobody is to be probed
					continue
				}
				Expect(nbtlab(args...)).NotTo(exitWith(exitUsage), example)
			}
		}
		Expect(tried).To(BeNumerically(">", len(commands)))
	})

	It("knows no unknown command", func() {
		Expect(nbtlab("help", "nosuch")).To(refuse(`unknown command "nosuch"`))
		Expect(nbtlab("help", "run", "nosuch")).To(refuse(`unknown command "nosuch"`))
	})
})

// understood tells whether a command line is one that its command could carry out.
func understood(args []string) error {
	cmd, rest, err := (&app{}).root().Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	return err
}
