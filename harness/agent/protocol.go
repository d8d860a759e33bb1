// SPDX-License-Identifier: MIT

// Package agent is the hand at a device under test: a process that submits NetBIOS control blocks (NCBs) to the stack of the
// device on the harness's behalf. It can be written in any language in fifty lines.
//
// # The protocol
//
// The harness starts the agent and speaks with it on the agent's standard input and output, in lines that are one JSON object
// each, in UTF-8, ended by a newline, at most 1 MiB long. What the agent prints on standard error is shown to the user.
//
// The agent speaks first, and says what it can do:
//
//	{"nbtlab_agent":1,"name":"my stack 2.1","can":["add-name","delete-name","adapter-status"]}
//
// The capabilities are the words of the scenario language: add-name, add-group, delete-name, call, listen, hang-up, send,
// receive, receive-any, send-datagram, receive-datagram, send-broadcast, receive-broadcast, adapter-status, session-status,
// find-name, cancel, reset, ncb, and stop and restart for the device as a whole. A scenario that needs another one cannot be
// judged; it is not started.
//
// Then the harness asks, and the agent answers:
//
//	{"id":1,"op":"add-name","name":"CHAT<20>"}
//	{"id":1,"code":0,"number":2}
//
// Requests have these fields, as the op needs them:
//
//	id         a number that the answer repeats; they count up from 1
//	op         one of the capabilities
//	name       the local name (ncb_name), written as in scenarios: text, \xHH for other bytes, and the suffix
//	call_name  the remote name (ncb_callname); "*" for any
//	number     the name's number (ncb_num), from the answer to add-name or add-group; 255 in receives is any name
//	session    the session's number (ncb_lsn), from the answer to call or listen
//	length     size of the buffer that is offered (ncb_length)
//	data       what to send, in hexadecimal
//	target     cancel: the id of the request to cancel
//	command    ncb: the command's number (ncb_command)
//
// Answers have:
//
//	id         of the request
//	code       the return code (ncb_retcode), 0 to 255
//	number     add-name, add-group: the name's number; receives: that of the name
//	session    call, listen, receive-any: the session's number
//	call_name  listen, receive-datagram: who it was
//	data       what was received, in hexadecimal
//	names      adapter-status, instead of data in the layout of ADAPTER_STATUS: a list of
//	           {"name":"CHAT<20>","number":2,"group":false,"state":"registered"}, where state is registering, registered,
//	           deregistered or conflict
//	error      instead of a code: why the agent could not do it. The run then says nothing about the device
//
// Fields that are not there are zero or empty: a name of nothing is sixteen bytes of 0x00.
//
// # Names
//
// A name is its first fifteen bytes as text, without the spaces that fill it up, and its sixteenth as two hexadecimal digits in
// angle brackets, "CHAT<20>"; requests always have those, and in answers <20> may be left out. \xHH stands for a byte that is no
// printable ASCII and for a backslash (\x5c); JSON doubles the backslash. "*" alone is the wildcard: an asterisk and fifteen bytes
// of 0x00.
//
// # When to answer
//
// A request is answered once, when the command is over, not when it begins: add-name when the claim has ended and the name is the
// device's or is not, call when the session is set up. Several requests can be under way at a time: listen and the receives are
// answered when something has arrived, and may take for ever. All others, call and send among them, must be answered within a minute
// unless the user allows more.
//
// A request that is cancelled is answered with 11 (NRC_CMDCAN), and cancel itself with 0 or with what is wrong with it. Stop is an
// orderly end of the device's NetBIOS: its names are released, what is under way is answered, and then stop is. Restart is the
// switch: the device forgets everything and tells nobody, what was under way is not answered any more, and restart is when the
// device is up again. The agent goes on through both, and so do the ids.
//
// When standard input ends, the agent ends; one that has not within two seconds, and whatever it started, is killed. A stack that
// lives in the agent's own process releases its names before.
//
// # What is strict
//
// A field that is not listed here, one that is written twice or in other letters, a value of another type (null too), and
// text that is no JSON end the run: it cannot be judged. So nothing is ever guessed about a device.
package agent

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Version is the version of the protocol.
const Version = 1

// Capabilities are all that an agent can be asked to do.
var Capabilities = []string{
	"add-name", "add-group", "delete-name", "call", "listen", "hang-up", "send", "receive", "receive-any", "send-datagram",
	"receive-datagram", "send-broadcast", "receive-broadcast", "adapter-status", "session-status", "find-name", "cancel",
	"reset", "ncb", "stop", "restart",
}

// commands are the NCB commands behind the capabilities.
var commands = map[string]netbios.Command{
	"add-name": netbios.AddName, "add-group": netbios.AddGroupName, "delete-name": netbios.DeleteName,
	"call": netbios.Call, "listen": netbios.Listen, "hang-up": netbios.HangUp, "send": netbios.Send,
	"receive": netbios.Receive, "receive-any": netbios.ReceiveAny, "send-datagram": netbios.SendDatagram,
	"receive-datagram": netbios.ReceiveDatagram, "send-broadcast": netbios.SendBroadcast,
	"receive-broadcast": netbios.ReceiveBroadcast, "adapter-status": netbios.AdapterStatus,
	"session-status": netbios.SessionStatus, "find-name": netbios.FindName, "cancel": netbios.Cancel, "reset": netbios.Reset,
}

// waits tells the capabilities that are answered only when somebody else does something.
func waits(op string) bool {
	return slices.Contains([]string{"listen", "receive", "receive-any", "receive-datagram", "receive-broadcast"}, op)
}

// hello is the first line of an agent.
type hello struct {
	Version int      `json:"nbtlab_agent"`
	Name    string   `json:"name"`
	Can     []string `json:"can"`
}

// request is what the harness asks for.
type request struct {
	ID       uint32 `json:"id"`
	Op       string `json:"op"`
	Name     string `json:"name,omitempty"`
	CallName string `json:"call_name,omitempty"`
	Number   uint8  `json:"number,omitempty"`
	Session  uint8  `json:"session,omitempty"`
	Length   uint16 `json:"length,omitempty"`
	Data     string `json:"data,omitempty"`
	Target   uint32 `json:"target,omitempty"`
	Command  uint8  `json:"command,omitempty"`
}

// answer is what the agent answers.
type answer struct {
	ID       uint32 `json:"id"`
	Code     *uint8 `json:"code,omitempty"`
	Number   uint8  `json:"number,omitempty"`
	Session  uint8  `json:"session,omitempty"`
	CallName string `json:"call_name,omitempty"`
	Data     string `json:"data,omitempty"`
	Names    []row  `json:"names,omitempty"`
	Error    string `json:"error,omitempty"`
}

type row struct {
	Name   string `json:"name"`
	Number uint8  `json:"number,omitempty"`
	Group  bool   `json:"group,omitempty"`
	State  string `json:"state"`
}

// line is a value as the protocol writes it.
func line(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("agent: a message of ours is no JSON: " + err.Error())
	}
	return b.Bytes()
}

// requestFor puts an NCB into words.
func requestFor(id uint32, op string, ncb netbios.NCB, target uint32) request {
	r := request{
		ID: id, Op: op, Name: nameText(ncb.Name), CallName: nameText(ncb.CallName), Number: ncb.Num, Session: ncb.LSN,
		Length: ncb.Length, Data: hex.EncodeToString(ncb.Data), Target: target,
	}
	if op == "ncb" {
		r.Command = uint8(ncb.Command)
	}
	return r
}

func nameText(n netbios.Name) string {
	if n == (netbios.Name{}) {
		return ""
	}
	return n.String()
}

// control makes the NCB that a request is about.
func (r request) control() (netbios.NCB, error) {
	ncb := netbios.NCB{
		Command: commands[r.Op], Num: r.Number, LSN: r.Session, Length: r.Length, Target: r.Target,
	}
	if r.Op == "ncb" {
		ncb.Command = netbios.Command(r.Command)
	}
	var err error
	if ncb.Name, err = nameOf("name", r.Name); err != nil {
		return ncb, err
	}
	if ncb.CallName, err = nameOf("call_name", r.CallName); err != nil {
		return ncb, err
	}
	ncb.Data, err = bytesOf(r.Data)
	return ncb, err
}

func nameOf(field, text string) (netbios.Name, error) {
	if text == "" {
		return netbios.Name{}, nil
	}
	n, err := netbios.ParseName(text)
	if err != nil {
		return n, fmt.Errorf("%s: %w", field, err)
	}
	return n, nil
}

func bytesOf(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("data is not hexadecimal: %w", err)
	}
	return b, nil
}

// answerFor puts a completion into words.
func answerFor(id uint32, c stack.Complete) answer {
	code := uint8(c.Code)
	return answer{
		ID: id, Code: &code, Number: c.Num, Session: c.LSN, CallName: nameText(c.CallName), Data: hex.EncodeToString(c.Data),
	}
}

// complete makes the completion that an answer tells of.
func (a answer) complete() (stack.Complete, error) {
	c := stack.Complete{Code: netbios.Code(*a.Code), Num: a.Number, LSN: a.Session}
	var err error
	if c.CallName, err = nameOf("call_name", a.CallName); err != nil {
		return c, err
	}
	if c.Data, err = bytesOf(a.Data); err != nil || a.Names == nil {
		return c, err
	}
	if len(c.Data) > 0 {
		return c, fmt.Errorf("names and data at once")
	}
	rows := make([]netbios.NameRow, len(a.Names))
	for i, r := range a.Names {
		if rows[i], err = r.row(); err != nil {
			return c, err
		}
	}
	c.Data = netbios.AppendStatus(nil, [6]byte{}, rows)
	return c, nil
}

func (r row) row() (netbios.NameRow, error) {
	n, err := nameOf("name", r.Name)
	if err != nil {
		return netbios.NameRow{}, err
	}
	flags, known := map[string]uint8{
		"registering": netbios.FlagRegistering, "registered": netbios.FlagRegistered,
		"deregistered": netbios.FlagDeregistered, "conflict": netbios.FlagDuplicate,
	}[r.State]
	if !known {
		return netbios.NameRow{}, fmt.Errorf("state %q: want registering, registered, deregistered or conflict", r.State)
	}
	if r.Group {
		flags |= netbios.FlagGroup
	}
	return netbios.NameRow{Name: n, Num: r.Number, Flags: flags}, nil
}
