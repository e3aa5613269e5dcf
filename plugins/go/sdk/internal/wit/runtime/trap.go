package runtime

import (
	"fmt"
	"os"
	"runtime/debug"
)

// Guard is deferred around a strategy: it shows a panic as Go does, and ends the component. Go's own
// way would sleep before it shows anything, and a component cannot.
func Guard() {
	if reason := recover(); reason != nil {
		fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", reason, debug.Stack())
		trap()
	}
}

// trap ends the component; in trap_wasm.s.
func trap()
