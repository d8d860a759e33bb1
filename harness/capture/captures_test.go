// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

// captured is the folder whose captures the specs look at, and how many lengths of a file to step over when it is cut: none
// of those in the folder that NBTLAB_CAPTURES names, most of the recorded ones, which are all made in the same way.
func captured() (files fs.FS, step int) {
	if dir := os.Getenv("NBTLAB_CAPTURES"); dir != "" {
		return os.DirFS(dir), 1
	}
	return pcaps.FS(), 29
}

// eachCapture calls a function with the files of the folder that are captures.
func eachCapture(files fs.FS, do func(i int, name string, file []byte)) {
	GinkgoHelper()
	n := 0
	Expect(fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := fs.ReadFile(files, name)
		Expect(err).NotTo(HaveOccurred())
		if _, _, err := streamed(file, capture.Options{}); err == nil {
			do(n, name, file)
			n++
		}
		return nil
	})).To(Succeed())
	Expect(n).To(BeNumerically(">", 0), "captures in the folder")
}

// headerOf is how many bytes a capture of this kind must have to be one.
func headerOf(file []byte) int {
	switch {
	case bytes.HasPrefix(file, []byte("\x0a\x0d\x0d\x0a")):
		return 28
	case bytes.HasPrefix(file, []byte("snoop")):
		return 16
	case bytes.HasPrefix(file, []byte("\x1f\x8b")):
		return 1024 // the compressed beginning of any of them, and gzip's own header with a name
	}
	return 24
}

// datagramsOf are the frames that wait for nothing: what comes first does not depend on what comes later.
func datagramsOf(frames []capture.Frame) []capture.Frame {
	return slices.DeleteFunc(frames, func(f capture.Frame) bool { return f.Kind != trace.UDP })
}

var _ = Describe("Every capture (NBTLAB_CAPTURES=folder; else the recorded ones)", func() {
	It("is read as far as it goes when it is cut at any byte of its first 4 KiB (bad-input 36)", func() {
		files, step := captured()
		eachCapture(files, func(i int, name string, file []byte) {
			whole, _ := hold(GinkgoTB(), file, capture.Options{})
			datagrams := datagramsOf(whole)
			for n := i % step; n <= min(len(file), 4096); n += step {
				// In an array of just this length: a read past the end must not find anything there.
				cut := slices.Clip(slices.Clone(file[:n]))
				frames, s, err := streamed(cut, capture.Options{})
				checkHolds(GinkgoTB(), frames, s, err)
				if err != nil && s.Packets == 0 {
					Expect(n).To(BeNumerically("<", headerOf(file)), "%s: %v", name, err)
				}
				found := datagramsOf(frames)
				Expect(len(found)).To(BeNumerically("<=", len(datagrams)), name)
				for i := range found {
					Expect(found[i]).To(Equal(datagrams[i]), name)
				}
				if n%97 == 0 {
					Expect(allocated(func() { _, _, _ = streamed(cut, capture.Options{}) })).To(
						BeNumerically("<=", 8*n+1<<20), "%d bytes of %s", n, name)
				}
			}
		})
	})

	It("costs less than 64 MiB", func() {
		files, _ := captured()
		eachCapture(files, func(_ int, name string, file []byte) {
			peak, _ := held(bytes.NewReader(file), capture.Options{})
			Expect(peak).To(BeNumerically("<", 64<<20), name)
		})
	})
})

var _ = Describe("Random bytes", func() {
	It("behind the beginning of any kind of capture end it, and cost no more than they are worth (bad-input 36)", func() {
		for name, begin := range map[string][]byte{
			"nothing": nil, "pcap": newTape().buf, "snoop": snoop(nameQuery())[:16],
			"pcapng": newBlocks(binary.BigEndian).nic(1, 0).buf, "gzip": zipped(newTape().buf)[:30],
		} {
			r := rand.New(rand.NewPCG(34, 42))
			for range 300 {
				b := slices.Clone(begin)
				for range 300 + r.IntN(2000) {
					b = append(b, byte(r.Uint32()))
				}
				var s capture.Summary
				var err error
				cost := allocated(func() { _, s, err = streamed(b, capture.Options{}) })
				Expect(cost).To(BeNumerically("<=", 8*len(b)+1<<20), name)
				if name == "nothing" {
					Expect(err).To(HaveOccurred())
					continue
				}
				Expect(err != nil || s.Cut != nil).To(BeTrue(), name)
			}
		}
	})
})
