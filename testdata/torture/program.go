// A dynamic executable of Go's own linker: no spare entry in .dynamic, .interp behind the code.
package main

import (
	"fmt"
	_ "net"
)

func main() { fmt.Println("answer 42") }
