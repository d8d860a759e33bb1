// SPDX-License-Identifier: MIT

package nbt_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

// captured is the folder whose captures the specs look at: the recorded ones, unless NBTLAB_CAPTURES names another.
func captured() fs.FS {
	if dir := os.Getenv("NBTLAB_CAPTURES"); dir != "" {
		return os.DirFS(dir)
	}
	return pcaps.FS()
}

var services = [...]fixtures.Service{
	capture.NameService: fixtures.NameService, capture.DatagramService: fixtures.DatagramService,
	capture.SessionService: fixtures.SessionService,
}

// tally counts the messages of captures.
type tally struct {
	captures, messages, strict, odd, unreadable int

	used map[nbt.Mode]map[fixtures.Service]decoder
}

var _ = Describe("Every message of every capture (NBTLAB_CAPTURES=folder; else the recorded ones)", func() {
	It("is parsed, encoded and parsed to the same", func() {
		n := tally{used: map[nbt.Mode]map[fixtures.Service]decoder{nbt.Strict: {}, nbt.Lenient: {}}}
		for _, used := range n.used {
			for _, s := range services {
				used[s] = blank(s)
			}
		}
		files := captured()
		Expect(fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			file, err := fs.ReadFile(files, name)
			Expect(err).NotTo(HaveOccurred())
			n.read(name, file)
			return nil
		})).To(Succeed())
		n.used = nil
		AddReportEntry("messages", n)
		Expect(n.captures).To(BeNumerically(">", 0))
		if os.Getenv("NBTLAB_CAPTURES") == "" {
			Expect(n.strict).To(Equal(n.messages), "all that a recorded capture has is as the RFC has it")
		}
	})
})

// read looks at the messages of a file, if it is a capture.
func (n *tally) read(name string, file []byte) {
	_, err := capture.Stream(bytes.NewReader(file), capture.Options{Quoted: true}, func(f *capture.Frame) error {
		if f.Kind == trace.UDP || f.Kind == trace.Message {
			n.message(name, f)
		}
		return nil
	})
	if err == nil {
		n.captures++
	}
}

// message holds one message against what the codec promises.
func (n *tally) message(name string, f *capture.Frame) {
	service := services[f.Service()]
	place := func() string { return path.Base(name) + ": " + nbt.Printable(f.Payload) }
	n.messages++
	strict, strictErr := parse(service, f.Payload)
	lenient, err := parseLenient(service, f.Payload)
	if err != nil {
		n.unreadable++
		Expect(strictErr).To(HaveOccurred(), place)
		return
	}
	for mode, want := range map[nbt.Mode]any{nbt.Strict: strict, nbt.Lenient: lenient} {
		if mode == nbt.Strict && strictErr != nil {
			continue
		}
		used := n.used[mode][service]
		Expect(used.Decode(f.Payload, mode)).To(Succeed(), place)
		Expect(fmt.Sprintf("%+v", shown(used))).To(Equal(fmt.Sprintf("%+v", shown(want))), place)
	}
	checkLenient(GinkgoTB(), service, lenient, f.Payload)
	if strictErr != nil {
		n.odd++
		Expect(oddities(lenient)).NotTo(BeEmpty(), place)
		return
	}
	n.strict++
	Expect(withoutFlags(lenient)).To(Equal(strict), place)
}
