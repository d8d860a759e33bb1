// SPDX-License-Identifier: MIT

// Package scenario is the language in which reproductions are written: parse, format, and the resolved form that a
// runner performs and a judge judges. A scenario reads like the steps-to-reproduce section of a good bug report, and the
// same file runs on a model, on a real stack and as a replay.
//
// # Lines
//
// A file is UTF-8 text, one statement a line. "#" starts a comment, to the end of the line; the first line of a comment that
// opens the file is the scenario's title. Words are separated by spaces or tabs; a line that begins with "->" states what
// is expected of the step above it. Strings are in double quotes, with \\, \", \n, \t, \r and \xHH. A bare word ends at a
// space, '"', '#', ',' or '|', and is printable ASCII; strings and comments may hold any printable text.
//
// A NAME is a NetBIOS name: up to 15 bytes and a suffix, CHAT<1d>; without one the suffix is <20>. It may be quoted, and
// must be if it has one of the characters that end a word, or is a word of this grammar such as from. Other bytes are
// written \xHH. A NODE or LABEL is a lower-case letter followed by lower-case letters, digits and "-". Durations are Go's:
// 250ms, 1s, 2m, at most 24h.
//
// # Header
//
//	bug     Q124565 in pc                  # the fault this reproduces, and the node that runs it
//	against Q124565 in pc                  # instead of bug: must behave the same on a faulty stack
//	cure    restart                        # the symptom is gone after a restart of that node
//	control none because "the trigger is an absence"
//	profile netbt                          # of nodes that state none: rfc1002 (default), netbt, rfc1002-literal, samba-nmbd
//	node    pc 10.0.0.10/24 [names N] [sessions N] [profile P]
//	node    laptop 10.0.0.11/24 type p wins nbns     # a P node, or m or h, whose name server is at nbns
//	node    nbns 10.0.0.2/24 nameserver              # a node that is a name server too
//	peer    knows CHAT at pc               # an LMHOSTS entry, preloaded: peer reaches CHAT there without a query
//	case    "delete with a live session"   # a run of its own, on a fresh LAN; steps follow
//
// A bug is written with the models that show it, as on the command line: Q124565, Q124565:count=once,window=always,
// Q124565,MS00-047. Which faults there are is not known here. "cure" and "control" belong to "bug". All nodes are on one
// IPv4 network, and each of them is used. "knows" may also stand at the beginning of a case. A file has either cases or
// plain steps.
//
// # Steps
//
//	NODE VERB ARGUMENTS [as LABEL] [xN] [&] [trigger]
//
//	add-name NAME              add-group NAME               delete-name NAME
//	call NAME from NAME        listen NAME [from NAME]      hang-up LABEL
//	send LABEL "payload"       receive LABEL [size N]       receive-any NAME [size N]
//	send-datagram NAME from NAME "payload"                  receive-datagram NAME [size N]
//	send-broadcast from NAME "payload"                      receive-broadcast NAME [size N]
//	adapter-status [NAME] [size N]                          session-status NAME [size N]
//	find-name NAME [size N]    cancel LABEL                 reset
//	ncb 0xNN                   any command byte, with an empty control block
//
//	inject KIND [NAME] to NODE|all [from NAME] ["payload"] [id N]      a UDP packet that no stack sent
//	inject bytes "..." to NODE|all port N
//	restart                    stop
//
//	lan lose|double KIND [NAME] [from NODE] [to NODE|all] [xN]      the next N (default 1) such frames, from here on
//	lan delay KIND [NAME] [from NODE] [to NODE|all] [xN] by DURATION
//	lan alter KIND [NAME] [from NODE] [to NODE|all] [xN] byte N 0xNN
//	after DURATION             wait
//	at DURATION                wait until this time of the run
//
// Arguments that begin with a word ("from", "size", ...) may stand in any order. "*" as NAME of receive-any,
// receive-datagram and receive-broadcast means any name, of session-status all sessions; of adapter-status, or without a
// NAME, this node. Without "from", LISTEN takes any caller. "size" is that of the buffer in bytes; unless stated it is 4096
// for receive and receive-any, 512 for the datagram receives, 16384 for the status commands and find-name.
//
// An injected name service packet, but for status-request, needs its NAME; a datagram needs from NAME, its source. "id" is
// NAME_TRN_ID or DGM_ID, in decimal or as 0xNNNN, 0 unless stated. What is injected to one node is without the broadcast
// flag, as a name server gets it; the address in it is that of the step's node.
//
// LISTEN and the receives never wait for their completion, nor does any call marked "&". Any other step ends when its call
// has completed and the profile's settle time has passed. "xN" repeats the call, each after the one before has completed,
// or at once where nothing is waited for.
//
// A label names one call of the case, from its step on. For hang-up, send and receive it is a session, named by the CALL
// or LISTEN on the same node that opened it; cancel takes any call on the same node, an expectation any call.
//
// "trigger" marks the steps that cause the bug. A control is made by leaving them out, so that no other step may use a label
// of theirs. Every case of a "bug" has one, unless the file says "control none".
//
// # Expectations
//
//	-> CLAUSE, CLAUSE | Q124565: CLAUSE, CLAUSE | MS00-047: any
//	-> CLAUSE | Q124565! CLAUSE
//
// The first group is what a correct stack does. Each alternative tells what happens under a fault instead; "!" marks the
// headline, the one symptom that the scenario's bug is known by: every case of a "bug" has exactly one. The alternative
// "any" is no prediction: under that fault the expectation is not judged. Clauses:
//
//	ok   any   NRC_DUPNAME                 the step's own return code; without such a clause it must be ok
//	LABEL ok|any|NRC_...                   the labelled call has completed, with this code
//	LABEL pending                          it has not completed
//	["no"] NAME in names NODE [unique|group] [registered|deregistered|conflict]   ADAPTER STATUS asked through the seam
//	data "payload"   LABEL data "payload"  what the step's receive, or the labelled one, received
//	KIND [NAME] [from NODE] [to NODE|all] [code 0xNN] [xN] [within D | for D]
//	no KIND [NAME] [from NODE] [to NODE|all] [code 0xNN] [within D | for D]
//
// The kinds of packet are those of [Kind]. A wire clause without xN means at least one. Frames count from the start of the
// step to the start of the next; "within" ends the window earlier, "for" makes it last so long, whatever steps follow. The
// return code of a call that is not waited for is judged only if a clause states it.
//
// # Limits
//
// A file has at most 1 MiB and 100,000 lines, a line 4 KiB (as written and in canonical form), a scenario 64 nodes, an
// expectation 32 alternatives, a case 100,000 steps with their repetitions and 24 hours of waiting; the name of a node or a
// label 32 bytes, the title of a case 100. A UTF-8 byte order mark and lines that end in CR LF are read; [Format] drops
// them.
package scenario
