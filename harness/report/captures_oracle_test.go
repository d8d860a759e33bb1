// SPDX-License-Identifier: MIT

//go:build oracle

package report_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
	"github.com/nbtlab/nbtlab/harness/report"
)

// TestCapturesOracle holds `nbtlab decode --json` against what tshark dissects on ports 137, 138 and 139, frame by frame and
// field by field. The captures are those below the folder that $NBTLAB_CAPTURES names (make test-captures), else those that
// ship. What tshark says of FILE is read from FILE.tshark.tsv.gz if that lies beside it; else tshark is asked.
//
// It prints a table of the fields, and every difference with its frame. Each has to be one that [explanations] knows.
func TestCapturesOracle(t *testing.T) {
	dir := os.Getenv("NBTLAB_CAPTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "pcaps")
	}
	paths := capturesBelow(t, dir)
	if len(paths) == 0 {
		t.Fatalf("there is no capture below %s", dir)
	}
	total := newAgreement()
	for _, path := range paths {
		total.compare(t, path)
	}
	t.Logf("%d captures below %s\n%s", len(paths), dir, total.table())
	if total.agreed() == 0 {
		t.Error("no field was compared")
	}
	for _, d := range total.differences {
		if d.why == "" {
			t.Errorf("unexplained: %s", d)
		}
	}
}

func capturesBelow(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimSuffix(path, ".gz")
		switch filepath.Ext(name) {
		case ".pcap", ".pcapng", ".cap", ".snoop":
			if err == nil && d.Type().IsRegular() {
				paths = append(paths, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// tsharkFields are the columns that tshark is asked for: those of the references, by name.
var tsharkFields = strings.Fields(`frame.number frame.time_epoch frame.len frame.cap_len frame.protocols
	ip.src ip.dst udp.srcport udp.dstport tcp.srcport tcp.dstport tcp.stream tcp.seq tcp.len
	nbns.id nbns.flags nbns.flags.response nbns.flags.opcode nbns.flags.rcode nbns.flags.broadcast
	nbns.count.queries nbns.count.answers nbns.count.auth_rr nbns.count.add_rr
	nbns.name nbns.type nbns.class nbns.ttl nbns.addr nbns.nb_flags
	nbns.number_of_names nbns.netbios_name nbns.name_flags nbns.unit_id
	nbdgm.type nbdgm.flags nbdgm.node_type nbdgm.first nbdgm.next nbdgm.dgram_id
	nbdgm.src.ip nbdgm.src.port nbdgm.dgram_len nbdgm.pkt_offset nbdgm.error_code
	nbdgm.source_name nbdgm.destination_name
	nbss.type nbss.flags nbss.length nbss.calling_name nbss.called_name nbss.error_code
	nbss.retarget_ip_address nbss.retarget_port
	_ws.malformed _ws.expert.message`)

// tsharkRow is what tshark says of a frame, by field.
type tsharkRow map[string]string

// values are the values of a field that may occur more than once in a frame.
func (r tsharkRow) values(field string) []string {
	if r[field] == "" {
		return nil
	}
	return strings.Split(r[field], ",")
}

// ours reports whether the frame is one of the services that decode is about, rather than NBT framing on port 445.
func (r tsharkRow) ours() bool {
	ports := slices.Concat(r.values("udp.srcport"), r.values("udp.dstport"))
	return slices.Contains(ports, "137") || slices.Contains(ports, "138") ||
		slices.Contains(slices.Concat(r.values("tcp.srcport"), r.values("tcp.dstport")), "139")
}

// dissected reports whether tshark found a message of NBT in the frame.
func (r tsharkRow) dissected() bool {
	return r["nbns.flags"]+r["nbns.id"]+r["nbdgm.type"]+r["nbss.type"] != ""
}

func readReference(t *testing.T, path string) []tsharkRow {
	t.Helper()
	var tsv io.Reader
	if f, err := os.Open(path + ".tshark.tsv.gz"); err == nil {
		defer func() { _ = f.Close() }()
		if tsv, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	} else {
		tsv = bytes.NewReader(askTshark(t, path))
	}
	var header []string
	var rows []tsharkRow
	lines := bufio.NewScanner(tsv)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		cells := strings.Split(lines.Text(), "\t")
		if header == nil {
			header = cells
			continue
		}
		row := tsharkRow{}
		for i, cell := range cells[:min(len(cells), len(header))] {
			row[header[i]] = cell
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func askTshark(t *testing.T, path string) []byte {
	t.Helper()
	args := []string{
		"-n", "-r", path, "-Y", "nbns or nbdgm or nbss or udp.port==137 or udp.port==138 or (tcp.port==139 and tcp.len>0)",
		"-T", "fields", "-E", "header=y", "-E", "occurrence=a", "-E", "aggregator=,",
	}
	for _, field := range tsharkFields {
		args = append(args, "-e", field)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil && len(out) == 0 { // of a capture that is cut it says so, after what it could read
		t.Fatalf("tshark does not read %s: %v (on Debian: apt-get install tshark)", path, err)
	}
	return out
}

// message is an object of decode --json.
type message map[string]any

// decodeCapture returns what decode --json prints of each frame.
func decodeCapture(t *testing.T, path string) map[int][]message {
	t.Helper()
	var stdout bytes.Buffer
	var m dissect.Message
	_, err := capture.StreamFile(path, capture.Options{Quoted: true}, func(f *capture.Frame) error {
		if !m.Read(f) {
			return nil
		}
		return report.DecodedJSON(&stdout, path, &m)
	})
	if err != nil {
		t.Fatal(err)
	}
	byFrame := map[int][]message{}
	for line := range strings.Lines(stdout.String()) {
		dec := json.NewDecoder(strings.NewReader(line))
		dec.UseNumber()
		m := message{}
		if err := dec.Decode(&m); err != nil {
			t.Fatalf("%s: %v in %s", path, err, line)
		}
		frame, err := strconv.Atoi(fmt.Sprint(m["frame"]))
		if err != nil {
			t.Fatal(err)
		}
		byFrame[frame] = append(byFrame[frame], m)
	}
	return byFrame
}

// difference is a field in which the two do not agree.
type difference struct {
	path, field  string
	frame        int
	ours, theirs []string
	messages     []message
	row          tsharkRow
	why          string // the explanation; empty for none
}

func (d difference) String() string {
	text := fmt.Sprintf("%s frame %d: %s: decode %q, tshark %q", filepath.Base(d.path), d.frame, d.field, d.ours, d.theirs)
	if d.why != "" {
		text += ": " + d.why
	}
	return text
}

// agreement counts how far the two agree.
type agreement struct {
	fields      map[string]*fieldCount
	differences []difference
}

type fieldCount struct{ agreed, differed, onlyTshark, onlyOurs int }

func newAgreement() *agreement { return &agreement{fields: map[string]*fieldCount{}} }

func (a *agreement) agreed() (n int) {
	for _, c := range a.fields {
		n += c.agreed
	}
	return n
}

func (a *agreement) compare(t *testing.T, path string) {
	t.Helper()
	messages := decodeCapture(t, path)
	seen := map[int]bool{}
	for _, row := range readReference(t, path) {
		frame, err := strconv.Atoi(row["frame.number"])
		if err != nil {
			t.Fatalf("%s: frame number %q", path, row["frame.number"])
		}
		if !row.ours() {
			continue
		}
		seen[frame] = true
		a.frame(path, frame, messages[frame], row)
	}
	for _, frame := range sortedKeys(messages) {
		if !seen[frame] {
			a.frame(path, frame, messages[frame], tsharkRow{})
		}
	}
}

func sortedKeys(m map[int][]message) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// frame compares what both say of a frame: that there is a message at all, and then field by field.
func (a *agreement) frame(path string, frame int, messages []message, row tsharkRow) {
	note := func(field string, ours, theirs []string) {
		a.note(difference{path: path, field: field, frame: frame, ours: ours, theirs: theirs, messages: messages, row: row})
	}
	present := func(yes bool) []string {
		if yes {
			return []string{"message"}
		}
		return nil
	}
	note("frame", present(len(messages) > 0), present(row.dissected()))
	if len(messages) == 0 || !row.dissected() {
		return
	}
	for _, f := range comparedFields {
		var ours []string
		for _, m := range messages {
			ours = append(ours, f.ours(m)...)
		}
		theirs := f.theirs(row)
		if len(ours) > 0 || len(theirs) > 0 {
			note(f.name, ours, theirs)
		}
	}
}

func (a *agreement) note(d difference) {
	c := a.fields[d.field]
	if c == nil {
		c = &fieldCount{}
		a.fields[d.field] = c
	}
	switch {
	case slices.Equal(d.ours, d.theirs):
		c.agreed++
		return
	case len(d.ours) == 0:
		c.onlyTshark++
	case len(d.theirs) == 0:
		c.onlyOurs++
	default:
		c.differed++
	}
	for _, e := range explanations {
		if d.faulty() && e.applies(d) {
			d.why = e.why
			break
		}
	}
	a.differences = append(a.differences, d)
}

// table tells how far the two agree, field by field, and lists where not.
func (a *agreement) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-18s %8s %8s %12s %8s\n", "FIELD", "AGREED", "DIFFERED", "ONLY TSHARK", "ONLY US")
	names := []string{"frame"}
	for _, f := range comparedFields {
		names = append(names, f.name)
	}
	for _, name := range names {
		if c := a.fields[name]; c != nil {
			fmt.Fprintf(&b, "%-18s %8d %8d %12d %8d\n", name, c.agreed, c.differed, c.onlyTshark, c.onlyOurs)
		}
	}
	for _, d := range a.differences {
		fmt.Fprintf(&b, "%s\n", d)
	}
	return b.String()
}

// compared is a field that both have.
type compared struct {
	name   string
	ours   func(message) []string
	theirs func(tsharkRow) []string
}

// comparedFields pairs the fields of decode --json with those of tshark.
var comparedFields = []compared{
	{"src", once(text("src")), last("ip.src")},
	{"dst", once(text("dst")), last("ip.dst")},
	{"sport", once(text("sport")), port("srcport")},
	{"dport", once(text("dport")), port("dstport")},
	{"time", once(text("time")), one("frame.time_epoch")},

	{"id", text("id"), numbers("nbns.id")},
	{"flags", text("flags"), numbers("nbns.flags")},
	{"response", truth("response"), numbers("nbns.flags.response")},
	{"opcode", text("opcode"), numbers("nbns.flags.opcode")},
	{"rcode", responses(text("rcode")), numbers("nbns.flags.rcode")},
	{"name", scoped("name", "scope"), plainly(first("nbns.name"))},
	{"type", text("type"), first("nbns.type")},
	{"ttl", text("ttl"), first("nbns.ttl")},
	{"addresses", list("addresses"), all("nbns.addr")},
	{"nb_flags", list("nb_flags"), numbers("nbns.nb_flags")},
	{"names", rows("name"), plainly(all("nbns.netbios_name"))},
	{"names.flags", rows("flags"), numbers("nbns.name_flags")},
	{"unit_id", text("unit_id"), all("nbns.unit_id")},

	{"dgm msg_type", service("dgm", text("msg_type")), numbers("nbdgm.type")},
	{"dgm_flags", text("dgm_flags"), numbers("nbdgm.flags")},
	{"dgm_id", text("dgm_id"), numbers("nbdgm.dgram_id")},
	{"source_ip", text("source_ip"), all("nbdgm.src.ip")},
	{"source_port", text("source_port"), numbers("nbdgm.src.port")},
	{"dgm length", service("dgm", text("length")), numbers("nbdgm.dgram_len")},
	{"offset", text("offset"), numbers("nbdgm.pkt_offset")},
	{"dgm error_code", service("dgm", text("error_code")), numbers("nbdgm.error_code")},
	{"source_name", scoped("source_name", "source_scope"), all("nbdgm.source_name")},
	{"destination_name", scoped("destination_name", "destination_scope"), all("nbdgm.destination_name")},

	{"ssn msg_type", service("ssn", text("msg_type")), numbers("nbss.type")},
	{"ssn length", service("ssn", text("length")), numbers("nbss.length")},
	{"called_name", scoped("called_name", "called_scope"), all("nbss.called_name")},
	{"calling_name", scoped("calling_name", "calling_scope"), all("nbss.calling_name")},
	{"ssn error_code", service("ssn", text("error_code")), numbers("nbss.error_code")},
	{"retarget", text("retarget"), func(r tsharkRow) []string {
		if r["nbss.retarget_ip_address"] == "" {
			return nil
		}
		return []string{r["nbss.retarget_ip_address"] + ":" + r["nbss.retarget_port"]}
	}},
}

// text is a field of ours that a message has once.
func text(field string) func(message) []string {
	return func(m message) []string {
		if v, ok := m[field]; ok {
			return []string{fmt.Sprint(v)}
		}
		return nil
	}
}

// truth is a field of ours that tshark writes as 0 or 1.
func truth(field string) func(message) []string {
	return func(m message) []string {
		switch m[field] {
		case true:
			return []string{"1"}
		case false:
			return []string{"0"}
		}
		return nil
	}
}

// list is a field of ours that has several values.
func list(field string) func(message) []string {
	return func(m message) (values []string) {
		entries, _ := m[field].([]any)
		for _, v := range entries {
			values = append(values, fmt.Sprint(v))
		}
		return values
	}
}

// rows is a field of the rows of a node status.
func rows(field string) func(message) []string {
	return func(m message) (values []string) {
		entries, _ := m["names"].([]any)
		for _, v := range entries {
			row, _ := v.(map[string]any)
			value := fmt.Sprint(row[field])
			if field == "name" { // whose suffix tshark tells apart, in words
				value = asTshark(value)
				value = value[:max(0, len(value)-len("<00>"))]
			}
			values = append(values, value)
		}
		return values
	}
}

// scoped is a name of ours with its scope, as tshark writes it.
func scoped(field, scope string) func(message) []string {
	return func(m message) []string {
		v, ok := m[field].(string)
		if !ok {
			return nil
		}
		v = asTshark(v)
		if s, ok := m[scope].(string); ok {
			v += "." + s
		}
		return []string{v}
	}
}

// asTshark writes a name as tshark does: bytes that are not printable as <hh> instead of \xhh, the wildcard with the zero
// bytes that it ends with, a blank name with its spaces.
func asTshark(name string) string {
	switch {
	case name == "*":
		name = "*" + strings.Repeat(`\x00`, 14) + "<00>"
	case strings.HasPrefix(name, "<"):
		name = strings.Repeat(" ", 15) + name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if strings.HasPrefix(name[i:], `\x`) && i+4 <= len(name) {
			b.WriteString("<" + name[i+2:i+4] + ">")
			i += 3
			continue
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// service limits a field to the messages of a service.
func service(name string, of func(message) []string) func(message) []string {
	return func(m message) []string {
		if m["service"] != name {
			return nil
		}
		return of(m)
	}
}

// responses limits a field to responses: tshark shows the result code of no request.
func responses(of func(message) []string) func(message) []string {
	return func(m message) []string {
		if m["response"] != true {
			return nil
		}
		return of(m)
	}
}

// once takes a field of the frame from its first message.
func once(of func(message) []string) func(message) []string {
	return func(m message) []string {
		if fmt.Sprint(m["message"]) != "0" {
			return nil
		}
		return of(m)
	}
}

func all(field string) func(tsharkRow) []string {
	return func(r tsharkRow) []string { return r.values(field) }
}

// plainly leaves out what tshark adds to a name to explain its suffix.
func plainly(of func(tsharkRow) []string) func(tsharkRow) []string {
	return func(r tsharkRow) (values []string) {
		for _, v := range of(r) {
			if i := strings.LastIndex(v, " ("); i > 0 && strings.HasSuffix(v, ")") && !strings.HasPrefix(v, "Illegal") {
				v = v[:i]
			}
			values = append(values, v)
		}
		return values
	}
}

func one(field string) func(tsharkRow) []string {
	return func(r tsharkRow) []string {
		if r[field] == "" {
			return nil
		}
		return []string{r[field]}
	}
}

// first is the first value of a field that tshark has for the question and for the record, of which we tell one.
func first(field string) func(tsharkRow) []string {
	return func(r tsharkRow) []string { return head(r.values(field)) }
}

func head(values []string) []string { return values[:min(1, len(values))] }

// last is the innermost of the values of a field: what is in the tunnel.
func last(field string) func(tsharkRow) []string {
	return func(r tsharkRow) []string {
		values := r.values(field)
		return values[max(0, len(values)-1):]
	}
}

// port is the innermost port, of UDP or TCP.
func port(field string) func(tsharkRow) []string {
	return func(r tsharkRow) []string {
		if r["nbss.type"] != "" {
			return last("tcp." + field)(r)
		}
		return last("udp." + field)(r)
	}
}

// numbers are values that tshark may write as hexadecimal numbers.
func numbers(field string) func(tsharkRow) []string {
	return func(r tsharkRow) (values []string) {
		for _, v := range r.values(field) {
			switch v {
			case "True":
				v = "1"
			case "False":
				v = "0"
			}
			if n, err := strconv.ParseUint(v, 0, 64); err == nil {
				v = strconv.FormatUint(n, 10)
			}
			values = append(values, v)
		}
		return values
	}
}

// explanation is why a difference is right.
type explanation struct {
	why     string
	applies func(difference) bool
}

// explanations are the differences that remain, and why. tshark is a second opinion, not the truth. Each holds only where
// decode itself says that the frame is wrong, and never for the fields of a header.
var explanations = []explanation{
	{
		"tshark names no field of a message whose header was not captured whole; decode shows that it is there",
		func(d difference) bool { return d.field == "frame" && len(d.theirs) == 0 },
	},
	{
		"a letter of the name is not one from A to P: decode shows the label as it is, or reads a lower-case letter",
		func(d difference) bool {
			return d.ofName() && slices.ContainsFunc(d.theirs, func(name string) bool {
				return strings.HasPrefix(name, "Illegal NetBIOS name")
			})
		},
	},
	{
		"tshark takes the letters from Q to Z for half bytes above 15, which there are not; decode shows the label",
		func(d difference) bool {
			return d.ofName() && slices.ContainsFunc(d.ours, func(name string) bool {
				return strings.ContainsAny(name, "QRSTUVWXYZ") && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
			})
		},
	},
	{
		"the name has labels of other lengths than 32, or goes on in bytes that are no name: the two show that differently",
		func(d difference) bool { return d.ofName() && d.oddIn("NAME") },
	},
	{
		"without the flag of a first fragment a datagram has no names; tshark reads some in its data",
		func(d difference) bool {
			return (d.field == "source_name" || d.field == "destination_name") && len(d.ours) == 0 && !d.broken()
		},
	},
	{
		"decode stops at the field that it cannot read; tshark goes on, in bytes that need not be what it takes them for",
		func(d difference) bool { return d.behindHeader() && len(d.ours) < len(d.theirs) && d.broken() },
	},
	{
		"RDLENGTH or a count is wrong: decode reads what is there, tshark what it says",
		func(d difference) bool {
			return d.behindHeader() && (d.oddIn("RDLENGTH") || d.oddIn("COUNT") || d.oddIn("NUM_NAMES"))
		},
	},
}

// ofName reports whether the difference is in a name.
func (d difference) ofName() bool { return strings.HasSuffix(d.field, "name") }

// behindHeader reports whether the difference is in what a broken name or record can hide.
func (d difference) behindHeader() bool {
	switch d.field {
	case "type", "ttl", "addresses", "nb_flags", "names", "names.flags", "unit_id":
		return true
	}
	return d.ofName()
}

// broken reports whether decode could not read a message in the frame to its end.
func (d difference) broken() bool {
	return slices.ContainsFunc(d.messages, func(m message) bool { return m["error"] != nil })
}

// faulty reports whether decode has found something wrong in the frame.
func (d difference) faulty() bool {
	return d.broken() || slices.ContainsFunc(d.messages, func(m message) bool { return m["odd"] != nil })
}

// oddIn reports whether decode has found a field with this in its name odd.
func (d difference) oddIn(field string) bool {
	return slices.ContainsFunc(d.messages, func(m message) bool {
		faults, _ := m["odd"].([]any)
		return slices.ContainsFunc(faults, func(x any) bool {
			fault, _ := x.(map[string]any)
			name, _ := fault["field"].(string)
			return strings.Contains(name, field)
		})
	})
}
