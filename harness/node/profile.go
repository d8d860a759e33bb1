// SPDX-License-Identifier: MIT

package node

import (
	"time"

	"github.com/nbtlab/nbtlab/harness/nameserver"
)

// Profile is a set of timer constants. RFC 1002 section 6 gives one, NetBT's documentation another.
type Profile struct {
	Name             string
	BroadcastTimeout time.Duration // BCAST_REQ_RETRY_TIMEOUT
	BroadcastCount   int           // BCAST_REQ_RETRY_COUNT
	UnicastTimeout   time.Duration // UCAST_REQ_RETRY_TIMEOUT
	UnicastCount     int           // UCAST_REQ_RETRY_COUNT
	TTL              uint32        // asked of a name server for a registration, in seconds
	MinRefresh       time.Duration // REFRESH_TIMER is half of the TTL that was granted, and no less than this
	Probe            time.Duration // how long after it was silent a name server is sent the next refresh
	ConflictTimer    time.Duration // CONFLICT_TIMER, and how long after a claim an objection to it still counts
	CacheLife        time.Duration // of a remote name that was found; at least ConflictTimer
	FragmentTimeout  time.Duration // FRAGMENT_TO
	SessionSetup     time.Duration // from TCP's SYN to the session response
	SessionRetries   int           // SSN_RETRY_COUNT: retargets that a CALL follows
	KeepAlive        time.Duration // SSN_KEEP_ALIVE_TIMEOUT
	Settle           time.Duration // how long after a call's completion its traffic is over: the harness's own rule

	// AcceptsAnyConflict takes RFC 1002 section 5.1.1.5 by its word: any name conflict demand counts, asked for or not.
	// So does a release that somebody sends to a P, M or H node (section 5.1.2.5).
	AcceptsAnyConflict bool

	// NameServer is what a name server on this node does its own way.
	NameServer nameserver.Policy
}

const (
	// defaultTTL is what Windows asks for. RFC 1002 gives no number.
	defaultTTL = 300000

	// probeInterval is an eighth of NetBT's InitialRefreshTimeout, at which it tries a name server first (KB Q153713).
	probeInterval = 2 * time.Minute
)

// RFC1002 is the profile of RFC 1002 section 6.
var RFC1002 = Profile{
	Name:             "rfc1002",
	BroadcastTimeout: 250 * time.Millisecond,
	BroadcastCount:   3,
	UnicastTimeout:   5 * time.Second,
	UnicastCount:     3,
	TTL:              defaultTTL,
	MinRefresh:       time.Second,
	Probe:            probeInterval,
	ConflictTimer:    time.Second,
	CacheLife:        time.Second,
	FragmentTimeout:  2 * time.Second,
	SessionSetup:     30 * time.Second,
	SessionRetries:   4,
	KeepAlive:        60 * time.Second,
	Settle:           time.Second,
}

// NetBT is the profile of Microsoft's stacks (KB Q120642, Q236901, Q156441).
var NetBT = Profile{
	Name:             "netbt",
	BroadcastTimeout: 750 * time.Millisecond,
	BroadcastCount:   3,
	UnicastTimeout:   1500 * time.Millisecond,
	UnicastCount:     3,
	TTL:              defaultTTL,
	MinRefresh:       5 * time.Minute, // [MS-NBTE] section 3.1.2
	Probe:            probeInterval,
	ConflictTimer:    time.Second,
	CacheLife:        600 * time.Second,
	FragmentTimeout:  2 * time.Second,
	SessionSetup:     30 * time.Second,
	SessionRetries:   4,
	KeepAlive:        60 * time.Minute,
	Settle:           3 * time.Second,
}

// RFC1002Literal is RFC1002 with the sentence that MS00-047 is about taken literally, and a name server that leaves it to
// the requester to challenge an owner. It is not what the harness calls fixed.
var RFC1002Literal = literal(RFC1002)

func literal(p Profile) Profile {
	p.Name = "rfc1002-literal"
	p.AcceptsAnyConflict = true
	p.NameServer.LeavesChallenge = true
	return p
}

// SambaNMBD is RFC1002 with a name server that does as Samba's nmbd.
var SambaNMBD = samba(RFC1002)

func samba(p Profile) Profile {
	p.Name = "samba-nmbd"
	p.NameServer = nameserver.NMBD
	return p
}

// Profiles are all profiles, the default first.
var Profiles = []Profile{RFC1002, NetBT, RFC1002Literal, SambaNMBD}

// FindProfile returns the profile of a name.
func FindProfile(name string) (Profile, bool) {
	for _, p := range Profiles {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}
