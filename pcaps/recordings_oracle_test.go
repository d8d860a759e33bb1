// SPDX-License-Identifier: MIT

//go:build oracle

package pcaps_test

import (
	"strconv"
	"testing"
)

// severityWarn is a warning among the severities of Wireshark's expert information; errors are above it.
const severityWarn = "0x600000"

// eachFile runs a test on every recording.
func eachFile(t *testing.T, test func(ts tshark, r recording, file string)) {
	newTshark(t)
	for _, path := range paths() {
		t.Run(path, func(t *testing.T) {
			r, err := load(path)
			if err != nil {
				t.Fatal(err)
			}
			test(tshark{t, newTshark(t).version}, r, filed(t, r.file))
		})
	}
}

// TestOracleFindsNothingWrong asks tshark for whatever it finds malformed, for warnings and errors, and for checksums that
// are not right or that it did not look at.
func TestOracleFindsNothingWrong(t *testing.T) {
	eachFile(t, func(ts tshark, r recording, file string) {
		for _, row := range ts.fields(file, "_ws.malformed || (_ws.expert.severity >= "+severityWarn+" && !(tcp.flags.reset == 1))",
			"frame.number", "_ws.col.Info", "_ws.expert.message") {
			ts.t.Errorf("packet %s: %q", row[0], row[1:])
		}
		const good = "ip.checksum.status == Good && (udp.checksum.status == Good || tcp.checksum.status == Good)"
		if n := len(ts.fields(file, good, "frame.number")); n != r.Packets {
			ts.t.Errorf("%d of %d packets have checksums that tshark finds good", n, r.Packets)
		}
	})
}

// TestOracleAgreesField compares the two dissections of every packet.
func TestOracleAgreesField(t *testing.T) {
	eachFile(t, func(ts tshark, r recording, file string) {
		ours, err := ours(r.Frames)
		if err != nil {
			ts.t.Fatal(err)
		}
		theirs := ts.theirs(file)
		if len(theirs) != len(ours) {
			ts.t.Errorf("tshark has %d packets of NBT, the codec %d", len(theirs), len(ours))
		}
		for number := 1; number <= r.Packets; number++ {
			for _, d := range differences(theirs[number], ours[number]) {
				ts.t.Errorf("packet %d: %s", number, d)
			}
		}
	})
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
	ts := newTshark(t)
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
		r, err := load(c.path)
		if err != nil {
			t.Fatal(err)
		}
		rows := ts.fields(filed(t, r.file), c.filter, "frame.number", "nbns.id")
		ids := map[string]bool{}
		for _, row := range rows {
			if row[1] != "" {
				ids[row[1]] = true
			}
		}
		if len(rows) != c.packets || len(ids) != c.ids {
			t.Errorf("%s: tshark -Y '%s' finds %s, want %d packets with %d ids", c.path, c.filter,
				strconv.Itoa(len(rows))+" packets with "+strconv.Itoa(len(ids))+" ids", c.packets, c.ids)
		}
	}
}
