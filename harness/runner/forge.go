// SPDX-License-Identifier: MIT

package runner

import (
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// forge makes the packet of an inject step. It comes from the step's node in every respect but one: its stack did not
// send it.
func (m *Machine) forge(step *scenario.Step) stack.SendDatagram {
	p, from := step.Inject, m.addr(step.Node)
	port, payload := uint16(stack.NamePort), p.Payload
	switch p.Kind {
	case scenario.Bytes:
		port = p.Port
	case scenario.Datagram, scenario.GroupDatagram, scenario.Broadcast, scenario.DatagramError:
		port, payload = stack.DatagramPort, forgeDatagram(p, from)
	default:
		payload = encode(forgeName(p, from))
	}
	return stack.SendDatagram{
		From: netip.AddrPortFrom(from, port), To: netip.AddrPortFrom(m.addr(p.To), port),
		Broadcast: p.To == scenario.Everybody, Payload: payload,
	}
}

func forgeName(p scenario.Packet, from netip.Addr) nbt.NameMessage {
	m := nameForm(p, from)
	m.Flags &^= nbt.FlagB
	if p.To == scenario.Everybody && !m.Response {
		m.Flags |= nbt.FlagB
	}
	return m
}

// nameForm is the packet but for the flag that tells whether it is broadcast.
func nameForm(p scenario.Packet, from netip.Addr) nbt.NameMessage {
	switch p.Kind {
	case scenario.Claim:
		return nbt.Claim(p.ID, p.Name, 0, from)
	case scenario.Overwrite:
		return nbt.OverwriteDemand(p.ID, p.Name, 0, from)
	case scenario.Refresh:
		return nbt.Refresh(p.ID, p.Name, 0, from, 0)
	case scenario.Multihomed:
		return nbt.MultihomedRegistration(p.ID, p.Name, 0, from, 0)
	case scenario.Grant:
		return nbt.PositiveRegistration(p.ID, p.Name, 0, from, 0)
	case scenario.Refusal:
		return nbt.Refusal(p.ID, p.Name, nbt.ActErr, 0, from)
	case scenario.Challenge:
		return nbt.Challenge(p.ID, p.Name, 0, from, 0)
	case scenario.ConflictDemand:
		return nbt.ConflictDemand(p.ID, p.Name, 0)
	case scenario.Wack:
		return nbt.WACK(p.ID, p.Name, 0, nbt.RegistrationRequest(p.ID, p.Name, 0, from, 0).FlagWord())
	case scenario.Query:
		return nbt.Query(p.ID, p.Name)
	case scenario.Answer:
		return nbt.PositiveAnswer(p.ID, p.Name, 0, from)
	case scenario.Denial:
		return nbt.NegativeAnswer(p.ID, p.Name, nbt.NamErr)
	case scenario.Release:
		return nbt.ReleaseDemand(p.ID, p.Name, 0, from)
	case scenario.ReleaseGrant:
		return nbt.PositiveRelease(p.ID, p.Name, 0, from, 0)
	case scenario.ReleaseRefusal:
		return nbt.NegativeRelease(p.ID, p.Name, nbt.ActErr, 0, from)
	case scenario.StatusRequest:
		return nbt.StatusRequest(p.ID, p.Name)
	case scenario.Status:
		row := nbt.NodeName{Name: p.Name, Flags: nbt.NameACT}
		return nbt.StatusResponse(p.ID, p.Name, nbt.NodeStatus{Names: []nbt.NodeName{row}})
	}
	panic("runner: a scenario was parsed that injects " + p.Kind.String())
}

func forgeDatagram(p scenario.Packet, from netip.Addr) []byte {
	source := netip.AddrPortFrom(from, stack.DatagramPort)
	switch p.Kind {
	case scenario.GroupDatagram:
		return encode(nbt.GroupDatagram(p.ID, source, p.From, p.Name, p.Payload))
	case scenario.Broadcast:
		return encode(nbt.BroadcastDatagram(p.ID, source, p.From, p.Payload))
	case scenario.DatagramError:
		return encode(nbt.ErrorDatagram(p.ID, source, nbt.DgmNotPresent))
	}
	return encode(nbt.UniqueDatagram(p.ID, source, p.From, p.Name, p.Payload))
}

// encode writes a packet made from a scenario, whose parser lets nothing through that does not encode.
func encode(m interface {
	AppendBinary(b []byte) ([]byte, error)
},
) []byte {
	b, err := m.AppendBinary(nil)
	if err != nil {
		panic("runner: injected packet does not encode: " + err.Error())
	}
	return b
}
