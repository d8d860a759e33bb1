// SPDX-License-Identifier: MIT

package survey_test

import (
	"bytes"
	"io/fs"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/survey"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

func TestSurvey(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "survey")
}

var pc = netip.MustParseAddr("10.0.0.10")

// of surveys a committed capture.
func of(path string) *survey.Survey {
	GinkgoHelper()
	b, err := fs.ReadFile(pcaps.FS(), path)
	Expect(err).NotTo(HaveOccurred())
	s := survey.New()
	_, err = capture.Stream(bytes.NewReader(b), capture.Options{}, func(f *capture.Frame) error {
		s.Add(&f.Frame)
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	return s
}

// names are those of a host.
func names(s *survey.Survey, host netip.Addr) map[string]survey.Name {
	GinkgoHelper()
	hosts := s.Hosts()
	i := slices.IndexFunc(hosts, func(h survey.Host) bool { return h.Addr == host })
	Expect(i).To(BeNumerically(">=", 0), "%s is not in it", host)
	list := map[string]survey.Name{}
	s.Names(hosts[i], func(n survey.Name) bool {
		list[n.Name.String()] = n
		return true
	})
	Expect(list).To(HaveLen(hosts[i].Names))
	return list
}

func bug(s *survey.Survey, id string) survey.Bug {
	GinkgoHelper()
	bugs := s.Bugs()
	i := slices.IndexFunc(bugs, func(b survey.Bug) bool { return b.Fault.ID == id })
	Expect(i).To(BeNumerically(">=", 0))
	return bugs[i]
}

func name(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// claim is a claim of a name by a host.
func claim(number int, host [4]byte, n netbios.Name) *trace.Frame {
	GinkgoHelper()
	a := netip.AddrFrom4(host)
	b, err := nbt.Claim(uint16(number), n, 0, a).AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	return &trace.Frame{
		Number: number, Kind: trace.UDP, Broadcast: true, From: netip.AddrPortFrom(a, stack.NamePort),
		To: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 255, 255, 255}), stack.NamePort), Payload: b,
	}
}

// testingAllocs is how many allocations a call makes.
func testingAllocs(f func()) float64 { return testing.AllocsPerRun(100, f) }
