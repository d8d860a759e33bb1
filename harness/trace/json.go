// SPDX-License-Identifier: MIT

package trace

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// FormatVersion is the version of the file form. It changes when a reader of the old form would misunderstand the new one.
const FormatVersion = 1

// header is the first line of a trace file.
type header struct {
	Version  int          `json:"nbtlab_trace"`
	Scenario string       `json:"scenario"`
	Model    string       `json:"model"`
	Seed     uint64       `json:"seed"`
	Nodes    []headerNode `json:"nodes"`
}

type headerNode struct {
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
}

// line is an event in a trace file. Which fields it has depends on the event; names are written as everywhere, bytes in
// hexadecimal, times in nanoseconds since the run began.
type line struct {
	Seq       uint32  `json:"seq"`
	At        int64   `json:"at"`
	Cause     uint32  `json:"cause,omitempty"`
	Step      *int32  `json:"step,omitempty"`
	Node      string  `json:"node,omitempty"`
	Event     string  `json:"event"`
	Call      uint32  `json:"call,omitempty"`
	Command   string  `json:"command,omitempty"`
	Name      string  `json:"name,omitempty"`
	CallName  string  `json:"call_name,omitempty"`
	Code      *uint8  `json:"code,omitempty"`
	CodeName  string  `json:"code_name,omitempty"`
	Num       uint8   `json:"num,omitempty"`
	LSN       uint8   `json:"lsn,omitempty"`
	FirstID   uint16  `json:"first_id,omitempty"`
	Conn      uint32  `json:"conn,omitempty"`
	From      string  `json:"from,omitempty"`
	To        string  `json:"to,omitempty"`
	Broadcast bool    `json:"broadcast,omitempty"`
	Inbound   bool    `json:"inbound,omitempty"`
	Abort     bool    `json:"abort,omitempty"`
	Scripted  bool    `json:"scripted,omitempty"`
	Data      *string `json:"data,omitempty"`
	Timer     uint32  `json:"timer,omitempty"`
	Until     int64   `json:"until,omitempty"`
	By        int64   `json:"by,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Group     bool    `json:"group,omitempty"`
	Ref       uint32  `json:"ref,omitempty"`
	Count     *int    `json:"count,omitempty"`
	Holder    string  `json:"holder,omitempty"`
	Text      string  `json:"text,omitempty"`
}

// WriteJSON writes the trace as JSON Lines: a header with the format's version, then one event a line.
func (t *Trace) WriteJSON(w io.Writer) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	h := header{Version: FormatVersion, Scenario: t.Scenario, Model: t.Model, Seed: t.Seed}
	for _, n := range t.Nodes {
		h.Nodes = append(h.Nodes, headerNode{n.Name, n.Prefix.String()})
	}
	if err := enc.Encode(h); err != nil {
		return err
	}
	for i := range t.Events {
		if err := enc.Encode(t.line(&t.Events[i])); err != nil {
			return err
		}
	}
	return b.Flush()
}

func (t *Trace) line(e *Event) line {
	l := line{Seq: e.Seq, At: int64(e.At), Cause: e.Cause}
	if e.Step >= 0 {
		l.Step = &e.Step
	}
	if e.Node >= 0 {
		l.Node = t.Nodes[e.Node].Name
	}
	l.fill(e.What)
	return l
}

func (l *line) fill(what any) {
	switch x := what.(type) {
	case stack.Input:
		l.input(x)
	case stack.Output:
		l.output(x)
	case StepBegan:
		l.Event = "step"
	case Ended:
		l.Event = "ended"
	case Started:
		l.Event, l.FirstID = "started", x.FirstID
	case Crashed:
		l.Event, l.Text = "crashed", x.Text
	case Dialled:
		l.Event, l.Conn, l.From, l.To = "dialled", uint32(x.Conn), x.From.String(), x.To.String()
	case Injected:
		l.output(x.Frame)
		l.Event = "injected"
	case Altered:
		l.output(x.Frame)
		l.Event = "altered"
	case Lost:
		l.Event, l.Scripted = "lost", x.Scripted
	case Late:
		l.Event, l.By, l.Scripted = "late", int64(x.By), x.Scripted
	case Doubled:
		l.Event, l.Scripted = "doubled", x.Scripted
	case Exhausted:
		l.Event, l.Text = "exhausted", x.Limit
	default:
		panic(fmt.Sprintf("trace: unknown event %T", what))
	}
}

func (l *line) input(in stack.Input) {
	switch x := in.(type) {
	case stack.Call:
		l.Event, l.Call, l.Command = "call", uint32(x.ID), x.NCB.Command.String()
		l.Name, l.CallName = nameOrNone(x.NCB.Name), nameOrNone(x.NCB.CallName)
		l.Num, l.LSN = x.NCB.Num, x.NCB.LSN
		l.bytes(x.NCB.Data)
	case stack.Stop:
		l.Event = "stop"
	case stack.Datagram:
		l.Event, l.From, l.To, l.Broadcast = "datagram", x.From.String(), x.To.String(), x.Broadcast
		l.bytes(x.Payload)
	case stack.Opened:
		l.Event, l.Conn, l.From, l.To, l.Inbound = "opened", uint32(x.Conn), x.From.String(), x.To.String(), x.Inbound
	case stack.Data:
		l.Event, l.Conn = "data", uint32(x.Conn)
		l.bytes(x.Bytes)
	case stack.Closed:
		l.Event, l.Conn, l.Reason = "closed", uint32(x.Conn), x.Reason.String()
	case stack.Timer:
		l.Event, l.Timer = "timer", uint32(x.ID)
	}
}

func (l *line) output(out stack.Output) {
	switch x := out.(type) {
	case stack.Complete:
		code := uint8(x.Code)
		l.Event, l.Call, l.Code, l.CodeName = "complete", uint32(x.ID), &code, x.Code.String()
		l.Num, l.LSN, l.CallName = x.Num, x.LSN, nameOrNone(x.CallName)
		l.bytes(x.Data)
	case stack.Stopped:
		l.Event = "stopped"
	case stack.SendDatagram:
		l.Event, l.From, l.To, l.Broadcast = "send-datagram", x.From.String(), x.To.String(), x.Broadcast
		l.bytes(x.Payload)
	case stack.Open:
		l.Event, l.Conn, l.To = "open", uint32(x.Conn), x.To.String()
	case stack.SendData:
		l.Event, l.Conn = "send-data", uint32(x.Conn)
		l.bytes(x.Bytes)
	case stack.Close:
		l.Event, l.Conn, l.Abort = "close", uint32(x.Conn), x.Abort
	case stack.Arm:
		l.Event, l.Timer, l.Until = "arm", uint32(x.ID), int64(x.At)
	case stack.Disarm:
		l.Event, l.Timer = "disarm", uint32(x.ID)
	case stack.NameChanged:
		l.Event, l.Name, l.Num, l.Group = "name-changed", x.Name.String(), x.Num, x.Group
		l.From, l.To = x.From.String(), x.To.String()
	case stack.RefTaken:
		l.Event, l.Name, l.Ref, l.Count, l.Holder = "reference-taken", x.Name.String(), x.Ref, &x.Count, x.Holder.String()
		l.CallName = nameOrNone(x.By)
		if x.Addr.IsValid() {
			l.From = x.Addr.String()
		}
	case stack.RefDropped:
		l.Event, l.Name, l.Ref, l.Count, l.Holder = "reference-dropped", x.Name.String(), x.Ref, &x.Count, x.Holder.String()
	case stack.Remark:
		l.Event, l.Text = "remark", x.Text
	}
}

func (l *line) bytes(b []byte) {
	if len(b) > 0 {
		text := hex.EncodeToString(b)
		l.Data = &text
	}
}

func nameOrNone(n netbios.Name) string {
	if n == (netbios.Name{}) {
		return ""
	}
	return n.String()
}
