// Package difftest holds the differential test: every call is run by an artifact of ours and as its own
// compiled main, `fmt.Print(pkg.CALL)`, and has to do the same: the same bytes on stdout and stderr, or
// the same kind of failure.
//
//	go test ./difftest                      everything that needs no network; modules where GOPROXY has them
//	SKY_RANDOM=20000 SKY_SEED=7             so many random calls, from that seed
//	SKY_CALLDUMP=PROGRAM                    calls are parsed by tests/unit/calldump.c instead of go/parser
package difftest
