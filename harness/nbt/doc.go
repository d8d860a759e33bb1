// SPDX-License-Identifier: MIT

// Package nbt turns the messages of RFC 1002 (name, datagram and session service) into bytes and back. It holds no state
// and decides nothing; what a message means to a node is the node's business.
//
// Parsing is strict unless told otherwise. A message is taken only if every byte of it has its place in the RFC's
// diagrams: counts and lengths agree with what is there, nothing trails, names are thirty-two letters from A to P, and a
// compression pointer goes back to a name written out. Values that the RFC reserves or does not list (flag bits, opcodes,
// response codes, record types and classes) are kept as numbers: common stacks send some, and that is no reason not to
// understand them. So what was parsed encodes to the same bytes again.
//
// Captures of broken stacks are parsed leniently: what can be read is read, and each place that is not as the RFC has it
// is listed as a value, an [Odd], with its field and offset; so are flags that must be zero. A message so parsed still encodes to the same bytes, without
// keeping them, unless an Odd says that it cannot; what cannot be read at all is an error as before.
//
// Whatever the bytes claim, parsing costs no more than they do: counts allocate by what is there, names end at 255 bytes
// (532 leniently), pointers go back and lead to a bounded amount of text, and [MaxOdd] oddities are listed.
//
// The text of the RFC contradicts itself in places. Both readings are parsed; each constructor says which one it emits.
//
// Parsed messages point into the bytes they were parsed from (Data fields); the bytes must not change while the message
// is in use. Names, addresses and counts are copied. The Decode methods parse into a message that was used before, and
// allocate nothing once it has grown.
package nbt
