// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// maxInLine is how much user data a line of decode shows, in bytes.
const maxInLine = 32

// DecodedLine writes a message of a capture on one line: frame, time since the first packet, from whom to whom, service,
// what it says, and what is wrong with it.
func DecodedLine(p *Printer, m *dissect.Message) {
	f := m.Frame
	p.Printf("%6d  %11.6f  %-15s > %-15s  %-3s  ", f.Number, f.At.Seconds(), decodedEnd(f.From, m.Service), decodedEnd(f.To, m.Service), m.Service)
	if m.HasHeader() {
		p.Printf("%s", brief(m))
	} else {
		p.Printf("%d bytes that cannot be read", len(f.Payload))
	}
	if f.Tunnel != "" {
		p.Paint(Faint, "  (%s)", tunnelText(f.Tunnel))
	}
	if m.Err != nil {
		p.Paint(Bad, "  [%s]", errorText(m.Err))
	}
	var odd []string
	for _, o := range m.Odd {
		odd = append(odd, o.String())
	}
	if odd = append(odd, f.Odd...); len(odd) > 0 {
		p.Paint(Doubt, "  [odd: %s]", strings.Join(odd, "; "))
	}
	p.Printf("\n")
}

// DecodedFields writes all fields of a message below its line, and its bytes.
func DecodedFields(p *Printer, m *dissect.Message) {
	if m.HasHeader() {
		for _, f := range m.Fields() {
			if m.Err != nil && f.Offset >= m.ReadTo() {
				break // was not read
			}
			p.Printf("        %4d  %-24s  %s\n", f.Offset, f.Name, f.Value)
		}
	}
	p.Printf("%s\n", hexDump(m.Frame.Payload))
}

// decodedEnd writes an end of a message, with its port where that is not the service's.
func decodedEnd(a netip.AddrPort, s capture.Service) string {
	if a.Port() == wellKnown(s) {
		return a.Addr().String()
	}
	return a.String()
}

func wellKnown(s capture.Service) uint16 {
	switch s {
	case capture.NameService:
		return stack.NamePort
	case capture.DatagramService:
		return stack.DatagramPort
	case capture.SessionService:
	}
	return stack.SessionPort
}

func tunnelText(tunnel string) string {
	if tunnel == capture.QuotedTunnel {
		return "quoted in an ICMP error"
	}
	return "through " + tunnel
}

func errorText(err *nbt.ParseError) string {
	if err.Field == "" {
		return err.Err.Error()
	}
	return fmt.Sprintf("%s at offset %d: %v", err.Field, err.Offset, err.Err)
}

// brief is the message in its own words, with long user data cut short.
func brief(m *dissect.Message) string {
	switch m.Service {
	case capture.NameService:
		return m.Name.String()
	case capture.DatagramService:
		d := m.Datagram
		n := len(d.Data)
		if m.Err != nil { // in its names, or before them
			source := ""
			if d.HasNames() && m.WasRead("SOURCE_NAME") {
				source = " from " + d.SourceName.String()
			}
			return fmt.Sprintf("%v%s, id 0x%04x", d.Type, source, d.ID)
		}
		if n <= maxInLine {
			return d.String()
		}
		d.Data = d.Data[:maxInLine]
		return d.String() + fmt.Sprintf(", %d bytes of data", n)
	case capture.SessionService:
	}
	s := m.Session
	n := len(s.Data)
	switch {
	case m.Err == nil || n > 0 || s.Type == nbt.SsnRequest && m.WasRead("CALLING_NAME"):
	case s.Type == nbt.SsnRequest && m.WasRead("CALLED_NAME"):
		called, scope := nameAndScope(s.Called.String(), s.CalledScope, s.CalledBare)
		return strings.TrimSuffix(fmt.Sprintf("%v %s.%s", s.Type, called, scope), ".")
	default:
		return s.Type.String()
	}
	if n <= maxInLine {
		return s.String()
	}
	s.Data = s.Data[:maxInLine]
	return s.String() + fmt.Sprintf(", %d bytes of data", n)
}

// decoded is a line of decode --json. Numbers that a message always has are pointers, so that a 0 on the wire is told from
// a field that is not there.
type decoded struct {
	File    string `json:"file"`
	Frame   int    `json:"frame"`
	Message int    `json:"message"`
	Time    string `json:"time"`
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	SPort   uint16 `json:"sport"`
	DPort   uint16 `json:"dport"`
	Tunnel  string `json:"tunnel,omitempty"`
	Service string `json:"service"`
	Kind    string `json:"kind"`

	ID        *uint16      `json:"id,omitempty"`
	Opcode    *uint8       `json:"opcode,omitempty"`
	Response  *bool        `json:"response,omitempty"`
	RCode     *uint8       `json:"rcode,omitempty"`
	Flags     *uint16      `json:"flags,omitempty"`
	Name      string       `json:"name,omitempty"`
	Scope     string       `json:"scope,omitempty"`
	Type      *uint16      `json:"type,omitempty"`
	TTL       *uint32      `json:"ttl,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
	NBFlags   []uint16     `json:"nb_flags,omitempty"`
	Names     []nodeRow    `json:"names,omitempty"`
	UnitID    string       `json:"unit_id,omitempty"`
	NSDName   string       `json:"nsd_name,omitempty"` // of a redirect, the name server to ask
	NSDAddr   *netip.Addr  `json:"nsd_ip_addr,omitempty"`

	MsgType          *uint8  `json:"msg_type,omitempty"`
	DgmID            *uint16 `json:"dgm_id,omitempty"`
	DgmFlags         *uint8  `json:"dgm_flags,omitempty"`
	SourceIP         string  `json:"source_ip,omitempty"`
	SourcePort       *uint16 `json:"source_port,omitempty"`
	Offset           *uint16 `json:"offset,omitempty"`
	SourceName       string  `json:"source_name,omitempty"`
	SourceScope      string  `json:"source_scope,omitempty"`
	DestinationName  string  `json:"destination_name,omitempty"`
	DestinationScope string  `json:"destination_scope,omitempty"`
	Length           *int    `json:"length,omitempty"`
	CalledName       string  `json:"called_name,omitempty"`
	CalledScope      string  `json:"called_scope,omitempty"`
	CallingName      string  `json:"calling_name,omitempty"`
	CallingScope     string  `json:"calling_scope,omitempty"`
	ErrorCode        *uint8  `json:"error_code,omitempty"`
	Retarget         string  `json:"retarget,omitempty"`

	Odd   []decodedFault `json:"odd,omitempty"`
	Error *decodedFault  `json:"error,omitempty"`
}

type nodeRow struct {
	Name  string `json:"name"`
	Flags uint16 `json:"flags"`
}

// decodedFault is what is odd or wrong in a message. What is odd below NBT has no field.
type decodedFault struct {
	Field  string `json:"field,omitempty"`
	Offset *int   `json:"offset,omitempty"`
	Text   string `json:"text"`
}

// DecodedJSON writes a message of a capture as one line of JSON.
func DecodedJSON(w io.Writer, file string, m *dissect.Message) error {
	f := m.Frame
	line := decoded{
		File: file, Frame: f.Number, Message: f.Message, Time: epoch(f.UnixNano),
		Src: f.From.Addr().String(), Dst: f.To.Addr().String(), SPort: f.From.Port(), DPort: f.To.Port(),
		Tunnel: f.Tunnel, Service: m.Service.String(), Kind: m.Kind(),
	}
	if m.HasHeader() || m.ReadTo() >= identified {
		switch m.Service {
		case capture.NameService:
			line.nameService(&m.Name)
		case capture.DatagramService:
			line.datagramService(m)
		case capture.SessionService:
			line.sessionService(m)
		}
	}
	for _, o := range m.Odd {
		line.Odd = append(line.Odd, decodedFault{o.Field, new(o.Offset), o.Text()})
	}
	for _, text := range f.Odd {
		line.Odd = append(line.Odd, decodedFault{Text: text})
	}
	if m.Err != nil {
		line.Error = &decodedFault{m.Err.Field, new(m.Err.Offset), m.Err.Err.Error()}
	}
	return JSON(w, line)
}

// identified is how many bytes of a message of the name or datagram service have its number and its flags.
const identified = 4

// epoch writes a time as seconds since 1970, with nanoseconds.
func epoch(unixNano int64) string {
	t := time.Unix(0, unixNano)
	s, ns := t.Unix(), t.Nanosecond()
	if s < 0 && ns > 0 { // a negative number counts its fraction the other way
		s, ns = s+1, int(time.Second)-ns
		if s == 0 {
			return fmt.Sprintf("-0.%09d", ns)
		}
	}
	return fmt.Sprintf("%d.%09d", s, ns)
}

func (line *decoded) nameService(m *nbt.NameMessage) {
	line.ID, line.Opcode, line.Response = &m.ID, new(uint8(m.Opcode)), &m.Response
	line.RCode, line.Flags = new(uint8(m.RCode)), new(m.FlagWord())
	rr := m.Record()
	switch {
	case len(m.Questions) > 0:
		q := &m.Questions[0]
		line.Name, line.Scope = nameAndScope(q.Name.String(), q.Scope, q.Bare)
		line.Type = &q.Type
	case rr != nil:
		line.Name, line.Scope = nameAndScope(rr.Name.String(), rr.Scope, rr.Bare)
		line.Type = &rr.Type
	}
	if rr != nil {
		line.TTL = &rr.TTL
	}
	for _, section := range [...][]nbt.Resource{m.Answers, m.Authority, m.Additional} {
		for i := range section {
			line.record(&section[i])
		}
	}
}

func (line *decoded) record(rr *nbt.Resource) {
	for _, entry := range rr.Addrs {
		line.Addresses = append(line.Addresses, entry.Addr)
		line.NBFlags = append(line.NBFlags, uint16(entry.Flags))
	}
	if a, ok := netip.AddrFromSlice(rr.Data); ok && rr.Type == nbt.TypeA && a.Is4() && line.NSDAddr == nil {
		line.NSDName, _ = nameAndScope(rr.Name.String(), rr.Scope, rr.Bare)
		line.NSDAddr = &a
	}
	if rr.Status == nil {
		return
	}
	for _, row := range rr.Status.Names {
		line.Names = append(line.Names, nodeRow{row.Name.String(), uint16(row.Flags)})
	}
	if !rr.Status.Cut {
		line.UnitID = strings.ReplaceAll(fmt.Sprintf("% x", rr.Status.Stats.UnitID), " ", ":")
	}
}

// nameAndScope are how a name is told: one that is no NetBIOS name by its labels.
func nameAndScope(name, scope string, bare bool) (string, string) {
	if bare {
		return scope, ""
	}
	return name, scope
}

// datagramService tells of a datagram what could be read of it: of its names, in any case those before the fault.
func (line *decoded) datagramService(m *dissect.Message) {
	d := &m.Datagram
	line.MsgType, line.DgmID, line.DgmFlags = new(uint8(d.Type)), &d.ID, new(uint8(d.Flags))
	if !d.Source.IsValid() {
		return
	}
	line.SourceIP, line.SourcePort = d.Source.Addr().String(), new(d.Source.Port())
	if d.Type.CarriesData() && (m.Err == nil || m.Err.Field != "DGM_LENGTH" && m.Err.Field != "PACKET_OFFSET") {
		line.Offset, line.Length = &d.Offset, new(d.Length())
	}
	if m.Err == nil && d.Type == nbt.DgmError {
		line.ErrorCode = &d.ErrorCode
	}
	if d.HasNames() && m.WasRead("SOURCE_NAME") {
		line.SourceName, line.SourceScope = nameAndScope(d.SourceName.String(), d.SourceScope, d.SourceBare)
	}
	if (d.HasNames() || d.Type > nbt.DgmError) && m.WasRead("DESTINATION_NAME") {
		line.DestinationName, line.DestinationScope = nameAndScope(d.DestName.String(), d.DestScope, d.DestBare)
	}
}

func (line *decoded) sessionService(m *dissect.Message) {
	s := &m.Session
	line.MsgType = new(uint8(s.Type))
	if m.ReadTo() >= nbt.SessionHeaderLen {
		line.Length = new(s.Length())
	}
	switch {
	case s.Type == nbt.SsnRequest:
		if m.WasRead("CALLED_NAME") {
			line.CalledName, line.CalledScope = nameAndScope(s.Called.String(), s.CalledScope, s.CalledBare)
		}
		if m.WasRead("CALLING_NAME") {
			line.CallingName, line.CallingScope = nameAndScope(s.Calling.String(), s.CallingScope, s.CallingBare)
		}
	case m.Err != nil || s.Short:
	case s.Type == nbt.SsnNegative:
		line.ErrorCode = &s.ErrorCode
	case s.Type == nbt.SsnRetarget:
		line.Retarget = s.Retarget.String()
	}
}

// Decoding is what decode has to say of a whole capture.
type Decoding struct {
	File    string
	Summary capture.Summary
	Stats   *dissect.Stats
}

// DecodedFile writes the name of a capture above its messages.
func DecodedFile(p *Printer, file string) { p.Paint(Strong, "%s\n", nbt.Printable([]byte(file))) }

// DecodedNote writes, in a line, what was shown of a capture and what was not.
func DecodedNote(p *Printer, d Decoding) {
	s := &d.Summary
	p.Printf("%s: %s, %s", nbt.Printable([]byte(d.File)), plural(s.Packets, "packet"), plural(d.Stats.Total().Messages, "message"))
	if n := countAll(d.Stats.Errors()); n > 0 {
		p.Printf(", %d could not be read to the end", n)
	}
	if n := countAll(d.Stats.Oddities()); n > 0 {
		p.Printf(", %s", oddities(n))
	}
	skips(p, "skipped", s.Skipped)
	skips(p, "dropped", s.Dropped)
	if s.Cut != nil {
		p.Printf("; %s", s.Cut)
	}
	p.Printf("\n")
}

// oddities counts what is odd: a message may have several.
func oddities(n int) string {
	if n == 1 {
		return "1 oddity"
	}
	return fmt.Sprintf("%d oddities", n)
}

func countAll(list []dissect.Trouble) (n int) {
	for _, t := range list {
		n += t.Count
	}
	return n
}

func skips(p *Printer, word string, list []capture.Skip) {
	if len(list) == 0 {
		return
	}
	p.Printf("; %s", word)
	for i, s := range list {
		if i > 0 {
			p.Printf(",")
		}
		p.Printf(" %d (%s)", s.Count, s.Why)
	}
}

// maxNameRows is how many names the table of decode --stats shows. --json has all.
const maxNameRows = 50

// DecodedStats writes the counts of a capture: messages and bytes by service and kind, names, errors, what was skipped.
func DecodedStats(p *Printer, d Decoding) {
	s := &d.Summary
	p.Paint(Strong, "%s", nbt.Printable([]byte(d.File)))
	p.Printf(": %s, %s captured", plural(s.Packets, "packet"), plural(int(s.Bytes), "byte"))
	if !s.Base.IsZero() {
		p.Printf(", from %s", s.Base.Format("2006-01-02 15:04:05.000000 MST"))
	}
	p.Printf("\n")
	if s.Cut != nil {
		p.Paint(Doubt, "%s\n", s.Cut)
	}
	p.Printf("\n")
	hierarchy(p, d.Stats)
	nameRows(p, d.Stats)
	troubleRows(p, "CANNOT BE READ", d.Stats.Errors())
	troubleRows(p, "ODD", d.Stats.Oddities())
	skipRows(p, "SKIPPED PACKETS", s.Skipped)
	skipRows(p, "DROPPED", s.Dropped)
}

func hierarchy(p *Printer, s *dissect.Stats) {
	total := s.Total()
	rows := [][]string{{"PROTOCOL", "MESSAGES", "%", "BYTES"}}
	add := func(name string, c dissect.Count) {
		share := ""
		if total.Messages > 0 {
			share = fmt.Sprintf("%.1f", 100*float64(c.Messages)/float64(total.Messages))
		}
		rows = append(rows, []string{name, strconv.Itoa(c.Messages), share, strconv.FormatInt(c.Bytes, 10)})
	}
	add("NetBIOS over TCP/IP", total)
	for _, service := range dissect.Services {
		c := s.Service(service)
		if c.Messages == 0 {
			continue
		}
		add("  "+serviceText(service), c)
		for _, k := range s.Kinds(service) {
			add("    "+k.Kind, k.Count)
		}
	}
	countTable(p, rows, 1)
	if n := s.Connections(); n > 0 {
		p.Printf("\n%s opened to the session service\n", plural(n, "connection"))
	}
}

func serviceText(s capture.Service) string {
	switch s {
	case capture.NameService:
		return "name service (UDP 137)"
	case capture.DatagramService:
		return "datagram service (UDP 138)"
	case capture.SessionService:
	}
	return "session service (TCP 139)"
}

func nameRows(p *Printer, s *dissect.Stats) {
	names, leftOut := s.Names()
	if len(names) == 0 {
		return
	}
	p.Printf("\n")
	rows := [][]string{{"NAME", "MESSAGES", "HELD BY", "ASKED FOR BY"}}
	for i := range names[:min(len(names), maxNameRows)] {
		n := &names[i]
		rows = append(rows, []string{n.Name.String(), strconv.Itoa(n.Messages), hostsText(&n.Holders), hostsText(&n.Askers)})
	}
	countTable(p, rows, 1)
	if more := len(names) - maxNameRows; more > 0 {
		p.Printf("... and %s (--json lists all of them)\n", plural(more, "more name"))
	}
	if leftOut > 0 {
		p.Printf("%s of names beyond the first %d are not counted\n", plural(leftOut, "mention"), dissect.MaxNames)
	}
}

func hostsText(h *dissect.Hosts) string {
	list, more := h.All()
	if len(list) == 0 {
		return "-"
	}
	var words []string
	for _, host := range list {
		words = append(words, host.String())
	}
	if more {
		words = append(words, "...")
	}
	return strings.Join(words, " ")
}

func troubleRows(p *Printer, title string, list []dissect.Trouble) {
	if len(list) == 0 {
		return
	}
	p.Printf("\n")
	rows := [][]string{{title, "COUNT", "FIRST FRAME"}}
	for _, t := range list {
		text := t.Text
		if t.Field != "" {
			text = t.Field + ": " + text
		}
		rows = append(rows, []string{text, strconv.Itoa(t.Count), strconv.Itoa(t.First)})
	}
	countTable(p, rows, 1)
}

func skipRows(p *Printer, title string, list []capture.Skip) {
	if len(list) == 0 {
		return
	}
	p.Printf("\n")
	rows := [][]string{{title, "COUNT", "FIRST PACKET"}}
	for _, s := range list {
		rows = append(rows, []string{s.Why, strconv.Itoa(s.Count), strconv.Itoa(s.First)})
	}
	countTable(p, rows, 1)
}

// countTable writes a table whose columns of numbers, from one on, are aligned to the right.
func countTable(p *Printer, rows [][]string, from int) {
	for column := from; column < len(rows[0]); column++ {
		width, numbers := 0, true
		for i, row := range rows {
			width = max(width, len(row[column]))
			numbers = numbers && (i == 0 || strings.Trim(row[column], "0123456789.") == "" && strings.Count(row[column], ".") <= 1)
		}
		for _, row := range rows {
			if numbers {
				row[column] = strings.Repeat(" ", width-len(row[column])) + row[column]
			}
		}
	}
	table(p, rows, func(row, _ int) (Colour, bool) { return Strong, row == 0 })
}

// decodedStats is a line of decode --stats --json.
type decodedStats struct {
	File        string           `json:"file"`
	Packets     int              `json:"packets"`
	Bytes       int64            `json:"bytes"`
	Messages    int              `json:"messages"`
	Connections int              `json:"connections"`
	Services    []decodedService `json:"services"`
	Names       []decodedName    `json:"names"`
	Unnamed     int              `json:"names_left_out,omitempty"`
	Errors      []decodedTrouble `json:"errors"`
	Odd         []decodedTrouble `json:"odd"`
	Skipped     []decodedSkip    `json:"skipped"`
	Dropped     []decodedSkip    `json:"dropped"`
	Cut         *decodedCut      `json:"cut,omitempty"`
}

type decodedService struct {
	Service  string        `json:"service"`
	Messages int           `json:"messages"`
	Bytes    int64         `json:"bytes"`
	Kinds    []decodedKind `json:"kinds"`
}

type decodedKind struct {
	Kind     string `json:"kind"`
	Messages int    `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

type decodedName struct {
	Name        string       `json:"name"`
	Messages    int          `json:"messages"`
	Holders     []netip.Addr `json:"held_by"`
	MoreHolders bool         `json:"held_by_more,omitempty"`
	Askers      []netip.Addr `json:"asked_for_by"`
	MoreAskers  bool         `json:"asked_for_by_more,omitempty"`
}

type decodedTrouble struct {
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
	Count int    `json:"count"`
	First int    `json:"first_frame"`
}

type decodedSkip struct {
	Why   string `json:"why"`
	Count int    `json:"count"`
	First int    `json:"first_packet"`
}

type decodedCut struct {
	Offset int64  `json:"offset"`
	Packet int    `json:"packet"`
	Reason string `json:"reason"`
}

// DecodedStatsJSON writes the counts of a capture as one line of JSON.
func DecodedStatsJSON(w io.Writer, d Decoding) error {
	s := &d.Summary
	line := decodedStats{
		File: d.File, Packets: s.Packets, Bytes: s.Bytes, Messages: d.Stats.Total().Messages, Connections: d.Stats.Connections(),
		Services: []decodedService{}, Names: []decodedName{},
		Errors: troubleLines(d.Stats.Errors()), Odd: troubleLines(d.Stats.Oddities()),
		Skipped: skipLines(s.Skipped), Dropped: skipLines(s.Dropped),
	}
	for _, service := range dissect.Services {
		c := d.Stats.Service(service)
		of := decodedService{Service: service.String(), Messages: c.Messages, Bytes: c.Bytes, Kinds: []decodedKind{}}
		for _, k := range d.Stats.Kinds(service) {
			of.Kinds = append(of.Kinds, decodedKind{k.Kind, k.Messages, k.Bytes})
		}
		line.Services = append(line.Services, of)
	}
	names, leftOut := d.Stats.Names()
	line.Unnamed = leftOut
	for i := range names {
		n := decodedName{Name: names[i].Name.String(), Messages: names[i].Messages}
		n.Holders, n.MoreHolders = hostLines(&names[i].Holders)
		n.Askers, n.MoreAskers = hostLines(&names[i].Askers)
		line.Names = append(line.Names, n)
	}
	if s.Cut != nil {
		line.Cut = &decodedCut{s.Cut.Offset, s.Cut.Packet, s.Cut.Reason}
	}
	return JSON(w, line)
}

func hostLines(h *dissect.Hosts) (lines []netip.Addr, more bool) {
	list, more := h.All()
	return append([]netip.Addr{}, list...), more
}

func troubleLines(list []dissect.Trouble) []decodedTrouble {
	lines := []decodedTrouble{}
	for _, t := range list {
		lines = append(lines, decodedTrouble(t))
	}
	return lines
}

func skipLines(list []capture.Skip) []decodedSkip {
	lines := []decodedSkip{}
	for _, s := range list {
		lines = append(lines, decodedSkip(s))
	}
	return lines
}
