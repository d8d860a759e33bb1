// SPDX-License-Identifier: MIT

package replay_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

func TestReplay(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "replay")
}

// The hosts of the recordings that the specs are about.
var (
	pc     = netip.MustParseAddr("10.0.0.10")
	samba1 = netip.MustParseAddr("10.77.0.1")
	samba3 = netip.MustParseAddr("10.77.0.3")
)

// frames are those of a committed capture, for a spec to change.
func frames(path string) []trace.Frame {
	GinkgoHelper()
	b, err := fs.ReadFile(pcaps.FS(), path)
	Expect(err).NotTo(HaveOccurred())
	c, err := capture.Read(bytes.NewReader(b))
	Expect(err).NotTo(HaveOccurred())
	Expect(c.Cut).To(BeNil())
	return c.Frames
}

// seen is what frames show of a host.
func seen(host netip.Addr, list []trace.Frame) *replay.View {
	v := replay.NewView(host)
	for i := range list {
		v.Add(&list[i])
	}
	v.Done()
	return v
}

// recording is what a committed capture shows of a host, with what ICMP says about it.
func recording(path string, host netip.Addr) *replay.View {
	GinkgoHelper()
	b, err := fs.ReadFile(pcaps.FS(), path)
	Expect(err).NotTo(HaveOccurred())
	v := replay.NewView(host)
	_, err = capture.Stream(bytes.NewReader(b), capture.Options{Quoted: true}, func(f *capture.Frame) error {
		if f.Tunnel == "ICMP error" {
			v.Refused(&f.Frame)
		} else {
			v.Add(&f.Frame)
		}
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	v.Done()
	return v
}

// with are options with the tolerances of a product.
func with(product string) replay.Options {
	GinkgoHelper()
	p, err := replay.FindProduct(product)
	Expect(err).NotTo(HaveOccurred())
	return replay.Options{Product: p}
}

// knowing are options with the history that a shipped scenario tells.
func knowing(name string, host netip.Addr) replay.Options {
	GinkgoHelper()
	name, title, _ := strings.Cut(name, "/")
	s, err := harness.FindShipped(name)
	Expect(err).NotTo(HaveOccurred())
	i := max(0, slices.IndexFunc(s.Cases, func(c scenarioCase) bool { return c.Slug == title }))
	var o replay.Options
	Expect(harness.SupplyCalls(&o, s, &s.Cases[i], host)).To(Succeed())
	return o
}

// cells are what the models make of a capture: "yes", "no", "-" for not tried, "if" for only under an assumption; with "?" before
// them where it cannot be judged.
func cells(r replay.Result) string {
	words := map[replay.Finding]string{
		replay.Explains: "yes", replay.Differs: "no", replay.Untried: "-", replay.Strained: "if",
	}
	var list []string
	for i := range r.Outcomes {
		list = append(list, words[r.Outcomes[i].Finding])
	}
	if r.Verdict == replay.CannotJudge {
		list = append([]string{"?"}, list...)
	}
	return strings.Join(list, " ")
}

// without is a capture without the frames of some numbers.
func without(list []trace.Frame, numbers ...int) []trace.Frame {
	return slices.DeleteFunc(slices.Clone(list), func(f trace.Frame) bool { return slices.Contains(numbers, f.Number) })
}

// number returns the frame of a number.
func number(list []trace.Frame, n int) trace.Frame {
	GinkgoHelper()
	i := slices.IndexFunc(list, func(f trace.Frame) bool { return f.Number == n })
	Expect(i).To(BeNumerically(">=", 0), "frame %d", n)
	return list[i]
}

// again is a frame sent once more, with an identifier of its own, behind all others.
func again(list []trace.Frame, after time.Duration, id uint16, of ...trace.Frame) []trace.Frame {
	list = slices.Clone(list)
	last := list[len(list)-1]
	for i, f := range of {
		f.At, f.Number = last.At+after+time.Duration(i)*time.Millisecond, last.Number+1+i
		f.Payload = bytes.Clone(f.Payload)
		binary.BigEndian.PutUint16(f.Payload, id)
		list = append(list, f)
	}
	return list
}
