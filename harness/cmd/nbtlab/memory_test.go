// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// gaps is a capture of so many connections, each of which sends single bytes in as many packets with a gap before each:
// what costs a reader most, since it waits for what is missing.
func gaps(connections, packets int) []byte {
	be, le := binary.BigEndian, binary.LittleEndian
	b := []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x65\x00\x00\x00")
	for n := range packets {
		for c := range connections {
			b = append(b, make([]byte, 8)...)
			b = le.AppendUint32(le.AppendUint32(b, 41), 41)
			b = append(b, "\x45\x00\x00\x29\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x14\x0a\x00\x00\x0a"...)
			b = be.AppendUint16(be.AppendUint16(b, uint16(1025+c)), 139)
			b = be.AppendUint32(be.AppendUint32(b, uint32(2*n)), 1)
			b = append(b, "\x50\x10\x20\x00\x00\x00\x00\x00\xff"...)
		}
	}
	return b
}

var _ = Describe("The memory that a crafted capture costs", func() {
	It("is less than 64 MiB, with all that the program itself takes", func() {
		if runtime.GOOS != "linux" {
			return // nobody else tells what a process held
		}
		program := built()
		decode := exec.Command(program, "decode", "--stats", "-")
		var out bytes.Buffer
		decode.Stdout = &out
		capture, err := decode.StdinPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(decode.Start()).To(Succeed())
		_, err = capture.Write(gaps(1000, 300))
		Expect(err).NotTo(HaveOccurred())
		// All but what fits a pipe has been read by now, and nobody has told the program that there is no more.
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", decode.Process.Pid))
		Expect(err).NotTo(HaveOccurred())
		Expect(capture.Close()).To(Succeed())
		Expect(decode.Wait()).To(Succeed())
		Expect(out.String()).To(ContainSubstring("more than 16 MiB waiting"))
		peak := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)
		Expect(peak).NotTo(BeNil())
		Expect(strconv.Atoi(string(peak[1]))).To(BeNumerically("<", 64<<10))
	})
})
