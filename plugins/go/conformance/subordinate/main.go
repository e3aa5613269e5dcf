// Does what a script says, for the conformance suite.
package main

import (
	"adjutant"
	script "conformance"
)

func init() { adjutant.Subordinate(script.Work) }

func main() {}
