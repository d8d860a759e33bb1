// SPDX-License-Identifier: MIT

package capture_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Where tshark is installed it is asked too: it is the tool that people open recordings with.
var _ = Describe("In Wireshark, a recording", Label("tshark"), func() {
	if _, err := exec.LookPath("tshark"); err != nil {
		return
	}

	// tshark returns the fields of the packets that a filter matches.
	tshark := func(frames []trace.Frame, filter string, fields ...string) [][]string {
		GinkgoHelper()
		file := filepath.Join(GinkgoT().TempDir(), "run.pcap")
		Expect(os.WriteFile(file, written(frames), 0o600)).To(Succeed())
		args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields"}
		for _, p := range []string{"ip", "udp", "tcp"} {
			args = append(args, "-o", p+".check_checksum:TRUE")
		}
		for _, f := range fields {
			args = append(args, "-e", f)
		}
		out, err := exec.Command("tshark", args...).Output()
		Expect(err).NotTo(HaveOccurred())
		var rows [][]string
		for row := range strings.Lines(string(out)) {
			rows = append(rows, strings.Split(strings.TrimSuffix(row, "\n"), "\t"))
		}
		return rows
	}

	// The severities of Wireshark's expert information.
	const note, warn = 0x400000, 0x600000

	It("has nothing worse to remark than RST, and ports used again", func() {
		var all []trace.Frame
		for seed := range uint64(40) {
			for _, f := range random(seed) {
				if f.Kind == trace.UDP {
					continue // not NBT
				}
				f.Conn += int(seed) * 10
				f.From, f.To = moved(f.From, seed), moved(f.To, seed)
				all = append(all, f)
			}
		}
		filter := fmt.Sprintf("_ws.malformed || (_ws.expert.severity >= %d && !tcp.flags.reset)", note)
		for _, frames := range [][]trace.Frame{everything(), inTime(all)} {
			for _, row := range tshark(frames, filter, "frame.number", "_ws.expert.message") {
				Expect(row[1]).To(Or(ContainSubstring("This frame undergoes the connection closing"),
					ContainSubstring("This frame initiates the connection closing"),
					ContainSubstring("A new tcp session is started with the same ports")), "packet %s", row[0])
			}
			for _, row := range tshark(frames, fmt.Sprintf("_ws.expert.severity >= %d", warn), "_ws.expert.message") {
				Expect(row[0]).To(Equal("Connection reset (RST)"))
			}
		}
	})

	It("has its messages at the packets that we number", func() {
		frames := everything()
		capture.Number(frames)
		var want, got []string
		for _, f := range frames {
			if f.Kind == trace.Message {
				want = append(want, fmt.Sprint(f.Number))
			}
		}
		for _, row := range tshark(frames, "nbss", "frame.number") {
			got = append(got, row[0])
		}
		Expect(got).To(Equal(want))
	})
})

// moved is the address of the same host on another network.
func moved(a netip.AddrPort, network uint64) netip.AddrPort {
	b := a.Addr().As4()
	b[2] = byte(network)
	return netip.AddrPortFrom(netip.AddrFrom4(b), a.Port())
}
