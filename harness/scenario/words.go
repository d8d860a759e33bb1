// SPDX-License-Identifier: MIT

package scenario

import (
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// form says what follows a verb that submits an NCB.
type form uint8

const (
	needsName form = 1 << iota
	mayName
	needsFrom
	mayFrom
	needsLabel
	needsPayload
)

// Buffer sizes where a step states none, in bytes.
const (
	streamSize   = 4096
	datagramSize = netbios.MaxDatagram
	statusSize   = 16384 // more than the largest status: 254 sessions take 9148 bytes
)

var verbs = [...]struct {
	word, use string // the verb and its arguments, as shown to a person
	form      form
	size      int // default size of the buffer; 0 where the verb takes none
}{
	AddName:          {"add-name", "NAME", needsName, 0},
	AddGroup:         {"add-group", "NAME", needsName, 0},
	DeleteName:       {"delete-name", "NAME", needsName, 0},
	Call:             {"call", "NAME from NAME", needsName | needsFrom, 0},
	Listen:           {"listen", "NAME [from NAME]", needsName | mayFrom, 0},
	HangUp:           {"hang-up", "LABEL", needsLabel, 0},
	Send:             {"send", `LABEL "payload"`, needsLabel | needsPayload, 0},
	Receive:          {"receive", "LABEL [size N]", needsLabel, streamSize},
	ReceiveAny:       {"receive-any", "NAME [size N]", needsName, streamSize},
	SendDatagram:     {"send-datagram", `NAME from NAME "payload"`, needsName | needsFrom | needsPayload, 0},
	ReceiveDatagram:  {"receive-datagram", "NAME [size N]", needsName, datagramSize},
	SendBroadcast:    {"send-broadcast", `from NAME "payload"`, needsFrom | needsPayload, 0},
	ReceiveBroadcast: {"receive-broadcast", "NAME [size N]", needsName, datagramSize},
	AdapterStatus:    {"adapter-status", "[NAME] [size N]", mayName, statusSize},
	SessionStatus:    {"session-status", "NAME [size N]", needsName, statusSize},
	FindName:         {"find-name", "NAME [size N]", needsName, statusSize},
	Cancel:           {"cancel", "LABEL", needsLabel, 0},
	Reset:            {"reset", "", 0, 0},
	Ncb:              {"ncb", "0xNN", 0, 0},
	Inject:           {"inject", `KIND [NAME] to NODE|all [from NAME] ["payload"] [id N]`, 0, 0},
	Restart:          {"restart", "", 0, 0},
	Stop:             {"stop", "", 0, 0},
	Lose:             {"lose", "KIND [NAME] [from NODE] [to NODE|all] [xN]", 0, 0},
	Double:           {"double", "KIND [NAME] [from NODE] [to NODE|all] [xN]", 0, 0},
	Delay:            {"delay", "KIND [NAME] [from NODE] [to NODE|all] [xN] by DURATION", 0, 0},
	Alter:            {"alter", "KIND [NAME] [from NODE] [to NODE|all] [xN] byte N 0xNN", 0, 0},
	After:            {"after", "DURATION", 0, 0},
	At:               {"at", "DURATION", 0, 0},
}

// String returns the verb as it is written in a file.
func (v Verb) String() string {
	if int(v) < len(verbs) {
		return verbs[v].word
	}
	return "verb " + decimal(int(v))
}

// use returns the verb with its arguments.
func (v Verb) use() string {
	use := verbs[v].word
	if v >= Lose && v <= Alter {
		use = "lan " + use
	}
	if verbs[v].use != "" {
		use += " " + verbs[v].use
	}
	if v.Calls() {
		use += " [as LABEL]"
	}
	return use
}

// opens reports whether the verb's call, once completed, is a session.
func (v Verb) opens() bool { return v == Call || v == Listen }

// receives reports whether the verb's call completes with data that a peer sent.
func (v Verb) receives() bool {
	return v == Receive || v == ReceiveAny || v == ReceiveDatagram || v == ReceiveBroadcast
}

// stands reports whether the verb's call waits for a peer, so that no step waits for it.
func (v Verb) stands() bool { return v == Listen || v.receives() }

// nodeVerbs and lanVerbs are the verbs that follow a node and "lan".
func nodeVerbs() (first, end Verb) { return AddName, Lose }
func lanVerbs() (first, end Verb)  { return Lose, After }

func verbWords(first, end Verb) []string {
	var words []string
	for v := first; v < end; v++ {
		words = append(words, verbs[v].word)
	}
	return words
}

func verbOf(word string, first, end Verb) (Verb, bool) {
	for v := first; v < end; v++ {
		if verbs[v].word == word {
			return v, true
		}
	}
	return 0, false
}

// need says whether an injected packet takes a name.
type need uint8

const (
	refuses need = iota
	allows
	requires
)

var kinds = [...]struct {
	word   string
	inject bool // can be injected: a UDP packet that is made from a name
	name   need // inject: the name it is about; where allowed, [netbios.Wildcard] if not stated
	data   bool // inject: has a source name and a payload
	coded  bool // carries an RCODE or an error code
}{
	AnyKind:        {word: "frame"},
	Claim:          {word: "claim", inject: true, name: requires},
	Overwrite:      {word: "overwrite", inject: true, name: requires},
	Refusal:        {word: "refusal", inject: true, name: requires, coded: true},
	ConflictDemand: {word: "conflict-demand", inject: true, name: requires, coded: true},
	Query:          {word: "query", inject: true, name: requires},
	Answer:         {word: "answer", inject: true, name: requires, coded: true},
	Denial:         {word: "denial", inject: true, name: requires, coded: true},
	Release:        {word: "release", inject: true, name: requires},
	StatusRequest:  {word: "status-request", inject: true, name: allows},
	Status:         {word: "status", inject: true, name: requires, coded: true},
	Datagram:       {word: "datagram", inject: true, name: requires, data: true},
	GroupDatagram:  {word: "group-datagram", inject: true, name: requires, data: true},
	Broadcast:      {word: "broadcast", inject: true, data: true},
	DatagramError:  {word: "datagram-error", inject: true, coded: true},
	SessionRequest: {word: "session-request"},
	SessionAccept:  {word: "session-accept"},
	SessionRefusal: {word: "session-refusal", coded: true},
	SessionMessage: {word: "session-message"},
	KeepAlive:      {word: "keep-alive"},
	Bytes:          {word: "bytes", inject: true},
	Refresh:        {word: "refresh", inject: true, name: requires},
	Multihomed:     {word: "multihomed", inject: true, name: requires},
	Grant:          {word: "grant", inject: true, name: requires},
	Challenge:      {word: "challenge", inject: true, name: requires},
	Wack:           {word: "wack", inject: true, name: requires},
	ReleaseGrant:   {word: "release-grant", inject: true, name: requires},
	ReleaseRefusal: {word: "release-refusal", inject: true, name: requires, coded: true},
}

// String returns the kind as it is written in a file.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].word
	}
	return "kind " + decimal(int(k))
}

// ParseKind reads the word for a kind of frame, as it is written in a file.
func ParseKind(word string) (Kind, bool) {
	for k := range kinds {
		if kinds[k].word == word {
			return Kind(k), true
		}
	}
	return 0, false
}

// kindWords lists the kinds that stand in a pattern, or those that can be injected.
func kindWords(inject bool) []string {
	var words []string
	for k := range kinds {
		if inject && kinds[k].inject || !inject && Kind(k) != Bytes {
			words = append(words, kinds[k].word)
		}
	}
	return words
}

var (
	headerWords   = []string{"bug", "against", "cure", "control", "profile", "node", "case"}
	networkWords  = []string{"lan", "after", "at"}
	profiles      = []string{"rfc1002", "netbt", "rfc1002-literal", "samba-nmbd"}
	nodeTypes     = []string{"b", "p", "m", "h"}
	listedKinds   = []string{"unique", "group"}
	listedStates  = []string{"registered", "deregistered", "conflict"}
	clauseWords   = []string{"ok", "any", "no", "data"}
	codePrefix    = "NRC_"
	pendingResult = "pending"
)

// reserved reports whether a bare word has a meaning of its own wherever a name, a label or a node may stand, so that a
// name that is spelled like it must be quoted.
func reserved(word string) bool {
	switch word {
	case "from", "to", "as", "at", "in", "by", "no", "ok", "any", "all", "id", "for", "size", "code", "port", "byte",
		"data", "names", "within", pendingResult, "trigger", "&":
		return true
	}
	return strings.HasPrefix(word, codePrefix) || isTimes(word)
}

// isTimes reports whether a word is x and digits.
func isTimes(word string) bool {
	if len(word) < 2 || word[0] != 'x' {
		return false
	}
	for i := 1; i < len(word); i++ {
		if word[i] < '0' || word[i] > '9' {
			return false
		}
	}
	return true
}

// suggestion ends a message about an unknown word: with the known word nearest to it or, if none is near, with all.
func suggestion(word string, known []string) string {
	best, distance := "", 1+min(3, max(1, len(word)/3))
	if len(word) <= 40 {
		for _, k := range known {
			if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d < distance {
				best, distance = k, d
			}
		}
	}
	switch {
	case best != "":
		return ": did you mean " + best + "?"
	case len(known) > 0:
		return ": want " + oneOf(known)
	}
	return ""
}

// oneOf joins words for a sentence: "a", "a or b", "one of a, b, c".
func oneOf(words []string) string {
	if len(words) > 2 {
		return "one of " + strings.Join(words, ", ")
	}
	return strings.Join(words, " or ")
}

// editDistance counts the insertions, deletions and replacements, and swaps of neighbours, that make b of a.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func isOneOf(word string, words []string) bool { return slices.Contains(words, word) }
