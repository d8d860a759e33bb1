// SPDX-License-Identifier: MIT

package replay_test

import (
	"io/fs"
	"net/netip"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/pcaps"
)

type scenarioCase = scenario.Case

// row is what the models make of a recording, in the order of the ledger: fixed, Q124565, MS00-047, Q140419. "yes" explains it,
// "no" does not, "-" has nothing to do in it that fixed would not do as well, "if" explains it only under an assumption that
// another model does not need.
type row struct{ wire, calls string }

// others are the recordings that are about another host than pc.
var others = map[string]netip.Addr{
	"nbns-challenge/requester-asks-living-owner/fixed.pcap": netip.MustParseAddr("10.0.0.11"),
	"nbns-challenge/requester-asks-silent-owner/fixed.pcap": netip.MustParseAddr("10.0.0.11"),
	"nbns-types/h-asks/fixed.pcap":                          netip.MustParseAddr("10.0.0.11"),
	"nbns-types/h-claims-and-releases/fixed.pcap":           netip.MustParseAddr("10.0.0.11"),
	"nbns-types/h-release-unanswered/fixed.pcap":            netip.MustParseAddr("10.0.0.11"),
}

// hostOf is the host that a recording is about.
func hostOf(path string) netip.Addr {
	if host, ok := others[path]; ok {
		return host
	}
	return pc
}

// table is every recording of ours: by the wire alone, and with the calls that its scenario tells. In some of those of nbns-challenge
// the network loses what a tap sees, or the host is made to send what no stack sends: no model explains that.
var table = map[string]row{
	"ms00-047/MS00-047.pcap":                                  {"no no yes if", "no no yes no"},
	"ms00-047/fixed.pcap":                                     {"yes - no -", "yes - no -"},
	"q124565/Q124565.pcap":                                    {"yes yes - -", "no yes no no"},
	"q124565/fixed.pcap":                                      {"yes no - -", "yes no - -"},
	"q124565-controls/another-name/Q124565.pcap":              {"yes yes - -", "yes yes - -"},
	"q124565-controls/another-name/fixed.pcap":                {"yes yes - -", "yes yes - -"},
	"q124565-controls/another-suffix/Q124565.pcap":            {"yes yes - -", "yes yes - -"},
	"q124565-controls/another-suffix/fixed.pcap":              {"yes yes - -", "yes yes - -"},
	"q124565-controls/broadcast/Q124565.pcap":                 {"yes - - -", "yes - - -"},
	"q124565-controls/broadcast/fixed.pcap":                   {"yes - - -", "yes - - -"},
	"q124565-controls/group/Q124565.pcap":                     {"yes - - -", "yes - - -"},
	"q124565-controls/group/fixed.pcap":                       {"yes - - -", "yes - - -"},
	"q124565-controls/one-live-session/Q124565.pcap":          {"yes - - -", "yes - - -"},
	"q124565-controls/one-live-session/fixed.pcap":            {"yes - - -", "yes - - -"},
	"q124565-controls/session-without-datagrams/Q124565.pcap": {"yes - - -", "yes - - -"},
	"q124565-controls/session-without-datagrams/fixed.pcap":   {"yes - - -", "yes - - -"},
	"q124565-controls/two-live-sessions/Q124565.pcap":         {"yes - - -", "yes - - -"},
	"q124565-controls/two-live-sessions/fixed.pcap":           {"yes - - -", "yes - - -"},
	"q124565-exhaustion/Q124565.pcap":                         {"yes yes - -", "no yes no no"},
	"q124565-exhaustion/fixed.pcap":                           {"yes no - -", "yes no - -"},
	"q124565-refusal/Q124565.pcap":                            {"yes yes - -", "no yes no no"},
	"q124565-refusal/fixed.pcap":                              {"yes no - -", "yes no - -"},
	"q124565-running/Q124565.pcap":                            {"yes yes - -", "no yes no no"},
	"q124565-running/fixed.pcap":                              {"yes no - -", "yes no - -"},
	"q124565-table/Q124565.pcap":                              {"yes yes - -", "no yes no no"},
	"q124565-table/fixed.pcap":                                {"yes no - -", "yes no - -"},
	"ms00-047-release/MS00-047.pcap":                          {"no no yes no", "no no yes no"},
	"ms00-047-release/fixed.pcap":                             {"yes - no -", "yes - no -"},
	"nbns-challenge/group/fixed.pcap":                         {"no no no no", "no no no no"},
	"nbns-challenge/living-owner/fixed.pcap":                  {"yes - - -", "yes - - -"},
	"nbns-challenge/owner-that-has-forgotten/fixed.pcap":      {"no no no no", "yes - - -"},
	"nbns-challenge/repetitions-while-waiting/fixed.pcap":     {"? yes - - -", "no no no no"},
	"nbns-challenge/requester-asks-living-owner/fixed.pcap":   {"yes - - -", "yes - - -"},
	"nbns-challenge/requester-asks-silent-owner/fixed.pcap":   {"? yes - - -", "no no no no"},
	"nbns-challenge/silent-owner/fixed.pcap":                  {"no no no no", "no no no no"},
	"nbns-life-cycle/fixed.pcap":                              {"yes - - -", "yes - - -"},
	"nbns-types/h-asks/fixed.pcap":                            {"? yes - - -", "? yes - - -"},
	"nbns-types/h-claims-and-releases/fixed.pcap":             {"? yes - - -", "? yes - - -"},
	"nbns-types/h-release-unanswered/fixed.pcap":              {"yes - - -", "yes - - -"},
	"nbns-types/h-without-name-server/fixed.pcap":             {"? yes - - -", "? yes - - -"},
	"nbns-types/m-asks/fixed.pcap":                            {"yes - - -", "yes - - -"},
	"nbns-types/m-claims/fixed.pcap":                          {"yes - - -", "yes - - -"},
	"nbns-types/m-releases/fixed.pcap":                        {"yes - - -", "yes - - -"},
	"q124565-h/Q124565.pcap":                                  {"yes yes - -", "no yes no no"},
	"q124565-h/fixed.pcap":                                    {"yes no - -", "yes no - -"},
	"q124565-p/Q124565.pcap":                                  {"yes yes - -", "no yes no no"},
	"q124565-p/fixed.pcap":                                    {"yes no - -", "yes no - -"},
	"q140419/Q140419.pcap":                                    {"no no no yes", "no no no yes"},
	"q140419/fixed.pcap":                                      {"yes - - -", "yes - - no"},
}

// verdictOf is the verdict that a row of the table means.
func verdictOf(cells string) (replay.Verdict, int) {
	if strings.HasPrefix(cells, "?") {
		return replay.CannotJudge, 0
	}
	switch n := strings.Count(cells, "yes"); n {
	case 0:
		return replay.None, n
	case 1:
		return replay.One, n
	default:
		return replay.Several, n
	}
}

var _ = Describe("Every recording on every model", func() {
	It("is in the table", func() {
		var paths []string
		Expect(fs.WalkDir(pcaps.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".pcap") && !strings.HasPrefix(path, "recorded/") {
				paths = append(paths, path)
			}
			return err
		})).To(Succeed())
		for _, path := range paths {
			Expect(table).To(HaveKey(path))
		}
		Expect(table).To(HaveLen(len(paths)))
	})

	for path, want := range table {
		It("is as the table says: "+path, func() {
			r := replay.Explain(recording(path, hostOf(path)), replay.Options{})
			Expect(cells(r)).To(Equal(want.wire), "%s", r.Why)
			verdict, n := verdictOf(want.wire)
			Expect(r.Verdict).To(Equal(verdict))
			Expect(r.By).To(HaveLen(n))
		})

		It("is as the table says when the calls are known: "+path, func() {
			r := replay.Explain(recording(path, hostOf(path)), knowing(path[:strings.LastIndex(path, "/")], hostOf(path)))
			Expect(cells(r)).To(Equal(want.calls), "%s", r.Why)
			verdict, _ := verdictOf(want.calls)
			Expect(r.Verdict).To(Equal(verdict))
		})
	}

	It("leaves no frame of the host out of account", func() {
		for path := range table {
			v := recording(path, hostOf(path))
			r := replay.Explain(v, replay.Options{})
			for i := range r.Outcomes {
				x := &r.Outcomes[i]
				Expect(x.Explained+x.Inferred+x.Tolerated+x.Unexplained+x.Apart).To(Equal(v.Sent()), "%s on %s", path, x.Model)
				Expect(x.Tolerated).To(BeZero(), "nothing is tolerated without a profile")
			}
		}
	})
})
