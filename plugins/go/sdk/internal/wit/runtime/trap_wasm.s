#include "textflag.h"

// An instruction that ends the component, for trap.go.
TEXT ·trap(SB), NOSPLIT, $0-0
	UNDEF
