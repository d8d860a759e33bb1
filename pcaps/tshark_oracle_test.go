// SPDX-License-Identifier: MIT

//go:build oracle

package pcaps_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// tshark is the oracle: a dissector of NBT that nobody here wrote.
type tshark struct {
	t       *testing.T
	version string
}

// newTshark asks for tshark's version, and fails where there is none: an oracle that is silently left out says nothing.
func newTshark(t *testing.T) tshark {
	t.Helper()
	out, err := exec.Command("tshark", "--version").Output()
	if err != nil {
		t.Fatalf("tshark does not run: %v (on Debian: apt-get install tshark)", err)
	}
	version, _, _ := strings.Cut(string(out), "\n")
	t.Log(version)
	return tshark{t, version}
}

// separators of fields and of the values of a field that occurs more than once. Neither occurs in a value.
const (
	betweenFields = "\t"
	betweenValues = "\x1f"
)

// fields returns the named fields of the packets that a filter matches, a row for each, with all checksums validated.
func (ts tshark) fields(file, filter string, names ...string) [][]string {
	ts.t.Helper()
	args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields", "-E", "occurrence=a"}
	args = append(args, "-E", "separator="+betweenFields, "-E", "aggregator="+betweenValues)
	for _, protocol := range []string{"ip", "udp", "tcp"} {
		args = append(args, "-o", protocol+".check_checksum:TRUE")
	}
	for _, name := range names {
		args = append(args, "-e", name)
	}
	cmd := exec.Command("tshark", args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		ts.t.Fatalf("%s: tshark -Y %q: %v\n%s", ts.version, filter, err, complaint.String())
	}
	var rows [][]string
	for row := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(row, "\n"), betweenFields))
	}
	return rows
}

// filed writes a capture to a file, since tshark reads no other.
func filed(t *testing.T, capture []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.pcap")
	if err := os.WriteFile(file, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// compared are the fields that tshark and the codec both know.
var compared = []string{
	"nbns.id", "nbns.flags", "nbns.flags.response", "nbns.flags.opcode", "nbns.flags.authoritative", "nbns.flags.truncated",
	"nbns.flags.recdesired", "nbns.flags.recavail", "nbns.flags.broadcast", "nbns.flags.rcode",
	"nbns.count.queries", "nbns.count.answers", "nbns.count.auth_rr", "nbns.count.add_rr",
	"nbns.name", "nbns.type", "nbns.class", "nbns.ttl", "nbns.data_length",
	"nbns.nb_flags", "nbns.nb_flags.group", "nbns.nb_flags.ont", "nbns.addr",
	"nbns.number_of_names", "nbns.netbios_name", "nbns.name_flags", "nbns.name_flags.group", "nbns.name_flags.ont",
	"nbns.name_flags.drg", "nbns.name_flags.cnf", "nbns.name_flags.act", "nbns.name_flags.prm",
	"nbns.unit_id", "nbns.jumpers", "nbns.test_result", "nbns.version_number", "nbns.period_of_statistics", "nbns.num_crcs",
	"nbns.num_alignment_errors", "nbns.num_collisions", "nbns.num_send_aborts", "nbns.num_good_sends",
	"nbns.num_good_receives", "nbns.numretransmits", "nbns.num_no_resource_conditions", "nbns.numcommand_blocks",
	"nbns.numpending_sessions", "nbns.max_num_pending_sessions", "nbns.max_total_sessions_possible",
	"nbns.session_data_packet_size",

	"nbdgm.type", "nbdgm.flags", "nbdgm.next", "nbdgm.first", "nbdgm.node_type", "nbdgm.dgram_id", "nbdgm.src.ip",
	"nbdgm.src.port", "nbdgm.dgram_len", "nbdgm.pkt_offset", "nbdgm.error_code", "nbdgm.source_name",
	"nbdgm.destination_name",

	"nbss.type", "nbss.flags", "nbss.flags.e", "nbss.length", "nbss.error_code", "nbss.called_name", "nbss.calling_name",
	"nbss.retarget_ip_address", "nbss.retarget_port", "nbss.continuation_data",

	"data.data",
}

// dissection is what one of the two makes of a packet: the values of the fields that it has.
type dissection map[string][]string

func (d dissection) add(field string, value any) { d[field] = append(d[field], fmt.Sprint(value)) }

func (d dissection) hex(field string, digits int, value uint64) {
	d.add(field, fmt.Sprintf("0x%0*x", digits, value))
}

func (d dissection) bit(field string, set bool) {
	value := 0
	if set {
		value = 1
	}
	d.add(field, value)
}

// packet is what tshark says of a packet.
type packet struct {
	number     int
	info       string // the summary, as in Wireshark's column
	remarks    []string
	malformed  bool
	checksums  bool // those of IPv4 and of UDP or TCP were looked at and are right
	dissection dissection
}

// read returns what tshark says of each packet of a capture.
func (ts tshark) read(file string) []packet {
	ts.t.Helper()
	general := []string{
		"frame.number", "_ws.col.Info", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message", "tcp.flags.reset",
		"ip.checksum.status", "udp.checksum.status", "tcp.checksum.status",
	}
	var list []packet
	for _, row := range ts.fields(file, "frame", append(general, compared...)...) {
		number, err := strconv.Atoi(row[0])
		if err != nil {
			ts.t.Fatal(err)
		}
		p := packet{number: number, info: row[1], malformed: row[2] != "", dissection: dissection{}}
		if row[5] != "1" {
			p.remarks = warnings(row[3], row[4])
		}
		p.checksums = row[6] == "1" && row[7]+row[8] == "1" // 1 is Good
		for i, field := range compared {
			if value := row[len(general)+i]; value != "" {
				p.dissection[field] = strings.Split(described.ReplaceAllString(value, "$1"), betweenValues)
			}
		}
		list = append(list, p)
	}
	return list
}

// severityWarn is a warning among the severities of Wireshark's expert information; errors are above it.
const severityWarn = 0x600000

// warnings returns the messages of the expert information that are warnings or worse.
func warnings(severities, messages string) []string {
	var list []string
	texts := strings.Split(messages, betweenValues)
	for i, severity := range strings.Split(severities, betweenValues) {
		if n, err := strconv.Atoi(severity); err == nil && n >= severityWarn {
			list = append(list, texts[i])
		}
	}
	return list
}

// described is what tshark appends to some names: what Microsoft uses the suffix for.
var described = regexp.MustCompile(`(<[0-9a-f]{2}>(?:\.[^ ` + betweenValues + `]+)?) \([^` + betweenValues + `]*\)`)

// ours returns what the codec makes of the same packets.
func ours(frames []trace.Frame) (map[int]dissection, error) {
	all := map[int]dissection{}
	for _, f := range frames {
		if f.Kind != trace.UDP && f.Kind != trace.Message {
			continue
		}
		d := all[f.Number]
		if d == nil {
			d = dissection{}
			all[f.Number] = d
		}
		if err := d.frame(f); err != nil {
			return nil, fmt.Errorf("frame %d: %w", f.Number, err)
		}
	}
	return all, nil
}

func (d dissection) frame(f trace.Frame) error {
	switch {
	case f.Kind == trace.Message:
		m, err := nbt.ParseSessionMessage(f.Payload)
		d.session(m, len(f.Payload)-nbt.SessionHeaderLen)
		return err
	case f.To.Port() == namePort:
		m, err := nbt.ParseNameMessage(f.Payload)
		d.name(m)
		return err
	default:
		m, err := nbt.ParseDatagram(f.Payload)
		d.datagram(m)
		return err
	}
}

func (d dissection) name(m nbt.NameMessage) {
	d.hex("nbns.id", 4, uint64(m.ID))
	d.flags(m.FlagWord())
	d.add("nbns.count.queries", len(m.Questions))
	d.add("nbns.count.answers", len(m.Answers))
	d.add("nbns.count.auth_rr", len(m.Authority))
	d.add("nbns.count.add_rr", len(m.Additional))
	for _, q := range m.Questions {
		d.entry(q.Name, q.Scope, q.Type, q.Class)
	}
	for _, section := range [][]nbt.Resource{m.Answers, m.Authority, m.Additional} {
		for _, rr := range section {
			d.entry(rr.Name, rr.Scope, rr.Type, rr.Class)
			d.record(rr)
			if m.Kind() == nbt.KindWACK && rr.Type == nbt.TypeNB {
				d.flags(be.Uint16(rr.Data)) // of the request; tshark looks for them in this type alone
			}
		}
	}
}

func (d dissection) flags(word uint16) {
	has := func(flag nbt.NMFlags) bool { return nbt.NMFlags(word)&flag != 0 }
	d.hex("nbns.flags", 4, uint64(word))
	d.bit("nbns.flags.response", word&0x8000 != 0)
	d.add("nbns.flags.opcode", word>>11&15)
	d.bit("nbns.flags.truncated", has(nbt.FlagTC))
	d.bit("nbns.flags.recdesired", has(nbt.FlagRD))
	d.bit("nbns.flags.broadcast", has(nbt.FlagB))
	if word&0x8000 != 0 { // tshark shows these nowhere else
		d.bit("nbns.flags.authoritative", has(nbt.FlagAA))
		d.bit("nbns.flags.recavail", has(nbt.FlagRA))
		d.add("nbns.flags.rcode", word&15)
	}
}

func (d dissection) entry(name netbios.Name, scope string, rrType, class uint16) {
	d.add("nbns.name", theirName(name, scope))
	d.add("nbns.type", rrType)
	d.add("nbns.class", class)
}

func (d dissection) record(rr nbt.Resource) {
	d.add("nbns.ttl", rr.TTL)
	length := len(rr.Data) + 6*len(rr.Addrs)
	for _, a := range rr.Addrs {
		d.hex("nbns.nb_flags", 4, uint64(a.Flags))
		d.bit("nbns.nb_flags.group", a.Flags&nbt.NBGroup != 0)
		d.add("nbns.nb_flags.ont", uint16(a.Flags&nbt.NBONT)>>13)
		d.add("nbns.addr", a.Addr)
	}
	if rr.Status != nil {
		length = 1 + 18*len(rr.Status.Names) + 46
		d.status(rr.Status)
	}
	d.add("nbns.data_length", length)
}

func (d dissection) status(s *nbt.NodeStatus) {
	d.add("nbns.number_of_names", len(s.Names))
	for _, row := range s.Names {
		text := theirName(row.Name, "")
		d.add("nbns.netbios_name", text[:len(text)-len("<20>")]) // they leave the suffix out here
		d.hex("nbns.name_flags", 4, uint64(row.Flags))
		d.bit("nbns.name_flags.group", row.Flags&nbt.NameGroup != 0)
		d.add("nbns.name_flags.ont", uint16(row.Flags&nbt.NameONT)>>13)
		d.bit("nbns.name_flags.drg", row.Flags&nbt.NameDRG != 0)
		d.bit("nbns.name_flags.cnf", row.Flags&nbt.NameCNF != 0)
		d.bit("nbns.name_flags.act", row.Flags&nbt.NameACT != 0)
		d.bit("nbns.name_flags.prm", row.Flags&nbt.NamePRM != 0)
	}
	u := s.Stats.UnitID
	d.add("nbns.unit_id", fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", u[0], u[1], u[2], u[3], u[4], u[5]))
	d.hex("nbns.jumpers", 2, uint64(s.Stats.Jumpers))
	d.hex("nbns.test_result", 2, uint64(s.Stats.TestResult))
	d.hex("nbns.version_number", 4, uint64(s.Stats.Version))
	d.hex("nbns.period_of_statistics", 4, uint64(s.Stats.Period))
	d.add("nbns.num_crcs", s.Stats.CRCs)
	d.add("nbns.num_alignment_errors", s.Stats.AlignmentErrors)
	d.add("nbns.num_collisions", s.Stats.Collisions)
	d.add("nbns.num_send_aborts", s.Stats.SendAborts)
	d.add("nbns.num_good_sends", s.Stats.GoodSends)
	d.add("nbns.num_good_receives", s.Stats.GoodReceives)
	d.add("nbns.numretransmits", s.Stats.Retransmits)
	d.add("nbns.num_no_resource_conditions", s.Stats.NoResources)
	d.add("nbns.numcommand_blocks", s.Stats.FreeCommands)
	// tshark has one counter of command blocks where RFC 1002 section 4.2.18 has three: it reads the four behind it two
	// places too early, and the last two not at all.
	d.add("nbns.numpending_sessions", s.Stats.TotalCommands)
	d.add("nbns.max_num_pending_sessions", s.Stats.MaxTotalCommands)
	d.add("nbns.max_total_sessions_possible", s.Stats.PendingSessions)
	d.add("nbns.session_data_packet_size", s.Stats.MaxPendingSessions)
}

func (d dissection) datagram(m nbt.DatagramMessage) {
	d.add("nbdgm.type", uint8(m.Type))
	d.hex("nbdgm.flags", 2, uint64(m.Flags))
	d.bit("nbdgm.next", m.Flags&nbt.DgmMore != 0)
	d.bit("nbdgm.first", m.Flags&nbt.DgmFirst != 0)
	d.add("nbdgm.node_type", uint8(m.Flags&nbt.DgmSNT)>>2)
	d.hex("nbdgm.dgram_id", 4, uint64(m.ID))
	d.add("nbdgm.src.ip", m.Source.Addr())
	d.add("nbdgm.src.port", m.Source.Port())
	switch m.Type {
	case nbt.DgmUnique, nbt.DgmGroup, nbt.DgmBroadcast:
		length := len(m.Data) + nbt.EncodedNameLen(m.SourceScope) + nbt.EncodedNameLen(m.DestScope)
		d.add("nbdgm.dgram_len", length)
		d.add("nbdgm.pkt_offset", m.Offset)
		d.add("nbdgm.source_name", theirName(m.SourceName, m.SourceScope))
		d.add("nbdgm.destination_name", theirName(m.DestName, m.DestScope))
		d.data(m.Data)
	case nbt.DgmError:
		d.hex("nbdgm.error_code", 2, uint64(m.ErrorCode))
	case nbt.DgmQuery, nbt.DgmPositive, nbt.DgmNegative:
		d.add("nbdgm.destination_name", theirName(m.DestName, m.DestScope))
	}
}

func (d dissection) session(m nbt.SessionMessage, length int) {
	d.hex("nbss.type", 2, uint64(m.Type))
	d.hex("nbss.flags", 2, uint64(length>>16))
	d.bit("nbss.flags.e", length>>16 != 0)
	d.add("nbss.length", length)
	switch m.Type {
	case nbt.SsnRequest:
		d.add("nbss.called_name", theirName(m.Called, m.CalledScope))
		d.add("nbss.calling_name", theirName(m.Calling, m.CallingScope))
	case nbt.SsnNegative:
		d.hex("nbss.error_code", 2, uint64(m.ErrorCode))
	case nbt.SsnRetarget:
		d.add("nbss.retarget_ip_address", m.Retarget.Addr())
		d.add("nbss.retarget_port", m.Retarget.Port())
	case nbt.SsnMessage:
		d.data(m.Data)
	case nbt.SsnPositive, nbt.SsnKeepAlive:
	}
}

func (d dissection) data(b []byte) {
	if len(b) > 0 {
		d.add("data.data", hex.EncodeToString(b))
	}
}

// theirName writes a name as tshark does: bytes that cannot be printed as <HH>, the wildcard in full.
func theirName(n netbios.Name, scope string) string {
	var b strings.Builder
	for _, c := range n[:netbios.NameLen-1] {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, "<%02x>", c)
		} else {
			b.WriteByte(c)
		}
	}
	text := fmt.Sprintf("%s<%02x>", strings.TrimRight(b.String(), " "), n.Suffix())
	if scope != "" {
		text += "." + scope
	}
	return text
}

// differences lists the fields of a packet that the two dissections disagree on.
func differences(theirs, ours dissection) []string {
	var list []string
	for _, field := range compared {
		a, b := strings.Join(theirs[field], " | "), strings.Join(ours[field], " | ")
		if a != b {
			list = append(list, fmt.Sprintf("%s: tshark says %q, the codec %q", field, a, b))
		}
	}
	return list
}
