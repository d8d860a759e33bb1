// SPDX-License-Identifier: MIT

package files_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/files"
)

// saying writes a text.
func saying(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

var _ = Describe("Writing a file (bad-input 50)", func() {
	var dir, path string

	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		path = filepath.Join(dir, "result")
	})

	entries := func() (names []string) {
		all, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		for _, e := range all {
			names = append(names, e.Name())
		}
		return names
	}

	It("makes a file that everybody can read", func() {
		Expect(files.Write(path, saying("new"))).To(Succeed())
		Expect(os.ReadFile(path)).To(Equal([]byte("new")))
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o644)))
		Expect(entries()).To(Equal([]string{"result"}))
	})

	It("replaces a file, and keeps its permissions", func() {
		Expect(os.WriteFile(path, []byte("old and longer"), 0o600)).To(Succeed())
		Expect(files.Write(path, saying("new"))).To(Succeed())
		Expect(os.ReadFile(path)).To(Equal([]byte("new")))
		info, err := os.Stat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o600)))
		Expect(entries()).To(Equal([]string{"result"}))
	})

	It("shows nothing of the new file before it is whole", func() {
		Expect(os.WriteFile(path, []byte("old"), 0o600)).To(Succeed())
		Expect(files.Write(path, func(w io.Writer) error {
			Expect(saying("new")(w)).To(Succeed())
			Expect(os.ReadFile(path)).To(Equal([]byte("old")))
			return nil
		})).To(Succeed())
		Expect(os.ReadFile(path)).To(Equal([]byte("new")))
	})

	It("leaves the old file as it was, and no other, when writing fails midway", func() {
		Expect(os.WriteFile(path, []byte("old"), 0o600)).To(Succeed())
		full := errors.New("no space left on the moon")
		err := files.Write(path, func(w io.Writer) error {
			Expect(saying("the first half")(w)).To(Succeed())
			return full
		})
		Expect(err).To(MatchError(full))
		Expect(err).To(MatchError("cannot write " + path + ": no space left on the moon"))
		Expect(os.ReadFile(path)).To(Equal([]byte("old")))
		Expect(entries()).To(Equal([]string{"result"}))
	})

	It("leaves nothing when writing a new file fails midway", func() {
		Expect(files.Write(path, func(w io.Writer) error {
			Expect(saying("the first half")(w)).To(Succeed())
			return io.ErrShortWrite
		})).To(MatchError(io.ErrShortWrite))
		Expect(entries()).To(BeEmpty())
	})

	It("fails when the file cannot be closed, which is when some file systems tell that they are full", func() {
		err := files.Write(path, func(w io.Writer) error { return w.(io.Closer).Close() })
		Expect(err).To(MatchError(fs.ErrClosed))
		Expect(entries()).To(BeEmpty())
	})

	It("replaces a symbolic link rather than what it leads to (bad-input 49)", func() {
		target := filepath.Join(GinkgoT().TempDir(), "precious")
		Expect(os.WriteFile(target, []byte("precious"), 0o600)).To(Succeed())
		Expect(os.Symlink(target, path)).To(Succeed())
		Expect(files.Write(path, saying("new"))).To(Succeed())
		Expect(os.ReadFile(target)).To(Equal([]byte("precious")))
		info, err := os.Lstat(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o644)))
		Expect(os.ReadFile(path)).To(Equal([]byte("new")))
	})

	It("replaces a symbolic link that leads nowhere, or to itself", func() {
		for _, target := range []string{"nowhere", path} {
			Expect(os.RemoveAll(path)).To(Succeed())
			Expect(os.Symlink(target, path)).To(Succeed())
			Expect(files.Write(path, saying("new"))).To(Succeed())
			Expect(os.ReadFile(path)).To(Equal([]byte("new")))
		}
	})

	never := func(io.Writer) error {
		Fail("there is nowhere to write to")
		return nil
	}

	It("refuses a directory", func() {
		Expect(files.Write(dir, never)).To(MatchError("cannot write " + dir + ": it is a directory"))
		Expect(entries()).To(BeEmpty())
	})

	It("refuses a FIFO and a socket, as it does devices, and leaves them where they are", func() {
		fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
		Expect(syscall.Mkfifo(fifo, 0o600)).To(Succeed())
		l, err := net.Listen("unix", socket)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		for _, special := range []string{fifo, socket} {
			Expect(files.Write(special, never)).To(MatchError(And(
				HavePrefix("cannot write "+special+": it is a "), HaveSuffix(", not a regular file"))))
			info, err := os.Lstat(special)
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().IsRegular()).To(BeFalse())
		}
	})

	It("refuses a folder that is not there, and one that is a file, by the name that it was given", func() {
		Expect(os.WriteFile(path, []byte("old"), 0o600)).To(Succeed())
		for below, why := range map[string]syscall.Errno{
			filepath.Join(dir, "no", "such"): syscall.ENOENT,
			filepath.Join(path, "below"):     syscall.ENOTDIR,
		} {
			err := files.Write(below, never)
			Expect(err).To(MatchError(why))
			Expect(err).To(MatchError("cannot write " + below + ": " + why.Error()))
		}
		Expect(entries()).To(Equal([]string{"result"}))
	})
})

var _ = Describe("Reading a file (bad-input 41)", func() {
	It("takes regular files, linked to or not, up to a limit", func() {
		dir := GinkgoT().TempDir()
		path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
		Expect(os.WriteFile(path, []byte("some text"), 0o600)).To(Succeed())
		Expect(os.Symlink(path, link)).To(Succeed())
		Expect(files.Read(path, 100)).To(Equal([]byte("some text")))
		Expect(files.Read(link, 4)).To(Equal([]byte("some")))
		Expect(fs.ReadFile(files.Dir(dir), "link")).To(Equal([]byte("some text")))
	})

	It("refuses what may never end, before it opens it", func() {
		dir := GinkgoT().TempDir()
		Expect(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600)).To(Succeed())
		Expect(os.Symlink("/dev/zero", filepath.Join(dir, "zero"))).To(Succeed())
		for name, why := range map[string]string{"fifo": "it is a FIFO", "zero": "it is a device", ".": "it is a directory"} {
			_, err := files.Read(filepath.Join(dir, name), 100)
			Expect(err).To(MatchError(And(HavePrefix("cannot read "), ContainSubstring(why))))
			_, err = fs.ReadFile(files.Dir(dir), name)
			Expect(err).To(HaveOccurred())
		}
		_, err := files.Open(filepath.Join(dir, "none"))
		Expect(err).To(MatchError(fs.ErrNotExist))
	})
})
