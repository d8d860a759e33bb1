// SPDX-License-Identifier: MIT

//go:build oracle

package pcaps_test

import "testing"

// TestOracleReadsTheRecordings asks tshark about every packet: it finds nothing malformed, has no warning but of RST,
// validates every checksum, and reads in every field what the codec reads.
func TestOracleReadsTheRecordings(t *testing.T) {
	newTshark(t)
	for _, path := range paths() {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			ts := newTshark(t)
			r, err := load(path)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := ours(r.Frames)
			if err != nil {
				t.Fatal(err)
			}
			packets := ts.read(filed(t, r.file))
			if len(packets) != r.Packets || len(packets) == 0 {
				t.Errorf("tshark has %d packets, the harness %d", len(packets), r.Packets)
			}
			for _, p := range packets {
				if p.malformed {
					t.Errorf("packet %d: malformed: %s", p.number, p.info)
				}
				for _, remark := range p.remarks {
					t.Errorf("packet %d: %s", p.number, remark)
				}
				if !p.checksums {
					t.Errorf("packet %d: not all checksums are good", p.number)
				}
				for _, d := range differences(p.dissection, ours[p.number]) {
					t.Errorf("packet %d: %s", p.number, d)
				}
			}
		})
	}
}

// The headline of each bug, in the words of Wireshark's display filters.
const (
	fromPC   = "ip.src == 10.0.0.10 && "
	claimOf  = "nbns.flags.response == 0 && nbns.flags.opcode == 5 && nbns.flags.recdesired == 1 && nbns.name contains "
	demandOf = "nbns.flags.response == 0 && nbns.flags.opcode == 5 && nbns.flags.recdesired == 0 && nbns.name contains "
	release  = "nbns.flags.opcode == 6"
	answer   = "nbns.flags.response == 1 && nbns.flags.opcode == 0 && nbns.type == 32"
	refusal  = "nbns.flags.response == 1 && nbns.flags.opcode == 5 && nbns.flags.rcode == 6"
	chat     = `"CHAT<20>"`
)

// TestOracleShowsTheBugs counts the packets that tell the models apart, and the NAME_TRN_IDs among them: one for each
// request, however often it is sent.
func TestOracleShowsTheBugs(t *testing.T) {
	newTshark(t)
	for _, c := range []struct {
		path, filter string
		packets, ids int
	}{
		{"q124565/fixed.pcap", release, 3, 1},
		{"q124565/fixed.pcap", fromPC + claimOf + chat, 6, 2},
		{"q124565/fixed.pcap", fromPC + demandOf + chat, 2, 2},
		{"q124565/Q124565.pcap", release, 0, 0},
		{"q124565/Q124565.pcap", fromPC + claimOf + chat, 3, 1},
		{"q124565/Q124565.pcap", fromPC + demandOf + chat, 1, 1},

		{"q124565-running/fixed.pcap", release, 3, 1},
		{"q124565-running/fixed.pcap", fromPC + claimOf + chat, 6, 2},
		{"q124565-running/Q124565.pcap", release, 0, 0},
		{"q124565-running/Q124565.pcap", fromPC + claimOf + chat, 3, 1},

		{"q124565-table/fixed.pcap", release, 3, 1},
		{"q124565-table/fixed.pcap", refusal, 0, 0},
		{"q124565-table/fixed.pcap", "nbns.number_of_names == 0", 1, 1},
		{"q124565-table/fixed.pcap", "nbdgm.error_code == 0x82", 1, 0},
		{"q124565-table/Q124565.pcap", release, 0, 0},
		{"q124565-table/Q124565.pcap", refusal, 1, 1},
		{"q124565-table/Q124565.pcap", `nbns.netbios_name == "CHAT" && nbns.name_flags == 0x0400`, 1, 1},
		{"q124565-table/Q124565.pcap", "nbdgm.error_code", 0, 0},

		{"q124565-refusal/fixed.pcap", "nbss.type == 0x83 && nbss.error_code == 0x82", 1, 0},
		{"q124565-refusal/Q124565.pcap", "nbss.type == 0x83 && nbss.error_code == 0x80", 1, 0},

		{"q124565-exhaustion/fixed.pcap", claimOf + `"APP5<20>"`, 3, 1},
		{"q124565-exhaustion/fixed.pcap", release, 12, 4},
		{"q124565-exhaustion/Q124565.pcap", claimOf + `"APP5<20>"`, 0, 0},
		{"q124565-exhaustion/Q124565.pcap", release, 0, 0},

		{"q124565-controls/one-live-session/Q124565.pcap", "nbns.name_flags.drg == 1 && nbns.name_flags.act == 1", 1, 1},
		{"q124565-controls/two-live-sessions/Q124565.pcap", "nbns.name_flags.drg == 1 && nbns.name_flags.act == 1", 1, 1},

		{"q140419/fixed.pcap", release, 6, 2},
		{"q140419/Q140419.pcap", release, 0, 0},

		{"ms00-047/fixed.pcap", fromPC + answer, 1, 1},
		{"ms00-047/fixed.pcap", fromPC + refusal, 1, 1},
		{"ms00-047/MS00-047.pcap", fromPC + answer, 0, 0},
		{"ms00-047/MS00-047.pcap", "ip.src == 10.0.0.66 && " + demandOf + chat, 1, 1},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			r, err := load(c.path)
			if err != nil {
				t.Fatal(err)
			}
			ids, packets := map[string]bool{}, 0
			for _, row := range newTshark(t).fields(filed(t, r.file), c.filter, "frame.number", "nbns.id") {
				packets++
				if row[1] != "" {
					ids[row[1]] = true
				}
			}
			if packets != c.packets || len(ids) != c.ids {
				t.Errorf("tshark -Y '%s' finds %d packets with %d ids, want %d with %d", c.filter, packets, len(ids), c.packets, c.ids)
			}
		})
	}
}
