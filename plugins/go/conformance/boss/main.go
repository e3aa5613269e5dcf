// Does what a script says, for the conformance suite.
package main

import (
	"adjutant"
	script "conformance"
)

func init() {
	script.Interfaces["delegation"] = adjutant.Delegation
	adjutant.Boss(script.Work)
}

func main() {}
