// SPDX-License-Identifier: MIT

package capture_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

var _ = Describe("Capture files", func() {
	var dir, path string

	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		path = filepath.Join(dir, "run.pcap")
	})

	entries := func() (names []string) {
		all, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		for _, e := range all {
			names = append(names, e.Name())
		}
		return names
	}

	It("are written as Write writes and read as Read reads", func() {
		Expect(capture.WriteFile(path, everything())).To(Succeed())
		Expect(os.ReadFile(path)).To(Equal(written(everything())))
		c, err := capture.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(c).To(Equal(reread(everything())))
		Expect(entries()).To(Equal([]string{"run.pcap"}))
	})

	It("can be looked at by others", func() {
		Expect(capture.WriteFile(path, nil)).To(Succeed())
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(fs.FileMode(0o644)))
	})

	It("are replaced as a whole or not at all", func() {
		Expect(capture.WriteFile(path, everything())).To(Succeed())
		before, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		bad := append(everything(), trace.Frame{Kind: trace.Fin})
		Expect(capture.WriteFile(path, bad)).To(MatchError(ContainSubstring("frame")))
		Expect(os.ReadFile(path)).To(Equal(before))
		Expect(entries()).To(Equal([]string{"run.pcap"}))
		Expect(capture.WriteFile(path, nil)).To(Succeed())
		Expect(os.ReadFile(path)).To(HaveLen(24))
	})

	It("are not left half written when there is nowhere to write to", func() {
		Expect(capture.WriteFile(filepath.Join(dir, "no", "such.pcap"), nil)).To(MatchError(fs.ErrNotExist))
		Expect(entries()).To(BeEmpty())
	})

	It("replace a link rather than what it leads to", func() {
		target := filepath.Join(dir, "target")
		Expect(os.WriteFile(target, []byte("precious"), 0o600)).To(Succeed())
		Expect(os.Symlink(target, path)).To(Succeed())
		Expect(capture.WriteFile(path, nil)).To(Succeed())
		Expect(os.ReadFile(target)).To(Equal([]byte("precious")))
		Expect(os.ReadFile(path)).To(HaveLen(24))
		elsewhere := filepath.Join(dir, "elsewhere")
		Expect(os.Symlink(GinkgoT().TempDir(), elsewhere)).To(Succeed())
		Expect(capture.WriteFile(elsewhere, nil)).To(Succeed())
		Expect(os.ReadFile(elsewhere)).To(HaveLen(24))
	})

	It("are refused by the name of what they are instead", func() {
		fifo := filepath.Join(dir, "fifo")
		Expect(syscall.Mkfifo(fifo, 0o600)).To(Succeed())
		loop := filepath.Join(dir, "loop")
		Expect(os.Symlink(loop, loop)).To(Succeed())
		for file, why := range map[string]string{dir: "is a directory", fifo: "is a FIFO", "/dev/zero": "is a device"} {
			_, err := capture.ReadFile(file)
			Expect(err).To(MatchError(And(HavePrefix("cannot read "), ContainSubstring(why))))
			Expect(capture.WriteFile(file, nil)).To(MatchError(ContainSubstring(why)))
		}
		_, err := capture.ReadFile(loop)
		Expect(err).To(MatchError(syscall.ELOOP))
		_, err = capture.ReadFile(path)
		Expect(err).To(MatchError(fs.ErrNotExist))
	})

	It("are named in the errors about them", func() {
		Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
		_, err := capture.ReadFile(path)
		Expect(err).To(MatchError("capture: empty file: " + path))
	})

	if runtime.GOOS == "linux" {
		It("leave no file descriptor open", func() {
			open := func() int {
				fds, err := os.ReadDir("/proc/self/fd")
				Expect(err).NotTo(HaveOccurred())
				return len(fds)
			}
			before := open()
			for range 10 {
				Expect(capture.WriteFile(path, everything())).To(Succeed())
				_, err := capture.ReadFile(path)
				Expect(err).NotTo(HaveOccurred())
			}
			Expect(open()).To(Equal(before))
		})
	}
})
