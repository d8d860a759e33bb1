// SPDX-License-Identifier: MIT

package dissect

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// The bounds of what [Stats] remembers: a capture that goes over them costs no more memory, and the counts say so.
const (
	MaxNames    = 1 << 16 // names told apart
	MaxHosts    = 8       // hosts listed for a name, of either role
	maxTroubles = 64      // kinds of errors told apart, and of oddities
)

// Stats counts messages: the protocol hierarchy of NBT, the names and who has to do with them, and what is wrong.
// The zero value is ready to use.
type Stats struct {
	counts      [3][kinds]Count
	connections int
	added       int // messages

	names   []NameCount
	index   []int32 // of a name plus one, by the hash of the name; 0 for none
	seed    maphash.Seed
	unnamed int // mentions of names for which there was no room

	errors, odd troubles
}

// Count is a number of messages, and of their bytes: the UDP payload, or the session service message with its header.
type Count struct {
	Messages int
	Bytes    int64
}

func (c *Count) add(bytes int) {
	c.Messages++
	c.Bytes += int64(bytes)
}

// KindCount counts the messages of one kind.
type KindCount struct {
	Kind string
	Count
}

// NameCount counts the messages that mention a name.
type NameCount struct {
	Name     netbios.Name
	Messages int
	Holders  Hosts // claimed it, held it, gave it up, or used it as their own
	Askers   Hosts // asked for it, or sent to it

	seen int // the last message that mentioned it, as they are counted
}

// Hosts are the first hosts of a role, in the order in which they turned up.
type Hosts struct {
	list [MaxHosts]uint32
	n    uint8
	more bool
}

// All returns the hosts, and whether there were more of them than are remembered.
func (h *Hosts) All() (list []netip.Addr, more bool) {
	for _, host := range h.list[:h.n] {
		list = append(list, netip.AddrFrom4([4]byte{byte(host >> 24), byte(host >> 16), byte(host >> 8), byte(host)}))
	}
	return list, h.more
}

func (h *Hosts) add(host uint32) {
	if slices.Contains(h.list[:h.n], host) {
		return
	}
	if h.n == MaxHosts {
		h.more = true
		return
	}
	h.list[h.n] = host
	h.n++
}

// Trouble is something that is wrong with messages: in which field, what, how often, and the first frame of them.
type Trouble struct {
	Field string // empty for what is wrong below NBT
	Text  string
	Count int
	First int
}

// The kinds of message, over all services: what Stats counts by.
const (
	unreadable = 0 // too short or of no type that there is
	firstKind  = 1
	kinds      = int(nbt.KindStatusResponse) + 1 + firstKind // the name service has the most
)

// kind returns where the message is counted.
func (m *Message) kind() int {
	if !m.HasHeader() {
		return unreadable
	}
	switch m.Service {
	case capture.NameService:
		return firstKind + int(m.Name.Kind())
	case capture.DatagramService:
		if m.Datagram.Type < nbt.DgmUnique || m.Datagram.Type > nbt.DgmNegative {
			return unreadable // of a type that there is not
		}
		return firstKind + int(m.Datagram.Type-nbt.DgmUnique)
	case capture.SessionService:
	}
	if m.Session.Type == nbt.SsnMessage {
		return firstKind
	}
	return firstKind + 1 + int(m.Session.Type-nbt.SsnRequest)
}

// kindName names the messages that are counted in a place.
func kindName(s capture.Service, kind int) string {
	if kind == unreadable {
		return "unreadable"
	}
	kind -= firstKind
	switch s {
	case capture.NameService:
		return nbt.NameKind(kind).String()
	case capture.DatagramService:
		return (nbt.DgmUnique + nbt.DatagramType(kind)).String()
	case capture.SessionService:
	}
	if kind == 0 {
		return nbt.SsnMessage.String()
	}
	return (nbt.SsnRequest + nbt.SessionType(kind-1)).String()
}

// Kind names the kind of the message in the RFC's words; "unreadable" for one that is too short to have one, or of no type
// that there is.
func (m *Message) Kind() string { return kindName(m.Service, m.kind()) }

// Connection counts a frame that is no message: what it does to a connection.
func (s *Stats) Connection(f *capture.Frame) {
	if f.Kind == trace.Connect {
		s.connections++
	}
}

// Add counts a message.
func (s *Stats) Add(m *Message) {
	s.counts[m.Service][m.kind()].add(len(m.Frame.Payload))
	s.added++
	m.mentions(func(x mention) {
		i, known := s.name(x.name)
		if !known {
			return
		}
		n := &s.names[i]
		if n.seen != s.added { // a message counts once for a name
			n.Messages++
			n.seen = s.added
		}
		if x.host.Is4() {
			ip := x.host.As4()
			host := uint32(ip[0])<<24 | uint32(ip[1])<<16 | uint32(ip[2])<<8 | uint32(ip[3])
			if x.role == holder {
				n.Holders.add(host)
			} else {
				n.Askers.add(host)
			}
		}
	})
	if m.Err != nil {
		s.errors.add(m.Err.Field, root(m.Err.Err).Error(), m.Frame.Number)
	}
	for i := range m.Odd {
		s.odd.add(m.Odd[i].Field, m.Odd[i].Err.Error(), m.Frame.Number)
	}
	for _, text := range m.Frame.Odd {
		s.odd.addBelow(text, m.Frame.Number)
	}
}

// root is the cause of an error without the numbers that were added to it.
func root(err error) error {
	for {
		wrapped, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = wrapped.Unwrap()
	}
}

// name returns the index of a name, and false for one that there is no room for.
func (s *Stats) name(name *netbios.Name) (index int32, known bool) {
	at := s.find(name)
	if i := s.index[at] - 1; i >= 0 {
		return i, true
	}
	if len(s.names) == MaxNames {
		s.unnamed++
		return 0, false
	}
	s.names = append(s.names, NameCount{Name: *name})
	s.index[at] = int32(len(s.names))
	return int32(len(s.names)) - 1, true
}

// find returns where in the index a name is, or is to be. At most half of the places are taken, and nobody can know which
// names meet in one, so that the search ends soon.
func (s *Stats) find(name *netbios.Name) int {
	if 2*len(s.names) >= len(s.index) {
		s.index, s.seed = make([]int32, max(4*len(s.names), 256)), maphash.MakeSeed()
		for i := range s.names {
			s.index[s.find(&s.names[i].Name)] = int32(i) + 1
		}
	}
	mask := len(s.index) - 1 // their number is a power of two
	at := int(maphash.Bytes(s.seed, name[:])) & mask
	for s.index[at] != 0 && s.names[s.index[at]-1].Name != *name {
		at = (at + 1) & mask
	}
	return at
}

// Services in the order in which they are told.
var Services = [...]capture.Service{capture.NameService, capture.DatagramService, capture.SessionService}

// Total counts all messages.
func (s *Stats) Total() (c Count) {
	for _, service := range Services {
		of := s.Service(service)
		c.Messages += of.Messages
		c.Bytes += of.Bytes
	}
	return c
}

// Service counts the messages of a service.
func (s *Stats) Service(service capture.Service) (c Count) {
	for _, k := range s.counts[service] {
		c.Messages += k.Messages
		c.Bytes += k.Bytes
	}
	return c
}

// Kinds counts the messages of a service by kind: the kinds that there were, most messages first.
func (s *Stats) Kinds(service capture.Service) []KindCount {
	var list []KindCount
	for k, c := range s.counts[service] {
		if c.Messages > 0 {
			list = append(list, KindCount{kindName(service, k), c})
		}
	}
	slices.SortStableFunc(list, func(a, b KindCount) int { return cmp.Compare(b.Messages, a.Messages) })
	return list
}

// Connections is how many connections to the session service were opened while the capture was made.
func (s *Stats) Connections() int { return s.connections }

// Names lists the names that were mentioned, those in the most messages first, and says how many mentions of further names
// were left out.
func (s *Stats) Names() (list []NameCount, leftOut int) {
	list = slices.Clone(s.names)
	slices.SortStableFunc(list, func(a, b NameCount) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), slices.Compare(a.Name[:], b.Name[:]))
	})
	return list, s.unnamed
}

// Errors lists why messages could not be read, most frequent first.
func (s *Stats) Errors() []Trouble { return s.errors.inOrder() }

// Oddities lists what was odd about messages that could be read, or about their packets, most frequent first.
func (s *Stats) Oddities() []Trouble { return s.odd.inOrder() }

// troubles counts what is wrong, by field and text.
type troubles struct {
	list []Trouble
	text []byte
}

const otherTroubles = "other reasons"

// add counts what is wrong in a field, which the text tells without numbers.
func (t *troubles) add(field, text string, frame int) {
	i := slices.IndexFunc(t.list, func(x Trouble) bool { return x.Field == field && x.Text == text })
	if i < 0 {
		i = t.room(field, text, frame)
	}
	t.list[i].Count++
}

// addBelow counts what is wrong below NBT. The numbers in that text do not count: of ten thousand packets that are each cut
// at another length, one row tells.
func (t *troubles) addBelow(text string, frame int) {
	t.text = withoutNumbers(t.text[:0], text)
	i := slices.IndexFunc(t.list, func(x Trouble) bool { return x.Field == "" && x.Text == string(t.text) })
	if i < 0 {
		i = t.room("", string(t.text), frame)
	}
	t.list[i].Count++
}

func (t *troubles) room(field, text string, frame int) (index int) {
	if len(t.list) >= maxTroubles-1 {
		field, text = "", otherTroubles
	}
	if len(t.list) < maxTroubles {
		t.list = append(t.list, Trouble{Field: field, Text: text, First: frame})
	}
	return len(t.list) - 1
}

// withoutNumbers appends a text with N in the place of each number that stands by itself.
func withoutNumbers(b []byte, text string) []byte {
	for len(text) > 0 {
		end := strings.IndexByte(text, ' ') + 1
		if end == 0 {
			end = len(text)
		}
		word := text[:end]
		text = text[end:]
		rest := strings.TrimLeft(word, "0123456789")
		if rest != word && strings.Trim(rest, " ,:;") == "" {
			b = append(b, 'N')
			word = rest
		}
		b = append(b, word...)
	}
	return b
}

func (t *troubles) inOrder() []Trouble {
	list := slices.Clone(t.list)
	slices.SortStableFunc(list, func(a, b Trouble) int { return cmp.Compare(b.Count, a.Count) })
	return list
}
