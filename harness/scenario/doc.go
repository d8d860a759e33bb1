// SPDX-License-Identifier: MIT

// Package scenario is the language in which reproductions are written: parse, format, and the resolved form that a
// runner performs and a judge judges. A scenario reads like the steps-to-reproduce section of a good bug report, and the
// same file runs on a model, on a real stack and as a replay.
//
// # Lines
//
// A file is UTF-8 text, one statement a line. "#" starts a comment, to the end of the line. Words are separated by spaces or
// tabs; a line that begins with "->" states what is expected of the step above it. Strings are in double quotes, with
// \\, \", \n, \t, \r and \xHH; a name may be quoted or bare; a bare word ends at a space, '"', '#', ',' or '|'.
// Durations are Go's: 250ms, 1s, 2m.
//
// # Header
//
//	bug     Q124565 in pc                  # the fault this reproduces, and the node that runs it
//	against Q124565 in pc                  # instead of bug: must behave the same on a faulty stack
//	cure    restart                        # the symptom is gone after a restart of that node
//	control none because "the trigger is an absence"
//	profile netbt                          # timers of every node: rfc1002 (default) or netbt
//	node    pc 10.0.0.10/24 [names N] [sessions N] [profile P]
//	peer    knows CHAT at pc               # an LMHOSTS entry, preloaded: peer reaches CHAT there without a query
//	case    "delete with a live session"   # a run of its own, on a fresh LAN; steps follow
//
// A bug is written with the models that show it, as on the command line: Q124565, Q124565:count=once. "knows" may also stand
// at the beginning of a case. A file has either cases or plain steps.
//
// # Steps
//
//	NODE VERB ARGUMENTS [xN] [&] [trigger]
//
//	add-name NAME              add-group NAME               delete-name NAME
//	call NAME from NAME [as LABEL]                          listen NAME [from NAME] [as LABEL]
//	hang-up LABEL              send LABEL "payload"         receive LABEL [size N] [as LABEL]
//	receive-any NAME [size N] [as LABEL]
//	send-datagram NAME from NAME "payload"                  receive-datagram NAME [size N] [as LABEL]
//	send-broadcast from NAME "payload"                      receive-broadcast NAME [size N] [as LABEL]
//	adapter-status [NAME] [size N]                          session-status NAME [size N]
//	find-name NAME             cancel LABEL                 reset
//	ncb 0xNN                   any other command byte, with an empty control block
//	inject KIND [NAME] to NODE|all [from NAME] ["payload"] [id N]      a packet that no stack sent
//	inject bytes "..." to NODE|all port N
//	restart                    stop
//
//	lan lose|double KIND [NAME] [from NODE] [to NODE] [xN]          the next N (default 1) such frames, from here on
//	lan delay KIND [NAME] [from NODE] [to NODE] [xN] by DURATION
//	lan alter KIND [NAME] [from NODE] [to NODE] [xN] byte N 0xNN
//	after DURATION             wait
//	at DURATION                wait until this time of the run
//
// "*" as NAME of receive-any, receive-datagram and receive-broadcast means any name, of session-status all sessions; of
// adapter-status, or without a NAME, this node. LISTEN and the receives never wait for their completion, nor does any call marked "&". Any
// other step ends when its call has completed and the profile's settle time has passed. "trigger" marks the steps that cause
// the bug. "xN" repeats the call, each after the one before has completed. A label names a call: a session by the CALL or
// LISTEN that opened it, a pending call for cancel and for expectations.
//
// # Expectations
//
//	-> CLAUSE, CLAUSE | Q124565: CLAUSE, CLAUSE | MS00-047! CLAUSE
//
// The first group is what a correct stack does. Each alternative tells what happens under a fault instead; "!" marks the
// headline, the one symptom that the bug is known by. The alternative "any" is no prediction: under that fault the
// expectation is not judged. Clauses:
//
//	ok   any   NRC_DUPNAME                 the step's own return code; without such a clause it must be ok
//	LABEL ok|any|NRC_...                   the labelled call has completed, with this code
//	LABEL pending                          it has not completed
//	["no"] NAME in names NODE [unique|group] [registered|deregistered|conflict]   ADAPTER STATUS asked through the seam
//	data "payload"   LABEL data "payload"  what the step's call, or the labelled one, received
//	["no"] KIND [NAME] [from NODE] [to NODE|all] [code 0xNN] [xN] [within D | for D]
//
// The kinds of packet are those of [Kind]. A wire clause without xN means at least one. Frames count from the start of the step to
// the start of the next; "within" ends the window earlier, "for" makes it last so long, whatever steps follow.
package scenario
