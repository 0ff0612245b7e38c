package hostile

func int80(number uintptr) uintptr

// Int80 makes a system call of the 32-bit table: 20 is getpid, 2 is fork.
func Int80(number int) int { return int(int32(int80(uintptr(number)))) }
