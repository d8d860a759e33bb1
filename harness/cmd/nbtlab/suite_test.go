// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/nbtlab/nbtlab/pcaps"
	"github.com/nbtlab/nbtlab/scenarios"
)

func TestNBTLab(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "nbtlab")
}

// Each spec runs in a folder of its own, and leaves artifacts only if it asks for them.
var _ = BeforeEach(func() {
	GinkgoT().Chdir(GinkgoT().TempDir())
	GinkgoT().Setenv("NBTLAB_ARTIFACTS", "")
})

// outcome is what a command did.
type outcome struct {
	Status         int
	Stdout, Stderr string
}

// nbtlab runs a command line.
func nbtlab(args ...string) outcome { return nbtlabReading("", args...) }

// nbtlabReading runs a command line with a text on standard input. Whatever the command is and whatever became of it, what
// it prints must be fit for a terminal (bad-input 59, 60); only fmt prints a file as it is.
func nbtlabReading(stdin string, args ...string) outcome {
	GinkgoHelper()
	var stdout, stderr bytes.Buffer
	status := run(context.Background(), append([]string{}, args...), strings.NewReader(stdin), &stdout, &stderr)
	out := outcome{status, stdout.String(), stderr.String()}
	Expect(out.Stderr).To(beFitForATerminal())
	if len(args) == 0 || args[0] != "fmt" {
		Expect(out.Stdout).To(beFitForATerminal())
	}
	return out
}

// built is the program, for specs about what only a process of its own has.
func built() string {
	GinkgoHelper()
	program := filepath.Join(GinkgoT().TempDir(), "nbtlab")
	build := exec.Command("go", "build", "-o", program, "github.com/nbtlab/nbtlab/harness/cmd/nbtlab")
	_, here, _, _ := runtime.Caller(0)
	build.Dir = filepath.Dir(here)
	said, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(said))
	return program
}

func beFitForATerminal() types.GomegaMatcher {
	return Satisfy(func(text string) bool {
		return strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) < 0
	})
}

// exitWith matches a status; on a mismatch Gomega shows all that was printed.
func exitWith(status int) types.GomegaMatcher { return HaveField("Status", status) }

func show(texts ...string) types.GomegaMatcher {
	var all []types.GomegaMatcher
	for _, text := range texts {
		all = append(all, ContainSubstring(text))
	}
	return HaveField("Stdout", And(all...))
}

// refuse matches an error that is told on one line of standard error, with nothing on standard output.
func refuse(because ...string) types.GomegaMatcher {
	all := []types.GomegaMatcher{MatchRegexp(`\Anbtlab: [^\n]+\n\z`)}
	for _, text := range because {
		all = append(all, ContainSubstring(text))
	}
	return And(exitWith(exitUsage), HaveField("Stdout", ""), HaveField("Stderr", And(all...)))
}

// lines are the lines of a text that ends its last one.
func lines(text string) []string {
	GinkgoHelper()
	Expect(text).To(HaveSuffix("\n"))
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// decode reads JSON that has the fields of v and no others.
func decode(text string, v any) {
	GinkgoHelper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	Expect(dec.Decode(v)).To(Succeed())
	Expect(dec.Decode(new(any))).To(MatchError(io.EOF), "one object a line")
}

// write makes a file and the folders that it is in.
func write(path, text string) {
	GinkgoHelper()
	Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
}

func read(path string) string {
	GinkgoHelper()
	b, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

// committed is a capture that is part of the program.
func committed(path string) string {
	GinkgoHelper()
	b, err := fs.ReadFile(pcaps.FS(), path)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

// realStacks writes the committed captures of real stacks below a folder.
func realStacks(dir string) {
	GinkgoHelper()
	found, err := fs.Glob(pcaps.FS(), "recorded/*")
	Expect(err).NotTo(HaveOccurred())
	Expect(found).NotTo(BeEmpty())
	for _, path := range found {
		write(filepath.Join(dir, path), committed(path))
	}
}

// shipped is the text of a scenario that ships.
func shipped(name string) string {
	GinkgoHelper()
	b, err := fs.ReadFile(scenarios.FS(), name+scenarios.Extension)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

// altered is the text of a scenario that ships, with one thing changed.
func altered(name, from, to string) string {
	GinkgoHelper()
	text := shipped(name)
	Expect(text).To(ContainSubstring(from))
	return strings.Replace(text, from, to, 1)
}

// tree is all that is below a folder: what is in each file, and when it was written.
func tree(dir string) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	Expect(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		Expect(err).NotTo(HaveOccurred())
		info, err := d.Info()
		Expect(err).NotTo(HaveOccurred())
		all[path] = info.Mode().String()
		if info.Mode().IsRegular() {
			all[path] += " " + info.ModTime().String() + " " + read(path)
		}
		return nil
	})).To(Succeed())
	return all
}

// names are the files below a folder.
func names(dir string) (list []string) {
	GinkgoHelper()
	for path := range tree(dir) {
		if info, err := os.Lstat(path); err == nil && !info.IsDir() {
			list = append(list, filepath.ToSlash(path))
		}
	}
	return list
}
