package api

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"hakube/gce/emulator/backend"
)

// Options say what a [Server] stands on. Only Path is required.
type Options struct {
	// Path is the bbolt file that holds the objects; made when absent. One
	// server at a time has it open.
	Path string
	// NoSync leaves it to the operating system when the file reaches the disk.
	// A killed process still loses nothing, a machine without power may. For
	// tests and throw-away servers: it is many times faster.
	NoSync bool
	// Backend is what stands behind the API; nil means objects only: disks are
	// ready and instances run with nothing behind them.
	Backend backend.Backend
	// Latency of operations: [None] or [GCE].
	Latency Latency
	// External is where external addresses come from; 198.51.100.0/24 when empty.
	External netip.Prefix
	// Hosts are names besides loopback under which requests may reach the server.
	Hosts []string
	// Fault is asked about each request (in a batch, about each part) before it
	// is looked at; the zero Fault lets it pass. For tests. [IsChange] helps to count.
	Fault func(*http.Request) Fault
	// Quotas are limits by metric, "CPUS" in every region or "europe-west1/CPUS"
	// in one; what is not named is plenty.
	Quotas map[string]float64
	// QuotasUnknown lets regions be answered without quotas and with a warning instead,
	// as Google does where it cannot tell them.
	QuotasUnknown bool
	// Stock tells whether a zone has machines of a type left; nil means always.
	// It is asked when one is made or started. For tests.
	Stock func(zone, machineType string) bool
	// NoDefaultNetwork lets new projects begin without Google's network "default", as
	// the constraint compute.skipDefaultNetworkCreation does.
	NoDefaultNetwork bool
	// Policies of the organisation that hold, by their constraints, as
	// "compute.requireShieldedVm".
	Policies []string
	// Withheld are permissions that the caller is said not to have. Nothing is
	// refused for lack of them. For tests.
	Withheld []string
	// Enforced are constraints of an organisation that are said to hold, such as
	// "constraints/compute.requireOsLogin". Nothing is refused for them. For tests.
	Enforced []string
	// Log gets what goes wrong behind the API; nil discards it.
	Log *slog.Logger
	// Now and After are the clock; nil means the real one.
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// A Fault is what befalls one request. Delay comes first and goes with any other.
type Fault struct {
	CutBefore  bool          // close the connection without doing anything
	CutAfter   bool          // do it, and close the connection without an answer
	Status     int           // answer with this status and do nothing
	Reason     string        // reason told with Status; one that fits it when empty
	Message    string        // told with Status
	RetryAfter time.Duration // told with Status
	Operation  *OperationFault
	// Stuck, when set, lets the operation of a request that was accepted not begin
	// its work before this is closed.
	Stuck <-chan struct{}
	Delay time.Duration
}

// An OperationFault lets the request be accepted and its operation fail
// without having changed anything.
type OperationFault struct {
	Code    string // "ZONE_RESOURCE_POOL_EXHAUSTED", "QUOTA_EXCEEDED", …
	Message string
	Status  int // httpErrorStatusCode; 503 when zero
	// Details are errorDetails as the API describes them.
	Details []any
}

func (o *Options) fill() {
	if o.Latency == "" {
		o.Latency = None
	}
	if !o.External.IsValid() {
		o.External = netip.MustParsePrefix("198.51.100.0/24")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Backend == nil {
		o.Backend = backend.Nothing{}
	}
}
