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
	"github.com/nbtlab/nbtlab/harness/netbios"
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

// message is an object of decode --json, with the bytes that it is about.
type message map[string]any

// payload is where a message has its bytes.
const payload = "(payload)"

// decodeCapture returns what decode --json prints of each frame.
func decodeCapture(t *testing.T, path string) map[int][]message {
	t.Helper()
	var stdout bytes.Buffer
	var payloads [][]byte
	var m dissect.Message
	_, err := capture.StreamFile(path, capture.Options{Quoted: true}, func(f *capture.Frame) error {
		if !m.Read(f) {
			return nil
		}
		payloads = append(payloads, slices.Clone(f.Payload))
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
		m[payload], payloads = payloads[0], payloads[1:]
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
	if label, ok := d.label(); ok {
		text += fmt.Sprintf(", in bytes %q", label)
	}
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
	if len(messages) > 0 || row.dissected() {
		note("frame", present(len(messages) > 0), present(row.dissected()))
	}
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
		if (e.sound || d.faulty() || d.row.cut()) && e.applies(d) {
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

	// The first of each: a WACK has the flags of the request in it, too.
	{"id", text("id"), numbers("nbns.id")},
	{"flags", text("flags"), theFirst(numbers("nbns.flags"))},
	{"response", truth("response"), theFirst(numbers("nbns.flags.response"))},
	{"opcode", text("opcode"), theFirst(numbers("nbns.flags.opcode"))},
	{"rcode", text("rcode"), theFirst(lowBits("nbns.flags", 0xf))}, // which tshark tells by itself of responses only
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
				value = value[:min(33, len(value))] // which is all that tshark has room for
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
			raw, _, _ := strings.Cut(string(unescaped(s)), "\x00") // as it is, up to a zero byte
			v += "." + raw
		}
		v = strings.NewReplacer("<5c>", `\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v)
		if field == "name" { // the first of theirs, which a comma ends
			v, _, _ = strings.Cut(v, ",")
		}
		return strings.Split(v, ",")
	}
}

// asTshark writes a name as tshark does: bytes that are not printable as <hh> instead of \xhh, the wildcard with the zero
// bytes that it ends with, a blank name with its spaces.
func asTshark(name string) string {
	switch {
	case name == "*":
		name = "*" + strings.Repeat(`\x00`, 14) + "<00>"
	case strings.HasPrefix(name, "<") && len(name) == len("<00>"):
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

func theFirst(of func(tsharkRow) []string) func(tsharkRow) []string {
	return func(r tsharkRow) []string { return head(of(r)) }
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

// lowBits are those of numbers that a mask leaves.
func lowBits(field string, mask uint64) func(tsharkRow) []string {
	return func(r tsharkRow) (values []string) {
		for _, v := range r.values(field) {
			if n, err := strconv.ParseUint(v, 0, 64); err == nil {
				v = strconv.FormatUint(n&mask, 10)
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
	sound   bool // of messages that are as the RFC has them, too
}

// explanations are the differences that remain, and why. tshark is a second opinion, not the truth. Those that are not sound
// hold only where decode itself says that the frame is wrong, or the frame was not captured whole; for the name, record or
// list that is wrong, and what follows it. Of a name the bytes are printed: decode has to show what is in them.
var explanations = []explanation{
	{
		why: "tshark names no field of a message whose header was not captured whole, or more of them; decode shows that it is there",
		applies: func(d difference) bool {
			switch d.field {
			case "frame":
				return len(d.theirs) == 0 && d.allMessages(message.headerIsCut)
			case "dgm msg_type", "dgm_flags", "source_ip", "dgm length":
				return len(d.ours) == 0 && d.allMessages(message.headerIsCut)
			case "ssn msg_type": // of the last message in the frame
				return isPrefix(d.theirs, d.ours) && d.messages[len(d.messages)-1].headerIsCut()
			}
			return false
		},
	},
	{
		sound: true,
		why:   "the domain of a redirect is no NetBIOS name, which tshark takes it for (RFC 1002 section 4.2.15)",
		applies: func(d difference) bool {
			return d.field == "name" && d.showsItsBytes() && d.allMessages(func(m message) bool {
				return fmt.Sprint(m["type"]) == "2" || fmt.Sprint(m["type"]) == "1"
			})
		},
	},
	{
		sound: true,
		why:   "a negative response has a record that ANCOUNT does not count (RFC 1002 section 4.2.14): tshark does not read it",
		applies: func(d difference) bool {
			return (d.field == "name" && d.showsItsBytes() || d.field == "type" || d.field == "ttl") && len(d.theirs) == 0 &&
				d.row["nbns.count.answers"] == "0" && d.row["nbns.flags.rcode"] != "0"
		},
	},
	{
		sound: true,
		why:   "the null name of a WACK (RFC 1002 section 4.2.16) is no NetBIOS name, which tshark takes it for",
		applies: func(d difference) bool {
			return d.field == "name" && len(d.ours) == 0 && d.allMessages(func(m message) bool {
				b, _ := m[payload].([]byte)
				return fmt.Sprint(m["opcode"]) == "7" && len(b) > 12 && b[12] == 0
			})
		},
	},
	{
		sound: true,
		why:   "tshark takes a session message without data, or with something odd about it, for the rest of another one",
		applies: func(d difference) bool {
			return d.field == "frame" && len(d.theirs) == 0 && strings.Contains(d.row["frame.protocols"], "nbss") &&
				d.allMessages(func(m message) bool {
					return fmt.Sprint(m["length"]) == "0" || m["odd"] != nil || m["error"] != nil
				})
		},
	},
	{
		why: "the message goes on in later segments, and was not captured whole: tshark shows it where it begins, decode at the packet " +
			"that brings its end",
		applies: func(d difference) bool {
			switch {
			case d.field == "frame" && len(d.ours) == 0:
				return d.row.goesOn()
			case d.field == "frame":
				return len(d.theirs) == 0 && d.allMessages(message.lacksBytes)
			}
			return false
		},
	},
	{
		why: "tshark takes the rest of a message that was not captured whole for another one",
		applies: func(d difference) bool {
			return strings.HasPrefix(d.field, "ssn ") && d.row.cut() && d.allMessages(message.lacksBytes)
		},
	},
	{
		why: "a letter of the name is not one from A to P: decode shows the label as it is, or reads a lower-case letter",
		applies: func(d difference) bool {
			return d.showsItsBytes() && slices.ContainsFunc(d.theirs, func(name string) bool {
				return strings.HasPrefix(name, "Illegal NetBIOS name")
			})
		},
	},
	{
		why: "tshark takes the letters from Q to Z for half bytes above 15, which there are not; decode shows the label",
		applies: func(d difference) bool {
			return d.showsItsBytes() && slices.ContainsFunc(d.ours, func(name string) bool {
				return strings.ContainsAny(name, "QRSTUVWXYZ") && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
			})
		},
	},
	{
		why:     "the name has labels of other lengths than 32, or goes on in bytes that are no name: the two show that differently",
		applies: func(d difference) bool { return d.showsItsBytes() && d.oddIn(fieldsUpTo[d.field][0]...) },
	},
	{
		why: "without the flag of a first fragment a datagram has no names; tshark reads some in its data",
		applies: func(d difference) bool {
			flags := numbers("nbdgm.flags")(d.row)
			if (d.field != "source_name" && d.field != "destination_name") || len(d.ours) > 0 || len(flags) != 1 {
				return false
			}
			n, err := strconv.Atoi(flags[0])
			return err == nil && n&2 == 0
		},
	},
	{
		why: "decode stops at the field that it cannot read; tshark goes on, in bytes that need not be what it takes them for",
		applies: func(d difference) bool {
			return isPrefix(d.ours, d.theirs) && slices.ContainsFunc(d.messages, func(m message) bool {
				fault, _ := m["error"].(map[string]any)
				field, _ := fault["field"].(string)
				return slices.Contains(slices.Concat(fieldsUpTo[d.field]...), field)
			})
		},
	},
	{
		why: "RDLENGTH or a count is wrong, or the record is cut: decode reads what is there, tshark what it says, or none of it",
		applies: func(d difference) bool {
			return fieldsUpTo[d.field] != nil && (isPrefix(d.ours, d.theirs) || isPrefix(d.theirs, d.ours)) &&
				d.oddIn("RDLENGTH", "QDCOUNT", "ANCOUNT", "NSCOUNT", "ARCOUNT", "NUM_NAMES", "STATISTICS")
		},
	},
}

// fieldsUpTo are the fields of RFC 1002 that hide what is compared if they cannot be read: its own ones first.
var fieldsUpTo = func() map[string][][]string {
	name, fixed := []string{"QUESTION_NAME", "RR_NAME"}, []string{"QUESTION_TYPE", "QUESTION_CLASS", "RR_TYPE", "RR_CLASS"}
	record, rows := []string{"TTL", "RDLENGTH"}, []string{"NUM_NAMES", "STATISTICS"}
	fields := map[string][][]string{
		"name": {name, fixed}, "type": {fixed, name}, "ttl": {record, fixed, name},
		"addresses": {record, fixed, name}, "nb_flags": {record, fixed, name},
		"names": {rows, record, fixed, name}, "names.flags": {rows, record, fixed, name}, "unit_id": {rows, record, fixed, name},
		"source_name":      {{"SOURCE_NAME"}, {"DGM_LENGTH", "PACKET_OFFSET"}},
		"destination_name": {{"DESTINATION_NAME"}, {"SOURCE_NAME", "DGM_LENGTH", "PACKET_OFFSET"}},
		"called_name":      {{"CALLED_NAME"}},
		"calling_name":     {{"CALLING_NAME"}, {"CALLED_NAME"}},
	}
	return fields
}()

// ofName reports whether the difference is in a name, for which decode has a field of the same name.
func (d difference) ofName() bool { return strings.HasSuffix(d.field, "name") }

// showsItsBytes reports whether the difference is in a name, and decode shows one that is in the message.
func (d difference) showsItsBytes() bool {
	_, ok := d.label()
	return ok
}

// label finds the name that decode shows in the bytes of the message: as a label, or as the 32 letters of its half bytes, of
// either case.
func (d difference) label() (label []byte, found bool) {
	if !d.ofName() {
		return nil, false
	}
	for _, m := range d.messages {
		text, _ := m[d.field].(string)
		bytesOf, _ := m[payload].([]byte)
		if text == "" && m.hasNull(fieldsUpTo[d.field][0]) {
			return []byte{0}, true
		}
		first, _, _ := strings.Cut(text, ".")
		for _, want := range [][]byte{halfBytes(text), unescaped(first)} {
			want = append([]byte{byte(len(want))}, want...)
			if at := bytes.Index(upper(bytesOf), upper(want)); at >= 0 && len(want) > 1 {
				return bytesOf[at : at+len(want)], true
			}
		}
	}
	return nil, false
}

// hasNull reports whether one of these fields is a null name, which decode leaves out.
func (m message) hasNull(fields []string) bool {
	faults, _ := m["odd"].([]any)
	return slices.ContainsFunc(faults, func(x any) bool {
		fault, _ := x.(map[string]any)
		field, _ := fault["field"].(string)
		at, err := strconv.Atoi(fmt.Sprint(fault["offset"]))
		b, _ := m[payload].([]byte)
		return err == nil && slices.Contains(fields, field) && at < len(b) && b[at] == 0
	})
}

// upper makes letters upper-case, in bytes that are no text.
func upper(b []byte) []byte {
	b = slices.Clone(b)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return b
}

// halfBytes encodes a name as RFC 1001 section 14.1 has it; what is none, as nothing.
func halfBytes(text string) (letters []byte) {
	name, err := netbios.ParseName(text)
	if err != nil || !strings.HasSuffix(text, ">") && text != "*" {
		return nil
	}
	for _, c := range name {
		letters = append(letters, 'A'+c>>4, 'A'+c&15)
	}
	return letters
}

// unescaped are the bytes that labels stand for.
func unescaped(text string) (raw []byte) {
	for text != "" {
		if n, err := strconv.ParseUint(strings.TrimPrefix(text[:min(4, len(text))], `\x`), 16, 8); err == nil && text[0] == '\\' {
			raw, text = append(raw, byte(n)), text[4:]
			continue
		}
		raw, text = append(raw, text[0]), text[1:]
	}
	return raw
}

func isPrefix(a, b []string) bool { return len(a) < len(b) && slices.Equal(a, b[:len(a)]) }

// allMessages reports whether something is true of all messages in the frame.
func (d difference) allMessages(is func(message) bool) bool {
	return !slices.ContainsFunc(d.messages, func(m message) bool { return !is(m) })
}

// headerIsCut reports whether the message ends within its header.
func (m message) headerIsCut() bool {
	header := map[any]int{"ns": 12, "dgm": 14, "ssn": 4}
	b, _ := m[payload].([]byte)
	return len(b) < header[m["service"]]
}

// lacksBytes reports whether bytes in the midst of the message were not captured.
func (m message) lacksBytes() bool {
	faults, _ := m["odd"].([]any)
	return slices.ContainsFunc(faults, func(x any) bool {
		fault, _ := x.(map[string]any)
		text, _ := fault["text"].(string)
		return strings.HasSuffix(text, " bytes of the message are missing") || strings.Contains(text, " bytes of a message before ")
	})
}

// cut reports whether the frame was not captured whole.
func (r tsharkRow) cut() bool { return r.number("frame.cap_len") < r.number("frame.len") }

// goesOn reports whether the frame has the beginning of a message of the session service, in a segment that was not captured
// whole, and the message is longer than the segment.
func (r tsharkRow) goesOn() bool { return r.cut() && r.number("nbss.length")+4 > r.number("tcp.len") }

// number is a field's last value, or 0.
func (r tsharkRow) number(field string) int {
	values := last(field)(r)
	if len(values) == 0 {
		return 0
	}
	n, err := strconv.Atoi(values[0])
	if err != nil {
		return 0
	}
	return n
}

// faulty reports whether decode has found something wrong in the frame.
func (d difference) faulty() bool {
	return slices.ContainsFunc(d.messages, func(m message) bool { return m["error"] != nil || m["odd"] != nil })
}

// oddIn reports whether decode has found one of these fields odd.
func (d difference) oddIn(fields ...string) bool {
	return slices.ContainsFunc(d.messages, func(m message) bool {
		faults, _ := m["odd"].([]any)
		return slices.ContainsFunc(faults, func(x any) bool {
			fault, _ := x.(map[string]any)
			field, _ := fault["field"].(string)
			return slices.Contains(fields, field)
		})
	})
}
