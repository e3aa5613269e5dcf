// Package runtime has what the generated bindings need while values cross: memory that the host writes
// into, which stays where it is until it has been read.
//
// Go's garbage collector and the component model do not go together by themselves: while the host
// answers a call it asks for memory (cabi_realloc), and then no call to the host is allowed, not even
// to read a clock; but a collection reads the clocks, and so would end the run. Therefore no collection
// is under way, and none begins, from before a call to the host until its answer is there; and Go's
// scheduler, which may look for timers meanwhile, finds the monotonic clock stopped.
package runtime

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// How collections are set while a strategy computes.
var percent = 100

func init() {
	// The task comes before the strategy's first line.
	debug.SetGCPercent(-1)
	ready = true
}

// Enter is called before a call to the host. It waits until a collection that is under way is over.
func Enter() {
	percent = debug.SetGCPercent(-1)
}

// Leave is called when the host's answer has been read.
func Leave() {
	pinner.Unpin()
	debug.SetGCPercent(percent)
}

// Allocate gives memory that stays where it is until the pinner lets go of it.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	var memory unsafe.Pointer
	switch words := (size + align - 1) / align; align {
	case 1:
		memory = unsafe.Pointer(unsafe.SliceData(make([]uint8, words)))
	case 2:
		memory = unsafe.Pointer(unsafe.SliceData(make([]uint16, words)))
	case 4:
		memory = unsafe.Pointer(unsafe.SliceData(make([]uint32, words)))
	case 8:
		memory = unsafe.Pointer(unsafe.SliceData(make([]uint64, words)))
	default:
		panic(fmt.Sprintf("memory aligned by %d was asked for", align))
	}
	pinner.Pin(memory)
	return memory
}

// What the host has written into, until it has been read.
var pinner runtime.Pinner

// Unpin lets go of what the host has written into. What has been read of it stays as long as it is used.
func Unpin() {
	pinner.Unpin()
}

//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

// Whether Go's own runtime has begun.
var ready bool

// Memory for WASI's adapter, which asks before Go's runtime has begun.
var early [192 << 10]byte
var earlyUsed uintptr

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if !ready {
		begin := (uintptr(unsafe.Pointer(&early)) + earlyUsed + align - 1) &^ (align - 1)
		earlyUsed = begin + size - uintptr(unsafe.Pointer(&early))
		if earlyUsed > uintptr(len(early)) {
			panic("too much memory was asked for before the beginning")
		}
		return unsafe.Pointer(begin)
	}
	if old != nil {
		panic("memory that the host has was to grow")
	}
	pauseClock(true)
	memory := Allocate(&pinner, size, align)
	pauseClock(false)
	return memory
}
