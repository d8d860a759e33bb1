// SPDX-License-Identifier: MIT

package scenario

import (
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Scenario is a parsed file: what its statements mean, and its comments for the formatter.
type Scenario struct {
	Name  string // of the file, without folder and extension
	Path  string // as given to Parse, for messages
	Title string // first line of the opening comment

	Bug       Bug    // zero when there is none
	Against   bool   // the bug must not change anything here
	Cure      bool   // a restart of the bug's node heals it
	NoControl string // why no control without the trigger can be made; empty when it can
	Nodes     []Node
	Cases     []Case // one with an empty title when the file has none

	// What the file says besides: the default profile, the header's LMHOSTS entries, where statements without a field of
	// their own stand, comments and blank lines, and the text, for messages.
	profile                         string
	knows                           []Knows
	profilePos, curePos, controlPos Pos
	remarks                         []remark
	source                          string
}

// Pos is a place in a scenario file. Line and Col count from 1, Col in bytes.
type Pos struct{ Line, Col int }

// Bug names a fault and the node that has it.
type Bug struct {
	Pos   Pos
	Model string // with knobs, as on the command line: "Q124565:count=once"
	Node  int    // index into Scenario.Nodes
}

// ID returns the bug's identifier without knobs.
func (b Bug) ID() string {
	for i := range len(b.Model) {
		if b.Model[i] == ':' {
			return b.Model[:i]
		}
	}
	return b.Model
}

// Node is a host of the scenario's LAN.
type Node struct {
	Pos     Pos
	Name    string
	Prefix  netip.Prefix // its address and the network it is on
	Limits  netbios.Limits
	Profile string // "rfc1002", "netbt", "rfc1002-literal" or "samba-nmbd"

	Type       string // "p", "m" or "h"; empty for a B node
	Wins       int    // index of the node whose name server a P, M or H node has; else 0
	NameServer bool   // the node is a name server too
}

// Knows is an LMHOSTS entry.
type Knows struct {
	Pos  Pos
	Node int // who knows
	Name netbios.Name
	At   int // the node whose address it is
}

// Case is one run of the scenario.
type Case struct {
	Pos   Pos
	Title string
	Slug  string // the title as a folder name: [a-z0-9-]
	Knows []Knows
	Steps []Step
}

// Step is one line of the story.
type Step struct {
	Pos     Pos
	Text    string // in canonical form, without trailing marks: "pc add-name CHAT"
	Node    int    // index into Scenario.Nodes; [LAN] for lan, after and at
	Verb    Verb
	Name    netbios.Name  // the name the verb is about; for call and send-datagram the remote one
	From    netbios.Name  // the local name of call and datagrams; LISTEN: the only caller wanted, [netbios.Wildcard] for any
	Label   string        // as LABEL
	Of      string        // the label that hang-up, send, receive and cancel refer to
	Payload []byte        // what is sent
	Size    int           // of the receive buffer in bytes
	Command uint8         // ncb
	Inject  Packet        // inject
	Impair  Impairment    // lan
	Wait    time.Duration // after, at
	Times   int           // xN, at least 1
	Async   bool          // does not wait for the call to complete
	Trigger bool
	Expect  []Expectation
}

// LAN is the index of the network itself where a node is asked for.
const LAN = -1

// Everybody is the index that stands for the broadcast address where a destination is asked for.
const Everybody = -2

// Verb is what a step does.
type Verb uint8

// The verbs. Those up to Ncb submit an NCB.
const (
	AddName Verb = iota
	AddGroup
	DeleteName
	Call
	Listen
	HangUp
	Send
	Receive
	ReceiveAny
	SendDatagram
	ReceiveDatagram
	SendBroadcast
	ReceiveBroadcast
	AdapterStatus
	SessionStatus
	FindName
	Cancel
	Reset
	Ncb
	Inject
	Restart
	Stop
	Lose
	Double
	Delay
	Alter
	After
	At
)

// Calls reports whether the verb submits an NCB.
func (v Verb) Calls() bool { return v <= Ncb }

// Packet is what inject puts on the wire, from the step's node.
type Packet struct {
	Kind    Kind
	Name    netbios.Name
	From    netbios.Name // source name of a datagram
	To      int          // node, or [Everybody]
	Port    uint16       // bytes only
	Payload []byte
	ID      uint16 // NAME_TRN_ID or DGM_ID
}

// Impairment is what lan does to the next frames that match.
type Impairment struct {
	Match Pattern // Count is the number of frames it applies to
	By    time.Duration
	Byte  int // offset into the UDP payload
	Value byte
}

// Kind is a kind of NBT packet, in the words of RFC 1002.
type Kind uint8

// The kinds, with the text that names them in a file.
const (
	AnyKind        Kind = iota // "frame"
	Claim                      // "claim": name registration request (RD set), by broadcast or not
	Overwrite                  // "overwrite": name overwrite demand (RD clear)
	Refusal                    // "refusal": negative name registration response
	ConflictDemand             // "conflict-demand": RCODE CFT_ERR
	Query                      // "query": name query request
	Answer                     // "answer": positive name query response
	Denial                     // "denial": negative name query response
	Release                    // "release": name release request or demand
	StatusRequest              // "status-request": node status request
	Status                     // "status": node status response; NAME must be among the names listed
	Datagram                   // "datagram": direct unique datagram, type 0x10
	GroupDatagram              // "group-datagram": type 0x11
	Broadcast                  // "broadcast": type 0x12
	DatagramError              // "datagram-error": type 0x13; code is the error code
	SessionRequest             // "session-request"; NAME is the called name
	SessionAccept              // "session-accept": positive session response
	SessionRefusal             // "session-refusal"; code is the error code
	SessionMessage             // "session-message"
	KeepAlive                  // "keep-alive"
	Bytes                      // "bytes": inject only
	Refresh                    // "refresh": name refresh request
	Multihomed                 // "multihomed": multi-homed name registration request
	Grant                      // "grant": positive name registration response
	Challenge                  // "challenge": end-node challenge registration response
	Wack                       // "wack": wait for acknowledgement response
	ReleaseGrant               // "release-grant": positive name release response
	ReleaseRefusal             // "release-refusal": negative name release response
)

// Pattern is a wire clause: which frames, how many, when.
type Pattern struct {
	Kind    Kind
	Named   bool // a name is given
	Name    netbios.Name
	From    int // node, or Anyone
	To      int // node, Everybody, or Anyone
	Coded   bool
	Code    uint8 // RCODE of name service responses, error code of datagram errors and session refusals
	Counted bool
	Count   int           // exactly so many when Counted
	Within  time.Duration // 0 for none
	For     time.Duration // 0 for none
}

// Anyone is the index that stands for a node not stated.
const Anyone = -3

// Expectation is one "->" line.
type Expectation struct {
	Pos          Pos
	Text         string // in canonical form, without the arrow
	Clauses      []Clause
	Alternatives []Alternative
}

// Alternative is what is expected instead under a fault.
type Alternative struct {
	Pos      Pos
	Bug      string // identifier without knobs, or a model with knobs
	Headline bool
	Any      bool // no prediction
	Clauses  []Clause
}

// Clause is one thing expected.
//
//sumtype:decl
type Clause interface {
	clause()
	// String writes the clause in canonical form.
	String() string
}

// Result is a clause about a return code.
type Result struct {
	Label string // whose call; empty for the step's own
	Any   bool   // completed, with whatever code
	None  bool   // "pending": not completed
	Code  netbios.Code
}

// Received is a clause about the data of a completion.
type Received struct {
	Label string
	Data  []byte
}

// Listed is a clause about a name in a node's name table.
type Listed struct {
	Not   bool
	Name  netbios.Name
	Node  int
	Kind  string // "", "unique" or "group"
	State string // "", "registered", "deregistered" or "conflict"
	nodes []Node // for String
}

// Wire is a clause about frames.
type Wire struct {
	Not     bool
	Pattern Pattern
	nodes   []Node // for String
}

func (Result) clause()   {}
func (Received) clause() {}
func (Listed) clause()   {}
func (Wire) clause()     {}
